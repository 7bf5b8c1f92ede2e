"""The fields of a label track that have a series, and their values out of the columns of its table.

A column of numbers, booleans or texts is a field. So is each item of a column of lists of numbers (`q[0]`), and each
number, boolean or text within a column of JSON (`pose.position[0]`), as its first entries have them.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import from_json

MOST_ITEMS = 64  # of a list, each of which is a field
_MOST_NESTED = 200  # fields of a column of JSON
_MOST_DEPTH = 4
_MOST_NAME_CHARS = 400
LOOKED_AT = 1000  # entries of a column of JSON that tell its fields
_PARSED_AT_A_TIME = 64  # values of such a column: what JSON says takes ten times the bytes of its text

Step = str | int


class Sort(StrEnum):
    """What of a field is shown: a curve of its numbers, or marks where its texts or booleans change."""

    NUMBER = "number"
    INTEGER = "integer"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Field:
    """`path` leads from a value of the column to that of the field: names of objects, places in lists."""

    name: str
    column: str
    sort: Sort
    path: tuple[Step, ...] = ()


def find_fields(
    schema: pa.Schema, part: pa.RecordBatch | Mapping[str, pa.Array | pa.ChunkedArray], left_out: set[str]
) -> list[Field]:
    """The fields of a table, in the order of its columns without those that are left out. `part` are rows of it, of
    which `nested_columns` at least are there."""
    taken = set(schema.names)
    fields: list[Field] = []
    for column, type_ in zip(schema.names, schema.types, strict=True):
        if column in left_out:
            continue
        if is_json(type_):
            found = _nested_fields(column, part[column])
        elif pa.types.is_list(type_):
            longest = pc.max(pc.list_value_length(part[column])).as_py() or 0
            sort = _sort_of(type_.value_type)
            found = [
                Field(_name(column, (item,)), column, sort, (item,))
                for item in range(min(longest, MOST_ITEMS))
                if sort is not None
            ]
        else:
            sort = _sort_of(type_)
            fields += [Field(column, column, sort)] if sort is not None else []
            continue
        fields += [field for field in found if field.name not in taken]
        taken |= {field.name for field in found}
    return fields


def nested_columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The columns whose fields their values tell: those of lists, all of whose values are looked at, and those of JSON,
    of which the first `LOOKED_AT` are."""
    types = dict(zip(schema.names, schema.types, strict=True))
    return [name for name in types if pa.types.is_list(types[name])], [name for name in types if is_json(types[name])]


def is_json(type_: pa.DataType) -> bool:
    return isinstance(type_, pa.JsonType)


class Values:
    """The values of fields in some rows of a table, all of which are asked for. What several of them are taken out of
    is read once, and not kept."""

    def __init__(self, rows: pa.Table | pa.RecordBatch, fields: Sequence[Field]) -> None:
        self._rows, self._fields = rows, fields
        self._of_json: dict[Field, array[float] | list[str | None]] = {}

    def numbers(self, field: Field) -> tuple[np.ndarray, np.ndarray | None]:
        """The values of a field of numbers, as float64 or int64, and where they are known; None: everywhere.

        NaN and infinities are no values of a curve. Decimals are the nearest floats.
        """
        column = self._column(field.column)
        if is_json(column.type):
            values = np.array(self._nested(field), np.float64)
        else:
            if field.path:
                column = _items(column, field.path[0])
            if pa.types.is_integer(column.type):
                known = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None
                return pc.fill_null(column, 0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False), known
            if pa.types.is_decimal(column.type):
                column = column.cast(pa.float64())
            values = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)  # null is NaN
        finite = np.isfinite(values)
        return values, None if finite.all() else finite

    def texts(self, field: Field) -> pa.Array:
        """The values of a field of marks, as text."""
        column = self._column(field.column)
        if is_json(column.type):
            return pa.array(self._nested(field), pa.string())
        return column.cast(pa.string()) if pa.types.is_boolean(column.type) else column

    def _column(self, name: str) -> pa.Array:
        column = self._rows.column(name)
        if isinstance(column, pa.ChunkedArray):
            return (
                column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([_empty(column.type), *column.chunks])
            )
        return column

    def _nested(self, field: Field) -> array[float] | list[str | None]:
        """The values of a field of a column of JSON."""
        if field not in self._of_json:
            self._of_json |= _read_json(
                self._column(field.column), [one for one in self._fields if one.column == field.column]
            )
        return self._of_json[field]


def _read_json(column: pa.Array, fields: Sequence[Field]) -> dict[Field, array[float] | list[str | None]]:
    """The values of these fields of a column of JSON."""
    numbers = {field: array("d") for field in fields if field.sort is not Sort.MARK}
    texts: dict[Field, list[str | None]] = {field: [] for field in fields if field.sort is Sort.MARK}
    for start in range(0, len(column), _PARSED_AT_A_TIME):
        parsed = parse_json(column.slice(start, _PARSED_AT_A_TIME))
        for field, values in numbers.items():
            values.extend(_as_float(_at(one, field.path)) for one in parsed)
        for field, marks in texts.items():
            marks.extend(_as_text(_at(one, field.path)) for one in parsed)
    return {**numbers, **texts}


def parse_json(column: pa.Array) -> list[Any]:
    """The values of a column of JSON; None for null, and for what can't be read."""
    return [_parse(text) for text in column.storage.to_pylist()]


def _parse(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return from_json(text)
    except ValueError:  # deeper than 200 levels
        return None


def _empty(type_: pa.DataType) -> pa.Array:
    return pa.nulls(0, type_)


def _sort_of(type_: pa.DataType) -> Sort | None:
    """What is shown of a column of this type; None of times and the like."""
    if pa.types.is_integer(type_):
        return Sort.INTEGER
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return Sort.NUMBER
    return Sort.MARK if pa.types.is_boolean(type_) or pa.types.is_string(type_) else None


def _items(column: pa.Array, item: Step) -> pa.Array:
    """Of each list, one item; null where it is shorter."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    places = column.offsets.to_numpy()[:-1] + item
    return column.values.take(pa.array(places, mask=lengths <= item))


# Within JSON


def _nested_fields(column: str, values: Any) -> list[Field]:
    first = values.slice(0, LOOKED_AT)
    chunks = first.chunks if isinstance(first, pa.ChunkedArray) else [first]
    found: dict[tuple[Step, ...], Sort] = {}
    for chunk in chunks:
        for value in parse_json(chunk):
            for path, sort in _leaves(value):
                if path not in found and len(found) < _MOST_NESTED:
                    found[path] = sort
    named = [Field(_name(column, path), column, sort, path) for path, sort in found.items()]
    unique = {field.name: field for field in named if len(field.name) <= _MOST_NAME_CHARS}
    return list(unique.values())


def _leaves(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Sort]]:
    if isinstance(value, bool | str):
        yield path, Sort.MARK
    elif isinstance(value, int | float):
        yield path, Sort.NUMBER
    elif len(path) < _MOST_DEPTH and isinstance(value, dict):
        for name, inner in islice(value.items(), _MOST_NESTED):
            yield from _leaves(inner, (*path, name))
    elif len(path) < _MOST_DEPTH and isinstance(value, list):
        for place, inner in enumerate(value[:MOST_ITEMS]):
            yield from _leaves(inner, (*path, place))


def _name(column: str, path: tuple[Step, ...]) -> str:
    return column + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _at(value: Any, path: tuple[Step, ...]) -> Any:
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def _as_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None
