"""Figures as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

_STEPS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: int | None) -> str:
    """Bytes in the unit (of 1,000) that leaves one to three digits before the point: `4.1 MB`."""
    if count is None:
        return "–"
    value, step = float(count), 0
    while value >= 999.5 and step < len(_STEPS) - 1:
        value, step = value / 1000, step + 1
    return f"{value:.0f} {_STEPS[step]}" if step == 0 or value >= 99.5 else f"{value:.1f} {_STEPS[step]}"


def clock(seconds: float | None) -> str:
    """A length as a player shows it: `0:42.6`, `1:02:03`. None: not known."""
    if seconds is None:
        return "–"
    if seconds >= 3600:
        whole = round(seconds)
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def hours(seconds: float | None) -> str:
    """The length of many files together: `12.3 h`, `25 min`, `40 s`."""
    if seconds is None:
        return "–"
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def since(text: str) -> str:
    """How long ago a time (RFC 3339) was: `just now`, `5 min ago`, `3 h ago`, `2 days ago`; of what is older than a
    week, the date."""
    then = datetime.fromisoformat(text)
    seconds = (datetime.now(UTC) - then).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 2 * 86_400:
        return f"{seconds // 3600:.0f} h ago"
    return f"{seconds // 86_400:.0f} days ago" if seconds < 8 * 86_400 else f"{then:%Y-%m-%d}"


def figure(number: float) -> str:
    """A number without an exponent, to six digits, and with all of them where it is large, as times are."""
    return f"{Decimal(f'{number:.{6 if abs(number) < 1e5 else 15}g}'):f}"


def moment(text: str) -> str:
    """A time (RFC 3339) to the second, in UTC."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
