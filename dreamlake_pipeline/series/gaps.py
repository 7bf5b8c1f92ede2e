"""What a gap in a series is: a distance between two times that is far above the usual one.

The usual distance is the upper quartile of those between successive times, equal times left out: of entries that come
in pairs, it is that between the pairs. A gap is more than ten times as long. So entries at random times have hardly a
gap, and a sensor that pauses has one at each pause.
"""

from __future__ import annotations

import numpy as np

_FAR = 10
_QUARTILE = 0.75
_OF_OCTAVE = 8  # classes of distances: each is a twelfth of its distance wide
_OCTAVES = 64  # below and above one second
_CLASSES = 2 * _OCTAVES * _OF_OCTAVE


class Distances:
    """The distances between successive times seen so far, by classes: 8 KiB however many there are."""

    def __init__(self) -> None:
        self._counts = np.zeros(_CLASSES, np.int64)

    def see(self, seconds: np.ndarray) -> None:
        """Times in ascending order."""
        steps = np.diff(seconds)
        steps = steps[steps > 0]
        if len(steps):
            classes = np.floor(np.log2(steps) * _OF_OCTAVE).astype(np.int64) + _CLASSES // 2
            self._counts += np.bincount(np.clip(classes, 0, _CLASSES - 1), minlength=_CLASSES)

    @property
    def gap(self) -> float | None:
        """Seconds from which on a distance is a gap; None where there is no distance to judge by."""
        total = self._counts.sum()
        if not total:
            return None
        at = int(np.searchsorted(np.cumsum(self._counts), _QUARTILE * total))
        return float(_FAR * 2.0 ** ((at + 1 - _CLASSES // 2) / _OF_OCTAVE))

    def expected_buckets(self, width: float) -> float:
        """About how many buckets of this width hold a time: one begins with each distance that is as wide, and with
        each shorter one as often as it meets a bound."""
        middles = 2.0 ** ((np.arange(_CLASSES) + 0.5 - _CLASSES // 2) / _OF_OCTAVE)
        return 1 + float((self._counts * np.minimum(middles / width, 1)).sum())


def after_gaps(seconds: np.ndarray, gap: float | None) -> np.ndarray:
    """The places of the times before which there is a gap."""
    found: np.ndarray = np.flatnonzero(np.diff(seconds) > gap) + 1 if gap is not None else np.empty(0, np.int64)
    return found


def after_empty(numbers: np.ndarray, width: float, gap: float | None) -> np.ndarray:
    """The same of numbers of buckets that hold times: those before which the empty ones alone are as long as a gap."""
    if gap is None:
        return np.empty(0, np.int64)
    found: np.ndarray = np.flatnonzero((np.diff(numbers) - 1) * width >= gap) + 1
    return found
