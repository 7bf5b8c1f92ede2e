"""What the counts of a time field mean, as the bulk of them tells: their unit, what they count from, their bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow as pa

from .stats import Statistics
from .time_names import SECONDS_OF_UNIT, parse_name
from .time_readers import NS, ClockReader, Counts, NumberReader, PartsReader, Reader, WeekReader

_SAMPLE = 50_000
_YEAR = 31_556_952  # seconds
# Numbers of seconds from here on are times since 1970, not since the start of something: 1973, after three years.
_LEAST_UNIX, _MOST_UNIX = 10**8, 230 * _YEAR
# Numbers whose unit nothing says are times since 1970 if that makes them times from 1990 to 2070.
LEAST_SURE, MOST_SURE = 20 * _YEAR, 100 * _YEAR
# Dates before 1905 among those of today are what programs have for none: year 1, 1601, 1899, 1900, 1904.
_LEAST_DATE = -65 * _YEAR
GUESSED_UNITS = ("s", "ms", "us", "ns")
_MOST_STEP = 2  # seconds between entries, where the unit of a clock is guessed by that
# Times this far from the middle half of all, in seconds or in widths of that half, are no times of this track.
_FAR_YEARS, _FAR_WIDTHS = 5 * _YEAR, 200
_MOST_FAR = 0.25  # of all entries; more of them are no exception


@dataclass(frozen=True, slots=True)
class Scale:
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
class Sample:
    """What is known of a candidate after reading all of it once: some of its counts, and the usual step."""

    values: np.ndarray
    step: float
    integers: bool
    rows: int
    known: int


def take_sample(series: Iterable[tuple[np.ndarray, Counts]]) -> Sample:
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
    return Sample(np.concatenate(kept) if kept else np.empty(0), step, integers, rows, known)


def find_scale(reader: Reader, sample: Sample, units: Mapping[str, str], statistics: Mapping[str, Statistics]) -> Scale:
    """What the counts of a reader mean, as the bulk of them tells."""
    names = " and ".join(map(repr, reader.fields))
    if isinstance(reader, ClockReader):
        if reader.dated:
            why = f"{names} {'is' if len(reader.fields) == 1 else 'are'} the date and time"
            if reader.order:
                why += f", the {reader.order} first in dates"
            scale = Scale(None, NS, "date", why + ".", zone="Z" if reader.zoned else "", zero_is_unset=True)
        else:
            scale = Scale(None, NS, "midnight", f"{reader.fields[-1]!r} is a time of day, without a date.")
    elif isinstance(reader, WeekReader):
        why = f"{names} are the GPS week and the time in it; 18 leap seconds were taken off."
        scale = Scale(None, NS, "gps", why, zone="Z")
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
            scale = Scale(None, per, "date", f"{names} is a date and time.", zone=zone, zero_is_unset=True)
        else:
            named = parse_name(reader.fields[0]).unit
            unit = units.get(reader.fields[0]) or named
            said = "the row of units says" if reader.fields[0] in units else "its name says"
            scale = _numeric_scale(
                reader.fields, sample, reader.per, unit, f"{names} counts {unit}, as {said}" if unit else None
            )
    return _without_far(scale, sample)


def _numeric_scale(fields: tuple[str, ...], sample: Sample, per: Fraction, unit: str | None, said: str | None) -> Scale:
    """The scale of numbers of `per` each of a unit, which `said` explains where it is known."""
    name = fields[0]
    values = np.abs(sample.values.astype(np.float64)) * float(per)
    given = values[values > 0]
    usual = float(np.median(given)) if len(given) else 0.0
    step = sample.step * float(per)
    warnings: tuple[str, ...] = ()
    by_size = next(
        (one for one in GUESSED_UNITS if LEAST_SURE <= usual * float(SECONDS_OF_UNIT[one]) < MOST_SURE), None
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
        unit = next((one for one in GUESSED_UNITS if step * float(SECONDS_OF_UNIT[one]) <= _MOST_STEP), "ns")
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
        return Scale(unit, total, "relative", why + ".", warnings=warnings)
    low, high = (float(bound / total) for bound in (_LEAST_UNIX, _MOST_UNIX))
    return Scale(unit, total, "unix", why + ".", "Z", low, high, zero_is_unset=True, warnings=warnings)


def _without_far(scale: Scale, sample: Sample) -> Scale:
    """The scale with closer bounds, where a few counts are far from all others."""
    values = np.sort(sample.values.astype(np.float64))
    values = values[(values >= scale.low) & (values <= scale.high)]
    if scale.zero_is_unset:
        values = values[values != 0]
    if scale.origin == "date" and len(values) and values[-1] * float(scale.per) >= LEAST_SURE:
        scale = replace(scale, low=max(scale.low, float(_LEAST_DATE / scale.per)))
        values = values[values >= scale.low]
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
