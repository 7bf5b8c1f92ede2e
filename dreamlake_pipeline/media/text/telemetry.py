"""Cues that hold measurements, not words: a camera's flight log as subtitles becomes a table.

Drones write what they measure beside each picture as SubRip: `[latitude: 47.1] [rel_alt: 1.2 abs_alt: 440.1]`,
`GPS(8.5,47.1,19) BAROMETER:1.2M`, `F/2.8, SS 320, ISO 100, H.S 0.0m/s`, with or without a line of date and time. No
model is known here by name: a cue is taken apart into keys and values by the few forms in which they are written, and
the track is telemetry only where nearly all cues consist of them and agree in their keys.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..labels.types import Inference, column_of_cells
from .cues import Cue
from .markup import plain_text

LINE_COLUMN = "_line"
START, END, DATE_TIME = "start", "end", "datetime"
MAX_FIELDS = 200

_SAMPLE = 50  # cues that are looked at first
_AGREEING = 0.8  # of all cues
_COVERED = 0.7  # of a cue's letters and digits
_LEAST_CUES = 2
_LEAST_FIELDS = 2
_MOST_CHARS = 20_000  # of a cue
_BLOCK = 10_000  # cues that become columns at once

_KEY = r"[^\W\d][\w.]{0,40}"
# 2022-08-07 13:40:40,774,808 is DJI's way to write microseconds.
_DATE_TIME = re.compile(
    r"(?<!\d)(\d{4})([-./])(\d{1,2})\2(\d{1,2})[ T]{1,3}(\d{1,2}):(\d{2}):(\d{2})"
    r"(?:[.,:](\d{1,9})(?:[.,](\d{3}))?)?(Z|[+-]\d{2}:?\d{2})?(?!\d)"
)
_LIST = re.compile(rf"(?<![\w.])({_KEY}) ?:? ?\(([^()\n]{{1,200}})\)")
_NAMED_VALUE = re.compile(rf"({_KEY})[ ]?[:=][ ]?(.+)")
_PAIR = re.compile(rf"(?<![\w.])({_KEY})[ \t]{{0,3}}[:=][ \t]{{0,3}}((?!{_KEY}[ \t]{{0,3}}[:=])[^\s,;\[\]|]{{0,80}})")
# Without a mark between, only in a part of its own: `ISO 100`, `F/2.8`, `H.S 0.00m/s`.
_PLAIN_PAIR = re.compile(rf"({_KEY})[ /]\s{{0,3}}([-+]?\.?\d[^\s,;]{{0,40}})")
_NUMBER = re.compile(r"([-+]?)((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[ ]?([^\d\s.,/:+-][^\d\s]{0,10})?")
_SPACES = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class TelemetryField:
    """A column. `unit` is what stood behind all of its numbers. `min` and `max` are of numbers and times (as text)."""

    name: str
    type: str
    unit: str | None
    nulls: int
    distinct: int
    min: int | float | str | None
    max: int | float | str | None


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The table in `path`, a Parquet file of one row a cue.

    Its columns are `_line` (of the cue's times in the source), `start` and `end` (seconds of the track), and the
    `fields`, of which `datetime` is the date and time that the cues say. `first` and `last` are the earliest and the
    latest `start`.
    """

    path: Path
    entries: int
    first: float
    last: float
    fields: tuple[TelemetryField, ...]
    warnings: tuple[str, ...]


def extract_telemetry(cues: Sequence[Cue], path: Path) -> Telemetry | None:
    """Write the table that the cues hold to `path`; None where they hold words."""
    if len(cues) < _LEAST_CUES or not _agree_at_first(cues):
        return None
    table, agreement, others = _Table(), _Agreement(), []
    for cue in cues:
        row = _read(cue)
        agreement.see(row)
        if row.is_telemetry:
            table.add(cue, row)
        else:
            others.append(cue.line)
    if not agreement.holds:
        return None
    warnings = []
    if others:
        warnings.append(
            f"{len(others)} of {len(cues)} cues hold no telemetry and have no row in data.parquet; "
            f"the first is in line {others[0]}."
        )
    if table.dropped:
        warnings.append(
            f"Telemetry of more than {MAX_FIELDS} fields: {len(table.dropped)} of them are not in data.parquet, "
            f"the first is {min(table.dropped)}."
        )
    first, last = table.span
    return Telemetry(path, table.entries, first, last, table.write(path), tuple(warnings))


@dataclass(frozen=True, slots=True)
class _Row:
    """The fields of a cue by their keys, as text, and whether the cue consists of them."""

    fields: dict[str, str]
    is_telemetry: bool


class _Agreement:
    """Whether nearly all of the cues seen are telemetry, and have two keys or more in common."""

    def __init__(self) -> None:
        self._cues = self._telemetry = 0
        self._keys: Counter[str] = Counter()

    def see(self, row: _Row) -> None:
        self._cues += 1
        if row.is_telemetry:
            self._telemetry += 1
            self._keys.update(row.fields.keys())

    @property
    def holds(self) -> bool:
        least = _AGREEING * self._cues
        common = sum(count >= least for count in self._keys.values())
        return self._telemetry >= max(least, _LEAST_CUES) and common >= _LEAST_FIELDS


def _agree_at_first(cues: Sequence[Cue]) -> bool:
    agreement = _Agreement()
    for cue in islice(cues, _SAMPLE):
        agreement.see(_read(cue))
    return agreement.holds


def _read(cue: Cue) -> _Row:
    text = plain_text(cue.payload)
    if len(text) > _MOST_CHARS:
        return _Row({}, False)
    fields: dict[str, str] = {}
    times: Counter[str] = Counter()
    for key, value in _take_apart(text):
        times[key] += 1
        name = key if times[key] == 1 else f"{key}_{times[key]}"
        while name in fields:
            name += "_"
        fields[name] = value
    said = len(_SPACES.sub("", text))
    covered = len(_SPACES.sub("", "".join([*fields, *fields.values()])))
    measures = any(_NUMBER.fullmatch(value) for value in fields.values())
    return _Row(fields, len(fields) >= _LEAST_FIELDS and measures and covered >= _COVERED * said)


def _take_apart(text: str) -> Iterator[tuple[str, str]]:
    """The keys and values of a cue's text: what one form has found, the next one does not see."""
    if found := _DATE_TIME.search(text):
        yield DATE_TIME, _iso(found)
        text = f"{text[: found.start()]}\n{text[found.end() :]}"
    rest, position = [], 0
    for found in _LIST.finditer(text):
        for number, value in enumerate(found[2].split(","), 1):
            named = _NAMED_VALUE.fullmatch(value.strip())
            yield (f"{found[1]}_{named[1]}", named[2]) if named else (f"{found[1]}_{number}", value.strip())
        rest.append(text[position : found.start()])
        position = found.end()
    text = ",".join([*rest, text[position:]])
    for part in re.split(r"[,;|\n\[\]]", text):
        if plain := _PLAIN_PAIR.fullmatch(part.strip()):
            yield plain[1], plain[2]
        else:
            for pair in _PAIR.finditer(part):
                yield pair[1], pair[2]


def _iso(found: re.Match[str]) -> str:
    year, _, month, day, hour, minute, second, fraction, more, zone = found.groups()
    fraction = f".{fraction}{more or ''}"[:10] if fraction else ""
    return f"{year}-{int(month):02}-{int(day):02}T{int(hour):02}:{minute}:{second}{fraction}{zone or ''}"


class _Table:
    """The rows so far, by column; columns of text until all of it is known."""

    def __init__(self) -> None:
        self.entries = 0
        self.dropped: set[str] = set()
        self._times: list[tuple[int, float, float]] = []
        self._open: dict[str, list[str]] = {}
        self._begun = 0  # rows that are in blocks
        self._blocks: dict[str, list[pa.Array]] = {}
        self._units: dict[str, set[str]] = {}

    @property
    def span(self) -> tuple[float, float]:
        """The earliest and the latest start; there are rows."""
        starts = [start for _, start, _ in self._times]
        return min(starts), max(starts)

    def add(self, cue: Cue, row: _Row) -> None:
        self._times.append((cue.line, cue.start / 1000, cue.end / 1000))
        at = self.entries - self._begun
        for name, value in row.fields.items():
            cells = self._open.get(name)
            if cells is None:
                if len(self._open) >= MAX_FIELDS:
                    self.dropped.add(name)
                    continue
                cells = self._open[name] = []
            cells += [""] * (at - len(cells))
            cells.append(self._without_unit(name, value))
        self.entries += 1
        if self.entries - self._begun == _BLOCK:
            self._end_block()

    def _without_unit(self, name: str, value: str) -> str:
        """A number without its plus; its unit is noted and stays until it is known to be that of all."""
        found = _NUMBER.fullmatch(value)
        if not found:
            if value:
                self._units.setdefault(name, set()).add("?")
            return value
        self._units.setdefault(name, set()).add(found[3] or "")
        return value.removeprefix("+")

    def _end_block(self) -> None:
        rows = self.entries - self._begun
        for name, cells in self._open.items():
            blocks = self._blocks.setdefault(name, [])
            missing = self._begun - sum(map(len, blocks))
            if missing:
                blocks.append(pa.array([""] * missing, pa.string()))
            blocks.append(pa.array(cells + [""] * (rows - len(cells)), pa.string()))
            self._open[name] = []
        self._begun = self.entries

    def write(self, path: Path) -> tuple[TelemetryField, ...]:
        self._end_block()
        lines, starts, ends = zip(*self._times, strict=True)
        columns: dict[str, Any] = {
            LINE_COLUMN: pa.array(lines, pa.int64()),
            START: pa.array(starts, pa.float64()),
            END: pa.array(ends, pa.float64()),
        }
        fields = []
        names = sorted(self._blocks, key=lambda name: name != DATE_TIME)  # which comes first
        for name in names:
            unit = self._unit_of(name)
            cells = pa.chunked_array(self._blocks.pop(name)).combine_chunks()
            if unit:
                cells = pc.replace_substring(cells, unit, "")
            inference = Inference()
            inference.see_cells(cells)
            type_ = inference.resolve()
            column = column_of_cells(cells, type_)
            label = name
            while label in columns:
                label += "_"
            columns[label] = column
            fields.append(_describe(label, type_.name, unit, column))
        units = {field.name: field.unit for field in fields}
        schema = pa.schema(
            pa.field(name, column.type, metadata={"unit": unit} if (unit := units.get(name)) else None)
            for name, column in columns.items()
        )
        pq.write_table(pa.Table.from_arrays(list(columns.values()), schema=schema), path, compression="zstd")
        return tuple(fields)

    def _unit_of(self, name: str) -> str | None:
        """The unit of all values of a column; None where they have none, or several."""
        units = self._units.get(name, set())
        return next(iter(units)) or None if len(units) == 1 and units != {"?"} else None


def _describe(name: str, type_: str, unit: str | None, column: pa.Array) -> TelemetryField:
    bounds: dict[str, Any] = {"min": None, "max": None}
    if pa.types.is_timestamp(column.type):
        bounds = pc.min_max(column.cast(pa.string())).as_py()
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        bounds = pc.min_max(column).as_py()
    distinct = len(pc.unique(column.drop_null()))
    return TelemetryField(name, type_, unit, column.null_count, distinct, bounds["min"], bounds["max"])
