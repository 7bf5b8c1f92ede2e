"""`GET /labels/{id}/series`: the curves and marks of a span, in no more points than a picture of it has room for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ...errors import Code, DreamlakeError
from ...series import form, gaps
from ...series.buckets import Buckets, fill, numbers_of
from ...series.fields import MOST_ITEMS, Field, Sort, Values
from ...series.runs import Runs, find_runs
from .track import Entries, LargeTrack, Track

MOST_FIELDS = 100
_DEFAULT_FIELDS = 20
_LEAST_PIXEL = 1e-9  # seconds
_FINER = 3  # octaves between a pixel and the buckets that entries are put into, so that pixels are hit closely


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds, and how many pixels show them."""

    start: float
    end: float
    width: int

    @property
    def pixel(self) -> float:
        return max((self.end - self.start) / self.width, _LEAST_PIXEL)

    def buckets(self, width: float) -> tuple[int, int]:
        """The numbers of the first and the last bucket of this width that overlap it."""
        return math.floor(self.start / width), math.floor(self.end / width)

    def factor(self, width: float) -> int:
        """How many buckets of this width become one, so that there are no more of them than pixels."""
        factor = max(1, math.ceil(self.pixel / width))
        while self.buckets(width * factor)[1] - self.buckets(width * factor)[0] >= self.width and self.width > 1:
            factor += 1
        return factor


def answer(track: Track, names: Sequence[str], start: float, end: float | None, width: int) -> dict[str, Any]:
    """What the route answers (api/bss.py: Series). Raises INVALID_REQUEST, STORAGE_FAILED, REQUEST_TOO_LARGE."""
    fields = choose(track.fields, names)
    curves = [field for field in fields if field.sort is not Sort.MARK]
    marked = [field for field in fields if field.sort is Sort.MARK]
    end = track.duration if end is None else min(end, track.duration)
    span = Span(min(start, end), end, width)
    told = _of_level(track, curves, span)
    part = None
    if told is None or told["entries"] <= 2 * width:
        # As many entries as there are points for: they are shown themselves.
        part = _read(track, fields, span)
        told = _of_part(part, curves, span) if part else told or _of_level(track, curves, span, least=1)
    return {
        "start": track.start,
        "durationSec": track.duration,
        "from": span.start,
        "to": span.end,
        **(told or {}),
        "marks": {
            field.name: _shown(_marks(track, field, span, part).at_most(width, span.start, span.end))
            for field in marked
        },
    }


def choose(fields: Sequence[Field], names: Sequence[str]) -> list[Field]:
    """The fields of these names; that of a column stands for all that is in its lists or objects, no name for the
    first curves. Raises INVALID_REQUEST."""
    if not names:
        return [field for field in fields if field.sort is not Sort.MARK][:_DEFAULT_FIELDS]
    chosen: dict[str, Field] = {}
    for name in names:
        found = [field for field in fields if field.name == name] or [field for field in fields if field.column == name]
        if not found:
            raise DreamlakeError(
                Code.INVALID_REQUEST,
                f"fields: {name[:200]!r} is no field that has a series.",
                hint="Numbers, booleans and texts have one, also those in lists and objects; times have none.",
            )
        chosen |= {field.name: field for field in found}
    if len(chosen) > MOST_FIELDS:
        raise DreamlakeError(Code.INVALID_REQUEST, f"fields: {len(chosen)} are more than the {MOST_FIELDS} of a call.")
    return list(chosen.values())


# From buckets


def _of_level(track: Track, fields: Sequence[Field], span: Span, *, least: int = 0) -> dict[str, Any] | None:
    """Curves from the highest level whose buckets are no wider than a pixel, `least` or above; None where none is."""
    if not isinstance(track, LargeTrack) or not (level := max(track.level_for(span.pixel), least)):
        return None
    width = track.described.width_of(level)
    factor = span.factor(width)
    first, last = span.buckets(width * factor)
    ids = [form.ENTRIES, *(track.numbers[field] for field in fields)]
    stored = track.buckets(level, ids, first * factor, last * factor + factor - 1)
    wider = {number: buckets.wider(factor) for number, buckets in stored.items()}
    curves = [_Curve(field, wider[track.numbers[field]], track.described_field(field).gap) for field in fields]
    return _told(wider[form.ENTRIES], curves, width * factor, track.gap)


@dataclass(frozen=True, slots=True)
class _Curve:
    field: Field
    buckets: Buckets
    gap: float | None


def _told(entries: Buckets, curves: Sequence[_Curve], width: float, gap: float | None) -> dict[str, Any]:
    """Buckets as they are told: where empty ones are a gap, one without values lies between its neighbours."""
    after = gaps.after_empty(entries.number, width, gap)
    shown = np.insert(entries.number, after, entries.number[after - 1] + 1)
    fields: dict[str, Any] = {}
    far: dict[str, list[list[float]]] = {}
    for curve in curves:
        buckets, field = curve.buckets, curve.field
        places = np.searchsorted(shown, buckets.number)
        fields[field.name] = {
            "min": _spread(buckets.low, places, len(shown), field),
            "max": _spread(buckets.high, places, len(shown), field),
        }
        if len(found := gaps.after_empty(buckets.number, width, curve.gap)):
            ends = np.stack([buckets.number[found - 1] + 1, buckets.number[found]], axis=1)
            far[field.name] = (ends * width).tolist()
    return {
        "raw": False,
        "bucketSec": width,
        "entries": int(entries.count.sum()),
        "times": (shown * width).tolist(),
        "fields": fields,
        "gaps": far,
    }


# From entries


class _Part:
    """Entries that were read, and their values: more than those of the span, by which gaps are judged."""

    def __init__(self, track: Track, entries: Entries, table: pa.Table, fields: Sequence[Field]) -> None:
        self.track, self.entries = track, entries
        self._values = Values(table, fields)

    def numbers(self, field: Field) -> tuple[np.ndarray, np.ndarray]:
        """The values of a field, and which of them are known."""
        values, known = self._values.numbers(field)
        return values, np.ones(len(values), bool) if known is None else known

    def texts(self, field: Field) -> pa.Array:
        return self._values.texts(field)

    def gap_of(self, field: Field, known: np.ndarray) -> float | None:
        return self.track.gap_of(field, self.entries.seconds[known])


def _read(track: Track, fields: Sequence[Field], span: Span) -> _Part | None:
    """The entries of a span, and of the time before and behind it that is no gap; None where they are too many."""
    reach = track.gap or 0.0
    entries = track.between(span.start - reach, span.end + reach)
    if entries is None:
        return None
    columns = [field.column for field in fields if not _has_exact_marks(track, field)]
    return _Part(track, entries, track.table.read_rows(entries.numbers, columns, items=MOST_ITEMS), fields)


def _of_part(part: _Part, fields: Sequence[Field], span: Span) -> dict[str, Any]:
    """Curves of entries that were read: of all of them where there is room, else of buckets of theirs."""
    seconds = part.entries.seconds
    begin = int(np.searchsorted(seconds, span.start))
    end = int(np.searchsorted(seconds, span.end, side="right"))
    after = gaps.after_gaps(seconds[begin:end], part.track.gap)
    told = _raw if end - begin + len(after) <= 2 * span.width else _folded
    return told(part, fields, span, begin, end) | {"entries": end - begin}


def _folded(part: _Part, fields: Sequence[Field], span: Span, begin: int, end: int) -> dict[str, Any]:
    """The entries from number `begin` to `end` of a part, in buckets about as wide as a pixel."""
    fine = 2.0 ** (math.floor(math.log2(span.pixel)) - _FINER)
    width = fine * span.factor(fine)
    number = numbers_of(part.entries.seconds[begin:end], width)
    curves = []
    for field in fields:
        values, known = part.numbers(field)
        here = known[begin:end]
        curves.append(_Curve(field, fill(number[here], values[begin:end][here]), part.gap_of(field, known)))
    return _told(fill(number, np.zeros(len(number))), curves, width, part.track.gap)


def _raw(part: _Part, fields: Sequence[Field], span: Span, begin: int, end: int) -> dict[str, Any]:
    """The entries from number `begin` to `end` of a part, with the nearest on either side: a line goes to them."""
    times, reach = part.entries.seconds, part.track.gap or 0.0
    begin -= begin > 0 and times[begin - 1] >= span.start - reach
    end += end < len(times) and times[end] <= span.end + reach
    seconds = part.entries.seconds[begin:end]
    after = gaps.after_gaps(seconds, part.track.gap)
    shown = np.insert(seconds, after, (seconds[after - 1] + seconds[after]) / 2)
    places = np.arange(len(seconds)) + np.searchsorted(after, np.arange(len(seconds)), side="right")
    told: dict[str, Any] = {}
    far: dict[str, list[list[float]]] = {}
    for field in fields:
        values, known = part.numbers(field)
        here = known[begin:end]
        own = seconds[here]
        told[field.name] = {"values": _spread(values[begin:end][here], places[here], len(shown), field)}
        if len(found := gaps.after_gaps(own, part.gap_of(field, known))):
            far[field.name] = np.stack([own[found - 1], own[found]], axis=1).tolist()
    return {"raw": True, "times": shown.tolist(), "fields": told, "gaps": far}


def _spread(values: np.ndarray, places: np.ndarray, length: int, field: Field) -> list[Any]:
    """A list of so many items, of which these places have a value and the others None."""
    told = np.full(length, None, dtype=object)
    told[places] = (values.astype(np.int64) if field.sort is Sort.INTEGER else values).tolist()
    found: list[Any] = told.tolist()
    return found


# Marks


def _has_exact_marks(track: Track, field: Field) -> bool:
    """Whether the runs of a field are stored, each for itself."""
    return field.sort is Sort.MARK and isinstance(track, LargeTrack) and track.described_field(field).exact


def _marks(track: Track, field: Field, span: Span, part: _Part | None) -> Runs:
    """The runs of a field that are shown at some time of a span: the stored ones, unless these stand for several and
    the entries were read."""
    if isinstance(track, LargeTrack) and (part is None or _has_exact_marks(track, field)):
        return track.marks(field, span.start, span.end)
    assert part is not None
    values = part.texts(field)
    known = values.is_valid().to_numpy(zero_copy_only=False)
    runs = find_runs(part.entries.seconds[known], values.drop_null(), part.gap_of(field, known))
    return runs.between(span.start, span.end)


def _shown(runs: Runs) -> list[dict[str, Any]]:
    columns = (runs.start.tolist(), runs.end.tolist(), runs.text.to_pylist(), runs.count.tolist())
    return [
        {"start": start, "end": end, "text": text} | ({"count": count} if count > 1 else {})
        for start, end, text, count in zip(*columns, strict=True)
    ]
