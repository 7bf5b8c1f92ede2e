"""The span of the times of entries: its bounds, the entries in each part of it, and what does not count for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .clock import format_time
from .time_names import SECONDS_OF_UNIT
from .time_readers import Counts
from .time_scale import Scale

BARS = 150  # of the plot


@dataclass
class Span:
    """The bounds of the counts that are times, and what there is to say of the others."""

    low: float | int | None = None
    high: float | int | None = None
    unset: int = 0
    far: int = 0
    unknown: int = 0
    goes_back: int = 0
    first_unset: int = 0  # line numbers
    first_far: int = 0
    first_unknown: int = 0
    first_back: int = 0
    last: float | int | None = None


def is_time(counts: Counts, scale: Scale) -> np.ndarray:
    times = counts.known & (counts.values >= scale.low) & (counts.values <= scale.high)
    return times & (counts.values != 0) if scale.zero_is_unset else times


def add(span: Span, lines: np.ndarray, counts: Counts, scale: Scale) -> None:
    times = is_time(counts, scale)
    unset = counts.known & (counts.values == 0) & ~times
    for kind, which in (("unset", unset), ("far", counts.known & ~times & ~unset), ("unknown", ~counts.known)):
        if which.any():
            setattr(span, kind, getattr(span, kind) + int(which.sum()))
            if not getattr(span, f"first_{kind}"):
                setattr(span, f"first_{kind}", int(lines[which.argmax()]))
    values, at = counts.values[times], lines[times]
    if not len(values):
        return
    low, high = values.min().item(), values.max().item()
    span.low = low if span.low is None else min(span.low, low)
    span.high = high if span.high is None else max(span.high, high)
    back = np.empty(len(values), dtype=bool)
    back[0] = span.last is not None and values[0] < span.last
    back[1:] = values[1:] < values[:-1]
    if back.any():
        span.goes_back += int(back.sum())
        span.first_back = span.first_back or int(at[back.argmax()])
    span.last = values[-1].item()


def count_in_parts(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """How many values lie in each of the equal parts from `low` to `high`."""
    if values.dtype.kind == "i" and high - low < 2**62:
        since, width = (values - low).astype(np.float64), float(high - low)
    else:  # halves, since the whole of the widest span is no float
        since, width = values.astype(np.float64) / 2 - low / 2, high / 2 - low / 2
    part = since / width * BARS if high > low else np.full(len(since), BARS / 2)
    return np.bincount(np.clip(part.astype(np.int64), 0, BARS - 1), minlength=BARS)


def exactly(value: float | int) -> Fraction:
    """A float as it is printed: 0.1 is a tenth."""
    return Fraction(repr(value))


def show(value: float | int, scale: Scale) -> float | str:
    seconds = exactly(value) * scale.per
    if scale.origin in ("relative", "midnight"):
        return float(seconds)
    exact = isinstance(value, int) and -(2**63) < seconds * 10**9 < 2**63
    unit = "ns" if exact else "us"
    return format_time(round(seconds / SECONDS_OF_UNIT[unit]), "ns" if exact else "us", zone=scale.zone)


def explain(span: Span, scale: Scale, fields: tuple[str, ...], rows: int) -> Iterator[str]:
    name = " and ".join(map(repr, fields))
    if span.unset:
        yield (
            f"The time in {name} is unset (0) in {span.unset} of {rows} entries, first on line {span.first_unset}: "
            "they do not count for the span."
        )
    if span.far:
        yield (
            f"The time in {name} is far from all others in {span.far} of {rows} entries, first on line "
            f"{span.first_far}: they do not count for the span."
        )
    if span.unknown:
        yield (
            f"No time can be read in {name} in {span.unknown} of {rows} entries, first on line {span.first_unknown}: "
            "they do not count for the span."
        )
    if span.goes_back:
        times = "once" if span.goes_back == 1 else f"{span.goes_back} times"
        yield f"The time in {name} goes back {times}, first on line {span.first_back}."
