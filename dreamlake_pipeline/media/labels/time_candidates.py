"""Which fields of a label track may tell the time of its entries, and in which ways each can be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pyarrow as pa

from .clock import Order
from .rows import OTHER_COLUMN
from .stats import Statistics
from .time_names import SECONDS_OF_UNIT, find_date_and_clock, find_parts, find_week_and_seconds, parse_name
from .time_readers import ClockReader, NumberReader, PartsReader, Reader, Table, WeekReader
from .time_scale import GUESSED_UNITS, LEAST_SURE, MOST_SURE
from .types import JSON


def find_candidates(table: Table, statistics: Mapping[str, Statistics]) -> Iterator[tuple[str, ...]]:
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


def may_be_unix(found: Statistics) -> bool:
    """Whether a field is of numbers that are times from 1990 to 2070 in one unit."""
    if not isinstance(found.low, int | float | Decimal) or not isinstance(found.high, int | float | Decimal):
        return False
    low, high = float(found.low), float(found.high)
    return any(
        LEAST_SURE <= low * seconds <= high * seconds < MOST_SURE
        for seconds in (float(SECONDS_OF_UNIT[unit]) for unit in GUESSED_UNITS)
    )


def list_readers(
    fields: tuple[str, ...], statistics: Mapping[str, Statistics], units: Mapping[str, str]
) -> Iterator[Reader]:
    """The ways in which fields can be read, likelier ones first."""
    if len(fields) == 1:
        found = statistics.get(fields[0])
        compact = found is not None and pa.types.is_integer(found.type.arrow) and _is_compact(found, fields[0])
        if compact:
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


def _is_compact(found: Statistics, name: str) -> bool:
    """Whether integers may be dates such as 20250617, or have a time of day behind it, perhaps with milliseconds."""
    if found.low is None or found.high is None:
        return False
    if parse_name(name).stem in ("date", "datum") and 19_000_101 <= found.low <= found.high <= 21_001_231:
        return True
    return any(
        19_000_101_000_000 * scale <= found.low <= found.high <= 21_001_231_235_959 * scale for scale in (1, 1000)
    )


def find_unnamed_pairs(statistics: Mapping[str, Statistics], unnamed: Collection[str]) -> Iterator[tuple[str, str]]:
    """Columns without names that may be a date and, next to it, a time of day."""
    for date, clock in pairwise(name for name in unnamed if name in statistics):
        types = statistics[date].type.arrow, statistics[clock].type.arrow
        if pa.types.is_timestamp(types[0]) and pa.types.is_string(types[1]):
            yield date, clock


def decide_order(reader: ClockReader, warnings: list[str]) -> ClockReader | None:
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
