"""`GET /labels/{id}/rows`: some rows of a table, as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic_core import to_json

from ...api.bounded import shortened
from ...errors import Code, DreamlakeError
from .tables import StoredTable
from .track import Track

MOST_ROWS = 500
MOST_FIELDS = 200


def answer(
    table: StoredTable, track: Track | None, names: Sequence[str], at: float | None, first: int | None, limit: int
) -> dict[str, Any]:
    """What the route answers (api/bss.py: Rows): `limit` rows around the time `at`, or from number `first` on.

    Raises INVALID_REQUEST, STORAGE_FAILED, REQUEST_TOO_LARGE.
    """
    fields = _choose(table, names)
    if at is not None and track is not None:
        first = min(track.number_at(at) - limit // 2, table.rows - limit)
    first = max(first or 0, 0)
    numbers = np.arange(first, min(first + limit, table.rows))
    found = table.read_rows(numbers, fields)
    columns = [_cells(found.column(name)) for name in fields]
    times = None
    if track is not None:
        seconds = track.seconds_of(first, len(numbers))
        times = [None if math.isnan(one) else one for one in seconds.tolist()]
    return {
        "fields": fields,
        "rows": [list(row) for row in zip(*columns, strict=True)],
        "times": times,
        "first": first,
        "total": table.rows,
    }


def _choose(table: StoredTable, names: Sequence[str]) -> list[str]:
    """The columns of these names, by default the first. Raises INVALID_REQUEST."""
    known = table.schema.names
    if unknown := [name for name in names if name not in known]:
        raise DreamlakeError(Code.INVALID_REQUEST, f"fields: {unknown[0][:200]!r} is no column of the table.")
    if len(names) > MOST_FIELDS:
        raise DreamlakeError(Code.INVALID_REQUEST, f"fields: {len(names)} are more than the {MOST_FIELDS} of a call.")
    return list(dict.fromkeys(names)) or known[:MOST_FIELDS]


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column as JSON has them. What JSON has no number for is text: decimals, NaN, infinities; long
    texts, lists and objects end with a mark."""
    tell = _teller(column.type)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.string())
    elif isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    values = column.to_pylist()
    return values if tell is None else [None if value is None else tell(value) for value in values]


def _teller(type_: pa.DataType) -> Callable[[Any], Any] | None:
    if pa.types.is_floating(type_):
        return lambda value: value if math.isfinite(value) else _NAMES.get(value, "NaN")
    if pa.types.is_timestamp(type_):
        return lambda value: value.replace(" ", "T", 1)
    if pa.types.is_list(type_):
        return lambda value: shortened(to_json(value, inf_nan_mode="constants").decode())
    if pa.types.is_integer(type_) or pa.types.is_boolean(type_) or pa.types.is_null(type_):
        return None
    return lambda value: shortened(f"{value:f}" if pa.types.is_decimal(type_) else str(value))


_NAMES = {math.inf: "Infinity", -math.inf: "-Infinity"}
