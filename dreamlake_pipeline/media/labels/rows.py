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

MAX_FIELDS = 5000


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in source order: `lines` their line numbers (1-based), `columns` their values by source field name.

    The values of JSON are a list of Python's; those of a CSV are an Arrow array of strings. `others` is None, or what
    each row has beyond the first `MAX_FIELDS` fields of the file, None for a row that has nothing else.
    """

    lines: pa.Array
    columns: Mapping[str, Any]
    others: list[dict[str, Any] | None] | None = None


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
