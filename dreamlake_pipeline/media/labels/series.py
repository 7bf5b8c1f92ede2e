"""The `series.parquet` of a label track (`series/form.py`), made of its table part by part."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...series.buckets import Buckets, Grouping, fill, join, numbers_of
from ...series.fields import Field, Sort, Values, find_fields
from ...series.form import ENTRIES, LEAST_ROWS, MARKS, MOST_MARKS, SCHEMA, Described, Description
from ...series.gaps import Distances
from ...series.runs import Runs, RunsOfParts, join_runs
from .rows import LINE_COLUMN, OTHER_COLUMN
from .stats import Statistics
from .times import FoundTime

_ROWS_OF_BUCKET = 16
_OCTAVES = 48  # between the width of a bucket and the duration, at the most
_LEAST_EXPONENT = -60
_TOP_BUCKETS = 512  # of the highest level, at the most
_GROUP_ROWS = 2**16
_LEAST_BUCKETS = 512  # of each field, that are written at a time
_MOST_RUNS = 2**20  # of all fields of marks
_EXACT = 2**53


def write_series(
    path: Path, table: Iterable[pa.RecordBatch], found: FoundTime, statistics: Mapping[str, Statistics]
) -> Path | None:
    """Write `path` for a track with these times; `table` are the rows of its data.parquet in parts. None: it needs no
    such file, since it is small, and its times are a column of numbers or dates."""
    rows = found.rows
    if rows < LEAST_ROWS and found.is_plain:
        return None
    distances, known = _measure(found)
    duration = found.time.duration or 0.0
    width = _width(distances, known, duration)
    levels = 0 if rows < LEAST_ROWS else 1 + _levels_above(width, duration)
    parts = iter(table) if levels else iter(())
    first = next(parts, None)
    fields = [] if first is None else find_fields(first.schema, first, _left_out(found))
    file = _File(path, fields, statistics, levels, width, duration)
    with file:
        seconds = _Seconds(found)
        while first is not None:
            file.add(first, seconds.take(len(first)), distances.gap)
            first = next(parts, None)
        for rest in seconds.rest():
            file.add_times(rest)
        file.end(rows, distances.gap)
    return path


def _left_out(found: FoundTime) -> set[str]:
    return {LINE_COLUMN, OTHER_COLUMN, *found.time.fields}


def _measure(found: FoundTime) -> tuple[Distances, int]:
    """The distances between the times, and how many entries have one."""
    distances, known = Distances(), 0
    for part in found.seconds():
        times = np.sort(part[~np.isnan(part)])
        distances.see(times)
        known += len(times)
    return distances, known


def _width(distances: Distances, known: int, duration: float) -> float:
    """The seconds of a bucket of the first level: the least power of two of which each holds sixteen entries or more,
    buckets without any left out."""
    if not duration:
        return 1.0
    highest = math.floor(math.log2(duration))
    exponent = max(highest - _OCTAVES, _LEAST_EXPONENT)
    while exponent < highest and distances.expected_buckets(2.0**exponent) > known / _ROWS_OF_BUCKET:
        exponent += 1
    return 2.0**exponent


def _levels_above(width: float, duration: float) -> int:
    levels = 0
    while duration / (width * 8**levels) > _TOP_BUCKETS:
        levels += 1
    return levels


class _Seconds:
    """The times of a track, as many at a time as are asked for."""

    def __init__(self, found: FoundTime) -> None:
        self._parts = found.seconds()
        self._left = np.empty(0)

    def take(self, rows: int) -> np.ndarray:
        given = [self._left]
        while sum(map(len, given)) < rows:
            given.append(next(self._parts))
        together = np.concatenate(given)
        self._left = together[rows:]
        return together[:rows]

    def rest(self) -> Iterator[np.ndarray]:
        yield self._left
        yield from self._parts


class _File:
    """The file while it is written: levels, marks and times, and what is to be said of the fields."""

    def __init__(
        self,
        path: Path,
        fields: list[Field],
        statistics: Mapping[str, Statistics],
        levels: int,
        width: float,
        duration: float,
    ) -> None:
        self._writer = pq.ParquetWriter(
            path,
            SCHEMA,
            compression="zstd",
            use_dictionary=["level", "text"],
            column_encoding={
                **dict.fromkeys(("min", "max", "time", "end"), "BYTE_STREAM_SPLIT"),
                **dict.fromkeys(("field", "bucket", "count", "low", "high"), "DELTA_BINARY_PACKED"),
            },
            write_page_checksum=True,
            write_statistics=["level", "field", "bucket", "time", "end"],
        )
        self._fields, self._width, self._duration = fields, width, duration
        self._exact = {at for at, field in enumerate(fields, 1) if _is_exact(field, statistics)}
        marks = [at for at, field in enumerate(fields, 1) if field.sort is Sort.MARK]
        most = max(min(MOST_MARKS, _MOST_RUNS // max(len(marks), 1)), 1)
        self._runs = {at: RunsOfParts(most, duration) for at in marks}
        self._distances: dict[int, Distances] = {}  # of fields that not all entries have
        limit = max(_GROUP_ROWS, _LEAST_BUCKETS * (len(fields) + 1))
        self._levels: list[_Level] = []
        for number in range(levels, 0, -1):
            self._levels.insert(0, _Level(self._write, number, limit, self._levels[0] if self._levels else None))
        self._times: list[np.ndarray] = []
        self._written_times = 0

    def __enter__(self) -> _File:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()

    def add(self, part: pa.RecordBatch, seconds: np.ndarray, gap: float | None) -> None:
        """Rows of the table and their times."""
        self.add_times(seconds)
        rows = _in_order(seconds)
        times = seconds if rows is None else seconds[rows]
        if not len(times):
            return
        values_of = Values(part, self._fields)
        lowest, bucket = self._levels[0], numbers_of(times, self._width)
        together = Grouping(bucket)
        lowest.add(ENTRIES, together.of_values(np.zeros(len(bucket))))
        for at, field in enumerate(self._fields, 1):
            if field.sort is Sort.MARK:
                texts = values_of.texts(field)
                self._add_marks(at, texts if rows is None else texts.take(pa.array(rows)), times, gap)
                continue
            values, known = values_of.numbers(field)
            if rows is not None:
                values, known = values[rows], None if known is None else known[rows]
            if known is not None or at in self._distances:
                known = np.ones(len(values), bool) if known is None else known
                self._gap_of(at, times[known], gap)
                lowest.add(at, fill(bucket[known], values[known]))
            else:
                lowest.add(at, together.of_values(values))
        lowest.flush()

    def add_times(self, seconds: np.ndarray) -> None:
        self._times.append(seconds)
        if sum(map(len, self._times)) >= _GROUP_ROWS:
            self._flush_times()

    def end(self, rows: int, gap: float | None) -> None:
        """Write what is left, and the description."""
        self._flush_times()
        for level in self._levels:
            level.flush(end=True)
        runs = {at: found.all() for at, found in self._runs.items()}
        self._write_marks({at: one for at, one in runs.items() if len(one)})
        self._exact |= {at for at, one in runs.items() if one.are_exact}
        fields = tuple(
            Described(field, self._distances[at].gap if at in self._distances else gap, at in self._exact)
            for at, field in enumerate(self._fields, 1)
        )
        described = Description(self._width, len(self._levels), rows, self._duration, gap, fields)
        self._writer.add_key_value_metadata(described.pack())

    def _gap_of(self, at: int, times: np.ndarray, gap: float | None) -> float | None:
        """The gap of a field that not all entries have, as its values so far tell it."""
        own = self._distances.setdefault(at, Distances())
        own.see(times)
        return own.gap or gap

    def _add_marks(self, at: int, values: pa.Array, times: np.ndarray, gap: float | None) -> None:
        if values.null_count or at in self._distances:
            times = times[values.is_valid().to_numpy(zero_copy_only=False)]
            values = values.drop_null()
            gap = self._gap_of(at, times, gap)
        self._runs[at].see(times, values, gap)

    def _flush_times(self) -> None:
        times = np.concatenate(self._times) if self._times else np.empty(0)
        self._times = []
        for start in range(0, len(times), _GROUP_ROWS):
            some = times[start : start + _GROUP_ROWS]
            numbers = np.arange(self._written_times, self._written_times + len(some))
            self._write_rows(0, {"bucket": numbers, "time": pa.array(some, mask=np.isnan(some))})
            self._written_times += len(some)

    def _write(self, level: int, buckets: dict[int, Buckets]) -> None:
        lengths = [len(found) for found in buckets.values()]
        exact = np.repeat([at in self._exact for at in buckets], lengths)
        columns: dict[str, Any] = {
            "field": np.repeat(np.array(list(buckets), np.int32), lengths),
            "bucket": np.concatenate([found.number for found in buckets.values()]),
            "count": np.concatenate([found.count for found in buckets.values()]),
        }
        entries = columns["field"] == ENTRIES
        for name, whole, values in (
            ("min", "low", [found.low for found in buckets.values()]),
            ("max", "high", [found.high for found in buckets.values()]),
        ):
            columns[name] = pa.array(np.concatenate([one.astype(np.float64) for one in values]), mask=exact | entries)
            if exact.any():
                integers = [one if one.dtype.kind == "i" else np.zeros(len(one), np.int64) for one in values]
                columns[whole] = pa.array(np.concatenate(integers), mask=~exact)
        self._write_rows(level, columns)

    def _write_marks(self, runs: dict[int, Runs]) -> None:
        waiting: dict[int, Runs] = {}
        for at, found in [*runs.items(), (0, None)]:
            if waiting and (found is None or sum(map(len, waiting.values())) + len(found) > _GROUP_ROWS):
                together = join_runs(list(waiting.values()))
                field = np.repeat(np.array(list(waiting), np.int32), [len(one) for one in waiting.values()])
                columns = {"field": field, "time": together.start, "end": together.end}
                self._write_rows(MARKS, columns | {"text": together.text, "count": together.count})
                waiting = {}
            if found is not None:
                waiting[at] = found

    def _write_rows(self, level: int, columns: dict[str, Any]) -> None:
        rows = len(next(iter(columns.values())))
        columns["level"] = np.full(rows, level, np.int8)
        arrays = [
            pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)
            for field in SCHEMA
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), row_group_size=_GROUP_ROWS)


class _Level:
    """The buckets of one width that are not written yet, by field."""

    def __init__(self, write: Any, number: int, limit: int, above: _Level | None) -> None:
        self._write, self._number, self._limit, self._above = write, number, limit, above
        self._parts: dict[int, list[Buckets]] = defaultdict(list)
        self._rows = 0

    def add(self, field: int, buckets: Buckets) -> None:
        if len(buckets):
            self._parts[field].append(buckets)
            self._rows += len(buckets)

    def flush(self, *, end: bool = False) -> None:
        """Write them when they are many, or at the `end`, and hand them on to the level above."""
        if self._rows <= self._limit and not end:
            return
        joined = {field: join(parts) for field, parts in sorted(self._parts.items())}
        self._rows = sum(map(len, joined.values()))
        if self._rows <= self._limit // 2 and not end:  # parts of the same buckets, where times go back
            self._parts = defaultdict(list, {field: [one] for field, one in joined.items()})
            return
        if joined:
            self._write(self._number, joined)
        if self._above is not None:
            for field, one in joined.items():
                self._above.add(field, one.wider(8))
            self._above.flush()
        self._parts, self._rows = defaultdict(list), 0


def _is_exact(field: Field, statistics: Mapping[str, Statistics]) -> bool:
    """Whether integers may be too large to be told by floats; the bounds of lists are not known."""
    if field.sort is not Sort.INTEGER:
        return False
    found = statistics[field.column]
    if field.path or found.low is None or found.high is None:
        return True
    return found.low < -_EXACT or found.high > _EXACT


def _in_order(seconds: np.ndarray) -> np.ndarray | None:
    """The rows that have a time, in its order; None: all of them as they are."""
    known = ~np.isnan(seconds)
    if known.all() and (np.diff(seconds) >= 0).all():
        return None
    rows = np.flatnonzero(known)
    return rows[np.argsort(seconds[rows], kind="stable")]
