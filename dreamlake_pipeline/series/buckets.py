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
        return Grouping(self.number // factor).of_buckets(self.count, self.low, self.high)


def numbers_of(seconds: np.ndarray, width: float) -> np.ndarray:
    """The bucket that each time lies in. A width that is a power of two divides without rounding."""
    numbers: np.ndarray = np.floor(seconds / width).astype(np.int64)
    return numbers


class Grouping:
    """Which values lie in one bucket, found once for all fields whose values have these bucket numbers."""

    def __init__(self, numbers: np.ndarray) -> None:
        self._order: np.ndarray | None = None
        step = np.diff(numbers)
        if (step < 0).any():
            self._order = np.argsort(numbers, kind="stable")
            numbers = numbers[self._order]
            step = np.diff(numbers)
        self._begins = np.flatnonzero(np.concatenate(([True], step > 0))) if len(numbers) else np.empty(0, np.int64)
        self._all_alone = len(self._begins) == len(numbers)
        self.numbers = numbers[self._begins]
        self.sizes = np.diff(self._begins, append=len(numbers))

    def of_values(self, values: np.ndarray) -> Buckets:
        """The buckets of values."""
        return Buckets(self.numbers, self.sizes, *self._bounds(values, values))

    def of_buckets(self, count: np.ndarray, low: np.ndarray, high: np.ndarray) -> Buckets:
        """The buckets of what is in smaller ones, or in parts of the same."""
        if self._order is not None:
            count = count[self._order]
        if not self._all_alone:
            count = np.add.reduceat(count, self._begins)
        return Buckets(self.numbers, count, *self._bounds(low, high))

    def _bounds(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._order is not None:
            low, high = low[self._order], high[self._order]
        if self._all_alone:
            return low, high
        return np.minimum.reduceat(low, self._begins), np.maximum.reduceat(high, self._begins)


def fill(numbers: np.ndarray, values: np.ndarray) -> Buckets:
    """The buckets of values, each of which lies in the bucket of this number."""
    return Grouping(numbers).of_values(values)


def join(parts: Iterable[Buckets]) -> Buckets:
    """The buckets of several parts of one field, in whatever order they are; one number may be in several of them."""
    given = list(parts)
    if len(given) == 1:
        return given[0]
    number, count, low, high = (
        np.concatenate([getattr(part, name) for part in given]) for name in ("number", "count", "low", "high")
    )
    return Grouping(number).of_buckets(count, low, high)
