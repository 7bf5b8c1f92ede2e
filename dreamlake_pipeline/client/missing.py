"""The error for words that name nothing that is there: it says what is missing, and what may have been meant."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import Code, DreamlakeError
from ..nearest import did_you_mean, nearest, rated
from ..remote.bss import Place
from .place import describe, readings
from .stock import Indexed

_MOST_ASKED = 20  # namespaces whose projects are asked for
_MOST_READ = 8  # readings whose episodes are compared with those that are there
_MOST_SHOWN = 3


def missing(stock: Indexed, readings: Sequence[Place]) -> DreamlakeError:
    """NOT_FOUND for a text that may be read as any of these places, of one project, none of which holds anything."""
    first = readings[0]
    owner, project = first.owner, first.project or ""
    projects = stock.projects(owner)
    if project not in projects:
        return _no_project(stock, readings[-1], projects)
    episodes = stock.episodes(owner, project)
    known = [place for place in readings if not place.episode or place.episode in episodes]
    if known and (known[0].path or not known[0].episode):
        return _no_path(stock, known[0], episodes)
    return _no_episode(stock, readings, episodes)


def no_ids(
    ids: Sequence[str], noun: str = "file", hint: str | None = "`dreamlake ls` shows what is there."
) -> DreamlakeError:
    """NOT_FOUND for ids that are none of `noun`."""
    of_id = "the id" if len(ids) == 1 else "one of the ids"
    return DreamlakeError(Code.NOT_FOUND, f"There is no {noun} with {of_id} {', '.join(ids)}.", hint=hint)


def _no_project(stock: Indexed, place: Place, projects: Sequence[str]) -> DreamlakeError:
    """The project may be called otherwise, or be one of another namespace; or its name may be a namespace's."""
    project = place.project or ""
    hint = _did_you_mean(existing(stock, [place._replace(project=name) for name in nearest(project, projects)]))
    if hint is None:
        namespaces = stock.namespaces()
        elsewhere = [
            name for name in namespaces[:_MOST_ASKED] if name != place.owner and project in stock.projects(name)
        ]
        hint = _did_you_mean(existing(stock, [place._replace(owner=name) for name in elsewhere[:_MOST_SHOWN]]))
        hint = hint or _after_the_namespace(stock, place, namespaces)
    return DreamlakeError(
        Code.NOT_FOUND,
        stock.absent(place, f"project {project!r} in namespace {place.owner!r}"),
        hint=hint or stock.where_projects(place.owner),
    )


def _after_the_namespace(stock: Indexed, place: Place, namespaces: Sequence[str]) -> str | None:
    """Whether `NAMESPACE/PROJECT` was written for `PROJECT@NAMESPACE`."""
    namespace = place.project or ""
    if namespace not in namespaces or not place.path:
        return None
    project, colon, rest = place.path.lstrip("/").partition(":")
    project, slash, path = project.partition("/")
    if project not in stock.projects(namespace):
        return None
    meant = readings(f"{project}@{namespace}{colon or slash}{rest if colon else path}", namespace=namespace)
    return _did_you_mean(existing(stock, [next((one for one in meant if stock.holds(one)), meant[-1])]))


def _no_episode(stock: Indexed, readings: Sequence[Place], episodes: Sequence[str]) -> DreamlakeError:
    """No reading's episode is there: the hint has that reading whose episode is most like one that is."""
    shortest = sorted(readings, key=lambda place: len(place.episode or ""))[:_MOST_READ]
    near = {place: rated((place.episode or "").rstrip(":"), episodes) for place in shortest}
    place = max(shortest, key=lambda place: near[place][0][1] if near[place] else 0.0)
    where = Place(place.owner, place.project)
    return DreamlakeError(
        Code.NOT_FOUND,
        stock.absent(place, f"episode {place.episode!r} in {describe(where)}"),
        hint=_did_you_mean(existing(stock, [place._replace(episode=name) for name, _ in near[place]]))
        or stock.where_to_look(where),
    )


def _no_path(stock: Indexed, place: Place, episodes: Sequence[str]) -> DreamlakeError:
    """A project or episode that is there does not hold the path."""
    where = Place(place.owner, place.project, place.episode)
    path = place.path or "/"
    hint = _after_a_colon(place, episodes)
    if hint is None:
        hint = _did_you_mean(_near_paths(stock, place))
    return DreamlakeError(
        Code.NOT_FOUND,
        stock.absent(place, f"file or folder {path} in {describe(where)}"),
        hint=hint or stock.where_to_look(where),
    )


def _near_paths(stock: Indexed, place: Place) -> list[Place]:
    """The files and folders of the place's project or episode whose paths are most like its own."""
    path, paths = place.path or "/", stock.paths(place)
    names = nearest(path, paths)
    if len(names) < _MOST_SHOWN:
        # Somebody who remembers how a file is called may not remember in which folder it is.
        filename = path.rpartition("/")[2]
        alike = nearest(filename, [name.rpartition("/")[2] for name in paths])
        same = [name for name in paths if name.rpartition("/")[2] in alike]
        names = list(dict.fromkeys([*names, *sorted(same, key=lambda name: alike.index(name.rpartition("/")[2]))]))
    return [place._replace(path=name) for name in names[:_MOST_SHOWN]]


def existing(stock: Indexed, places: Sequence[Place]) -> list[Place]:
    """What is there of places whose first names are: each itself, else what is most like it in its episode or project,
    else that."""
    found: dict[Place, None] = {}
    for place in places:
        whole = place._replace(path=None)
        if stock.holds(place):
            found[place] = None
        elif place.path and (not place.episode or stock.holds(whole)):
            found |= dict.fromkeys(_near_paths(stock, place) or [whole])
        else:
            found[place._replace(episode=None, path=None)] = None
    return list(found)[:_MOST_SHOWN]


def _after_a_colon(place: Place, episodes: Sequence[str]) -> str | None:
    """Whether `PROJECT/EPISODE/path` was written for `PROJECT:EPISODE/path`."""
    if place.episode or not place.path:
        return None
    path = place.path.lstrip("/")
    for cut in (len(path), *(at for at in range(len(path) - 1, 0, -1) if path[at] == "/")):
        if path[:cut] in episodes:
            meant = place._replace(episode=path[:cut], path=path[cut:] or None)
            return f"An episode comes after a colon: {describe(meant)}"
    return None


def _did_you_mean(places: Sequence[Place]) -> str | None:
    return did_you_mean([describe(place) for place in places])
