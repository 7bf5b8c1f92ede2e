"""`dreamlake ls`: one level of projects, episodes, folders and files; or the files of one kind or status below it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from ..flags import FlagFilter
from .choice import Choice, Failed, Kinds, Long, OfFlag, Order, Reverse, Sort, Statuses, check_projects, choose, key_of
from .options import AsJson, OptionalEpisode, Which

if TYPE_CHECKING:
    from ..api.server import Asset, EpisodeInfo, ProjectInfo
    from ..client import DreamLake
    from ..remote.bss import Place
    from .listing import Line, State

_MOST_OF_NOTE = 60


def ls(
    what: Which = None,
    episode: OptionalEpisode = None,
    failed: Failed = False,
    status: Statuses = None,
    kind: Kinds = None,
    flag: OfFlag = None,
    long: Long = False,
    sort: Sort = None,
    reverse: Reverse = False,
    as_json: AsJson = False,
) -> None:
    """List projects; the episodes of a project; or a folder of an episode.

    With --failed, --status or --kind, the files below it that are so, at any
    depth. With --flag, the episodes that were called so (`dreamlake episode
    flag`). `PROJECT /` are the files that belong to no episode.
    """
    from ..client.place import describe
    from .connection import connect
    from .listing import Table, spell
    from .output import note, print_json, say, style

    choice = choose(failed=failed, statuses=status, kinds=kind)
    if flag is not None and not choice.is_all:
        raise typer.BadParameter("--flag chooses episodes, --failed, --status and --kind files: give one of them.")
    shown, table = 0, Table(whole=long)
    own: list[Place] = []  # projects that have files of their own, which another path lists
    with connect() as lake:
        places = _places(lake, list(what or ()), episode, every=not choice.is_all or flag is not None)
        check_projects(places, flag)
        for place in places:
            items = [item for item in _items(lake, place, choice, long=long) if flag is None or _has(item, flag)]
            if sort or reverse:
                items.sort(key=lambda item: _order(item, sort or Order.NAME), reverse=reverse)
            shown += len(items)
            if place is not None and any(item.is_own for item in items):
                own.append(place)
            if as_json:
                for item in items:
                    print_json(item.json)
            elif items:
                if len(places) > 1 and choice.is_all and place is not None:
                    say(style(f"{describe(place)}:", bold=True))
                table.show([item.line for item in items])
        if not as_json:
            table.tell_cut(lake.namespace)
            for place in own:
                note(f"`dreamlake ls {shlex.quote(spell(place, lake.namespace))} /` lists the files of no episode.")
    if not shown:
        note("No episode matches." if flag else "No file is there." if choice.is_all else "No file matches.")


class _Item(NamedTuple):
    """What a line shows, and what is compared and printed for programs in its place."""

    line: Line
    json: dict[str, Any]
    file: tuple[Asset, State] | None = None
    of: ProjectInfo | EpisodeInfo | None = None
    is_own: bool = False  # the files that belong to the project itself


def _places(lake: DreamLake, words: list[str], episode: str | None, *, every: bool) -> list[Place | None]:
    """The places that are listed. Where none is named, `every` project, or None, which stands for the list of them."""
    from ..remote.bss import Place
    from .listing import named_places

    if words or episode is not None:
        return [*named_places(lake, words, episode)]
    if not every:
        return [None]
    namespaces = [namespace.name for namespace in lake.index.namespaces()]
    return [Place(namespace, project.name) for namespace in namespaces for project in lake.index.projects(namespace)]


def _items(lake: DreamLake, place: Place | None, choice: Choice, *, long: bool) -> Iterator[_Item]:
    if place is None:
        for namespace in lake.index.namespaces():
            for project in lake.index.projects(namespace.name):
                yield _group(project, f"{project.name}@{namespace.name}", long=long)
    elif not choice.is_all:
        yield from _files_below(lake, place, choice, long=long)
    elif place.episode is None and place.path is None:
        for episode in lake.index.episodes(place.owner, place.project or ""):
            item = _group(episode, episode.name or "(no episode)", long=long)
            yield item._replace(is_own=not episode.name)
    else:
        yield from _folder(lake, place, long=long)


def _group(of: ProjectInfo | EpisodeInfo, name: str, *, long: bool) -> _Item:
    """A line about a project or an episode."""
    from ..api.server import EpisodeInfo
    from .listing import Line
    from .output import as_returned, plural

    cells = [name, plural(of.assets, "file")]
    if long:
        cells.append(f"since {of.created_at:%Y-%m-%d %H:%M}" if of.created_at else "")
    if isinstance(of, EpisodeInfo):
        cells += [of.flag or "", _first_line(of.note or "", whole=long)]
    return _Item(Line(cells), as_returned(of), of=of)


def _first_line(text: str, *, whole: bool) -> str:
    """A text on one line: as much of its first one as is short, or `whole`, all of it."""
    if whole:
        return " ".join(text.split())
    first = next(iter(text.splitlines()), "")
    cut = first[:_MOST_OF_NOTE]
    return cut if cut == text else f"{cut.rstrip()}…"


def _has(item: _Item, flag: FlagFilter) -> bool:
    """Whether an item is an episode of the flag; the files of no episode have none."""
    flagged: str | None = getattr(item.of, "flag", None)
    return not item.is_own and (flagged or FlagFilter.NONE) == flag


def _folder(lake: DreamLake, place: Place, *, long: bool) -> Iterator[_Item]:
    from .listing import Line, live_states
    from .output import as_returned

    nodes = list(
        lake.index.nodes(place.owner, place.project or "", episode=place.episode or None, path=place.path or "/")
    )
    states = live_states(lake, [node.asset for node in nodes if node.asset is not None])
    for node in nodes:
        if node.asset is None:
            yield _Item(Line([f"{node.name}/"]), as_returned(node))
        else:
            yield _file(node.asset, states[node.asset.bss_id], node.name, long=long)


def _files_below(lake: DreamLake, place: Place, choice: Choice, *, long: bool) -> Iterator[_Item]:
    """The chosen files of a place: by their paths where it is of one episode, else each as it can be named."""
    from ..remote.bss import MOST_PER_CALL
    from .listing import live_states, place_of, spell

    assets = lake.index.files(place)
    while some := list(islice(assets, MOST_PER_CALL)):
        states = live_states(lake, some)
        for asset in some:
            if choice.has(asset, state := states[asset.bss_id]):
                name = asset.name if place.episode is not None else spell(place_of(asset), lake.namespace)
                yield _file(asset, state, name, long=long)


def _file(asset: Asset, state: State, name: str, *, long: bool) -> _Item:
    from .listing import Line, file_cells, file_json, place_of

    cells = [name, *file_cells(asset, state, long=long)]
    return _Item(Line(cells, state.error, place_of(asset)), file_json(asset, state), file=(asset, state))


def _order(item: _Item, order: Order) -> tuple[bool, Any, str]:
    """Folders come before files. Of a project or an episode, the size is the number of its files."""
    name = item.line.cells[0]
    if item.file is not None:
        return True, key_of(order)(*item.file), name
    size = -item.of.assets if item.of and order is Order.SIZE else 0
    created = item.of.created_at if item.of and order is Order.TIME else None
    return False, -created.timestamp() if created else size, name
