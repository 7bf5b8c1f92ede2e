"""Lines of cue times, as the standards have them and as people and tools write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

_BLANK = r"[ \t\u00a0]*"
# Hours and minutes, or minutes alone; digits are bounded, so that no line takes long and no number is huge.
_CLOCK = r"([-\u2212]?)(?:([0-9]{1,9}):([0-9]{1,2})|([0-9]{1,9})):([0-9]{1,2})(?:([.,:])([0-9]+))?"
_STRICT_ARROW = "-->"
# What editors, typographers and HTML make of the arrow.
_OTHER_ARROW = r"(?:[-\u2010-\u2015\u2212=] ?){1,3}[>\u203a]|[\u2192\u21d2\u27f6]|--&gt;"
_TIMING = re.compile(
    rf"{_BLANK}(\[?){_CLOCK}{_BLANK}({_STRICT_ARROW}|{_OTHER_ARROW}){_BLANK}{_CLOCK}(?![0-9:])(\]?)(.*)"
)
# YouTube's SBV and SubViewer: two times with a comma between, and nothing else.
_COMMA_TIME = r"[0-9]{1,9}:[0-9]{2}:[0-9]{2}\.[0-9]{1,6}"
_COMMA_TIMING = re.compile(rf"({_COMMA_TIME}),({_COMMA_TIME}){_BLANK}")
_DATE = re.compile(r"[0-9]{4}[-./][0-9]{1,2}[-./][0-9]{1,2}")
# A digit and a colon or a fraction beside an arrow: someone meant times.
_TIME_LIKE = re.compile(r"\S{0,12}[0-9][:.,]\S{0,12}")
_SETTING = re.compile(r"(?:vertical|line|position|size|align|region):[^\s>]+")
_COORDINATE = re.compile(r"[XY][12]:-?[0-9]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Timing:
    """A line of times, in milliseconds. `rest` is what follows them.

    `standard` tells whether the arrow is `-->`; `whole` whether both times have hours or a fraction; `over` whether
    minutes or seconds are above 59; `rounded` whether a time is finer than a millisecond.
    """

    start: int
    end: int
    rest: str
    standard: bool
    whole: bool
    over: bool
    rounded: bool
    bracketed: bool = False

    @property
    def is_bare(self) -> bool:
        """Whether nothing but cue settings follows the times."""
        return all(is_setting(word) or _COORDINATE.fullmatch(word) for word in self.rest.split())


def is_setting(word: str) -> bool:
    """Whether it is a setting of a WebVTT cue (https://www.w3.org/TR/webvtt1/#cue-settings)."""
    return _SETTING.fullmatch(word) is not None


@lru_cache(maxsize=4)  # a line is looked at again when its cue begins
def read_timing(line: str) -> Timing | str | None:
    """The times of a line; why they can't be read, where times are meant; None for any other line."""
    if found := _TIMING.fullmatch(line):
        opened, *parts, closed, rest = found.groups()
        start, end, arrow = _read_time(*parts[:7]), _read_time(*parts[8:]), parts[7]
        if bool(opened) == bool(closed):
            return (
                start.fault
                or end.fault
                or Timing(
                    start=start.milliseconds,
                    end=end.milliseconds,
                    rest=rest,
                    standard=arrow == _STRICT_ARROW,
                    whole=start.whole and end.whole,
                    over=start.over or end.over,
                    rounded=start.rounded or end.rounded,
                    bracketed=bool(opened),
                )
            )
    if found := _COMMA_TIMING.fullmatch(line):
        timing = read_timing(f"{found[1]} {_STRICT_ARROW} {found[2]}")
        assert isinstance(timing, Timing)
        return timing
    return _fault_of(line)


def _fault_of(line: str) -> str | None:
    """Why a line with an arrow is no line of times; None when it is not meant as one."""
    before, arrow, after = line.partition(_STRICT_ARROW)
    if not arrow:
        return None
    if len(before) > 80:
        return None
    if not (_TIME_LIKE.fullmatch(before.strip()) or _TIME_LIKE.match(after.lstrip()) or _DATE.search(before)):
        return None
    if _DATE.search(before):
        return "The times have dates: times of a cue count from the start of the media."
    return "The times can't be read."


class _Time(NamedTuple):
    """One time, from what `_CLOCK` found of it. `fault` says why it is none."""

    milliseconds: int
    whole: bool
    over: bool
    rounded: bool
    fault: str | None


def _read_time(
    sign: str,
    hours: str | None,
    minutes: str | None,
    only_minutes: str | None,
    seconds: str,
    mark: str | None,
    fraction: str | None,
) -> _Time:
    digits = fraction or ""
    below_hours, below_minutes = int(minutes or only_minutes or 0), int(seconds)
    whole_seconds = (int(hours or 0) * 60 + below_hours) * 60 + below_minutes
    thousandths = int(digits[:3].ljust(3, "0")) + (digits[3:4] >= "5")
    fault = None
    if mark == ":" and len(digits) != 3:
        fault = f"The times end in a number of frames ({digits[:9]}), and nothing says how long a frame is."
    return _Time(
        milliseconds=(whole_seconds * 1000 + thousandths) * (-1 if sign else 1),
        whole=hours is not None or fraction is not None,
        over=below_hours > 59 or below_minutes > 59,
        rounded=len(digits) > 3 and digits[3:].strip("0") != "",
        fault=fault,
    )
