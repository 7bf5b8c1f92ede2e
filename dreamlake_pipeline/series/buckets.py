"""Buckets of time: how many values each holds, and the lowest and the highest of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

FACTOR_BITS = 3  # a level's buckets are as wide as eight of the level below


@dataclass(frozen=True, slots=True)
class Buckets:
    """Those that hold a value, in order: bucket `number` n of width w spans the seconds from n * w to (n + 1) * w.

    Four arrays of one length; `low` and `high` have the type of the values (float64 or int64).
    """

    number: np.ndarray
    count: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __len__(self) -> int:
        return len(self.number)

    def between(self, first: int, last: int) -> Buckets:
        """Those from number `first` to `last`, both included."""
        begin, end = np.searchsorted(self.number, [first, last + 1])
        return Buckets(self.number[begin:end], self.count[begin:end], self.low[begin:end], self.high[begin:end])

    def wider(self, factor: int) -> Buckets:
        """The same values in buckets that are `factor` times as wide."""
        return _joined(self.number // factor, self.count, self.low, self.high)


def numbers_of(seconds: np.ndarray, width: float) -> np.ndarray:
    """The bucket that each time lies in. A width that is a power of two divides without rounding."""
    numbers: np.ndarray = np.floor(seconds / width).astype(np.int64)
    return numbers


def fill(numbers: np.ndarray, values: np.ndarray) -> Buckets:
    """The buckets of values, each of which lies in the bucket of this number."""
    return _joined(numbers, None, values, values)


def join(parts: Iterable[Buckets]) -> Buckets:
    """The buckets of several parts of one field, in whatever order they are; one number may be in several of them."""
    given = list(parts)
    if len(given) == 1:
        return given[0]
    columns = [[part.number for part in given], [part.count for part in given]]
    columns += [[part.low for part in given], [part.high for part in given]]
    return _joined(*map(np.concatenate, columns))


def _joined(number: np.ndarray, count: np.ndarray | None, low: np.ndarray, high: np.ndarray) -> Buckets:
    """One bucket a number, in order. Without `count`, each item is one value."""
    step = np.diff(number)
    if (step < 0).any():
        order = np.argsort(number, kind="stable")
        number, low, high = number[order], low[order], high[order]
        count = None if count is None else count[order]
        step = np.diff(number)
    begins = np.flatnonzero(np.concatenate(([True], step > 0))) if len(number) else np.empty(0, np.int64)
    if count is None:
        count = np.diff(begins, append=len(number))
    elif len(begins) < len(number):
        count = np.add.reduceat(count, begins)
    if len(begins) == len(number):
        return Buckets(number, count, low, high)
    return Buckets(number[begins], count, np.minimum.reduceat(low, begins), np.maximum.reduceat(high, begins))
