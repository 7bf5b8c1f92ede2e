"""The times of entries, read from the columns of a label track: one count a row, and which rows have one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .clock import NS_OF_DAY, NS_OF_SECOND, Order, read_moments
from .rows import MAX_NAME_CHARS
from .time_names import SECONDS_OF_UNIT

_BATCH_ROWS = 1 << 17
_NESTED_BATCH_ROWS = 1 << 13
_MAX_NESTED_DEPTH = 4
_LOOKED_AT = 1000  # rows whose objects are looked at
_MOST_NESTED = 1000  # fields of a file within objects
NS = Fraction(1, NS_OF_SECOND)

_NUMBER_TEXT = r"^\s*(?P<whole>[+-]?(?:[0-9]{1,18}|[0-8][0-9]{18}))(?:\.(?P<fraction>[0-9]*))?\s*$"
# From 1970 to 1980-01-06, when GPS weeks begin; and the leap seconds between then and 2017, when the last was added.
_GPS_SECONDS = 315_964_800
_LEAP_SECONDS = 18


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts (int64 or float64) and which of them are known; those that are not may be anything."""

    values: np.ndarray
    known: np.ndarray


class Reader:
    """Reads counts from the `fields` of a table; batches come in order, and all of them again after `rewind`."""

    fields: tuple[str, ...]

    def read(self, columns: Sequence[pa.Array]) -> Counts:
        raise NotImplementedError

    def rewind(self) -> None:
        """Forget what was kept from one batch to the next."""


class Table:
    """A label track's Parquet file, and the fields within objects of its columns of JSON: these have dotted names."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._metadata = pq.read_metadata(path)
        self.rows = self._metadata.num_rows
        self._nested: dict[str, tuple[str, tuple[str, ...]]] = {}  # by dotted name, the column and the names in it

    def batches(self, fields: Sequence[str]) -> Iterator[tuple[np.ndarray, list[pa.Array]]]:
        """The line numbers and the values of `fields`, some rows at a time; of dotted names, all values as text."""
        columns = list(dict.fromkeys(map(self.column_of, fields)))
        rows = _BATCH_ROWS if self._nested.keys().isdisjoint(fields) else _NESTED_BATCH_ROWS
        with pq.ParquetFile(self._path, metadata=self._metadata) as file:
            for batch in file.iter_batches(rows, columns=["_line", *columns]):
                objects = {column: _parse(batch.column(column)) for column in columns if column not in fields}
                arrays = [
                    _texts_at(objects[self._nested[field][0]], self._nested[field][1])
                    if field in self._nested
                    else batch.column(field)
                    for field in fields
                ]
                yield batch.column("_line").to_numpy(), arrays

    def is_counted(self, field: str) -> bool:
        """Whether a field is a column of numbers or timestamps that floats and integers hold."""
        if field in self._nested:
            return False
        type_ = self._metadata.schema.to_arrow_schema().field(field).type
        return pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_timestamp(type_)

    def column_of(self, field: str) -> str:
        """The column that holds a field."""
        return self._nested[field][0] if field in self._nested else field

    def add_nested(self, columns: Sequence[str]) -> list[str]:
        """Make fields of what the first objects of columns of JSON hold, numbers and texts: their dotted names."""
        if not columns:
            return []
        with pq.ParquetFile(self._path, metadata=self._metadata) as file:
            first = next(file.iter_batches(_LOOKED_AT, columns=list(columns)))
        for column in columns:
            objects = [found for found in _parse(first.column(column)) if isinstance(found, dict)]
            paths = dict.fromkeys(chain.from_iterable(map(_paths, objects)))
            for path in islice(paths, _MOST_NESTED - len(self._nested)):
                self._nested.setdefault(".".join((column, *path)), (column, path))
        return list(self._nested)


@dataclass
class NumberReader(Reader):
    """A column of numbers, which may be written as text, or of timestamps: counts of `per` each."""

    fields: tuple[str, ...]
    per: Fraction = Fraction(1)
    _digits: int | None = None  # of the fraction of numbers in text that are counted

    def read(self, columns: Sequence[pa.Array]) -> Counts:
        (column,) = columns
        if pa.types.is_string(column.type):
            return self._read_text(column)
        known = column.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_decimal(column.type):
            digits = min(column.type.scale, 9)
            self.per = Fraction(1, 10**digits)
            column = pc.cast(column, pa.decimal128(38, digits), safe=False)
            low, high = np.frombuffer(column.buffers()[1], np.int64).reshape(-1, 2)[column.offset :][: len(column)].T
            return Counts(low, known & (high == low >> 63))
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
        if values.dtype.kind != "i":
            values = values.astype(np.float64)
            known = known & np.isfinite(values)
        return Counts(values, known)

    def _read_text(self, column: pa.Array) -> Counts:
        parts = pc.extract_regex(column, _NUMBER_TEXT)
        known = parts.is_valid().to_numpy(zero_copy_only=False)
        whole, fraction = (pc.fill_null(part, "") for part in parts.flatten())
        if self._digits is None and known.any():
            longest = pc.max(pc.binary_length(whole)).as_py()
            self._digits = min(max(19 - longest, 0), 9, pc.max(pc.binary_length(fraction)).as_py())
            self.per = Fraction(1, 10**self._digits)
        digits = self._digits or 0
        values = _to_integers(whole, known)
        known &= np.abs(values.astype(np.float64)) * 10.0**digits < 9.2e18
        values = np.where(known, values, 0) * 10**digits
        if digits:
            behind = _to_integers(pc.utf8_slice_codeunits(pc.utf8_rpad(fraction, digits, "0"), 0, digits), known)
            negative = pc.starts_with(whole, "-").to_numpy(zero_copy_only=False)
            values += np.where(negative, -behind, behind)
        return Counts(values, known)


@dataclass
class PartsReader(Reader):
    """Whole seconds in one column; in another, counts of `unit` that are added to them. Counts nanoseconds."""

    fields: tuple[str, ...]
    unit: str

    def read(self, columns: Sequence[pa.Array]) -> Counts:
        seconds, parts = (NumberReader(self.fields).read([column]) for column in columns)
        in_range = (np.abs(seconds.values.astype(np.float64)) < 9e9) & _is_whole(seconds.values)
        known = seconds.known & parts.known & in_range & self._are_parts(parts.values)
        counts = [np.where(known, one.values, 0).astype(np.int64) for one in (seconds, parts)]
        return Counts(counts[0] * NS_OF_SECOND + counts[1] * int(SECONDS_OF_UNIT[self.unit] / NS), known)

    def _are_parts(self, values: np.ndarray) -> np.ndarray:
        return (values >= 0) & (values < float(1 / SECONDS_OF_UNIT[self.unit])) & _is_whole(values)


@dataclass
class WeekReader(Reader):
    """GPS week in one column; in another, `per` seconds each, the time since it began. Counts nanoseconds since 1970.

    UTC is behind GPS time by the leap seconds.
    """

    fields: tuple[str, ...]
    per: Fraction

    def read(self, columns: Sequence[pa.Array]) -> Counts:
        weeks, times = (NumberReader(self.fields).read([column]) for column in columns)
        ns = np.round(times.values.astype(np.float64) * float(self.per) * 1e9)
        known = weeks.known & times.known & (weeks.values > 0) & (weeks.values < 10_000)
        known &= (ns >= 0) & (ns <= 7 * NS_OF_DAY)
        begin = np.where(known, weeks.values, 0).astype(np.int64) * 7 * NS_OF_DAY
        begin += (_GPS_SECONDS - _LEAP_SECONDS) * NS_OF_SECOND
        return Counts(begin + np.where(known, ns, 0).astype(np.int64), known)


@dataclass
class ClockReader(Reader):
    """Texts of dates and times of day, in one column or in two: nanoseconds since 1970, or since the first midnight.

    What it counts from is known once all was read: `dated` and `zoned` say whether there are dates and zones.
    """

    fields: tuple[str, ...]
    order: Order | None = None
    dates: bool = True  # whether dates are read, where there are times of day beside them
    dated: bool = False
    zoned: bool = False
    doubtful: int = 0
    day_first: int = 0
    month_first: int = 0
    _last: int | None = None  # time of day of the last row, and the midnights since the first
    _midnights: int = 0

    def read(self, columns: Sequence[pa.Array]) -> Counts:
        texts = [_to_texts(column, clock=number > 0) for number, column in enumerate(columns)]
        found = [read_moments(text, self.order) for text in texts]
        for one in found:
            self.doubtful += int(one.doubtful.sum())
            self.day_first += int(one.day_first.sum())
            self.month_first += int(one.month_first.sum())
        self.zoned |= any(bool((one.zoned & one.known).any()) for one in found)
        if len(found) == 2:
            date, clock = found
            known = clock.known & clock.timed & ~clock.dated
            if not self.dates:
                return self._unwrap(clock.ns, known)
            self.dated = True
            return Counts(date.ns + clock.ns, known & date.known & date.dated & ~date.timed)
        (one,) = found
        if (one.known & one.dated).any() or self.dated:
            self.dated = True
            return Counts(one.ns, one.known & one.dated)
        return self._unwrap(one.ns, one.known)

    def rewind(self) -> None:
        self._last, self._midnights = None, 0

    def _unwrap(self, ns: np.ndarray, known: np.ndarray) -> Counts:
        """Times of day with a day more after each midnight, which is where they go back by half a day or more."""
        at = np.flatnonzero(known)
        if not len(at):
            return Counts(ns, known)
        times = ns[at]
        steps = np.diff(times, prepend=times[0] if self._last is None else self._last)
        if times.max() > NS_OF_DAY:  # hours since a start
            return Counts(ns, known)
        half = NS_OF_DAY // 2
        midnights = self._midnights + np.cumsum((steps <= -half).astype(np.int64) - (steps >= half))
        self._last, self._midnights = int(times[-1]), int(midnights[-1])
        values = np.zeros(len(ns), np.int64)
        values[at] = times + midnights * NS_OF_DAY
        return Counts(values, known)


def _to_texts(column: pa.Array, *, clock: bool) -> pa.Array:
    """A column as `read_moments` reads it: 81500 is the clock 08:15:00."""
    if pa.types.is_timestamp(column.type):
        # Without the midnight that a date was given.
        return pc.replace_substring_regex(column.cast(pa.string()), r"[ T]00:00:00(?:\.0+)?Z?$", "")
    if pa.types.is_integer(column.type):
        text = column.cast(pa.string())
        return pc.utf8_lpad(text, 6, "0") if clock else text
    if pa.types.is_floating(column.type):
        return pc.replace_substring_regex(column.cast(pa.string()), r"^([0-9]{5})(\.|$)", r"0\1\2")
    return column.cast(pa.string())


def _to_integers(texts: pa.Array, known: np.ndarray) -> np.ndarray:
    whole = pc.if_else(pa.array(known), pc.replace_substring(texts, "+", ""), "0")
    return pc.cast(pc.if_else(pc.equal(whole, ""), "0", whole), pa.int64()).to_numpy(zero_copy_only=False)


def _is_whole(values: np.ndarray) -> np.ndarray:
    return np.ones(len(values), dtype=bool) if values.dtype.kind == "i" else values == np.floor(values)


def _parse(column: pa.Array) -> list[Any]:
    storage = column.storage if isinstance(column, pa.ExtensionArray) else column
    return [None if text is None else json.loads(text, parse_float=str) for text in storage.to_pylist()]


def _texts_at(objects: list[Any], path: tuple[str, ...]) -> pa.Array:
    """The numbers and texts that the objects have under these names, as text."""
    for name in path:
        objects = [found.get(name) if isinstance(found, dict) else None for found in objects]
    return pa.array(
        [str(value) if isinstance(value, int | str) and type(value) is not bool else None for value in objects],
        pa.string(),
    )


def _paths(value: dict[str, Any], depth: int = 1) -> Iterator[tuple[str, ...]]:
    for name, inner in value.items():
        if len(name) > MAX_NAME_CHARS:
            continue
        if isinstance(inner, dict) and depth < _MAX_NESTED_DEPTH:
            yield from ((name, *path) for path in _paths(inner, depth + 1))
        elif isinstance(inner, int | str) and type(inner) is not bool:
            yield (name,)
