"""WebVTT as this project writes it: times, and where they stand in a cue (https://www.w3.org/TR/webvtt1/#file-structure).

What media writes to track.vtt and what BSS serves of it agree by this module. Times are integers of milliseconds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

HEADER = "WEBVTT"
ARROW = "-->"
TIMESTAMP_MAP = "X-TIMESTAMP-MAP"  # RFC 8216 3.5
HEADER_LINES = (
    HEADER,
    TIMESTAMP_MAP,
)  # what no line of a cue's text may begin with, in a file that others are joined to

_TIME = re.compile(r"(?:\d+:)?\d\d:\d\d\.\d{3}")
_TIMING = re.compile(rf"({_TIME.pattern}) {ARROW} ({_TIME.pattern})")
# A time tag: what follows it in the cue's text is shown from then on.
_TIME_TAG = re.compile(rf"<({_TIME.pattern})>")


def parse_time(text: str) -> int:
    """The milliseconds of a time such as `01:02.500` or `100:00:00.000`."""
    *hours, minutes, seconds = text.split(":")
    return (int(hours[0] if hours else 0) * 60 + int(minutes)) * 60_000 + int(seconds.replace(".", ""))


def format_time(milliseconds: int) -> str:
    """Hours have two digits or more."""
    seconds, fraction = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:03}"


def format_timing(start: int, end: int, settings: str = "") -> str:
    """The line of a cue's times and settings."""
    return f"{format_time(start)} {ARROW} {format_time(end)} {settings}".rstrip()


def times_of(block: str) -> tuple[int, int] | None:
    """When a cue starts and ends; None when the block is no cue. The line of times is the first or the second one."""
    found = _find_timing(block)
    return None if found is None else (parse_time(found[1]), parse_time(found[2]))


class MovedCue(NamedTuple):
    """A cue whose `text` says that it is shown later than from `start` to `end`."""

    start: int
    end: int
    text: str


def move_cue(block: str, milliseconds: int) -> MovedCue | None:
    """The cue with its times, and the time tags in its text, so much later; None when the block is no cue."""
    found = _find_timing(block)
    if found is None:
        return None
    start, end = parse_time(found[1]), parse_time(found[2])
    rest = block[found.end() :]
    moved = move_time_tags(rest, milliseconds) if "<" in rest else rest
    timing = format_timing(start + milliseconds, end + milliseconds)
    return MovedCue(start, end, f"{block[: found.start()]}{timing}{moved}")


def _find_timing(block: str) -> re.Match[str] | None:
    found = _TIMING.match(block)
    if found is None and (second := block.find("\n") + 1):
        return _TIMING.match(block, second)
    return found


def move_time_tags(text: str, milliseconds: int) -> str:
    """A cue's text with its time tags so much later, none of them before 0."""
    return _TIME_TAG.sub(lambda tag: f"<{format_time(max(parse_time(tag[1]) + milliseconds, 0))}>", text)
