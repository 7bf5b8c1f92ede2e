"""Rows of a CSV, in chunks of bounded size, each with its line number; `json_lines` reads those of JSONL.

A line that can't be used is reported to a `BadLines` and passed over. Reading the same file twice gives
the same chunks and the same bad lines.

A block of lines in which nothing is out of the ordinary is read at once by fast code (`label_blocks`); any other is
read line by line, by code that says what is wrong and where. Both give the same rows.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from ..text.file import MAX_LINE_CHARS, BadLines, Blocks, Encoding, problem_of, read_lines, split_lines
from . import blocks as label_blocks

LabelFormat = Literal["jsonl", "csv"]

MAX_FIELDS = 5000

_MAX_RECORD_CHARS = 4 * 2**20  # of a CSV record of several lines

_DELIMITERS = ",;\t|"
_SNIFFED_LINES = 100
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in source order: `lines` their line numbers (1-based), `columns` their values by source field name.

    The values of JSON are a list of Python's; those of a CSV are an Arrow array of strings. `others` is None, or what
    each row has beyond the first `MAX_FIELDS` fields of the file, None for a row that has nothing else.
    """

    lines: pa.Array
    columns: Mapping[str, Any]
    others: list[dict[str, Any] | None] | None = None


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


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, with `_2`, `_3`, … where one is taken."""
    used = set(taken)
    counts: dict[str, int] = {}  # how often a name was tried
    unique = []
    for name in names:
        candidate = name
        while candidate in used:
            counts[name] = counts.get(name, 1) + 1
            candidate = f"{name}_{counts[name]}"
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
