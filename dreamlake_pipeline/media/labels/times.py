"""When the entries of a label track were: which fields tell it, in which unit, and the span of their times.

Fields are tried in the order of how surely their names mean a time; the first whose values can be read as times is
taken. What unit a number counts is said by its name, by a row of units, or else by the bulk of the values: unset ones
(0) and a few that are far from all others do not count for it, nor for the span.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np

from ...series.seconds import seconds_since
from .stats import Statistics
from .time_candidates import decide_order, find_candidates, find_unnamed_pairs, list_readers, may_be_unix
from .time_names import unit_of
from .time_readers import ClockReader, Counts, NumberReader, Reader, Table
from .time_scale import Sample, Scale, find_scale, take_sample
from .time_span import BARS, Span, add, count_in_parts, exactly, explain, is_time, show

_MOST_TRIED = 50  # candidates, each of which is read as a whole
_KEPT_ROWS = 2**21  # of whose counts 36 MB are kept


@dataclass(frozen=True, slots=True)
class LabelTime:
    """When the entries were.

    `fields` tell it: one, or two that belong together (a date and a clock, seconds and their fraction). `column` is
    the Parquet column of the first. `unit` is what the numbers count, a key of `SECONDS_OF_UNIT`; None for dates and
    clocks. `origin` is what they count from: `unix` (1970), `date`, `gps` (GPS weeks), `midnight`, or `relative`, the
    start of something. `why` says in a sentence how that was decided.

    `start` and `end` are RFC 3339 for `unix`, `date` and `gps`, else seconds. `duration` is the seconds between them,
    None where there is only one time. `left_out` entries have no time or none that counts; the time of `goes_back`
    entries is before that of the entry above. `counts` are the entries in each of `BARS` equal parts of the span.
    """

    fields: tuple[str, ...]
    column: str
    unit: str | None
    origin: str
    why: str
    start: float | str
    end: float | str
    duration: float | None
    left_out: int
    goes_back: int
    counts: tuple[int, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundTime:
    """The time of a track of so many `rows`, and of each of them.

    `is_plain`: its times are one column of numbers or timestamps, of which `unit` and `start` are enough to read them.
    """

    time: LabelTime
    rows: int
    is_plain: bool
    _series: _Series = field(repr=False)
    _scale: Scale = field(repr=False)
    _low: float | int = field(repr=False)

    def seconds(self) -> Iterator[np.ndarray]:
        """The seconds from the first time to that of each entry, in the order of the table, some rows at a time; NaN
        where it has none."""
        for _, counts in self._series:
            per = self._scale.per
            seconds = seconds_since(counts.values, self._low, per.numerator, per.denominator)
            yield np.where(is_time(counts, self._scale), seconds, np.nan)


def find_time(
    path: Path,
    statistics: Mapping[str, Statistics],
    units: Mapping[str, str] | None = None,
    unnamed: Collection[str] = (),
) -> tuple[FoundTime | None, list[str]]:
    """The time of a label track's Parquet file; and what there is to say of fields that could not be read as one.

    `units` are the texts of a row of units by field, such as `ms`; what is no unit of time is passed over. `unnamed`
    are fields whose names the file does not give: only their values can tell that they are times.
    """
    table = Table(path)
    known = {field: unit for field, text in (units or {}).items() if (unit := unit_of(text))}
    warnings: list[str] = []
    candidates = chain(find_unnamed_pairs(statistics, unnamed), find_candidates(table, statistics))
    for fields in islice(candidates, _MOST_TRIED):
        with np.errstate(over="ignore", invalid="ignore"):  # of what is no time anyway
            found = _read_time(table, fields, statistics, known, warnings)
        if found:
            return found, [*warnings, *found.time.warnings]
    numbers = (name for name in unnamed if name in statistics and may_be_unix(statistics[name]))
    for name in islice(numbers, _MOST_TRIED):
        found = _read_time(table, (name,), statistics, known, warnings)
        if found and found.time.origin == "unix" and found.time.duration and not found.time.goes_back:
            return found, [*warnings, *found.time.warnings]
    return None, warnings


class _Series:
    """The line numbers and counts of a reader over all of a table; a table of few rows is read once."""

    def __init__(self, table: Table, reader: Reader) -> None:
        self.table, self.reader = table, reader
        self._kept: list[tuple[np.ndarray, Counts]] | None = None

    def __iter__(self) -> Iterator[tuple[np.ndarray, Counts]]:
        if self._kept is not None:
            yield from self._kept
            return
        self.reader.rewind()
        kept = []
        for lines, columns in self.table.batches(self.reader.fields):
            found = (lines, self.reader.read(columns))
            if self.table.rows <= _KEPT_ROWS:
                kept.append(found)
            yield found
        if self.table.rows <= _KEPT_ROWS:
            self._kept = kept


def _read_time(
    table: Table,
    fields: tuple[str, ...],
    statistics: Mapping[str, Statistics],
    units: Mapping[str, str],
    warnings: list[str],
) -> FoundTime | None:
    for reader in list_readers(fields, statistics, units):
        series = _Series(table, reader)
        sample = take_sample(series)
        if isinstance(reader, ClockReader) and (decided := decide_order(reader, warnings)):
            series = _Series(table, decided)
            sample = take_sample(series)
        enough = sample.known >= 0.5 * sample.rows or _is_number(fields, statistics)
        if len(sample.values) and enough:
            return _measure(series, find_scale(series.reader, sample, units, statistics), sample)
    return None


def _is_number(fields: tuple[str, ...], statistics: Mapping[str, Statistics]) -> bool:
    """Whether a field is of numbers or dates, however few of its entries have one."""
    return len(fields) == 1 and fields[0] in statistics and statistics[fields[0]].low is not None


def _measure(series: _Series, scale: Scale, sample: Sample) -> FoundTime | None:
    table, reader = series.table, series.reader
    span = Span()
    for lines, counts in series:
        add(span, lines, counts, scale)
    if span.low is None or span.high is None:
        return None
    histogram = np.zeros(BARS, dtype=np.int64)
    for _, counts in series:
        histogram += count_in_parts(counts.values[is_time(counts, scale)], span.low, span.high)
    one_time = span.low == span.high
    warnings = [*scale.warnings, *explain(span, scale, reader.fields, sample.rows)]
    if one_time:
        entries = "there is one entry" if sample.rows == 1 else "all entries have the same"
        warnings.append(f"The time of {reader.fields[0]!r} has no duration: {entries}.")
    time = LabelTime(
        fields=reader.fields,
        column=table.column_of(reader.fields[0]),
        unit=scale.unit,
        origin=scale.origin,
        why=scale.why,
        start=show(span.low, scale),
        end=show(span.high, scale),
        duration=None if one_time else float((exactly(span.high) - exactly(span.low)) * scale.per),
        left_out=span.unset + span.far + span.unknown,
        goes_back=span.goes_back,
        counts=tuple(histogram.tolist()),
        warnings=tuple(warnings),
    )
    is_plain = isinstance(reader, NumberReader) and table.is_counted(reader.fields[0])
    return FoundTime(time, table.rows, is_plain, series, scale, span.low)
