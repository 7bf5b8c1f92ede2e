"""The fields of a label track that have a series, and their values out of the columns of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MOST_ITEMS = 64  # of a list of numbers, each of which is a field


class Sort(StrEnum):
    """What of a field is shown: a curve of its numbers, or marks where its texts or booleans change."""

    NUMBER = "number"
    INTEGER = "integer"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Field:
    """`item` is the place in a list, where the column is of lists; the field is called `column[item]` then."""

    name: str
    column: str
    sort: Sort
    item: int | None = None


def sort_of(type_: pa.DataType) -> Sort | None:
    """What is shown of a column of this type; of lists, of their items. None of times, objects and the like."""
    if pa.types.is_list(type_):
        return sort_of(type_.value_type)
    if pa.types.is_integer(type_):
        return Sort.INTEGER
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return Sort.NUMBER
    return Sort.MARK if pa.types.is_boolean(type_) or pa.types.is_string(type_) else None


def list_fields(schema: pa.Schema, lengths: Mapping[str, int], left_out: set[str]) -> list[Field]:
    """The fields of a table in the order of its columns; `lengths` are those of its columns of lists."""
    taken = set(schema.names)
    fields: list[Field] = []
    for column, type_ in zip(schema.names, schema.types, strict=True):
        sort = sort_of(type_)
        if column in left_out or sort is None:
            continue
        if not pa.types.is_list(type_):
            fields.append(Field(column, column, sort))
            continue
        names = (f"{column}[{item}]" for item in range(min(lengths.get(column, 0), MOST_ITEMS)))
        fields += [Field(name, column, sort, item) for item, name in enumerate(names) if name not in taken]
    return fields


def list_lengths(table: pa.Table | pa.RecordBatch) -> dict[str, int]:
    """The length of the longest list in each column of lists of numbers."""
    lists = (
        name for name, type_ in zip(table.schema.names, table.schema.types, strict=True) if pa.types.is_list(type_)
    )
    return {name: pc.max(pc.list_value_length(table.column(name))).as_py() or 0 for name in lists}


def numbers(column: pa.Array, field: Field) -> tuple[np.ndarray, np.ndarray | None]:
    """The values of a field of numbers, as float64 or int64, and where they are known; None: everywhere.

    NaN and infinities are no values of a curve. Decimals are the nearest floats.
    """
    if field.item is not None:
        column = _items(column, field.item)
    known = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None
    if pa.types.is_integer(column.type):
        values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        return values, known
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    values = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)  # null is NaN
    finite = np.isfinite(values)
    return values, None if finite.all() else finite


def texts(column: pa.Array) -> pa.Array:
    """The values of a field of marks, as text."""
    return column.cast(pa.string()) if pa.types.is_boolean(column.type) else column


def _items(column: pa.Array, item: int) -> pa.Array:
    """Of each list, one item; null where it is shorter."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    places = column.offsets.to_numpy()[:-1] + item
    return column.values.take(pa.array(places, mask=lengths <= item))
