"""Blocks of lines of JSON objects that hold nothing but numbers, texts and booleans, read at once by pyarrow: None for
a block in which anything is out of the ordinary, what `json_lines` gives for any other.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from ..text.file import MAX_LINE_CHARS
from .digits import as_one_value, may_not_be_kept
from .rows import MAX_FIELDS

_ORDINARY = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
# What pyarrow holds of the text as numbers and texts of its own at a time; a longer line is no ordinary one.
_PIECE_BYTES = 2**16
# The beginning of a number with an exponent and without a point.
_WHOLE_WITH_EXPONENT = r"[: ]-?[0-9]+[eE]"


def parse_flat(block: str) -> dict[str, pa.Array] | None:
    """The values of a block of whole lines by name, in the order of the first line, as int64, double, string or bool;
    None unless each line is one object, and all objects have the same names, each once, and values of one kind for
    each of them.

    A number is of the kind of Python's: `1.0` is a double, and a column of `1` and `1.5` is none of one kind.
    """
    if "\r" in block:
        block = block.replace("\r\n", "\n")
    lines = _count_objects(block)
    if not lines:
        return None
    try:
        data = block.encode()
        if may_not_be_kept(data):
            return None
        first = json.loads(block[: block.find("\n") + 1] or block)
    except ValueError:  # a lone half of a surrogate pair, or no JSON
        return None
    if not 0 < len(first) <= MAX_FIELDS or any(type(value) not in _ORDINARY for value in first.values()):
        return None
    # A cell that a line lacks takes memory too; where there are none, each has its colon.
    if block.count(":") < lines * len(first):
        return None
    # Nothing is inferred: what is called a text is not taken for a time, and another name is no column more.
    schema = pa.schema([pa.field(name, _ORDINARY[type(value)]) for name, value in first.items()])
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(data),
            pyarrow.json.ReadOptions(use_threads=False, block_size=_PIECE_BYTES),
            pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
    except pa.ArrowException:  # an error in the JSON, a long line, other names, a name twice, values of several kinds
        return None
    if table.num_rows != lines:
        return None
    columns = {name: table.column(name).combine_chunks() for name in first}
    return columns if _are_of_one_kind(columns, data) else None


def _count_objects(block: str) -> int:
    """How many lines the block has, if each of them is in braces and holds no others, lists or escapes; else 0."""
    if len(block) > MAX_LINE_CHARS or "[" in block or "\\" in block or "\r" in block:
        return 0
    block = block.removesuffix("\n")
    lines = block.count("{")
    is_flat = block.startswith("{") and block.endswith("}") and block.count("}\n{") == lines - 1
    return lines if is_flat else 0


def _are_of_one_kind(columns: dict[str, pa.Array], data: bytes) -> bool:
    """Whether no value is null, and all that became doubles were written as such: an integer among them is none.

    Each of these is finite and has a point or an exponent. So there are as many points and bare exponents in the block
    as doubles, but for those in names and texts.
    """
    doubles = [column for column in columns.values() if pa.types.is_floating(column.type)]
    if any(column.null_count for column in columns.values()):
        return False
    if not all(pc.all(pc.is_finite(column)).as_py() for column in doubles):
        return False
    left = sum(map(len, doubles)) - data.count(b".") + _count_in_texts(columns, r"\.")
    if not left:
        return True
    found = pc.count_substring_regex(as_one_value(data), _WHOLE_WITH_EXPONENT)[0].as_py()
    return bool(left == found - _count_in_texts(columns, _WHOLE_WITH_EXPONENT))


def _count_in_texts(columns: dict[str, pa.Array], pattern: str) -> int:
    """How many times a pattern is found in names and texts."""
    count = 0
    for name, column in columns.items():
        count += len(column) * pc.count_substring_regex(pa.scalar(name), pattern).as_py()
        if pa.types.is_string(column.type):
            count += pc.sum(pc.count_substring_regex(column, pattern)).as_py()
    return count
