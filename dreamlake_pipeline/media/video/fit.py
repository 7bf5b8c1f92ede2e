"""Every picture in one size: those of another size or shape on the way get bars, and are never stretched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

# Pixels by which a picture may be stretched: sizes are even, and crops end between whole chroma samples.
_ROUNDING = 4
_MOST_TOLD = 3  # changes that a warning names
# Has FFmpeg's `showinfo` log the first picture of each size: ffmpeg builds its filters anew when that changes.
REPORT = "split[shown][seen];[seen]select=eq(n\\,0),showinfo=checksum=0,nullsink;[shown]"
_SEEN = re.compile(r"showinfo.* n: *0 .* pts_time:(\S+) .* sar:(\d+)/(\d+) s:(\d+)x(\d+)")


def fit_filters(size: tuple[int, int], matrix: str = "") -> list[str]:
    """FFmpeg's filters that scale each picture to limited range and 4:2:0 in `size`: as large as it fits there in its
    own proportions, in the middle, black around it. `matrix` are further options of `scale`."""
    width, height = size
    return [
        f"scale=w='{_side(width, f'{height}*dar')}':h='{_side(height, f'{width}/dar')}':out_range=tv{matrix}",
        "format=yuv420p",
        f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:eval=frame",
        "setsar=1",
    ]


def _side(whole: int, fitted: str) -> str:
    """The expression for one side: what fits, to an even number; the whole where that is so but for rounding."""
    return f"st(0,{fitted});if(gt({whole}-ld(0),{_ROUNDING}),max(2,2*round(ld(0)/2)),{whole})"


def size_changes(log: Iterable[str], start: float) -> str | None:
    """A warning of the changes of size that REPORT logged; None without any. `start` is when the first picture is
    shown, in seconds of playback."""
    seen: list[tuple[float, str]] = []
    for line in log:
        if (found := _SEEN.search(line)) is None:
            continue
        time, across, down, width, height = found.groups()
        pixels = "" if across == down or "0" in (across, down) else f" (pixels {across}:{down})"
        shape = f"{width} x {height}{pixels}"
        if not seen or seen[-1][1] != shape:
            seen.append((float(time), shape))
    if len(seen) < 2:
        return None
    told = [
        f"at {time - seen[0][0] + start:.2f} s from {before} to {shape}"
        for (_, before), (time, shape) in pairwise(seen)
    ]
    more = f" and {len(told) - _MOST_TOLD} times more" if len(told) > _MOST_TOLD else ""
    return (
        f"The picture changes its size on the way, {', '.join(told[:_MOST_TOLD])}{more}: "
        "all is shown in the first size, with bars where the proportions differ."
    )
