"""Quotes in the rows of a CSV: which values stand in them, and which rows a reading tears apart.

Pure Python and light: the client uses it too.
"""

from __future__ import annotations

import re
from functools import cache

from .dialect import Dialect, Row, Sort, is_value, sort_of

_QUOTES = "\"'"
# A quote opens where a word begins and closes where one ends. With an odd number of them in a cell, one is open.
_OPENS = {quote: re.compile(rf"(?<![^\s(\[{{:=,;|]){quote}") for quote in _QUOTES}
_CLOSES = {quote: re.compile(rf"{quote}(?![^\s)\]}}:,;|.!?])") for quote in _QUOTES}


def sorts_in(row: Row, width: int, dialect: Dialect) -> list[Sort]:
    """What the first cells of a row look like; in quotes, they may hold delimiters, line ends and quotes, as text."""
    cells = (row.cells or [])[:width]
    sorts = [sort_of(cell) for cell in cells]
    if Sort.ODD not in sorts and Sort.QUOTED not in sorts:
        return sorts
    quoted = _in_quotes(row, dialect)
    return [
        Sort.TEXT if sort in (Sort.ODD, Sort.QUOTED) and cell in quoted else sort
        for cell, sort in zip(cells, sorts, strict=True)
    ]


def is_torn(row: Row, dialect: Dialect) -> bool:
    """Whether a quote is opened in one cell of a row and closed in a later one: what was between was no delimiter."""
    return any(row.text.count(quote) > 1 and _is_torn_at(row, quote, dialect) for quote in _QUOTES)


def _is_torn_at(row: Row, quote: str, dialect: Dialect) -> bool:
    odd = [cell for cell in row.cells or () if cell.count(quote) % 2]
    quoted = _in_quotes(row, dialect) if len(odd) > 1 else ()
    opened = False
    for cell in odd:
        if cell in quoted:
            continue
        if opened and _CLOSES[quote].search(cell):
            return True
        opened = opened or bool(_OPENS[quote].search(cell))
    return False


def takes_in_rows(row: Row, width: int, dialect: Dialect) -> bool:
    """Whether each line of a record with single quotes is a row by itself, with values where the first line has some.

    Then the quotes are apostrophes: that of `'90s` is not closed by that of `the dogs'` in the next row.
    """
    if row.size < 2 or dialect.quote != "'":
        return False
    lines = [line.split(dialect.delimiter) for line in row.text.splitlines()]
    values = [at for at, cell in enumerate(lines[0]) if is_value(cell)]
    return bool(values) and all(
        len(cells) == width and all(sort_of(cells[at]) is sort_of(lines[0][at]) for at in values) for cells in lines
    )


def unquote(name: str) -> str:
    """A name without the quotes around it: a header may have some where no value has."""
    for quote in _QUOTES:
        if len(name) > 2 and name[0] == name[-1] == quote and quote not in name[1:-1].replace(quote * 2, ""):
            return name[1:-1].replace(quote * 2, quote).strip()
    return name


def _in_quotes(row: Row, dialect: Dialect) -> set[str]:
    """What stands in the dialect's quotes in a row."""
    if dialect.quote is None or dialect.quote not in row.text:
        return set()
    found = _quoted(dialect.delimiter, dialect.quote, dialect.escape).findall(row.text)
    if dialect.escape:
        found = [text.replace(dialect.escape + dialect.quote, dialect.quote) for text in found]
    return {text.replace(dialect.quote * 2, dialect.quote) for text in found}


@cache
def _quoted(delimiter: str, quote: str, escape: str | None) -> re.Pattern[str]:
    """A value in quotes between delimiters. It never gives back what it took, so that time stays linear."""
    edge = rf"[^{re.escape(delimiter)} \r\n]"
    if escape:
        inside = rf"[^{quote}{re.escape(escape)}]|{re.escape(escape)}.|{quote}{quote}"
    else:
        inside = rf"[^{quote}]|{quote}{quote}"
    return re.compile(rf"(?<!{edge}){quote}((?:{inside})*+){quote}(?!{edge})", re.DOTALL)
