"""By how much this machine's clock differs from another one's."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from ..auth import CLOCK_SKEW
from .finding import Finding, ok, warning, wrong

# A header `Date` (RFC 9110, 6.6.1) has whole seconds, and an answer is under way for a while.
_NOTED = 5.0  # seconds
_HINT = "Set the clocks of both machines by NTP (`timedatectl set-ntp true`)"


def skew_of(date: str | None, asked_at: float, answered_at: float) -> float | None:
    """Seconds by which who answered with this `Date` is ahead of the clock by which `asked_at` and `answered_at` were
    taken (`time.time()`): 0 within what the header can say; None without a date."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError):
        return None
    if theirs + 1 < asked_at:
        return theirs + 1 - asked_at
    return max(0.0, theirs - answered_at)


def judge(part: str, seconds: float) -> Finding:
    """What it means that the clock of `part` is so many seconds ahead of this machine's."""
    name = f"{part} clock"
    if abs(seconds) < _NOTED:
        return ok(name, "the same as here")
    what = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
    if abs(seconds) < CLOCK_SKEW:
        return warning(name, what, _HINT)
    return wrong(name, f"{what}: tokens and signatures are refused", _HINT)
