"""From what a person names to what is there: one way for every verb of the command line and every method of the SDK.

What is meant is written as `TARGET PATH…` or in one word, `PROJECT[@NAMESPACE][:EPISODE][/PATH]` (place.py); as `PATH…`
of an episode that was given apart (`--episode`); or as ids. A path may come without its first `/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from ..api.bss import Record
from ..errors import Code, DreamlakeError
from ..ids import is_id
from ..nearest import did_you_mean, nearest
from ..remote.bss import Place
from .missing import existing, missing, no_ids
from .place import EXAMPLE, FORM, below, describe, has_owner_or_episode, readings
from .stock import Indexed

if TYPE_CHECKING:
    from .dreamlake import DreamLake

_SAY_WHAT = f"A project or episode (robot@lab:run-001), paths in it, both in one word ({EXAMPLE}), or ids."


class Named(NamedTuple):
    """Places, and ids of records that were named by themselves."""

    places: list[Place]
    ids: list[str]


def find_places(
    lake: DreamLake, words: Sequence[str], episode: str | None = None, *, stock: Indexed | None = None
) -> Named:
    """What `[TARGET] [PATH|ID]...` or `PLACE...` names; `episode` may stand for TARGET. Every place holds something.

    Of the readings of a word, the one with the longest episode is meant that holds anything in `stock`, by default the
    index. Without a path, all of the target; a path of a project without an episode is one of the files that belong to
    the project itself. Raises USAGE, INVALID_NAME, and NOT_FOUND, which names what is missing and the nearest names.
    """
    stock = stock or Indexed(lake)
    rest = list(words)
    first = episode
    if first is None and rest and not is_id(rest[0]):
        if rest[0].startswith("/"):
            raise DreamlakeError(
                Code.USAGE, f"{rest[0]!r}: a path needs its project or episode before it.", hint=_SAY_WHAT
            )
        first = rest.pop(0)
    ids = stock.ids([word for word in rest if is_id(word)])
    paths = [word for word in rest if not is_id(word)]
    if first is None:
        if paths or not ids:
            message = f"{paths[0]!r} follows an id, and names no project." if paths else "Say what."
            raise DreamlakeError(Code.USAGE, message, hint=_SAY_WHAT)
        return Named([], ids)
    targets = readings(first, namespace=lake.namespace)
    if not paths:
        return Named([] if ids else [_held(lake, stock, targets)], ids)
    return Named(_places_of(lake, stock, targets, paths, is_list=episode is None, first=first), ids)


def require(lake: DreamLake, place: Place, stock: Indexed) -> None:
    """Raise NOT_FOUND, with the nearest names, unless there is something in this place."""
    _held(lake, stock, [place])


def _places_of(
    lake: DreamLake, stock: Indexed, targets: list[Place], words: list[str], *, is_list: bool, first: str
) -> list[Place]:
    """The places of words that come after a target: paths of it, or with `is_list`, places of their own.

    The target is itself one of the places where none of the words is a path of it.
    """
    # After `cups/a.mp4`, `cups/b.mp4` is a place as well; after a target, only what begins as no path does.
    is_path = "/" in first and not has_owner_or_episode(first)
    places, is_target = [], False
    for word in words:
        paths = [below(target, word) for target in targets]
        own = []
        if is_list and not word.startswith("/") and (has_owner_or_episode(word) or (is_path and "/" in word)):
            own = _readings_or_none(lake, word)
        place = _held(lake, stock, paths, own)
        is_target = is_target or place in paths
        places.append(place)
    return places if is_target else [_held(lake, stock, targets), *places]


def _readings_or_none(lake: DreamLake, word: str) -> list[Place]:
    try:
        return readings(word, namespace=lake.namespace)
    except DreamlakeError:  # then it can only be a path
        return []


def _held(lake: DreamLake, stock: Indexed, paths: list[Place], own: Sequence[Place] = ()) -> Place:
    """The first of the places that holds anything. Raises NOT_FOUND."""
    try:
        for place in (*paths, *own):
            if stock.holds(place):
                return place
        is_own = own and own[0].project in stock.projects(own[0].owner)
        raise missing(stock, own if is_own else paths)
    except DreamlakeError as error:
        if error.code is Code.FORBIDDEN and error.hint is None:
            place = (*paths, *own)[-1]
            namespaces = nearest(place.owner, lake.index.me().namespaces)
            meant = existing(stock, [place._replace(owner=name) for name in namespaces])
            error.hint = did_you_mean([describe(one) for one in meant])
        raise


def find_file(lake: DreamLake, words: Sequence[str], episode: str | None = None) -> Record:
    """The record of the one file that the words name, as in `find_places`, or of its id in BSS or in the index.

    Raises USAGE, INVALID_NAME and NOT_FOUND.
    """
    if len(words) == 2 and is_id(words[1]):
        words = words[1:]
    if len(words) == 1 and is_id(words[0]):
        return record_of(lake, words[0])
    is_one = len(words) == 1 or (len(words) == 2 and episode is None)
    named = find_places(lake, words, episode) if is_one or not words else Named([], [])
    if len(named.places) != 1 or named.ids:
        raise DreamlakeError(Code.USAGE, "Name one file: by its place, or by its id.", hint=f"Example: {EXAMPLE}")
    return file_at(lake, named.places[0])


def file_at(lake: DreamLake, place: Place) -> Record:
    """The record of the file that is a place. Raises NOT_FOUND."""
    if place.path is not None:
        assert place.project is not None, "a place that somebody named has a project"
        nodes = lake.index.nodes(place.owner, place.project, episode=place.episode or None, path=place.path)
        node = next(nodes, None)
        if node is not None and node.asset is not None and node.asset.name == place.path:
            return record_of(lake, node.asset.bss_id)
    what = "a folder" if place.path else "an episode" if place.episode else "a project"
    raise DreamlakeError(
        Code.NOT_FOUND,
        f"{describe(place)} is {what}, not a file.",
        hint=f"`dreamlake ls {quote(describe(place))}` shows what it holds; a file is named as {FORM}.",
    )


def record_of(lake: DreamLake, either_id: str) -> Record:
    """The record of an id of BSS's or of the index's. Raises NOT_FOUND."""
    found = lake.bss.query(Indexed(lake).ids([either_id]))
    if not found:
        raise no_ids([either_id])
    return found[0]
