"""Statistics of a label field, gathered column by column, and the time that a track spans."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .types import FieldType

MAX_DISTINCT = 10_000
_SHORT = 40

Number = int | float


@dataclass
class Statistics:
    """Nulls, distinct values and bounds of the chunks seen so far. Times are counts of `type.arrow.unit` since 1970."""

    type: FieldType
    nulls: int = 0
    low: Number | None = None
    high: Number | None = None
    _distinct: set[Any] | None = field(default_factory=set)

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
        if len(known) and (pa.types.is_floating(known.type) or pa.types.is_integer(known.type)):
            bounds = pc.min_max(known).as_py()
            self.low = bounds["min"] if self.low is None else min(self.low, bounds["min"])
            self.high = bounds["max"] if self.high is None else max(self.high, bounds["max"])

    @property
    def distinct(self) -> int | None:
        """How many different values that are not null; None above `MAX_DISTINCT`, and for lists."""
        return None if self._distinct is None else len(self._distinct)

    def _count_distinct(self, known: pa.Array) -> None:
        if self._distinct is None:
            return
        values = None if pa.types.is_list(known.type) else pc.unique(known)
        if values is None or len(values) > MAX_DISTINCT:
            self._distinct = None
            return
        self._distinct.update(_identities(values))
        if len(self._distinct) > MAX_DISTINCT:
            self._distinct = None


def _identities(values: pa.Array) -> Iterable[Any]:
    """What stands for values in a set: long text by its digest, to bound memory; NaN, equal to nothing, by name."""
    if pa.types.is_string(values.type) and pc.max(pc.binary_length(values)).as_py() > _SHORT:
        return (
            text if len(text) <= _SHORT else hashlib.blake2b(text.encode(), digest_size=16).digest()
            for text in values.to_pylist()
        )
    if pa.types.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py():
        return ["NaN", *values.filter(pc.invert(pc.is_nan(values))).to_pylist()]
    return values.to_pylist()


def bound(value: Number | None, type_: FieldType) -> Number | str | None:
    """A bound as people and JSON have it: times in RFC 3339, without a zone if the
    source has none."""
    if value is None or not pa.types.is_timestamp(type_.arrow):
        return value
    return _format_time(int(value), type_.arrow.unit, zone="Z" if type_.arrow.tz else "")


# Time fields

_SECONDS_OF_UNIT = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_UNIT_SUFFIXES = {
    **dict.fromkeys(["s", "sec", "secs", "second", "seconds"], "s"),
    **dict.fromkeys(["ms", "msec", "millis", "milliseconds"], "ms"),
    **dict.fromkeys(["us", "usec", "micros", "microseconds"], "us"),
    **dict.fromkeys(["ns", "nsec", "nanos", "nanoseconds"], "ns"),
}
# Names that mean a time, the surest first.
_TIME_NAMES = ["timestamp", "time", "datetime", "ts", "t", "stamp", "unix_time", "epoch", "date", "start_time", "start"]
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Numbers of this size and above are Unix times (since 1973, in whichever unit), not times from the file's start.
_UNIX_SECONDS = 1e8
_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """The span of a time field: RFC 3339 for dates and Unix times, else seconds; `duration` in seconds.

    `low` and `high` are the same bounds as the column has them.
    """

    field: str
    start: float | str
    end: float | str
    duration: float
    low: Number
    high: Number


def find_time(fields: dict[str, Statistics]) -> TimeSpan | None:
    """The span of the field that tells when an entry was: a date or number with a time's name, else any date."""
    ranked = sorted(
        (rank, position, name)
        for position, (name, statistics) in enumerate(fields.items())
        if statistics.low is not None and (rank := _rank(name, statistics)) is not None
    )
    if not ranked:
        return None
    name = ranked[0][2]
    statistics = fields[name]
    assert statistics.low is not None and statistics.high is not None
    low, high = statistics.low, statistics.high
    if pa.types.is_timestamp(statistics.type.arrow):
        start, end = bound(low, statistics.type), bound(high, statistics.type)
        assert start is not None and end is not None
        return TimeSpan(name, start, end, _seconds_between(low, high, statistics.type.arrow.unit), low, high)
    unit, since_1970 = _unit_of(name, low)
    scale = _SECONDS_OF_UNIT[unit]
    duration = _seconds_between(low, high, unit)
    if since_1970 and high * scale < _YEAR_10000:
        start, end = (_format_time(round(value * scale * 1e6), "us", zone="Z") for value in (low, high))
        return TimeSpan(name, start, end, duration, low, high)
    return TimeSpan(name, low * scale, high * scale, duration, low, high)


def _rank(name: str, statistics: Statistics) -> int | None:
    stem = _split_unit(name)[0]
    if stem in _TIME_NAMES:
        return _TIME_NAMES.index(stem)
    if stem.endswith(("_time", "_timestamp", "_stamp")):
        return len(_TIME_NAMES)
    return len(_TIME_NAMES) + 1 if pa.types.is_timestamp(statistics.type.arrow) else None


def _split_unit(name: str) -> tuple[str, str | None]:
    """`captureTimeNs` is (`capture_time`, `ns`)."""
    stem = _CAMEL.sub("_", name.strip()).lower().replace(" ", "_").replace("-", "_").replace(".", "_")
    rest, _, suffix = stem.rpartition("_")
    return (rest, _UNIT_SUFFIXES[suffix]) if rest and suffix in _UNIT_SUFFIXES else (stem, None)


def _unit_of(name: str, low: Number) -> tuple[str, bool]:
    """The unit of a numeric time, by its name, else by its size, else seconds; and whether it counts from 1970."""
    unit = _split_unit(name)[1]
    if unit is None:
        unit = next((unit for unit, least in (("ns", 1e17), ("us", 1e14), ("ms", 1e11)) if low >= least), "s")
    return unit, low * _SECONDS_OF_UNIT[unit] >= _UNIX_SECONDS


def _seconds_between(low: Number, high: Number, unit: str) -> float:
    return float((high - low) * _SECONDS_OF_UNIT[unit])


def _format_time(value: int, unit: Literal["us", "ns"], *, zone: str) -> str:
    text = str(np.datetime64(value, unit))  # of any year, to the nanosecond
    return (text.rstrip("0").rstrip(".") if "." in text else text) + zone
