"""Which episodes of a project are asked for: the fields of the form on its page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, TypeVar

from ..api.bss import Status
from ..errors import Code, DreamlakeError
from ..flags import FlagFilter
from ..kinds import Kind

_LONGEST_TEXT = 200  # characters

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the episodes have to be like; None: that does not matter. Lengths in seconds, days in UTC; `until` is the
    last day that counts."""

    status: Status | None = None
    kind: Kind | None = None
    min_length: float | None = None
    max_length: float | None = None
    since: date | None = None
    until: date | None = None
    q: str | None = None
    flag: FlagFilter | None = None

    @property
    def are_any(self) -> bool:
        """Whether they leave anything out."""
        return self != Filters()

    def query(self) -> dict[str, str]:
        """The fields of the form that have a value, as they stand in an address."""
        values = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in values if value}

    def wanted(self) -> dict[str, Any]:
        """The arguments of `IndexClient.summaries`."""
        return {
            "status": [self.status] if self.status else [],
            "kind": [self.kind] if self.kind else [],
            "min_length_sec": self.min_length,
            "max_length_sec": self.max_length,
            "since": self.since and datetime.combine(self.since, time(), UTC),
            "until": self.until and datetime.combine(self.until, time.max, UTC),
            "q": self.q,
            "flag": self.flag,
        }


def read_filters(query: Mapping[str, str]) -> Filters:
    """The filters of an address. An empty field counts as none. Raises INVALID_REQUEST that names the field."""
    given = {name: text.strip() for name, text in query.items() if text.strip()}
    return Filters(
        status=_choice(given, "status", Status),
        kind=_choice(given, "kind", Kind),
        min_length=_seconds(given, "min_length"),
        max_length=_seconds(given, "max_length"),
        since=_day(given, "since"),
        until=_day(given, "until"),
        q=given.get("q", "")[:_LONGEST_TEXT] or None,
        flag=_choice(given, "flag", FlagFilter),
    )


def _choice(given: Mapping[str, str], name: str, choices: type[Choice]) -> Choice | None:
    if name not in given:
        return None
    try:
        return choices(given[name])
    except ValueError:
        raise _refused(name, given[name], f"none of {', '.join(choices)}") from None


def _seconds(given: Mapping[str, str], name: str) -> float | None:
    if name not in given:
        return None
    try:
        seconds = float(given[name])
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise _refused(name, given[name], "no number of seconds")
    return seconds


def _day(given: Mapping[str, str], name: str) -> date | None:
    if name not in given:
        return None
    try:
        day = date.fromisoformat(given[name])
    except ValueError:
        raise _refused(name, given[name], "no date such as 2026-11-22") from None
    if not 1970 <= day.year < 2200:
        raise _refused(name, given[name], "before 1970 or after 2199")
    return day


def _refused(name: str, text: str, why: str) -> DreamlakeError:
    return DreamlakeError(Code.INVALID_REQUEST, f"{name}: {text[:80]!r} is {why}.")
