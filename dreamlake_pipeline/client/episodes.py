"""Episodes of a project in short, and what people say of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ..api.bss import Status
from ..api.common import MOST_NOTE_CHARS
from ..api.server import EpisodeChange, EpisodeDetails, EpisodeSummary
from ..errors import Code, DreamlakeError
from ..flags import Flag, FlagFilter
from ..kinds import Kind, check_kind
from ..remote.bss import Place
from .files import check_status
from .lookup import require
from .stock import Indexed
from .target import Target

if TYPE_CHECKING:
    from .dreamlake import DreamLake

_PAGE = 200
_FORM = "PROJECT[@NAMESPACE]:EPISODE, such as cups:run-001"


def check_flag(flag: Flag | str) -> FlagFilter:
    """The flag that is meant. Raises USAGE."""
    try:
        return FlagFilter(flag)
    except ValueError:
        raise DreamlakeError(Code.USAGE, f"{flag!r} is no flag.", hint=f"Flags: {', '.join(FlagFilter)}.") from None


def summaries(
    lake: DreamLake,
    target: Target,
    flag: Flag | str | None,
    statuses: Sequence[Status | str],
    kinds: Sequence[Kind | str],
    text: str | None,
) -> Iterator[EpisodeSummary]:
    """See `DreamLake.episodes`."""
    if target.episode is not None:
        raise DreamlakeError(Code.USAGE, f"{target} is an episode.", hint="Name its project.")
    its_flag = None if flag is None else check_flag(flag)
    its_statuses, its_kinds = list(map(check_status, statuses)), list(map(check_kind, kinds))

    def pages() -> Iterator[EpisodeSummary]:
        cursor: str | None = None
        while True:
            try:
                page = lake.index.summaries(
                    target.namespace,
                    target.project,
                    flag=its_flag,
                    status=its_statuses,
                    kind=its_kinds,
                    q=text,
                    cursor=cursor,
                    limit=_PAGE,
                )
            except DreamlakeError as error:
                raise _nearest(lake, target, error) from None
            yield from page.items
            if not (cursor := page.cursor):
                return

    return pages()


def flag(lake: DreamLake, target: Target, flag: Flag | str, note: str | None) -> EpisodeDetails:
    """See `DreamLake.flag`."""
    if target.episode is None:
        raise DreamlakeError(Code.USAGE, f"{target} is a project: flags are of episodes.", hint=_FORM)
    chosen = check_flag(flag)
    its_flag = None if chosen is FlagFilter.NONE else Flag(chosen)
    try:
        change = EpisodeChange(flag=its_flag) if note is None else EpisodeChange(flag=its_flag, note=note or None)
    except ValidationError:
        raise DreamlakeError(
            Code.USAGE,
            f"A note is text of {MOST_NOTE_CHARS:,} characters at the most, without NUL or broken characters.",
        ) from None
    try:
        return lake.index.change_episode(target.namespace, target.project, target.episode, change)
    except DreamlakeError as error:
        raise _nearest(lake, target, error) from None


def details(lake: DreamLake, target: Target) -> EpisodeDetails:
    """What the index knows of an episode. Raises NOT_FOUND, which names the nearest ones, and USAGE."""
    if target.episode is None:
        raise DreamlakeError(Code.USAGE, f"{target} is a project, not an episode.", hint=_FORM)
    try:
        return lake.index.episode(target.namespace, target.project, target.episode)
    except DreamlakeError as error:
        raise _nearest(lake, target, error) from None


def _nearest(lake: DreamLake, target: Target, error: DreamlakeError) -> DreamlakeError:
    """The error, and for a target that is not there, one that names the nearest ones."""
    if error.code is Code.NOT_FOUND:
        require(lake, Place(target.namespace, target.project, target.episode), stock=Indexed(lake))
    return error
