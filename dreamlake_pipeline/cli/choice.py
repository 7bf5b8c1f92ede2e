"""Which files `ls` and `tree` show, and in which order: options that both have, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..flags import FlagFilter
from ..kinds import Kind
from .completion import complete_status

if TYPE_CHECKING:
    from ..api.server import Asset
    from ..remote.bss import Place
    from .listing import State


class Order(StrEnum):
    """What a list is sorted by; sizes, durations and times begin with the greatest."""

    NAME = "name"
    SIZE = "size"
    DURATION = "duration"
    TIME = "time"
    KIND = "kind"
    STATUS = "status"


def _check_statuses(words: list[str] | None) -> list[str] | None:
    """The same words, if each is a status."""
    from ..api.bss import Status

    for word in words or ():
        if word not in [*Status]:
            raise typer.BadParameter(f"{word!r} is none of {', '.join(Status)}.")
    return words


Failed = Annotated[bool, typer.Option("--failed", help="Only files that failed, at any depth.")]
Statuses = Annotated[
    list[str] | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="Only files of this status (registered, queued, processing, ready, failed), at any depth; may be given "
        "again.",
        callback=_check_statuses,
        autocompletion=complete_status,
    ),
]
Kinds = Annotated[
    list[Kind] | None,
    typer.Option(
        "--kind",
        "--type",
        metavar="KIND",
        help=f"Only files of this kind ({', '.join(Kind)}), at any depth; may be given again.",
    ),
]
OfFlag = Annotated[
    FlagFilter | None,
    typer.Option("--flag", metavar="FLAG", help="Only episodes that were called good, bad, or neither (none)."),
]
Long = Annotated[
    bool, typer.Option("--long", "-l", help="Also when each file last changed, its id, and reasons as they are.")
]
Sort = Annotated[
    Order | None,
    typer.Option("--sort", metavar="BY", help=f"Sort by {', '.join(Order)}; what is greatest, or newest, comes first."),
]
Reverse = Annotated[bool, typer.Option("--reverse", "-r", help="The other way round.")]


class Choice(NamedTuple):
    """Files of these statuses and kinds; none given: of all."""

    statuses: frozenset[str]
    kinds: frozenset[Kind]

    @property
    def is_all(self) -> bool:
        return not self.statuses and not self.kinds

    def has(self, asset: Asset, state: State) -> bool:
        """Whether a file is one of them."""
        return (not self.statuses or state.status in self.statuses) and (not self.kinds or asset.kind in self.kinds)


def choose(*, failed: bool, statuses: list[str] | None, kinds: list[Kind] | None) -> Choice:
    """What the options say."""
    return Choice(frozenset([*(statuses or ()), *(["failed"] if failed else [])]), frozenset(kinds or ()))


def check_projects(places: Iterable[Place | None], flag: FlagFilter | None) -> None:
    """Raise USAGE when episodes of a flag are asked for where there are none to choose from."""
    from ..client.place import describe
    from ..errors import Code, DreamlakeError

    for place in places:
        if flag is not None and place is not None and (place.episode, place.path) != (None, None):
            raise DreamlakeError(
                Code.USAGE,
                f"{describe(place)} is no project: --flag chooses of a project's episodes.",
                hint="Name one.",
            )


def key_of(order: Order) -> Callable[[Asset, State], Any]:
    """What files are compared by, so that the first of a list is the least."""
    match order:
        case Order.NAME:
            return lambda asset, state: (asset.episode or "", asset.name)
        case Order.SIZE:
            return lambda asset, state: -(asset.size or 0)
        case Order.DURATION:
            return lambda asset, state: -((asset.metadata or {}).get("durationSec") or 0.0)
        case Order.TIME:
            return lambda asset, state: -asset.updated_at.timestamp()
        case Order.KIND:
            return lambda asset, state: str(asset.kind)
        case Order.STATUS:
            return lambda asset, state: str(state.status)
