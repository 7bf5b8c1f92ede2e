"""Where the values of a table begin: the rows whose values are of the sorts that those further down are of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from itertools import islice, pairwise

from .dialect import Row, Sort, sort_of
from .first_row import names_columns
from .header import is_index

_FEW = 50  # rows that tell what a column is like
_PLAIN_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")


def fit(row: Row, width: int) -> bool:
    """Whether a row has so many cells, and behind them none but empty ones."""
    if row.cells is None or len(row.cells) <= width:
        return row.cells is not None and len(row.cells) == width
    return not any(map(str.strip, row.cells[width:]))


def find_body(rows: Sequence[Row], start: int, width: int, sorts: Sequence[Sort | None]) -> int:
    """The first row of values: one whose cells are of the sorts that their columns are of."""
    typed = [column for column, sort in enumerate(sorts) if sort is not None]
    if not typed:
        return _find_body_of_text(rows, start, width)

    @cache
    def count(index: int) -> tuple[int, int]:
        return _agreeing(rows[index], width, typed, sorts)

    body = next((index for index in range(start, len(rows)) if count(index)[0] and not count(index)[1]), None)
    if body is None:
        return min(start + 1, len(rows))
    while body > start and _lacks_values(rows, body - 1, width, sorts):
        body -= 1
    while body > start and count(body - 1)[0] > count(body - 1)[1]:  # a value that is out of the ordinary
        body -= 1
    above = body
    while above > start and count(above - 1)[0]:
        above -= 1
    if start < above < body and not count(above - 1)[0] and _is_of_words(rows[above - 1]):
        body = above  # rows with values out of the ordinary right below a header
    if body == start and body + 1 < len(rows) and _is_numbered_header(rows[body], rows[body + 1 :], width, sorts):
        body += 1
    return body


def _is_of_words(row: Row) -> bool:
    return row.cells is not None and all(sort_of(cell) in (Sort.WORD, Sort.TEXT) for cell in row.cells)


def _is_numbered_header(row: Row, below: Sequence[Row], width: int, sorts: Sequence[Sort | None]) -> bool:
    """Whether a row names its first column by a word, and the others by numbers with one step: `country,2019,2020`.

    The word stands above values of another sort, or the numbers are years and those below are none.
    """
    if row.cells is None or not fit(row, width) or width < 3 or sort_of(row.cells[0]) is not Sort.WORD:
        return False
    numbers = _to_numbers(row.cells[1:width])
    if not numbers or numbers[0] == numbers[-1] or len({b - a for a, b in pairwise(numbers)}) > 1:
        return False
    if sorts[0] is not None:
        return True
    others = [_to_numbers(one.cells[1:width]) for one in below if one.cells and fit(one, width)]
    return _are_years(numbers) and not any(_are_years(one) for one in others if one)


def _to_numbers(cells: Sequence[str]) -> list[Decimal]:
    """The cells as plain numbers; empty where one is none."""
    found = [cell.strip() for cell in cells]
    return [Decimal(cell) for cell in found] if all(map(_PLAIN_NUMBER.fullmatch, found)) else []


def _are_years(numbers: Sequence[Decimal]) -> bool:
    return all(1800 <= number <= 2200 and number == int(number) for number in numbers)


def _agreeing(row: Row, width: int, typed: Sequence[int], sorts: Sequence[Sort | None]) -> tuple[int, int]:
    """How many cells of a row are of the sort of their column, and how many of another."""
    if row.cells is None or not fit(row, width) or _is_pandas_header(row.cells):
        return 0, 1
    others = [one for column in typed if (one := sort_of(row.cells[column])) is not sorts[column]]
    return len(typed) - len(others), len(others) - others.count(Sort.EMPTY)


def _is_pandas_header(cells: Sequence[str]) -> bool:
    """Whether the cells are an unnamed index and the numbers of the columns, as pandas writes a frame without names."""
    return len(cells) > 2 and not cells[0] and list(cells[1:]) == [str(n) for n in range(len(cells) - 1)]


def _find_body_of_text(rows: Sequence[Row], start: int, width: int) -> int:
    """The row behind the header, where all is text: the first row is one unless what is below tells the opposite."""
    first = cells_of(rows[start], width)
    is_row = first is not None and names_columns(first, rows_below(rows, start, width)) is False
    return start if is_row else min(start + 1, len(rows))


def _lacks_values(rows: Sequence[Row], at: int, width: int, sorts: Sequence[Sort | None]) -> bool:
    """Whether a row is one of the table that has text alone, and nothing where those below it have values."""
    row, below = cells_of(rows[at], width), rows_below(rows, at, width, most=_FEW)
    if not row or not below or not any(map(str.strip, row)):
        return False
    of_text = [column for column, sort in enumerate(sorts) if sort is None]
    of_values = [column for column, sort in enumerate(sorts) if sort is not None]
    if any(row[column].strip() for column in of_values):
        return False
    texts = [[cells[column] for column in of_text] for cells in (row, *below)]
    if (names := names_columns(texts[0], texts[1:])) is not None:
        return not names
    # Above an index, nothing is usual: R and pandas name none.
    return not all(is_index([cells[column] for cells in below]) for column in of_values)


def rows_below(rows: Sequence[Row], at: int, width: int, most: int | None = None) -> list[list[str]]:
    """The cells of the rows that fit behind this one, `most` of them."""
    return list(islice((cells for row in rows[at + 1 :] if (cells := cells_of(row, width))), most))


def cells_of(row: Row, width: int) -> list[str] | None:
    return row.cells[:width] if row.cells is not None and fit(row, width) else None
