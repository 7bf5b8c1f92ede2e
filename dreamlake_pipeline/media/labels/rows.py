"""Rows of a label file, JSONL or CSV, in chunks of bounded size, each with its line number.

A line that can't be used is reported to a `BadLines` and passed over. Reading the same file twice gives
the same chunks and the same bad lines.

A block of lines in which nothing is out of the ordinary is read at once by fast code (`label_blocks`); any other is
read line by line, by code that says what is wrong and where. Both give the same rows.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from ..text.file import MAX_LINE_CHARS, BadLines, Blocks, Encoding, is_whole, problem_of, read_lines, split_lines
from . import blocks as label_blocks

LabelFormat = Literal["jsonl", "csv"]

MAX_FIELDS = 5000

# A chunk has the rows of one block (`textfile.Blocks`); rows of JSON with few fields in common fill several.
_CHUNK_CELLS = 2 * 10**6
_MAX_RECORD_CHARS = 4 * 2**20  # of a CSV record of several lines

_GROUP = 64  # lines of JSON that are tried at once where a block holds a bad one

_DELIMITERS = ",;\t|"
_SNIFFED_LINES = 100
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in source order: `lines` their line numbers (1-based), `columns` their values by source field name.

    The values of JSON are a list of Python's; those of a CSV are an Arrow array of strings.
    """

    lines: pa.Array
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One JSON object a line (https://jsonlines.org); blank lines are passed over."""

    path: Path
    encoding: Encoding
    warnings: tuple[str, ...] = ()

    def read(self, bad: BadLines, *, fast: bool = True) -> Iterator[Chunk]:
        number = 1
        with Blocks(self.path, self.encoding) as blocks:
            while block := blocks.take():
                lines = split_lines(block)
                if fast and is_whole(block) and (rows := label_blocks.parse_json_lines(lines)) is not None:
                    numbers: Sequence[int] = range(number, number + len(rows))
                else:
                    numbers, rows = self._read_carefully(lines, number, bad, group=_GROUP if fast else 1)
                number += len(lines)
                yield from _to_chunks(numbers, rows)

    def _read_carefully(
        self, lines: list[str], number: int, bad: BadLines, *, group: int
    ) -> tuple[list[int], list[dict[str, Any]]]:
        """The objects and their line numbers: by groups of lines, and line by line where a group holds a bad one."""
        numbers: list[int] = []
        rows: list[dict[str, Any]] = []
        for start in range(0, len(lines), group):
            some = [(at, line) for at, line in enumerate(lines[start : start + group], number + start) if line.strip()]
            texts = [line for _, line in some]
            if group > 1 and is_whole("".join(texts)) and (found := label_blocks.parse_json_lines(texts)) is not None:
                numbers += [at for at, _ in some]
                rows += found
                continue
            for at, line in some:
                if (row := self._parse(line, at, bad)) is not None:
                    numbers.append(at)
                    rows.append(row)
        return numbers, rows

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

    def read(self, bad: BadLines, *, fast: bool = True) -> Iterator[Chunk]:
        number = 1
        with Blocks(self.path, self.encoding) as blocks:
            if self.has_header:
                _, number = _read_first(blocks, self.delimiter, self.encoding, bad)
            while block := blocks.take():
                if fast and (found := label_blocks.parse_csv(block, self.delimiter, len(self.names))):
                    lines, cells = found.lines(number), found.columns
                    number += found.line_count
                else:
                    blocks.give_back(block)
                    feed = _Feed(blocks, number)
                    numbers, rows = self._read_carefully(feed, bad)
                    number = feed.finish()
                    lines = pa.array(numbers, pa.int64())
                    cells = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
                if len(lines):
                    yield Chunk(lines, dict(zip(self.names, cells, strict=True)))

    def _read_carefully(self, feed: _Feed, bad: BadLines) -> tuple[list[int], list[list[str]]]:
        """The rows that begin in the feed's first block, and their line numbers."""
        width = len(self.names)
        numbers, rows = [], []
        for number, row in _read_records(feed, self.delimiter, self.encoding, bad):
            if len(row) != width:
                if len(row) < width or any(cell.strip() for cell in row[width:]):
                    values = "1 value" if len(row) == 1 else f"{len(row)} values"
                    bad.add(number, f"The row has {values} instead of {width}.")
                    continue
                del row[width:]  # delimiters at the end of the line
            numbers.append(number)
            rows.append(row)
        return numbers, rows


def open_csv(path: Path, encoding: Encoding) -> Csv:
    """Find out a CSV's delimiter and header. Its names are empty when the file has no row at all."""
    csv.field_size_limit(MAX_LINE_CHARS + _MAX_RECORD_CHARS)
    lines = list(islice(read_lines(path, encoding), _SNIFFED_LINES))
    delimiter = _sniff_delimiter(lines)
    with Blocks(path, encoding) as blocks:
        header, _ = _read_first(blocks, delimiter, encoding, BadLines())
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
    """Hands the lines of a block, and of further ones if a record goes on there, to csv.reader.

    `number` is the number of the next record's first line, `end` that of the line after the block. The lines of the
    record being read are remembered, so that they can be given back.
    """

    def __init__(self, blocks: Blocks, number: int) -> None:
        self._blocks = blocks
        self._lines = deque(split_lines(blocks.take()))
        self.number = number
        self.end = number + len(self._lines)
        self.taken: list[str] = []
        self.size = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if not self._lines:
            self._lines.extend(split_lines(self._blocks.take()))
            if not self._lines:
                raise StopIteration
        line = self._lines.popleft()
        self.size += len(line)
        self.taken.append(line)
        if self.size > _MAX_RECORD_CHARS and len(self.taken) > 1:
            raise csv.Error("unexpected end of data")
        return line

    def end_record(self, lines: int) -> None:
        """The record had so many lines; what was taken beyond them is read again."""
        self._lines.extendleft(reversed(self.taken[lines:]))
        self.number += lines
        self.taken = []
        self.size = 0

    def finish(self) -> int:
        """Give back to the blocks what was not used; the number of the first line of that."""
        self._blocks.give_back("".join(self._lines))
        return self.number


def _read_records(feed: _Feed, delimiter: str, encoding: Encoding, bad: BadLines) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record that begins in the feed's first block.

    After a record that can't be read, reading goes on at the line after its first: a quote that is opened
    and never closed costs that one line, not the rest of the file.
    """
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while feed.number < feed.end:
        number = feed.number
        try:
            row = next(reader, None)
        except csv.Error as fault:
            bad.add(number, _explain(fault))
            feed.end_record(1)
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
            continue
        if row is None:
            return
        taken = feed.taken
        feed.end_record(len(taken))
        problem = next(filter(None, (problem_of(line, encoding) for line in taken)), None)
        if problem:
            bad.add(number, problem)
        elif any(row) or (row and delimiter in taken[0]):
            yield number, row


def _read_first(blocks: Blocks, delimiter: str, encoding: Encoding, bad: BadLines) -> tuple[list[str], int]:
    """The cells of the file's first record, none when it has no record, and the number of the line after it."""
    number = 1
    while True:
        feed = _Feed(blocks, number)
        found = next(_read_records(feed, delimiter, encoding, bad), None)
        empty, number = feed.end == feed.number == number, feed.finish()
        if found or empty:
            return (found[1] if found else []), number


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


def _to_chunks(numbers: Sequence[int], rows: list[dict[str, Any]]) -> Iterator[Chunk]:
    names = dict.fromkeys(chain.from_iterable(rows))
    step = max(1, _CHUNK_CELLS // len(names)) if names else 1
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        present = names if step >= len(rows) else dict.fromkeys(chain.from_iterable(some))
        yield Chunk(pa.array(numbers[start : start + step], pa.int64()), _columns_of(some, list(present)))


def _columns_of(rows: list[dict[str, Any]], names: list[str]) -> dict[str, list[Any]]:
    """The values of each name, None where a row has none."""
    if len(names) > 1:
        with suppress(KeyError), label_blocks.no_collection():  # as there is unless every row has every name
            return dict(zip(names, map(list, zip(*map(itemgetter(*names), rows), strict=True)), strict=True))
    return {name: [row.get(name) for row in rows] for name in names}


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
