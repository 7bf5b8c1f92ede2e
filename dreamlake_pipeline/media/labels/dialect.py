"""How the values of a CSV file are set apart: its dialect, and what a line is under one.

Pure Python and light: the client uses it too, to tell a table from other text.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from ...csv_options import BLANKS, TAB
from ..text.file import MAX_LINE_CHARS

MAX_RECORD_CHARS = 4 * 2**20  # of a record of several lines
MAX_CELLS = 20_000  # of a record of the first lines; no table has so many columns

# Delimiters that no one types: `BLANK` stands for any run of blanks and tabs, `NO_DELIMITER` occurs nowhere.
BLANK = " "
NO_DELIMITER = "\x03"

_BLANKS = re.compile(r"[ \t]+")
_BLANKS_OR_QUOTED = {
    quote: re.compile(rf"(?<![^ \t\r\n]){quote}(?:[^{quote}\r\n]|{quote}{quote})*{quote}(?![^ \t\r\n])|[ \t]+")
    for quote in ('"', "'")
}
# Blanks around bars, and bars around rows. No match begins inside of a run of blanks, so that time stays linear.
_BLANKS_AT_BARS = re.compile(r"(?<![ \t])[ \t]*\|[ \t]*")
_BARS_AROUND = re.compile(r"(?<![^\r\n])\||\|(?![^\r\n])")
_QUOTED_LINE = re.compile(r'(?<![^\r\n])"((?:[^"\r\n]|"")*)"(?![^\r\n])')
_EDGES = re.compile(r"(?<![^\r\n]) | (?![^\r\n])")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The marks of a CSV file (RFC 4180 has `,` and `"`); None is a mark that the file has not.

    `skip_blanks`: blanks behind a delimiter are no part of the value. `comment` is what lines begin with that are
    none of the table. `decimal` is the mark of fractions, `thousands` one that groups digits.

    `boxed`: blanks around bars are no part of values, and bars around rows no delimiters, as in Markdown and in what
    databases print. `wrapped`: each line is in quotes as a whole, its own quotes doubled.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    skip_blanks: bool = False
    comment: str | None = None
    decimal: str = "."
    thousands: str | None = None
    boxed: bool = False
    wrapped: bool = False

    @property
    def delimiter_name(self) -> str | None:
        """The delimiter as `--csv delimiter=` takes it."""
        names: dict[str, str | None] = {BLANK: BLANKS, "\t": TAB, NO_DELIMITER: None}
        return names.get(self.delimiter, self.delimiter)

    def squeeze(self, text: str) -> str:
        """The text without what stands around rows, and with one blank for each run of blanks that delimits values."""
        if self.wrapped:
            return _QUOTED_LINE.sub(lambda found: found[1].replace('""', '"'), text)
        if self.boxed:
            return _BARS_AROUND.sub("", _BLANKS_AT_BARS.sub("|", text))
        if self.delimiter != BLANK:
            return text
        if "\t" in text or "  " in text:
            if self.quote and self.quote in text:
                text = _BLANKS_OR_QUOTED[self.quote].sub(
                    lambda found: found[0] if found[0][0] == self.quote else BLANK, text
                )
            else:
                text = _BLANKS.sub(BLANK, text)
        return (
            _EDGES.sub("", text)
            if text[:1] == BLANK or " \n" in text or "\n " in text or text[-1:] == BLANK or ("\r" in text)
            else text
        )

    def is_comment(self, line: str) -> bool:
        return self.comment is not None and line.startswith(self.comment)

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The cells of each record of (squeezed) lines, none for a blank line. Raises csv.Error."""
        csv.field_size_limit(MAX_LINE_CHARS + MAX_RECORD_CHARS)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            escapechar=self.escape,
            skipinitialspace=self.skip_blanks,
            strict=True,
        )


class Row(NamedTuple):
    """A record of the first lines: the index of its first line, how many lines it has, its cells, its (squeezed) text.

    No cells of a record that can't be read; of these, each line is one.
    """

    line: int
    size: int
    cells: list[str] | None
    text: str


def split_rows(lines: Sequence[str], dialect: Dialect) -> list[Row]:
    """The records of lines under a dialect, without blank lines and comments."""
    squeezed = [dialect.squeeze(line) for line in lines]
    rows = []
    at = 0
    while at < len(lines):
        if dialect.is_comment(lines[at]):
            at += 1
            continue
        feed = _Feed(squeezed, at)
        try:
            for cells in dialect.reader(feed):
                del cells[MAX_CELLS:]
                if any(cells) or len(cells) > 1:
                    rows.append(Row(at, feed.at - at, cells, "".join(squeezed[at : feed.at])))
                at = feed.at
                if at < len(lines) and dialect.is_comment(lines[at]):
                    break
            else:
                break
        except csv.Error:
            rows.append(Row(at, 1, None, squeezed[at]))
            at += 1
    return rows


class _Feed:
    """Lines from an index on, and how far they were read."""

    def __init__(self, lines: Sequence[str], at: int) -> None:
        self.at = at
        self._lines = islice(lines, at, None)

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.at += 1
        return line


class Sort(Enum):
    """What a cell looks like."""

    EMPTY = 0
    NUMBER = 1
    TIME = 2
    BOOL = 3
    WORD = 4
    TEXT = 5
    ODD = 6  # text that a wrong delimiter would have left
    QUOTED = 7  # text in quotes that are none of the dialect

    # Enum's own hashes the name; many thousands are counted.
    __hash__ = object.__hash__


_SPELLED_EMPTY = frozenset(["null", "none", "na", "n/a", "#n/a", "-", "--"])
_SPELLED_NUMBERS = re.compile(r"[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?|0[xX][0-9a-fA-F]+|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+"
    r"|[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]{1,3}(?:['’\u00a0\u202f][0-9]{3})+(?:[.,][0-9]+)?)%?"
)
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,:][0-9]+)?)?(?: ?[AaPp][Mm])?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?(?:[0-9]{2})?))?"
_DATE = r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}|[0-9]{8}(?=[T_-]))"
_TIME = re.compile(rf"(?:{_DATE}(?:[T_ -]\s?(?:{_CLOCK}|[0-9]{{6}}(?:\.[0-9]+)?){_ZONE})?|-?{_CLOCK}{_ZONE})")
_NUMBERS = re.compile(r"[+-]?[0-9.,]+(?: +[+-]?[0-9.,]+)+")
_ODD = re.compile(r"[;\t|]|,(?=[^ ])")
_QUOTES_INSIDE = re.compile(r"""[;|\t,]['"]|['"][;|\t,]|\s"|"\s|\s'[^']*'\s""")
_QUOTE_AT_EDGE = re.compile(r"(?<!\S)'|'(?!\S)")
_BRACKETS = str.maketrans("{}()", "[][]")


def sort_of(cell: str) -> Sort:
    """What a cell looks like, whichever decimal mark its numbers have."""
    return _sort_of_short(cell) if len(cell) <= _SHORT else _sort_of(cell)


def is_value(cell: str) -> bool:
    """Whether a cell is a number, a time or a boolean."""
    return sort_of(cell) in (Sort.NUMBER, Sort.TIME, Sort.BOOL)


def _sort_of(cell: str) -> Sort:
    text = cell.strip()
    if not text:
        return Sort.EMPTY
    if len(text) <= 64:
        if _NUMBER.fullmatch(text) or _SPELLED_NUMBERS.fullmatch(text):
            return Sort.NUMBER
        lowered = text.lower()
        if lowered in _SPELLED_EMPTY:
            return Sort.EMPTY
        if lowered in ("true", "false"):
            return Sort.BOOL
        if text[-1] in "0123456789ZzMmCcTt" and _TIME.fullmatch(text):
            return Sort.TIME
    if text[0] in "[{(" and text[-1] in "]})":
        return Sort.TEXT
    if '"' in (text[0], text[-1]) or (text[0] == text[-1] == "'" and len(text) > 1) or _QUOTES_INSIDE.search(text):
        return Sort.QUOTED
    plain = text.translate(_BRACKETS)
    if text.count("'") % 2 and _QUOTE_AT_EDGE.search(text):
        return Sort.ODD
    if plain.count("[") != plain.count("]") or _ODD.search(text) or _NUMBERS.fullmatch(text):
        return Sort.ODD
    return Sort.TEXT if " " in text else Sort.WORD


_SHORT = 256
# The same cells are looked at under several dialects.
_sort_of_short = lru_cache(maxsize=2**14)(_sort_of)
