"""Statistics of a label field, gathered chunk by chunk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .clock import format_time
from .types import FieldType

MAX_DISTINCT = 10_000  # of a field, the values that are counted
BUDGET = 2**22  # of a file; each value counted takes 8 bytes

Number = int | float | Decimal


def share_of_budget(fields: int) -> int:
    """How many different values of each field are counted in a file of so many fields."""
    return min(MAX_DISTINCT, BUDGET // max(fields, 1))


@dataclass
class Statistics:
    """Nulls, distinct values (`share` of them at the most) and bounds of the chunks seen so far.

    Times are counts of `type.arrow.unit` since 1970.
    """

    type: FieldType
    share: int = MAX_DISTINCT
    nulls: int = 0
    low: Number | None = None
    high: Number | None = None
    _distinct: np.ndarray | None = field(default_factory=lambda: np.empty(0, np.uint64))

    def see(self, column: pa.Array) -> None:
        storage = column.storage if isinstance(column, pa.ExtensionArray) else column
        self.nulls += storage.null_count
        known = storage.drop_null()
        if not len(known):
            return
        if pa.types.is_timestamp(known.type):
            known = known.cast(pa.int64())
        self._count_distinct(known)
        if pa.types.is_floating(known.type):
            known = known.filter(pc.is_finite(known))
        if len(known) and _has_bounds(known.type):
            bounds = pc.min_max(known).as_py()
            self.low = bounds["min"] if self.low is None else min(self.low, bounds["min"])
            self.high = bounds["max"] if self.high is None else max(self.high, bounds["max"])

    @property
    def distinct(self) -> int | None:
        """How many different values there are that are not null; None above the share, and for lists."""
        return None if self._distinct is None else len(self._distinct)

    @property
    def distinct_above(self) -> int | None:
        """The share, if there are more different values; None where all were counted, and for lists."""
        return self.share if self._distinct is None and not pa.types.is_list(self.type.arrow) else None

    def _count_distinct(self, known: pa.Array) -> None:
        if self._distinct is None:
            return
        if pa.types.is_list(known.type):
            self._distinct = None
            return
        # Measurements hardly repeat, which the first of them tell.
        first = known[: self.share + self.share // 4]
        values = pc.unique(first)
        if len(values) <= self.share and len(first) < len(known):
            values = pc.unique(known)
        if len(values) > self.share:
            self._distinct = None
            return
        self._distinct = np.union1d(self._distinct, _identities(values))
        if len(self._distinct) > self.share:
            self._distinct = None


def _has_bounds(type_: pa.DataType) -> bool:
    return pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_decimal(type_)


def _identities(values: pa.Array) -> np.ndarray:
    """64 bits that stand for each value: those of a number, the digest of a text.

    NaN is one value, and so are 0 and -0. Two of 10,000 texts have one digest in less than 1 of 10^11 files.
    """
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False) + 0.0  # which makes -0 a 0
        return np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64)
    if pa.types.is_integer(values.type):
        return values.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
    return _digests(values.cast(pa.string()).to_pylist())


def _digests(texts: Iterable[str]) -> np.ndarray:
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype=np.uint64)


def bound(value: Number | None, type_: FieldType) -> int | float | str | None:
    """A bound as JSON has it: decimals as text, times in RFC 3339, without a zone if the source has none."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if value is None or not pa.types.is_timestamp(type_.arrow):
        return value
    return format_time(int(value), type_.arrow.unit, zone="Z" if type_.arrow.tz else "")
