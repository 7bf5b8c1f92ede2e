"""Blocks of lines of a CSV, read at once by pyarrow: None for a block in which anything is out of the ordinary, what
reading line by line gives for any other.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ..text.file import MAX_LINE_CHARS
from .dialect import Dialect
from .form import Form
from .rows import MAX_FIELDS

_LF, _CR = b"\n\r"


@dataclass(frozen=True, slots=True)
class CsvBlock:
    """Rows of a block: their columns of strings, how many lines the block has, and which of these are rows."""

    columns: list[pa.Array]
    line_count: int
    at: np.ndarray

    def lines(self, number: int) -> pa.Array:
        """The rows' line numbers, if the block's first line has this one."""
        return pa.array(self.at + number, pa.int64())


def parse_csv(block: str, form: Form) -> CsvBlock | None:
    """The rows of a block of whole lines; None unless each line is empty or one row of the form's two or more cells."""
    dialect, width, padded = form.dialect, form.width, form.width + form.padding
    if not 2 <= width <= padded <= MAX_FIELDS or len(block) > MAX_LINE_CHARS or _is_out_of_the_ordinary(block, dialect):
        return None
    try:
        data = dialect.squeeze(block).encode()
    except UnicodeEncodeError:
        return None  # a mark of what could not be decoded
    if not data or b"\0" in data or data.startswith(codecs.BOM_UTF8):
        return None  # pyarrow would take a mark for the file's, which is read already
    octets = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(octets == _LF)
    if octets[-1] != _LF:
        ends = np.append(ends, len(octets))
    returns = data.count(b"\r")
    if returns and returns != data.count(b"\r\n"):
        return None
    if dialect.quote and not _quotes_are_plain(octets, ends, ord(dialect.quote), dialect.delimiter.encode()):
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if returns:
        lengths -= octets[np.maximum(ends - 1, 0)] == _CR
    at = np.flatnonzero(lengths > 0)
    names = [str(index) for index in range(padded)]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            pyarrow.csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter, quote_char=dialect.quote or False, newlines_in_values=False
            ),
            pyarrow.csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(at):
        return None
    columns = [column.combine_chunks() for column in table.columns]
    if any(pc.any(pc.not_equal(column, "")).as_py() for column in columns[width:]):
        return None
    if dialect.skip_blanks:
        columns = [pc.utf8_ltrim(column, " ") for column in columns]
    if any(pc.any(pc.equal(columns[0], row[0])).as_py() for row in form.repeats):
        return None  # perhaps the header once more
    return CsvBlock(columns[:width], len(ends), at)


def _is_out_of_the_ordinary(block: str, dialect: Dialect) -> bool:
    """Whether a block holds what pyarrow does not know: comments, escapes, a delimiter of several bytes, quotes where
    blanks are skipped."""
    if not dialect.delimiter.isascii() or (dialect.escape and dialect.escape in block):
        return True
    if dialect.comment and (
        block.startswith(dialect.comment) or re.search(rf"[\r\n]{re.escape(dialect.comment)}", block)
    ):
        return True
    return bool(dialect.skip_blanks and dialect.quote and dialect.quote in block)


def _quotes_are_plain(octets: np.ndarray, ends: np.ndarray, quote: int, delimiter: bytes) -> bool:
    """Whether quotes open where a cell begins, close where it ends, and every line closes those that it opens.

    Quotes come in pairs; between a pair and one that follows at once lies a quote that was doubled.
    """
    quotes = np.flatnonzero(octets == quote)
    if not len(quotes):
        return True
    if len(quotes) % 2:
        return False
    if (np.searchsorted(quotes, ends) % 2).any():
        return False
    opening, closing = quotes[::2], quotes[1::2]
    doubled = np.zeros(len(opening) + 1, dtype=bool)
    doubled[1:-1] = opening[1:] == closing[:-1] + 1
    before = np.where(opening > 0, octets[opening - 1], _LF)
    after = np.where(closing + 1 < len(octets), octets[np.minimum(closing + 1, len(octets) - 1)], _LF)
    between = delimiter[0]
    begins = (before == between) | (before == _LF) | doubled[:-1]
    ends_cell = (after == between) | (after == _LF) | (after == _CR) | doubled[1:]
    return bool(begins.all() and ends_cell.all())
