"""Rows of a CSV file, by the form that was judged over its first lines (`form`) or that its owner told."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..text.bad_lines import BadLines, Lines
from ..text.encoding import Encoding
from ..text.file import Blocks, problem_of, read_lines, split_lines
from .blocks import parse_csv
from .dialect import MAX_RECORD_CHARS, Dialect, Sort, sort_of
from .form import COMMENT, SAMPLE_CHARS, SAMPLE_LINES, TEXT_FORMULA, Form, judge
from .header import is_rule
from .rows import Rows, unique_names

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_LOW_CERTAINTY = 0.5
_MOST_LINES_OF_TEXT = 20  # that one value has without being taken for a quote that was never closed


@dataclass(frozen=True, slots=True)
class Csv:
    """Comma- (or otherwise) separated values (RFC 4180): quoted fields may hold delimiters and line ends.

    `names` are the fields in order, each once; the rows are read from line `form.first_line` on.
    """

    path: Path
    encoding: Encoding
    form: Form
    names: list[str]
    doubts: tuple[str, ...] = ()
    _header: tuple[list[str], ...] = field(default=(), repr=False)
    _joined: Lines = field(default_factory=Lines, repr=False)  # rows whose text holds delimiters

    @property
    def warnings(self) -> tuple[str, ...]:
        """What there is to say of how the file is written, and of the rows that were read last."""
        if not self._joined.count or self.form.free_text is None:
            return self.doubts
        return (
            *self.doubts,
            f"Rows with more values than there are columns were read as rows whose {self.names[self.form.free_text]!r} "
            f"holds {self.form.dialect.delimiter_name!r}: {self._joined}.",
        )

    @property
    def units(self) -> dict[str, str]:
        """The units of those fields for which the file has a row of units, by name."""
        return {self.names[column]: unit for column, unit in self.form.units.items()}

    def read(self, bad: BadLines, *, fast: bool = True) -> Iterator[Rows]:
        """The rows in parts; what can't be used, or is no row, goes to `bad`."""
        self._joined.clear()
        for number, what in self.form.skipped.items():
            bad.pass_over(number, what)
        if self.form.units_line:
            bad.pass_over(self.form.units_line, "row of units")
        with Blocks(self.path, self.encoding) as blocks:
            number = _skip_lines(blocks, self.form.first_line)
            while block := blocks.take():
                if fast and (found := parse_csv(block, self.form)):
                    lines, cells = found.lines(number), found.columns
                    number += found.line_count
                else:
                    blocks.give_back(block)
                    feed = _Feed(blocks, number, self.form.dialect)
                    numbers, rows = self._read_carefully(feed, bad)
                    number = feed.finish()
                    lines = pa.array(numbers, pa.int64())
                    cells = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
                if len(lines):
                    yield Rows(lines, dict(zip(self.names, map(self._plain, range(len(cells)), cells), strict=True)))

    def _plain(self, column: int, cells: pa.Array) -> pa.Array:
        """Cells of a column of numbers with a decimal point, and without marks between thousands."""
        dialect = self.form.dialect
        if column in self.form.formulas:
            return pc.replace_substring_regex(cells, f"^{TEXT_FORMULA.pattern}$", r"\1")
        if column not in self.form.numbers or (dialect.decimal == "." and dialect.thousands is None):
            return cells
        whole = (
            r"[0-9]+" if dialect.thousands is None else rf"(?:[0-9]+|[0-9]{{1,3}}(?:[{dialect.thousands}][0-9]{{3}})+)"
        )
        number = rf"^\s*[+-]?{whole}?(?:\{dialect.decimal}[0-9]*)?(?:[eE][+-]?[0-9]+)?\s*$"
        plain = cells
        if dialect.thousands:
            plain = pc.replace_substring(plain, dialect.thousands, "")
        if dialect.decimal != ".":
            plain = pc.replace_substring(plain, dialect.decimal, ".")
        return pc.if_else(pc.match_substring_regex(cells, number), plain, cells)

    def _read_carefully(self, feed: _Feed, bad: BadLines) -> tuple[list[int], list[list[str]]]:
        """The rows that begin in the feed's first block, and their line numbers."""
        width = len(self.names)
        numbers, rows = [], []
        for number, row in self._read_records(feed, bad):
            if len(row) > width and (joined := self._join_free_text(row)):
                self._joined.add(number)
                row = joined
            if len(row) != width:
                if is_rule(row):
                    bad.pass_over(number, "ruled line")
                    continue
                if len(row) < width or any(cell.strip() for cell in row[width:]):
                    values = "1 value" if len(row) == 1 else f"{len(row)} values"
                    bad.add(number, f"The row has {values} instead of {width}.")
                    continue
                del row[width:]  # delimiters at the end of the line
            if row in self._header:
                bad.pass_over(number, "repeated header")
                continue
            numbers.append(number)
            rows.append(row)
        return numbers, rows

    def _join_free_text(self, row: list[str]) -> list[str] | None:
        """A row with too many values whose excess is text with delimiters, and whose other values fit; else None."""
        at, width = self.form.free_text, len(self.names)
        if at is None or not any(cell.strip() for cell in row[width:]):
            return None
        end = at + 1 + len(row) - width
        joined = [*row[:at], self.form.dialect.delimiter.join(row[at:end]), *row[end:]]
        alike = all(sort_of(joined[column]) in (Sort.NUMBER, Sort.EMPTY) for column in self.form.numbers)
        return joined if alike and any(char.isalpha() for char in joined[at]) else None

    def _read_records(self, feed: _Feed, bad: BadLines) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells of each record that begins in the feed's first block.

        After a record that can't be read, reading goes on at the line after its first: a quote that is opened
        and never closed costs that one line, not the rest of the file.
        """
        dialect = self.form.dialect
        reader = dialect.reader(feed)
        while feed.number < feed.end:
            number = feed.number
            if dialect.is_comment(feed.next_line):
                bad.pass_over(number, COMMENT)
                feed.pass_over_line()
                continue
            try:
                row = next(reader, None)
            except csv.Error as fault:
                bad.add(number, _explain(fault))
                feed.end_record(1)
                reader = dialect.reader(feed)
                continue
            if row is None:
                return
            taken = feed.taken
            if len(taken) > 2 and self._swallows_rows(taken):
                bad.add(number, f"A quote that is opened here would take in {len(taken) - 1} lines that are rows.")
                feed.end_record(1)
                reader = dialect.reader(feed)
                continue
            feed.end_record(len(taken))
            problem = next(filter(None, (problem_of(line, self.encoding) for line in taken)), None)
            if problem:
                bad.add(number, problem)
            elif any(row) or (row and dialect.delimiter in taken[0]):
                yield number, row

    def _swallows_rows(self, lines: list[str]) -> bool:
        """Whether most of the lines inside a record look like rows of this table: then a quote was never closed."""
        inner = lines[1:-1]
        if len(self.names) < 2:
            return len(inner) > _MOST_LINES_OF_TEXT
        delimiter = self.form.dialect.delimiter
        quote = self.form.dialect.quote or ""
        # A line with a quote closes the one that is open, and may open another.
        whole = [line for line in inner if quote not in line.replace(quote * 2, "")]
        cells = [line.rstrip("\r\n").split(delimiter) for line in map(self.form.dialect.squeeze, whole)]
        alike = [row for row in cells if len(row) == len(self.names) + self.form.padding]
        if self.form.numbers and len(self.form.numbers) < len(self.names) + 1:
            some = sorted(self.form.numbers)
            alike = [row for row in alike if all(sort_of(row[column]) in (Sort.NUMBER, Sort.EMPTY) for column in some)]
        elif len(inner) <= _MOST_LINES_OF_TEXT:
            return False
        return 2 * len(alike) > len(inner)


def open_csv(path: Path, encoding: Encoding, options: Mapping[str, str] | None = None) -> Csv:
    """Find out how a CSV is written, or take it from `options` (`csv_options`). Without names when it has no row."""
    form = judge(_first_lines(path, encoding), options)
    names = [name.strip(" \t\r\n\ufeff") or f"column_{index}" for index, name in enumerate(form.names, 1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    warnings = list(form.warnings)
    if twice:
        warnings.append(f"Columns of the same name were numbered: {', '.join(twice[:10])}.")
    if names and form.certainty < _LOW_CERTAINTY:
        warnings.append(
            f"How the file is written was guessed, with low certainty: {describe(form)}. If that is wrong, say it by "
            "--csv (delimiter, quote, decimal, header, …)."
        )
    header = tuple(list(row)[: len(names)] for row in form.repeats)
    return Csv(path, encoding, form, unique_names(names), tuple(warnings), header)


def describe(form: Form) -> str:
    """The form in a few words."""
    delimiter = form.dialect.delimiter_name
    words = [f"{len(form.names)} columns"]
    words.append(
        "no delimiter"
        if delimiter is None
        else f"delimiter {delimiter!r}"
        if len(delimiter) < 2
        else f"delimiter {delimiter}"
    )
    words.append(f"header in line {form.header_line}" if form.header_line else "no header")
    return ", ".join(words)


def _first_lines(path: Path, encoding: Encoding) -> list[str]:
    lines, size = [], 0
    for line in read_lines(path, encoding):
        lines.append(line)
        size += len(line)
        if len(lines) >= SAMPLE_LINES or size >= SAMPLE_CHARS:
            break
    return lines


def _skip_lines(blocks: Blocks, first_line: int) -> int:
    """Pass over the lines before `first_line`; the number of the line that comes next."""
    number = 1
    while number < first_line and (block := blocks.take()):
        passed = 0
        for line in islice(_LINE.finditer(block), first_line - number):
            passed = line.end()
            number += 1
        blocks.give_back(block[passed:])
    return number


class _Feed:
    """Hands the lines of a block, and of further ones if a record goes on there, to csv.reader.

    `number` is the number of the next record's first line, `end` that of the line after the block. The lines of the
    record being read are remembered, so that they can be given back.
    """

    def __init__(self, blocks: Blocks, number: int, dialect: Dialect) -> None:
        self._blocks = blocks
        self._squeeze = dialect.squeeze
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
        if self.size > MAX_RECORD_CHARS and len(self.taken) > 1:
            raise csv.Error("unexpected end of data")
        return self._squeeze(line)

    @property
    def next_line(self) -> str:
        return self._lines[0] if self._lines else ""

    def pass_over_line(self) -> None:
        self._lines.popleft()
        self.number += 1

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


def _explain(fault: csv.Error) -> str:
    if "unexpected end" in str(fault):
        return "A quote is opened and never closed."
    if "expected after" in str(fault):
        return "A quoted value is followed by other text."
    return f"The row can't be read: {fault}."
