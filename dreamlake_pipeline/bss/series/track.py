"""A track whose entries have times: which entries and buckets lie in a span of it.

Times are seconds since the first one. A large track has a `series.parquet` (`series/form.py`); of a small one, the
column of its times is read, which the metadata of its record explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...api.bss import Record
from ...errors import Code, DreamlakeError
from ...kinds import Kind
from ...layout import result_key
from ...series import form
from ...series.buckets import Buckets, join
from ...series.fields import LOOKED_AT, MOST_ITEMS, Field, find_fields, nested_columns
from ...series.form import Described, Description
from ...series.gaps import Distances
from ...series.runs import Runs
from ...series.seconds import seconds_since
from ...storage import ObjectStore
from .tables import Footers, StoredTable

MOST_SMALL = 2**17  # entries of a track without a series.parquet
_MOST_READ = 2**18  # entries whose times are read for one answer
_MOST_GROUPS = 16  # of times, that are searched for one
_BLUR = 2e-6  # seconds by which a bound that is told may be off
_LINE = "_line"
_OTHER = "_other"
_SECONDS_OF_UNIT = {
    "ns": (1, 10**9),
    "us": (1, 10**6),
    "ms": (1, 1000),
    "s": (1, 1),
    "min": (60, 1),
    "h": (3600, 1),
    "d": (86_400, 1),
}


@dataclass(frozen=True, slots=True)
class Entries:
    """Some entries by their times: `seconds`, ascending, and their `numbers` in the table."""

    seconds: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.seconds)


class Track(Protocol):
    """`start` is the first time as the metadata have it, `duration` in seconds. `gap` as in `series/gaps.py`."""

    table: StoredTable
    start: Any
    duration: float
    gap: float | None

    @property
    def fields(self) -> Sequence[Field]:
        """Those that have a series."""

    def between(self, start: float, end: float) -> Entries | None:
        """The entries of this span, or more; None when they are too many to read."""

    def gap_of(self, field: Field, seconds: np.ndarray) -> float | None:
        """The gap of a field, which has values at these times among the entries that were read."""

    def number_at(self, at: float) -> int:
        """The number of the last entry that is not later, or of the first one."""

    def seconds_of(self, first: int, count: int) -> np.ndarray:
        """The times of entries in the order of the table; NaN where one has none."""


class SmallTrack:
    """A track all of whose times are at hand."""

    def __init__(self, table: StoredTable, seconds: np.ndarray, record: Record) -> None:
        metadata = record.metadata or {}
        start = metadata.get("start", metadata.get("startSec"))
        if (telemetry := metadata.get("telemetry")) is not None:  # the first cues may hold none
            start = telemetry.get("startSec", start)
        self.table, self.start = table, start
        self._seconds = seconds
        numbers = np.flatnonzero(~np.isnan(seconds))
        numbers = numbers[np.argsort(seconds[numbers], kind="stable")]
        self._entries = Entries(seconds[numbers], numbers)
        self.duration = float(self._entries.seconds[-1]) if len(numbers) else 0.0
        distances = Distances()
        distances.see(self._entries.seconds)
        self.gap = distances.gap
        self._left_out = {_LINE, _OTHER, *(metadata.get("time") or {"fields": ["start", "end"]})["fields"]}

    @cached_property
    def fields(self) -> Sequence[Field]:
        schema = self.table.schema
        lists, objects = nested_columns(schema)
        found = self.table.read_all(lists, items=MOST_ITEMS), self.table.read_first(LOOKED_AT, objects)
        return find_fields(schema, {name: part[name] for part in found for name in part.column_names}, self._left_out)

    def between(self, start: float, end: float) -> Entries:
        """All of them: what is usual in a field is told by all of its values."""
        return self._entries

    def gap_of(self, field: Field, seconds: np.ndarray) -> float | None:
        distances = Distances()
        distances.see(seconds)
        return distances.gap or self.gap

    def number_at(self, at: float) -> int:
        place = int(np.searchsorted(self._entries.seconds, at, side="right")) - 1
        return int(self._entries.numbers[max(place, 0)]) if len(self._entries) else 0

    def seconds_of(self, first: int, count: int) -> np.ndarray:
        return self._seconds[first : first + count]


class LargeTrack:
    """A track with a series.parquet."""

    def __init__(self, table: StoredTable, series: StoredTable, described: Description, start: Any) -> None:
        self.table, self.start = table, start
        self.described, self.duration, self.gap = described, described.duration, described.gap
        self.numbers = {one.field: number for number, one in enumerate(described.fields, 1)}
        self._series = series
        self._index = _Index(series)

    @cached_property
    def fields(self) -> Sequence[Field]:
        return list(self.numbers)

    def described_field(self, field: Field) -> Described:
        return self.described.fields[self.numbers[field] - 1]

    def gap_of(self, field: Field, seconds: np.ndarray) -> float | None:
        return self.described_field(field).gap

    def level_for(self, width: float) -> int:
        """The highest level whose buckets are not wider than this; 0 where those of none are."""
        levels = range(self.described.levels, 0, -1)
        return next((level for level in levels if self.described.width_of(level) <= width), 0)

    def buckets(self, level: int, fields: Sequence[int], first: int, last: int) -> dict[int, Buckets]:
        """The buckets of a level that are numbered from `first` to `last`, by field."""
        index = self._index
        groups = np.flatnonzero(
            (index.level == level)
            & (index.bucket[0] <= last)
            & (index.bucket[1] >= first)
            & np.logical_or.reduce([(index.field[0] <= one) & (index.field[1] >= one) for one in fields])
        )
        exact = {one for one in fields if one and self.described.fields[one - 1].exact}
        columns = ["field", "bucket", "count", "min", "max", *(("low", "high") if exact else ())]
        table = self._series.read_groups(groups.tolist(), columns)
        field, bucket = _array(table, "field"), _array(table, "bucket")
        inside = (bucket >= first) & (bucket <= last)
        found = {}
        for one in fields:
            rows = np.flatnonzero(inside & (field == one))
            bounds = ("low", "high") if one in exact else ("min", "max")
            values = [_array(table, name)[rows] for name in ("bucket", "count", *bounds)]
            found[one] = join([Buckets(*values)])
        return found

    def marks(self, of: Field, start: float, end: float) -> Runs:
        """The stored runs of a field that are shown at some time of this span."""
        index, field = self._index, self.numbers[of]
        groups = np.flatnonzero(
            (index.level == form.MARKS)
            & (index.field[0] <= field)
            & (index.field[1] >= field)
            & (index.time[0] <= end)
            & (index.end[1] >= start)
        )
        table = self._series.read_groups(groups.tolist(), ["field", "time", "end", "text", "count"])
        text = pa.concat_arrays([pa.array([], pa.string()), *table.column("text").chunks])
        runs = Runs(_array(table, "time"), _array(table, "end"), text, _array(table, "count"))
        return runs.take(np.flatnonzero(_array(table, "field") == field)).between(start, end)

    def between(self, start: float, end: float) -> Entries | None:
        index = self._index
        groups = np.flatnonzero((index.level == 0) & (index.time[0] <= end) & (index.time[1] >= start))
        if index.rows[groups].sum() > _MOST_READ:
            return None
        table = self._series.read_groups(groups.tolist(), ["bucket", "time"])
        seconds, numbers = _array(table, "time"), _array(table, "bucket")
        rows = np.flatnonzero((seconds >= start) & (seconds <= end))
        rows = rows[np.argsort(seconds[rows], kind="stable")]
        entries = Entries(seconds[rows], numbers[rows])
        return entries if self.table.count_rows_of_groups(entries.numbers) <= _MOST_READ else None

    def number_at(self, at: float) -> int:
        index = self._index
        low, high = index.time
        across = np.flatnonzero((index.level == 0) & (low <= at) & (high > at))[:_MOST_GROUPS]
        before = np.flatnonzero((index.level == 0) & (high <= at))
        latest = before[high[before] == high[before].max()][:1] if len(before) else before
        table = self._series.read_groups(sorted({*across.tolist(), *latest.tolist()}), ["bucket", "time"])
        seconds, numbers = _array(table, "time"), _array(table, "bucket")
        rows = np.flatnonzero(seconds <= at)
        last = rows[np.argsort(seconds[rows], kind="stable")[-1:]]
        return int(numbers[last[0]]) if len(last) else 0

    def seconds_of(self, first: int, count: int) -> np.ndarray:
        index = self._index
        groups = np.flatnonzero((index.level == 0) & (index.bucket[0] < first + count) & (index.bucket[1] >= first))
        table = self._series.read_groups(groups.tolist(), ["bucket", "time"])
        numbers = _array(table, "bucket")
        return _array(table, "time")[(numbers >= first) & (numbers < first + count)]


class _Index:
    """Which rows each row group of a series.parquet has: bounds of their columns, a pair of arrays each."""

    def __init__(self, series: StoredTable) -> None:
        footer = series.footer
        self.rows = np.diff(footer.begins)
        self.level = footer.statistics("level")[0]
        self.field = footer.statistics("field")
        self.bucket = footer.statistics("bucket")
        self.time = footer.statistics("time")
        self.end = footer.statistics("end")


def _array(table: pa.Table, name: str) -> np.ndarray:
    """A column of a table; null is NaN, of integers 0."""
    column = table.column(name)
    values: np.ndarray = (pc.fill_null(column, 0) if pa.types.is_integer(column.type) else column).to_numpy()
    return values


def open_track(store: ObjectStore, footers: Footers, record: Record) -> Track:
    """The track of a label track, or of the telemetry of a text track.

    Raises NOT_FOUND where there is no telemetry, INVALID_REQUEST where the entries have no times or are too many
    measurements of a text track, and NOT_READY for a large label track that an earlier version processed.
    """
    metadata = record.metadata or {}
    if record.kind is Kind.TEXT_TRACK and not metadata.get("telemetry"):
        raise DreamlakeError(Code.NOT_FOUND, f"{record.name} holds no telemetry.")
    if record.kind is Kind.LABEL_TRACK and metadata.get("time") is None:
        raise DreamlakeError(
            Code.INVALID_REQUEST,
            f"The entries of {record.name} have no times: no field of theirs tells one.",
            hint=f"GET /{record.kind.spec.route}/{record.id}/rows?first=0 shows them by their order.",
        )
    table = open_table(store, footers, record)
    most = MOST_SMALL
    if record.kind is Kind.TEXT_TRACK:
        most = _MOST_READ
        if table.rows > most:
            raise DreamlakeError(
                Code.INVALID_REQUEST,
                f"{record.name} holds {table.rows:,} measurements; of a text track, curves show {most:,} at the most.",
                hint="Its data.parquet has all of them.",
            )
    if metadata.get("seriesUrl"):
        series = StoredTable(store, footers, _key(record, form.FILENAME))
        described = form.read_description(series.footer.notes)
        if described is not None and described.rows == table.rows:
            if described.levels:
                return LargeTrack(table, series, described, metadata.get("start"))
            return SmallTrack(table, _array(series.read_all(["time"]), "time"), record)
    elif table.rows <= most and (seconds := _read_seconds(table, record)) is not None:
        return SmallTrack(table, seconds, record)
    raise DreamlakeError(
        Code.NOT_READY,
        f"No curves were made of {record.name}: it was processed by another version.",
        hint="`dreamlake retry --all` processes it again.",
    )


def open_table(store: ObjectStore, footers: Footers, record: Record) -> StoredTable:
    """The table of a track. Raises NOT_FOUND, STORAGE_FAILED."""
    return StoredTable(store, footers, _key(record, "data.parquet"))


def _key(record: Record, filename: str) -> str:
    return result_key(record.owner, record.project, record.kind, record.id, filename)


def _read_seconds(table: StoredTable, record: Record) -> np.ndarray | None:
    """The times of a table whose time is one column of numbers or timestamps; else None."""
    metadata = record.metadata or {}
    if record.kind is Kind.TEXT_TRACK:
        column, unit, start, end = "start", "s", -np.inf, np.inf
    else:
        names = metadata["time"].get("fields", [])
        column, unit = names[0] if len(names) == 1 else "", metadata["time"].get("unit")
        bounds = _since_1970(metadata.get("start")), _since_1970(metadata.get("end"))
        start, end = (other if bound is None else bound for bound, other in zip(bounds, (-np.inf, np.inf), strict=True))
    place = table.schema.get_field_index(column)
    if place < 0:
        return None
    values = pa.concat_arrays(
        [pa.array([], table.schema.field(place).type), *table.read_all([column]).column(0).chunks]
    )
    if pa.types.is_timestamp(values.type):
        unit, values = values.type.unit, values.cast(pa.int64())
    if unit not in _SECONDS_OF_UNIT or not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return None
    known = values.is_valid().to_numpy(zero_copy_only=False)
    numbers = values.fill_null(0).to_numpy(zero_copy_only=False)
    return _seconds(numbers, known, _SECONDS_OF_UNIT[unit], start, end)


def _seconds(values: np.ndarray, known: np.ndarray, unit: tuple[int, int], start: float, end: float) -> np.ndarray:
    """The seconds from the first of these counts of `unit` seconds to each; NaN for those that are not known, or do not
    lie between `start` and `end`: what is unset, or far from all others, is no time."""
    numerator, denominator = unit
    absolute = values.astype(np.float64) * numerator / denominator
    known = known & (absolute >= start - _BLUR) & (absolute <= end + _BLUR) & np.isfinite(absolute)
    if not known.any():
        return np.full(len(values), np.nan)
    return np.where(known, seconds_since(values, values[known].min().item(), numerator, denominator), np.nan)


def _since_1970(told: float | str | None) -> float | None:
    """A bound of times as the metadata tell it: seconds, or RFC 3339. None where there is none."""
    if not isinstance(told, str):
        return told
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
