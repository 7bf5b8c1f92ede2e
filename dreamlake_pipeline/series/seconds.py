"""Seconds since the first time of a track, from counts of some unit."""

from __future__ import annotations

import numpy as np

_DIGITS = 9  # behind the point
_EXACT = 2**53 / 10**_DIGITS  # from here on, floats are farther apart than that


def seconds_since(counts: np.ndarray, low: float | int, numerator: int, denominator: int) -> np.ndarray:
    """The seconds from `low` to each of `counts`, of numerator / denominator seconds each: to the nanosecond, without
    the noise of floats. What is below `low`, or far above, may be anything."""
    with np.errstate(over="ignore", invalid="ignore"):
        if counts.dtype.kind == "i" and _fits(counts, int(low)):
            since = (counts - int(low)).astype(np.float64)
        else:
            since = counts.astype(np.float64) - float(low)
        seconds = since * numerator / denominator
        return np.where(np.abs(seconds) < _EXACT, np.round(seconds, _DIGITS), seconds)


def _fits(counts: np.ndarray, low: int) -> bool:
    """Whether no distance is beyond 64 bits."""
    return not len(counts) or (int(counts.max()) - low < 2**63 and int(counts.min()) - low >= -(2**63))
