"""Blocks of lines of a CSV, read at once by pyarrow: None for a block in which anything is out of the ordinary, what
reading line by line gives for any other.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ..text.file import MAX_LINE_CHARS

_QUOTE, _LF, _CR = b'"\n\r'


@dataclass(frozen=True, slots=True)
class CsvBlock:
    """Rows of a block: their columns of strings, how many lines the block has, and which of these are rows."""

    columns: list[pa.Array]
    line_count: int
    at: np.ndarray

    def lines(self, number: int) -> pa.Array:
        """The rows' line numbers, if the block's first line has this one."""
        return pa.array(self.at + number, pa.int64())


def parse_csv(block: str, delimiter: str, width: int) -> CsvBlock | None:
    """The rows of a block of whole lines; None unless each line is empty or one row of `width` cells, two or more."""
    if width < 2 or len(block) > MAX_LINE_CHARS:
        return None
    try:
        data = block.encode()
    except UnicodeEncodeError:
        return None  # a mark of what could not be decoded
    if b"\0" in data or data.startswith(codecs.BOM_UTF8):
        return None  # pyarrow would take a mark for the file's, which is read already
    octets = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(octets == _LF)
    if octets[-1] != _LF:
        ends = np.append(ends, len(octets))
    returns = data.count(b"\r")
    if (returns and returns != data.count(b"\r\n")) or not _quotes_are_plain(octets, ends, ord(delimiter)):
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if returns:
        lengths -= octets[np.maximum(ends - 1, 0)] == _CR
    at = np.flatnonzero(lengths > 0)
    names = [str(index) for index in range(width)]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            pyarrow.csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=False),
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
    return CsvBlock([column.combine_chunks() for column in table.columns], len(ends), at)


def _quotes_are_plain(octets: np.ndarray, ends: np.ndarray, delimiter: int) -> bool:
    """Whether quotes open where a cell begins, close where it ends, and every line closes those that it opens.

    Quotes come in pairs; between a pair and one that follows at once lies a quote that was doubled.
    """
    quotes = np.flatnonzero(octets == _QUOTE)
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
    begins = (before == delimiter) | (before == _LF) | doubled[:-1]
    ends_cell = (after == delimiter) | (after == _LF) | (after == _CR) | doubled[1:]
    return bool(begins.all() and ends_cell.all())
