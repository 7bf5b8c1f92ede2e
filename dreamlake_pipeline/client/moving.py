"""Giving files, folders and episodes other names, within their project, in BSS and in the index.

BSS comes first, then the new names in the index, then the old ones go there: at no moment is a file under no name. What
the index was not told, because this process ended, it is told by the pipeline (sensor `deleted_records`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..api.bss import Move, RecordRef
from ..api.server import FormerName
from ..errors import Code, DreamlakeError
from ..ids import is_id
from ..names import check_name, split_name
from ..remote.bss import MOST_PER_CALL, BssClient, Place
from ..remote.server import IndexClient, asset_of
from .lookup import find_places
from .place import below, describe, has_owner_or_episode, readings
from .removal import name_of
from .stock import Recorded

if TYPE_CHECKING:
    from .dreamlake import DreamLake

_SHOWN = 3
_FORM = "SOURCE DESTINATION, such as cups:run-001/front.mp4 /camera/front.mp4"


class Renamed(NamedTuple):
    """A record, as it was, and the episode and name that it gets. `by`: the record that kept it from that name."""

    record: RecordRef
    episode: str | None
    name: str
    by: str | None = None


def plan(lake: DreamLake, words: Sequence[str], *, episode: str | None = None, force: bool = False) -> list[Renamed]:
    """What is renamed by `SOURCE DESTINATION`: a file, a folder with all that is below it, or an episode.

    The source is a place (lookup.py) or an id. The destination is a path in the same episode, or a place of the same
    project; a folder that is there, or a text that ends in `/`, takes the source into it under its own name. A name
    goes with its earlier content. Raises NOT_FOUND, USAGE; CONFLICT, without `force`, when any of the new names is
    taken, or an episode would become part of another one.
    """
    if len(words) not in (2, 3) or (len(words) == 3 and episode is not None):
        raise DreamlakeError(Code.USAGE, "Say what, and what it shall be called.", hint=_FORM)
    source = _source(lake, words[:-1], episode)
    target = _target(lake, source, words[-1])
    if target == source:
        raise DreamlakeError(Code.USAGE, f"{describe(source)} is called so already.")
    renamed = [
        Renamed(record, target.episode or None, _new_name(source, target, record.name))
        for record in lake.bss.list_refs(source)
    ]
    if not force:
        if source.path is None and Recorded(lake).holds(target):
            raise DreamlakeError(
                Code.CONFLICT,
                f"There is an episode {describe(target)}: both would be one, which nothing parts again.",
                hint="--force moves them into it, and replaces what has the same name.",
            )
        _require_free(lake, target, renamed)
    return renamed


def move(
    bss: BssClient, index: IndexClient, renamed: Sequence[Renamed], *, replace: bool = False
) -> Iterator[list[Renamed]]:
    """Rename records; what became of each, some at a time. With `replace`, what has their names is deleted first."""
    for some in _by_name(renamed):
        moves = [Move(id=one.record.id, episode=one.episode, name=one.name) for one in some]
        answer = bss.move(moves, replace=replace)
        there, taken = set(answer.ids), {one.id: one.by for one in answer.taken}
        if there:
            before = {one.record.id: FormerName(episode=one.record.episode, name=one.record.name) for one in some}
            index.register_batch([asset_of(record, before[record.id]) for record in bss.query(sorted(there))])
            index.delete_names([name_of(one.record) for one in some if one.record.id in there])
        yield [one._replace(by=taken.get(one.record.id)) for one in some if one.record.id in there | taken.keys()]


def _by_name(renamed: Sequence[Renamed]) -> Iterator[list[Renamed]]:
    """As many at a time as a call takes, those of one name in one call: BSS keeps their order."""
    groups: dict[tuple[str | None, str], list[Renamed]] = {}
    for one in renamed:
        groups.setdefault((one.record.episode, one.record.name), []).append(one)
    some: list[Renamed] = []
    for group in groups.values():
        if len(some) + len(group) > MOST_PER_CALL and some:
            yield some
            some = []
        some += group[-MOST_PER_CALL:]
    if some:
        yield some


def _source(lake: DreamLake, words: Sequence[str], episode: str | None) -> Place:
    if len(words) == 1 and is_id(words[0]):
        found = lake.bss.query([words[0]])
        if not found:
            raise DreamlakeError(Code.NOT_FOUND, f"There is no file with the id {words[0]}.")
        return Place(found[0].owner, found[0].project, found[0].episode or "", found[0].name)
    named = find_places(lake, words, episode, stock=Recorded(lake))
    if len(named.places) != 1 or named.ids:
        raise DreamlakeError(Code.USAGE, "Name one file, folder or episode.", hint=_FORM)
    [source] = named.places
    source = source._replace(path=None) if source.path == "/" else source
    if source.episode is None or not (source.path or source.episode):
        raise DreamlakeError(
            Code.USAGE, f"{describe(source)} is a project, which keeps its name.", hint="Move an episode or a folder."
        )
    return source


def _target(lake: DreamLake, source: Place, text: str) -> Place:
    """The new place of the source. Raises USAGE, INVALID_NAME."""
    if has_owner_or_episode(text):
        target = _reading(lake, source, text)
        if (target.owner, target.project) != (source.owner, source.project):
            raise DreamlakeError(
                Code.USAGE,
                f"{describe(target)} is of another project than {describe(source)}.",
                hint="Files are moved within a project; `dreamlake download` and `ingest` copy them to another one.",
            )
    else:
        target = below(source._replace(path=None), text)
    if source.path is None:
        if target.path not in (None, "/") or not target.episode:
            raise DreamlakeError(
                Code.USAGE,
                f"{describe(source)} is an episode: its new name is one, too.",
                hint=f"Example: {describe(source)} {describe(source._replace(episode='run-002'))}",
            )
        return target._replace(path=None)
    if text.endswith("/") or target.path in (None, "/") or _is_folder(lake, target):
        target = below(target, split_name(source.path).filename)
    if target.episode == source.episode and (target.path or "").startswith(f"{source.path}/"):
        raise DreamlakeError(Code.USAGE, f"{describe(source)} cannot be moved into itself.")
    return target


def _reading(lake: DreamLake, source: Place, text: str) -> Place:
    """What a destination that may not be there yet names: of its readings, the one with the longest episode that is
    there; else, for an episode, all of it, and for others the one with the shortest episode."""
    places = [place._replace(episode=place.episode or "") for place in readings(text, namespace=source.owner)]
    if source.path is None:
        return places[0]
    known = set(Recorded(lake).episodes(source.owner, source.project or ""))
    return next((place for place in places if place.episode in known), places[-1])


def _is_folder(lake: DreamLake, place: Place) -> bool:
    return any(record.name != place.path for record in lake.bss.list_refs(place))


def _new_name(source: Place, target: Place, name: str) -> str:
    return check_name((target.path or "") + name[len(source.path or "") :])


def _require_free(lake: DreamLake, target: Place, renamed: Sequence[Renamed]) -> None:
    """Raise CONFLICT when a name is taken, by what is not moved away itself."""
    moved = {one.record.id for one in renamed}
    there = {record.name for record in lake.bss.list_refs(target) if record.id not in moved}
    taken = sorted(there & {one.name for one in renamed})
    if taken:
        more = f" and {len(taken) - _SHOWN:,} more" if len(taken) > _SHOWN else ""
        raise DreamlakeError(
            Code.CONFLICT,
            f"{', '.join(taken[:_SHOWN])}{more} {'exists' if len(taken) == 1 else 'exist'} in "
            f"{describe(target._replace(path=None))}.",
            hint="Pass --force to put these files in their place; `dreamlake undelete` restores what they replace.",
        )
