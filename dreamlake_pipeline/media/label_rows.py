"""Rows of a label file, JSONL or CSV, in chunks of bounded size, each with its line number.

A line that can't be used is reported to a `BadLines` and passed over. Reading the same file twice gives
the same chunks and the same bad lines.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from .textfile import MAX_LINE_CHARS, BadLines, Encoding, problem_of, read_lines

LabelFormat = Literal["jsonl", "csv"]

MAX_FIELDS = 5000

# A chunk ends at whichever comes first; together they bound memory whatever the shape of the rows.
_CHUNK_ROWS = 65_536
_CHUNK_CHARS = 8 * 2**20
_CHUNK_CELLS = 2 * 10**6
_MAX_RECORD_CHARS = 4 * 2**20  # of a CSV record of several lines

_DELIMITERS = ",;\t|"
_SNIFFED_LINES = 100
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in source order: `lines` their line numbers (1-based), `columns` their values by source field name."""

    lines: list[int]
    columns: dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One JSON object a line (https://jsonlines.org); blank lines are passed over."""

    path: Path
    encoding: Encoding
    warnings: tuple[str, ...] = ()

    def read(self, bad: BadLines) -> Iterator[Chunk]:
        lines: list[int] = []
        rows: list[dict[str, Any]] = []
        names: dict[str, None] = {}
        chars = 0
        for number, line in enumerate(read_lines(self.path, self.encoding), 1):
            if not line.strip():
                continue
            row = self._parse(line, number, bad)
            if row is None:
                continue
            lines.append(number)
            rows.append(row)
            names.update(dict.fromkeys(row))
            chars += len(line)
            if len(rows) >= _CHUNK_ROWS or chars >= _CHUNK_CHARS or len(rows) * len(names) >= _CHUNK_CELLS:
                yield _to_chunk(lines, rows, names)
                lines, rows, names, chars = [], [], {}, 0
        if rows:
            yield _to_chunk(lines, rows, names)

    def _parse(self, line: str, number: int, bad: BadLines) -> dict[str, Any] | None:
        if problem := problem_of(line, self.encoding):
            bad.add(number, problem)
            return None
        try:
            row = json.loads(line)
        except json.JSONDecodeError as fault:
            bad.add(number, f"The line is not JSON: {fault.msg} at character {fault.pos + 1}.")
        except (ValueError, RecursionError) as fault:
            nested = isinstance(fault, RecursionError)
            bad.add(number, "The JSON is nested too deeply." if nested else "The JSON has a number that is too long.")
        else:
            if isinstance(row, dict) and row:
                return row
            bad.add(number, f"The line is {_describe(row)}, not an object with fields.")
        return None


@dataclass(frozen=True, slots=True)
class Csv:
    """Comma- (or otherwise) separated values (RFC 4180): quoted fields may hold delimiters and line ends.

    `names` are the fields in order; `first_row` is the line after the header, or of the first row without one.
    """

    path: Path
    encoding: Encoding
    delimiter: str
    names: list[str]
    has_header: bool
    warnings: tuple[str, ...] = ()

    def read(self, bad: BadLines) -> Iterator[Chunk]:
        width = len(self.names)
        records = _read_records(read_lines(self.path, self.encoding), self.delimiter, self.encoding, bad)
        if self.has_header:
            next(records, None)
        lines: list[int] = []
        rows: list[list[str]] = []
        chars = 0
        for number, row, size in records:
            if len(row) != width:
                if len(row) < width or any(cell.strip() for cell in row[width:]):
                    values = "1 value" if len(row) == 1 else f"{len(row)} values"
                    bad.add(number, f"The row has {values} instead of {width}.")
                    continue
                del row[width:]  # delimiters at the end of the line
            lines.append(number)
            rows.append(row)
            chars += size
            if len(rows) >= _CHUNK_ROWS or chars >= _CHUNK_CHARS or len(rows) * width >= _CHUNK_CELLS:
                yield Chunk(lines, dict(zip(self.names, map(list, zip(*rows, strict=True)), strict=True)))
                lines, rows, chars = [], [], 0
        if rows:
            yield Chunk(lines, dict(zip(self.names, map(list, zip(*rows, strict=True)), strict=True)))


def open_csv(path: Path, encoding: Encoding) -> Csv:
    """Find out a CSV's delimiter and header. Its names are empty when the file has no row at all."""
    csv.field_size_limit(MAX_LINE_CHARS + _MAX_RECORD_CHARS)
    lines = list(islice(read_lines(path, encoding), _SNIFFED_LINES))
    delimiter = _sniff_delimiter(lines)
    _, header, _ = next(_read_records(iter(lines), delimiter, encoding, BadLines()), (0, [], 0))
    if header and all(_NUMBER.fullmatch(cell) for cell in header):
        names = [f"column_{index}" for index in range(1, len(header) + 1)]
        warning = "The first row is all numbers: it was read as a row, and the columns were numbered."
        return Csv(path, encoding, delimiter, names, has_header=False, warnings=(warning,))
    while len(header) > 1 and not header[-1].strip():
        header.pop()
    names = [name.strip() or f"column_{index}" for index, name in enumerate(header, 1)]
    unique = unique_names(names)
    twice = [name for name, count in Counter(names).items() if count > 1]
    warnings = (f"Columns of the same name were numbered: {', '.join(twice[:10])}.",) if twice else ()
    return Csv(path, encoding, delimiter, unique, has_header=True, warnings=warnings)


def is_json_lines(path: Path, encoding: Encoding) -> bool:
    """Whether one of the first lines is a JSON object."""
    for line in islice(read_lines(path, encoding), _SNIFFED_LINES):
        if line.lstrip().startswith("{"):
            try:
                return isinstance(json.loads(line), dict)
            except (ValueError, RecursionError):
                continue
    return False


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, with `_2`, `_3`, … where one is taken."""
    used = set(taken)
    unique = []
    for name in names:
        candidate, number = name, 1
        while candidate in used:
            number += 1
            candidate = f"{name}_{number}"
        used.add(candidate)
        unique.append(candidate)
    return unique


class _Feed:
    """Hands lines to csv.reader and remembers those of the record being read, so that they can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: deque[str] = deque()
        self.taken: list[str] = []
        self.size = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.size += len(line)
        self.taken.append(line)
        if self.size > _MAX_RECORD_CHARS and len(self.taken) > 1:
            raise csv.Error("unexpected end of data")
        return line

    def begin_record(self) -> None:
        self.taken = []
        self.size = 0

    def give_back(self, lines: list[str]) -> None:
        self._returned.extendleft(reversed(lines))


def _read_records(
    lines: Iterator[str], delimiter: str, encoding: Encoding, bad: BadLines
) -> Iterator[tuple[int, list[str], int]]:
    """Line number, cells and size in characters of each record.

    After a record that can't be read, reading goes on at the line after its first: a quote that is opened
    and never closed costs that one line, not the rest of the file.
    """
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    number = 1
    while True:
        feed.begin_record()
        try:
            row = next(reader, None)
        except csv.Error as fault:
            bad.add(number, _explain(fault))
            feed.give_back(feed.taken[1:])
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
            number += 1
            continue
        if row is None:
            return
        problem = next(filter(None, (problem_of(line, encoding) for line in feed.taken)), None)
        if problem:
            bad.add(number, problem)
        elif any(row) or (row and delimiter in feed.taken[0]):
            yield number, row, feed.size
        number += len(feed.taken)


def _explain(fault: csv.Error) -> str:
    if "unexpected end" in str(fault):
        return "A quote is opened and never closed."
    if "expected after" in str(fault):
        return "A quoted value is followed by other text."
    return f"The row can't be read: {fault}."


def _sniff_delimiter(lines: list[str]) -> str:
    """The delimiter that cuts most rows into as many cells as the first; of equals, the one that makes more cells."""

    def score(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return (0, 0)
        width = widths[0] if widths else 0
        return (widths.count(width), width) if width > 1 else (0, 0)

    return max(_DELIMITERS, key=score)


def _to_chunk(lines: list[int], rows: list[dict[str, Any]], names: Iterable[str]) -> Chunk:
    return Chunk(lines, {name: [row.get(name) for row in rows] for name in names})


def _describe(value: Any) -> str:
    match value:
        case {}:
            return "an empty object"
        case list():
            return "a list"
        case None:
            return "null"
        case str():
            return "text"
        case _:
            return "a number or boolean"
