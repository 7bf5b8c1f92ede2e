"""What the readers of label files give: rows in parts of bounded size, each with its line number.

`delimited` reads CSV, `json_lines` reads JSON Lines. Both report a line that can't be used to a `BadLines` and pass it
over, and give the same parts and the same bad lines whenever they read the same file. A block of lines in which
nothing is out of the ordinary is read at once by fast code; any other is read line by line, by code that says what is
wrong and where. Both ways give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

LabelFormat = Literal["jsonl", "csv"]

LINE_COLUMN = "_line"
OTHER_COLUMN = "_other"  # of what has no column
MAX_FIELDS = 5000
MAX_NAME_CHARS = 200  # of a column; what stands in the source is longer

# A table of rows that have few fields in common is mostly empty: it has no more cells than these, and so many for each
# value that is there.
_FREE_CELLS = 10**7
_CELLS_OF_VALUE = 16


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in source order: `lines` their line numbers (1-based), `columns` their values by source field name.

    The values of JSON are a list of Python's, or an Arrow array of int64, double, string or bool without nulls; those
    of a CSV are an Arrow array of strings. `others` is None, or what each row has beside the columns, None for a row
    that has nothing else: fields beyond the first `MAX_FIELDS` of the file, and those that few of the rows have. The
    latter are `sparse`, in the order in which they come.
    """

    lines: pa.Array
    columns: Mapping[str, Any]
    others: list[dict[str, Any] | None] | None = None
    sparse: tuple[str, ...] = ()


def most_columns(rows: int, values: int) -> int:
    """How many columns a table of so many rows, with so many values in them, may have."""
    return max(1, min(MAX_FIELDS, (_FREE_CELLS + _CELLS_OF_VALUE * values) // max(rows, 1)))


def is_sparse(count: int, rows: int) -> bool:
    """Whether a field with so many values leaves most cells of its column empty."""
    return count * _CELLS_OF_VALUE < rows


def short_name(name: str) -> str:
    """A name of `MAX_NAME_CHARS` at the most, with a mark where it goes on."""
    return name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 10] + "…"


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, with `_2`, `_3`, … where one is taken."""
    used = set(taken)
    tried: dict[str, int] = {}  # the last number that a name was given: a thousand twins take a thousand steps
    unique = []
    for name in names:
        candidate = name
        while candidate in used:
            tried[name] = tried.get(name, 1) + 1
            candidate = f"{name}_{tried[name]}"
        used.add(candidate)
        unique.append(candidate)
    return unique
