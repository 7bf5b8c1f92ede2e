"""When the entries of a label track were: which fields tell it, in which unit, and the span of their times.

Fields are tried in the order of how surely their names mean a time; the first whose values can be read as times is
taken. What unit a number counts is said by its name, by a row of units, or else by the bulk of the values: unset ones
(0) and a few that are far from all others do not count for it, nor for the span.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa

from .clock import Order, format_time
from .stats import Statistics
from .time_names import (
    SECONDS_OF_UNIT,
    find_date_and_clock,
    find_parts,
    find_week_and_seconds,
    parse_name,
    unit_of,
)
from .time_readers import NS, ClockReader, Counts, NumberReader, PartsReader, Reader, Table, WeekReader
from .types import JSON

OTHER_COLUMN = "_other"  # of fields beyond the limit
BARS = 150  # of the plot

_SAMPLE = 50_000
_KEPT_ROWS = 2**21  # of whose counts 36 MB are kept
_YEAR = 31_556_952  # seconds
# Numbers of seconds from here on are times since 1970, not since the start of something: 1973, after three years.
_LEAST_UNIX, _MOST_UNIX = 10**8, 230 * _YEAR
# Numbers whose unit nothing says are times since 1970 if that makes them times from 1990 to 2070.
_LEAST_SURE, _MOST_SURE = 20 * _YEAR, 100 * _YEAR
_GUESSED_UNITS = ("s", "ms", "us", "ns")
_MOST_STEP = 2  # seconds between entries, where the unit of a clock is guessed by that
# Times this far from the middle half of all, in seconds or in widths of that half, are no times of this track.
_FAR_YEARS, _FAR_WIDTHS = 5 * _YEAR, 200
_MOST_FAR = 0.25  # of all entries; more of them are no exception


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
    counts: np.ndarray
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    """What a count means: `per` seconds each, from `origin`; `low` and `high` bound the counts that can be times."""

    unit: str | None
    per: Fraction
    origin: str
    why: str
    zone: str = ""
    low: float = -np.inf
    high: float = np.inf
    zero_is_unset: bool = False
    warnings: tuple[str, ...] = ()


@dataclass
class _Sample:
    """What is known of a candidate after reading all of it once: some of its counts, and the usual step."""

    values: np.ndarray
    step: float
    integers: bool
    rows: int
    known: int


@dataclass
class _Span:
    """The bounds of the counts that are times, and what there is to say of the others."""

    low: float | int | None = None
    high: float | int | None = None
    unset: int = 0
    far: int = 0
    unknown: int = 0
    goes_back: int = 0
    first_unset: int = 0  # line numbers
    first_far: int = 0
    first_unknown: int = 0
    first_back: int = 0
    last: float | int | None = None


def find_time(
    path: Path,
    statistics: Mapping[str, Statistics],
    units: Mapping[str, str] | None = None,
    unnamed: Collection[str] = (),
) -> tuple[LabelTime | None, list[str]]:
    """The time of a label track's Parquet file; and what there is to say of fields that could not be read as one.

    `units` are the texts of a row of units by field, such as `ms`; what is no unit of time is passed over. `unnamed`
    are fields whose names the file does not give: only their values can tell that they are times.
    """
    table = Table(path)
    known = {field: unit for field, text in (units or {}).items() if (unit := unit_of(text))}
    warnings: list[str] = []
    for fields in _candidates(table, statistics):
        with np.errstate(over="ignore", invalid="ignore"):  # of what is no time anyway
            found = _read_time(table, fields, statistics, known, warnings)
        if found:
            return found, [*warnings, *found.warnings]
    for name in unnamed:
        if name in statistics and _may_be_unix(statistics[name]):
            found = _read_time(table, (name,), statistics, known, warnings)
            if found and found.origin == "unix" and found.duration and not found.goes_back:
                return found, [*warnings, *found.warnings]
    return None, warnings


def _may_be_unix(found: Statistics) -> bool:
    """Whether a field is of numbers that are times from 1990 to 2070 in one unit."""
    if not isinstance(found.low, int | float | Decimal) or not isinstance(found.high, int | float | Decimal):
        return False
    low, high = float(found.low), float(found.high)
    return any(
        _LEAST_SURE <= low * seconds <= high * seconds < _MOST_SURE
        for seconds in (float(SECONDS_OF_UNIT[unit]) for unit in _GUESSED_UNITS)
    )


def _candidates(table: Table, statistics: Mapping[str, Statistics]) -> Iterator[tuple[str, ...]]:
    """Fields that may tell the time, alone or by twos, the surest first; those within objects last."""
    names = [name for name in statistics if name != OTHER_COLUMN]
    plain = [name for name in names if _may_be_time(statistics[name])]
    yield from _ranked(plain)
    yield from _ranked(table.add_nested([name for name in names if statistics[name].type is JSON]))
    for name in plain:
        if pa.types.is_timestamp(statistics[name].type.arrow):
            yield (name,)


def _ranked(names: list[str]) -> list[tuple[str, ...]]:
    position = {name: number for number, name in enumerate(names)}
    ranked: list[tuple[float, int, tuple[str, ...]]] = []
    for pair in find_parts(names):
        ranked.append((_rank_of_parts(pair[0]), position[pair[0]], pair))
    for pair in find_date_and_clock(names):
        ranked.append((0.5, position[pair[0]], pair))
    if week := find_week_and_seconds(names):
        ranked.append((0.7, position[week[0]], week))
    for name in names:
        if (rank := parse_name(name).rank) is not None:
            ranked.append((rank, position[name], (name,)))
    return [fields for _, _, fields in sorted(ranked)]


def _rank_of_parts(name: str) -> float:
    """Just before a field of the same name that is whole."""
    rank = parse_name(name).rank
    return -0.5 if rank is None else min(rank, 5) - 0.5


def _may_be_time(found: Statistics) -> bool:
    """Whether a field is of numbers, dates or texts."""
    return found.low is not None or pa.types.is_string(found.type.arrow)


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
) -> LabelTime | None:
    for reader in _readers(fields, statistics, units):
        series = _Series(table, reader)
        sample = _sample(series)
        if isinstance(reader, ClockReader) and (decided := _decide_order(reader, warnings)):
            series = _Series(table, decided)
            sample = _sample(series)
        enough = sample.known >= 0.5 * sample.rows or _is_number(fields, statistics)
        if len(sample.values) and enough:
            return _measure(series, _scale_of(series.reader, sample, units, statistics), sample)
    return None


def _is_date(found: Statistics) -> bool:
    """Whether integers may be dates such as 20250617."""
    return found.low is not None and found.high is not None and 19_000_101 <= found.low <= found.high <= 21_001_231


def _is_number(fields: tuple[str, ...], statistics: Mapping[str, Statistics]) -> bool:
    """Whether a field is of numbers or dates, however few of its entries have one."""
    return len(fields) == 1 and fields[0] in statistics and statistics[fields[0]].low is not None


def _readers(
    fields: tuple[str, ...], statistics: Mapping[str, Statistics], units: Mapping[str, str]
) -> Iterator[Reader]:
    """The ways in which fields can be read, likelier ones first."""
    if len(fields) == 1:
        found = statistics.get(fields[0])
        compact = found is not None and pa.types.is_integer(found.type.arrow) and _is_date(found)
        if compact and parse_name(fields[0]).stem in ("date", "datum"):
            yield ClockReader(fields)
        yield NumberReader(fields)
        if found is None or pa.types.is_string(found.type.arrow):
            yield ClockReader(fields)
        return
    unit = parse_name(fields[1]).unit
    if find_week_and_seconds(list(fields)):
        yield WeekReader(fields, SECONDS_OF_UNIT[units.get(fields[1]) or unit or "s"])
    elif find_parts(list(fields)) and unit:
        yield PartsReader(fields, unit)
    else:
        yield ClockReader(fields)


def _decide_order(reader: ClockReader, warnings: list[str]) -> ClockReader | None:
    """Another reader for dates of which only the column tells whether the day or the month is first."""
    if not (reader.doubtful or reader.day_first or reader.month_first):
        return None
    fresh = ClockReader(reader.fields)
    if reader.day_first > 20 * reader.month_first:
        return replace(fresh, order=Order.DAY)
    if reader.month_first > 20 * reader.day_first:
        return replace(fresh, order=Order.MONTH)
    if len(reader.fields) == 2:
        warnings.append(
            f"The dates of {reader.fields[0]!r} can have the day or the month first: only the clock of "
            f"{reader.fields[1]!r} was read as the time of entries."
        )
        return replace(fresh, dates=False)
    warnings.append(
        f"The dates of {reader.fields[0]!r} can have the day or the month first: they were not read as the time of "
        "entries. Write them as 2024-12-31."
    )
    return None


def _sample(series: _Series) -> _Sample:
    """Read all of a candidate once, keeping every so many rows."""
    kept: list[np.ndarray] = []
    rows = known = 0
    step, integers = 0.0, True
    for _, counts in series:
        values = counts.values[counts.known]
        if not known and len(values):
            ahead = np.diff(values[:10_000].astype(np.float64))
            step = float(np.median(ahead[ahead > 0])) if (ahead > 0).any() else 0.0
            integers = bool((values[:10_000] == np.floor(values[:10_000])).all())
        kept.append(values)
        rows += len(counts.values)
        known += len(values)
        if sum(map(len, kept)) > 4 * _SAMPLE:
            together = np.concatenate(kept)
            kept = [together[:: len(together) // _SAMPLE]]
    return _Sample(np.concatenate(kept) if kept else np.empty(0), step, integers, rows, known)


def _scale_of(
    reader: Reader, sample: _Sample, units: Mapping[str, str], statistics: Mapping[str, Statistics]
) -> _Scale:
    """What the counts of a reader mean, as the bulk of them tells."""
    names = " and ".join(map(repr, reader.fields))
    if isinstance(reader, ClockReader):
        if reader.dated:
            why = f"{names} {'is' if len(reader.fields) == 1 else 'are'} the date and time"
            if reader.order:
                why += f", the {reader.order} first in dates"
            scale = _Scale(None, NS, "date", why + ".", zone="Z" if reader.zoned else "", zero_is_unset=True)
        else:
            scale = _Scale(None, NS, "midnight", f"{reader.fields[-1]!r} is a time of day, without a date.")
    elif isinstance(reader, WeekReader):
        why = f"{names} are the GPS week and the time in it; 18 leap seconds were taken off."
        scale = _Scale(None, NS, "gps", why, zone="Z")
    elif isinstance(reader, PartsReader):
        scale = _numeric_scale(
            reader.fields, sample, NS, "ns", f"{names} are seconds and what is added to them, in {reader.unit}"
        )
        scale = replace(scale, unit="s")
    else:
        assert isinstance(reader, NumberReader)
        found = statistics.get(reader.fields[0])
        if found and pa.types.is_timestamp(found.type.arrow):
            per = SECONDS_OF_UNIT[found.type.arrow.unit]
            zone = "Z" if found.type.arrow.tz else ""
            scale = _Scale(None, per, "date", f"{names} is a date and time.", zone=zone, zero_is_unset=True)
        else:
            named = parse_name(reader.fields[0]).unit
            unit = units.get(reader.fields[0]) or named
            said = "the row of units says" if reader.fields[0] in units else "its name says"
            scale = _numeric_scale(
                reader.fields, sample, reader.per, unit, f"{names} counts {unit}, as {said}" if unit else None
            )
    return _without_far(scale, sample)


def _numeric_scale(
    fields: tuple[str, ...], sample: _Sample, per: Fraction, unit: str | None, said: str | None
) -> _Scale:
    """The scale of numbers of `per` each of a unit, which `said` explains where it is known."""
    name = fields[0]
    values = np.abs(sample.values.astype(np.float64)) * float(per)
    given = values[values > 0]
    usual = float(np.median(given)) if len(given) else 0.0
    step = sample.step * float(per)
    warnings: tuple[str, ...] = ()
    by_size = next(
        (one for one in _GUESSED_UNITS if _LEAST_SURE <= usual * float(SECONDS_OF_UNIT[one]) < _MOST_SURE), None
    )
    if len(fields) == 2:
        assert said
        unit, per, by_size = "s", per, None
        why = said
    elif unit:
        assert said
        why = said
        if usual * float(SECONDS_OF_UNIT[unit]) >= _MOST_UNIX and by_size:
            why = f"{name!r} counts {by_size} since 1970, as the size of its values says"
            warnings = (f"{said[0].upper()}{said[1:]}; its values can only be {by_size} since 1970, and were read so.",)
            unit = by_size
    elif by_size:
        unit, why = by_size, f"{name!r} counts {by_size} since 1970, as the size of its values says"
    elif usual < _LEAST_UNIX or not sample.integers:
        unit, why = "s", f"Nothing says what {name!r} counts: it was read as seconds"
        if sample.integers and step > 1:
            warnings = (
                f"Nothing says what the times of {name!r} count: they were read as seconds. "
                "A unit in the name says it: time_ms, or time [ms].",
            )
    else:
        unit = next((one for one in _GUESSED_UNITS if step * float(SECONDS_OF_UNIT[one]) <= _MOST_STEP), "ns")
        why = f"{name!r} counts {unit}, as the usual step of its values suggests"
        warnings = (
            f"Nothing says what the times of {name!r} count: they were read as {unit}, which fits their usual step. "
            "A unit in the name says it: time_ms, or time [ms].",
        )
    seconds = SECONDS_OF_UNIT[unit]
    unix = _LEAST_UNIX <= usual * float(seconds) < _MOST_UNIX
    if unix and "1970" not in why:
        why += ", and they are so large that it is since 1970"
    total = per * seconds if len(fields) == 1 else per
    if not unix:
        return _Scale(unit, total, "relative", why + ".", warnings=warnings)
    low, high = (float(bound / total) for bound in (_LEAST_UNIX, _MOST_UNIX))
    return _Scale(unit, total, "unix", why + ".", "Z", low, high, zero_is_unset=True, warnings=warnings)


def _without_far(scale: _Scale, sample: _Sample) -> _Scale:
    """The scale with closer bounds, where a few counts are far from all others."""
    values = np.sort(sample.values.astype(np.float64))
    values = values[(values >= scale.low) & (values <= scale.high)]
    if scale.zero_is_unset:
        values = values[values != 0]
    if len(values) < 4:
        return scale
    first, last = np.quantile(values, [0.25, 0.75], method="nearest")
    room = _FAR_WIDTHS * (last - first)
    if scale.origin in ("unix", "date"):
        room = max(room, float(_FAR_YEARS / scale.per))
    if not 0 < room < np.inf:
        return scale
    far = (values < first - room) | (values > last + room)
    if not far.any() or far.mean() > _MOST_FAR:
        return scale
    return replace(scale, low=max(scale.low, first - room), high=min(scale.high, last + room))


def _measure(series: _Series, scale: _Scale, sample: _Sample) -> LabelTime | None:
    table, reader = series.table, series.reader
    span = _Span()
    for lines, counts in series:
        _add(span, lines, counts, scale)
    if span.low is None or span.high is None:
        return None
    histogram = np.zeros(BARS, dtype=np.int64)
    for _, counts in series:
        histogram += _bins(counts.values[_is_time(counts, scale)], span.low, span.high)
    one_time = span.low == span.high
    warnings = [*scale.warnings, *_explain(span, scale, reader.fields, sample.rows)]
    if one_time:
        entries = "there is one entry" if sample.rows == 1 else "all entries have the same"
        warnings.append(f"The time of {reader.fields[0]!r} has no duration: {entries}.")
    return LabelTime(
        fields=reader.fields,
        column=table.column_of(reader.fields[0]),
        unit=scale.unit,
        origin=scale.origin,
        why=scale.why,
        start=_show(span.low, scale),
        end=_show(span.high, scale),
        duration=None if one_time else float((_exactly(span.high) - _exactly(span.low)) * scale.per),
        left_out=span.unset + span.far + span.unknown,
        goes_back=span.goes_back,
        counts=histogram,
        warnings=tuple(warnings),
    )


def _is_time(counts: Counts, scale: _Scale) -> np.ndarray:
    times = counts.known & (counts.values >= scale.low) & (counts.values <= scale.high)
    return times & (counts.values != 0) if scale.zero_is_unset else times


def _add(span: _Span, lines: np.ndarray, counts: Counts, scale: _Scale) -> None:
    times = _is_time(counts, scale)
    unset = counts.known & (counts.values == 0) & ~times
    for kind, which in (("unset", unset), ("far", counts.known & ~times & ~unset), ("unknown", ~counts.known)):
        if which.any():
            setattr(span, kind, getattr(span, kind) + int(which.sum()))
            if not getattr(span, f"first_{kind}"):
                setattr(span, f"first_{kind}", int(lines[which.argmax()]))
    values, at = counts.values[times], lines[times]
    if not len(values):
        return
    low, high = values.min().item(), values.max().item()
    span.low = low if span.low is None else min(span.low, low)
    span.high = high if span.high is None else max(span.high, high)
    back = np.empty(len(values), dtype=bool)
    back[0] = span.last is not None and values[0] < span.last
    back[1:] = values[1:] < values[:-1]
    if back.any():
        span.goes_back += int(back.sum())
        span.first_back = span.first_back or int(at[back.argmax()])
    span.last = values[-1].item()


def _bins(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """How many values lie in each of the equal parts from `low` to `high`."""
    if values.dtype.kind == "i" and high - low < 2**62:
        since, width = (values - low).astype(np.float64), float(high - low)
    else:  # halves, since the whole of the widest span is no float
        since, width = values.astype(np.float64) / 2 - low / 2, high / 2 - low / 2
    part = since / width * BARS if high > low else np.full(len(since), BARS / 2)
    return np.bincount(np.clip(part.astype(np.int64), 0, BARS - 1), minlength=BARS)


def _exactly(value: float | int) -> Fraction:
    """A float as it is printed: 0.1 is a tenth."""
    return Fraction(repr(value))


def _show(value: float | int, scale: _Scale) -> float | str:
    seconds = _exactly(value) * scale.per
    if scale.origin in ("relative", "midnight"):
        return float(seconds)
    exact = isinstance(value, int) and -(2**63) < seconds * 10**9 < 2**63
    unit = "ns" if exact else "us"
    return format_time(round(seconds / SECONDS_OF_UNIT[unit]), "ns" if exact else "us", zone=scale.zone)


def _explain(span: _Span, scale: _Scale, fields: tuple[str, ...], rows: int) -> Iterator[str]:
    name = " and ".join(map(repr, fields))
    if span.unset:
        yield (
            f"The time in {name} is unset (0) in {span.unset} of {rows} entries, first on line {span.first_unset}: "
            "they do not count for the span."
        )
    if span.far:
        yield (
            f"The time in {name} is far from all others in {span.far} of {rows} entries, first on line "
            f"{span.first_far}: they do not count for the span."
        )
    if span.unknown:
        yield (
            f"No time can be read in {name} in {span.unknown} of {rows} entries, first on line {span.first_unknown}: "
            "they do not count for the span."
        )
    if span.goes_back:
        times = "once" if span.goes_back == 1 else f"{span.goes_back} times"
        yield f"The time in {name} goes back {times}, first on line {span.first_back}."
