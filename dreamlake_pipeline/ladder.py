"""Ladders: the heights of further, smaller pictures of a video, as people write them and programs hold them.

Wherever a ladder may be given (a file, a project, the whole installation), `None` says nothing and leaves it to the
next wider one; `()` says that there are no smaller pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import Code, DreamlakeError

NONE = "none"
EXAMPLE = "1080,720,480"
MOST_STEPS = 8  # each is an encoding of the whole video
_HEIGHTS = range(2, 8193, 2)  # 4:2:0 halves both sides, H.264 ends at 8192


def parse_ladder(text: str) -> tuple[int, ...]:
    """`1080,720,480` as heights in pixels, the largest first; `none` is (). Raises DreamlakeError(USAGE)."""
    if text.strip().lower() == NONE:
        return ()
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not re.fullmatch(r"[0-9]{1,9}", part):
            raise _wrong(f"{part!r} is not a height in pixels" if part else "a height is missing")
    return check_ladder(int(part) for part in parts)


def check_ladder(heights: Iterable[int]) -> tuple[int, ...]:
    """The heights, each once, the largest first. Raises DreamlakeError(USAGE)."""
    steps = tuple(sorted(set(heights), reverse=True))
    for step in steps:
        if step not in _HEIGHTS:
            raise _wrong(f"{step} is not an even number from {_HEIGHTS[0]} to {_HEIGHTS[-1]}")
    if len(steps) > MOST_STEPS:
        raise _wrong(f"it has {len(steps)} heights, more than {MOST_STEPS}")
    return steps


def show_ladder(ladder: Iterable[int]) -> str:
    """The ladder as `parse_ladder` reads it."""
    return ",".join(map(str, ladder)) or NONE


def _wrong(what: str) -> DreamlakeError:
    return DreamlakeError(Code.USAGE, f"{what}. A ladder is a list of heights such as {EXAMPLE}, or {NONE}.")
