"""What type a field of a label file has: inferred over all of its values, then applied to each chunk of them.

| values | type | Arrow |
| --- | --- | --- |
| none but null | null | null |
| true, false | bool | bool |
| integers that fit | int64 | int64 |
| numbers, NaN and infinities | float64 | double |
| numbers of more digits than a float keeps (`digits`) | decimal128 | decimal128(38, digits behind the point) |
| ISO 8601 dates and times, all with a zone or all without | timestamp | timestamp[us or ns], UTC or no zone |
| lists of numbers (JSON) | list<int64>, list<float64> | list |
| other lists, and objects (JSON) | json | the arrow.json type: JSON text, marked as such in Parquet |
| text, or a mixture | string | string; values of a mixture that are no text are JSON text |

Nothing is rounded: integers beyond 64 bits, integers beyond 2**53 among fractions, and digits for which a decimal
has no room make the field a string. Text is never read as null in a field of strings; an empty cell of a CSV always is.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .clock import to_iso
from .digits import MAX_DIGITS, Digits, has_odd_number, keeps_all, measure_cells, measure_numbers, to_decimal


class Form(StrEnum):
    """What a single value looks like; a field's type follows from the forms of its values."""

    BOOL = "booleans"
    INT = "integers"
    BIG_INT = "integers beyond 64 bits"
    FLOAT = "fractions"
    DECIMAL = "numbers of more digits than a 64-bit float keeps"
    NUMBER = "numbers"  # among text, in a CSV
    UTC = "times with a zone"
    LOCAL = "times without a zone"
    STRING = "text"
    INT_LIST = "lists of integers"
    FLOAT_LIST = "lists of fractions"
    NESTED = "lists or objects"


_EXACT = 2**53
_INT64 = range(-(2**63), 2**63)

# CSV cells. A zero or plus that leads is part of an identifier (007, a postcode, a telephone), not of a number.
_INT_CELL = r"^(?:0|-?[1-9][0-9]*)$"
_FRACTION = r"[+-]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+|(?:0|[1-9][0-9]*)\.)(?:[eE][+-]?[0-9]+)?"
_EXPONENT = r"[+-]?(?:0|[1-9][0-9]*)[eE][+-]?[0-9]+"
_FLOAT_CELL = rf"{_INT_CELL}|^(?:-0|{_FRACTION}|{_EXPONENT}|(?i:[+-]?inf(?:inity)?|nan))$"
_BOOL_CELL = r"^(?i:true|false)$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_LOCAL_TIME = _TIME + r")?$"
_LIKE_A_TIME = r"^[0-9]{4}[-/]?[0-9]{2}[-/]?[0-9]{2}(?:[T ][0-9]{2}|$)"
_UTC_TIME = _TIME + r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?))$"
# Spellings of "no value" that count as such in fields of anything but text.
_NULL_CELLS = pa.array(["null", "NULL", "Null", "None", "NONE", "none", "NA", "N/A", "n/a", "#N/A", "-"])


_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class FieldType:
    """`name` is for people and records, `arrow` what the Parquet column has."""

    name: str
    arrow: pa.DataType


NULL = FieldType("null", pa.null())
BOOL = FieldType("bool", pa.bool_())
INT = FieldType("int64", pa.int64())
FLOAT = FieldType("float64", pa.float64())
STRING = FieldType("string", pa.string())
JSON = FieldType("json", pa.json_())
INT_LIST = FieldType("list<int64>", pa.list_(pa.int64()))
FLOAT_LIST = FieldType("list<float64>", pa.list_(pa.float64()))

_NUMBERS = {Form.INT, Form.FLOAT, Form.DECIMAL}


def _decimal(fraction: int) -> FieldType:
    return FieldType(f"decimal128({MAX_DIGITS}, {fraction})", pa.decimal128(MAX_DIGITS, fraction))


@dataclass
class Inference:
    """Learns a field's type chunk by chunk. `units` are the time units that have held every time so far.

    `digits` is the room that numbers need in a decimal. It is measured from the chunk on in which a float first fails
    to keep one: `unmeasured` says that there were chunks before, which `measure_values` or `measure_cells` has to see.
    """

    forms: set[Form] = field(default_factory=set)
    spelled_nulls: bool = False  # a cell said NA, null or the like
    plain: bool = True  # all cells that are not empty were numbers as programs write them
    exact: bool = True  # every integer can be a float64 without rounding
    units: set[str] = field(default_factory=lambda: {"us", "ns"})
    digits: Digits = field(default_factory=Digits)
    unmeasured: bool = False

    def see_values(self, values: list[Any] | pa.Array) -> None:
        """Values of JSON."""
        begun = bool(self.forms) and Form.DECIMAL not in self.forms
        if isinstance(values, pa.Array):
            self._see_column(values)
        else:
            self._see_objects(values)
        if Form.DECIMAL in self.forms:
            self.unmeasured |= begun
            self.measure_values(values)

    def _see_column(self, values: pa.Array) -> None:
        """Values of one kind, none of them null."""
        if pa.types.is_boolean(values.type):
            self.forms.add(Form.BOOL)
        elif pa.types.is_floating(values.type):
            self.forms.add(Form.FLOAT)
        elif pa.types.is_integer(values.type):
            bounds = pc.min_max(values).as_py()
            self._see_integers(bounds["min"], bounds["max"], Form.INT)
        else:
            self._see_text(values[0].as_py(), values)

    def _see_objects(self, values: list[Any]) -> None:
        for kind in set(map(type, values)) - {type(None)}:
            if kind is bool:
                self.forms.add(Form.BOOL)
            elif kind is float:
                self.forms.add(Form.FLOAT)
            elif kind is Decimal:
                self.forms.add(Form.DECIMAL)
            elif kind is int:
                integers = [value for value in values if type(value) is int]
                self._see_integers(min(integers), max(integers), Form.INT)
            elif kind is str:
                texts = [value for value in values if type(value) is str]
                self._see_text(texts[0], texts)
            else:
                self._see_nested([value for value in values if type(value) is kind])

    def measure_values(self, values: list[Any] | pa.Array) -> None:
        """Measure the digits of values of JSON."""
        if self.forms <= _NUMBERS and self.digits.fit:
            plain = values.to_pylist() if isinstance(values, pa.Array) else values
            self.digits |= measure_numbers(value for value in plain if value is not None)

    def see_cells(self, cells: pa.Array) -> None:
        """Cells of a CSV, as strings."""
        begun = bool(self.forms) and Form.DECIMAL not in self.forms
        self._see_cells(cells)
        if Form.DECIMAL in self.forms:
            self.unmeasured |= begun
            self.measure_cells(cells)

    def measure_cells(self, cells: pa.Array) -> None:
        """Measure the digits of cells of a CSV."""
        if self.forms <= _NUMBERS and self.digits.fit and len(known := _known_cells(cells)):
            self.digits |= measure_cells(known)

    def _see_cells(self, cells: pa.Array) -> None:
        if Form.STRING in self.forms:
            return
        given = cells.filter(pc.not_equal(cells, ""))
        if not len(given):
            return
        numbers = self._form_of_plain_numbers(given) if self.plain else None
        if numbers:
            self.forms.add(numbers)
            return
        self.plain = False
        given = pc.unique(given)  # of texts, most files repeat a few
        values = _known_cells(given)
        self.spelled_nulls |= pc.any(pc.is_in(clean_cells(given), _NULL_CELLS)).as_py()
        if not len(values):
            return
        form = self._form_of_cells(values)
        if form is Form.INT and self.exact and self.forms & {Form.FLOAT, Form.DECIMAL}:
            return  # integers among fractions, as `_form_of_plain_numbers` has them
        self.forms.add(form)
        if form is Form.STRING and pc.any(pc.match_substring_regex(values, _FLOAT_CELL)).as_py():
            self.forms.add(Form.NUMBER)

    def resolve(self) -> FieldType:
        """The type that holds everything seen, exactly."""
        match frozenset(self.forms):
            case forms if not forms:
                return STRING if self.spelled_nulls else NULL
            case forms if forms == {Form.BOOL}:
                return BOOL
            case forms if forms == {Form.INT}:
                return INT
            case forms if forms <= {Form.INT, Form.FLOAT} and self.exact:
                return FLOAT
            case forms if Form.DECIMAL in forms and forms <= _NUMBERS and self.digits.fit:
                return _decimal(self.digits.fraction)
            case forms if forms in ({Form.UTC}, {Form.LOCAL}) and self.units:
                unit = "us" if "us" in self.units else "ns"
                zone = "UTC" if Form.UTC in forms else None
                return FieldType(f"timestamp[{unit}{', UTC' if zone else ''}]", pa.timestamp(unit, zone))
            case forms if forms == {Form.INT_LIST}:
                return INT_LIST
            case forms if forms <= {Form.INT_LIST, Form.FLOAT_LIST} and self.exact:
                return FLOAT_LIST
            case forms if forms <= {Form.INT_LIST, Form.FLOAT_LIST, Form.NESTED}:
                return JSON
            case _:
                return STRING

    def mixture(self) -> str | None:
        """What a field of strings holds beside text, for a warning; None where there is nothing to warn of."""
        if self.resolve() is not STRING or self.forms <= {Form.STRING}:
            return None
        return ", ".join(sorted(self.forms))

    def _see_integers(self, low: int, high: int, form: Form) -> None:
        fits = low in _INT64 and high in _INT64
        self.forms.add(form if fits else Form.BIG_INT if form is Form.INT else Form.NESTED)
        self.exact &= low >= -_EXACT and high <= _EXACT

    def _see_text(self, first: str, texts: list[str] | pa.Array) -> None:
        form = None
        if Form.STRING not in self.forms and len(first) <= 40 and first[:4].isdigit():
            form = self._form_of_times(_to_strings(texts))
        self.forms.add(form or Form.STRING)

    def _see_nested(self, values: list[Any]) -> None:
        if Form.NESTED in self.forms:
            return
        if any(type(value) is not list for value in values):
            self.forms.add(Form.NESTED)
            return
        kinds = set(map(type, chain.from_iterable(values)))
        if not kinds <= {int, float, type(None)}:
            self.forms.add(Form.NESTED)
            return
        if int in kinds:
            integers = [item for item in chain.from_iterable(values) if type(item) is int]
            self._see_integers(min(integers), max(integers), Form.INT_LIST)
        if float in kinds:
            self.forms.add(Form.FLOAT_LIST)
        elif int not in kinds:
            self.forms.add(Form.INT_LIST)

    def _form_of_plain_numbers(self, cells: pa.Array) -> Form | None:
        """What `_form_of_cells` says of numbers as programs write them, in a fraction of its time; None for others."""
        # A cast that fails takes long: it describes what is wrong with each cell.
        if not self.forms & {Form.FLOAT, Form.DECIMAL} and (integers := _cast(cells, pa.int64())) is not None:
            if not pc.all(pc.equal(pc.cast(integers, pa.string()), cells)).as_py():
                return None
            bounds = pc.min_max(integers)
            self.exact &= bounds["min"].as_py() >= -_EXACT and bounds["max"].as_py() <= _EXACT
            return Form.INT
        if (fractions := _cast(cells, pa.float64())) is not None:
            # Between these bounds, which NaN and infinities are not, integers among fractions are exact.
            small = pc.all(pc.less(pc.abs(fractions), _EXACT)).as_py()
            if small and not has_odd_number(cells):
                return self._form_of_fractions(cells, fractions)
        return None

    def _form_of_fractions(self, cells: pa.Array, fractions: pa.Array) -> Form:
        """`fractions` are the floats nearest to the cells."""
        return Form.DECIMAL if Form.DECIMAL in self.forms or not keeps_all(cells, fractions) else Form.FLOAT

    def _form_of_cells(self, cells: pa.Array) -> Form:
        if _match_all(cells, _INT_CELL):
            try:
                bounds = pc.min_max(pc.cast(cells, pa.int64()))
            except pa.ArrowInvalid:
                return Form.BIG_INT
            self.exact &= bounds["min"].as_py() >= -_EXACT and bounds["max"].as_py() <= _EXACT
            return Form.INT
        if _match_all(cells, _FLOAT_CELL):
            integers = cells.filter(pc.match_substring_regex(cells, _INT_CELL))
            fits = not len(integers) or self._form_of_cells(integers) is Form.INT
            return self._form_of_fractions(cells, pc.cast(cells, pa.float64())) if fits else Form.BIG_INT
        if _match_all(cells, _BOOL_CELL):
            return Form.BOOL
        return self._form_of_times(cells) or Form.STRING

    def _form_of_times(self, cells: pa.Array) -> Form | None:
        return self._form_of_iso_times(cells) or (
            self._form_of_iso_times(to_iso(cells)) if _match_all(cells, _LIKE_A_TIME) else None
        )

    def _form_of_iso_times(self, cells: pa.Array) -> Form | None:
        for form, pattern, zone in ((Form.UTC, _UTC_TIME, "UTC"), (Form.LOCAL, _LOCAL_TIME, None)):
            if _match_all(cells, pattern):
                units = {unit for unit in self.units if _cast(cells, pa.timestamp(unit, zone)) is not None}
                if units:
                    self.units = units
                    return form
        return None


def clean_cells(cells: pa.Array) -> pa.Array:
    """Cells of a CSV for everything but text: trimmed, the empty ones null."""
    trimmed = pc.utf8_trim_whitespace(cells)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _known_cells(cells: pa.Array) -> pa.Array:
    """The cells that are a value, for everything but text."""
    known = clean_cells(cells).drop_null()
    return known.filter(pc.invert(pc.is_in(known, _NULL_CELLS)))


def column_of_cells(cells: pa.Array, type_: FieldType) -> pa.Array:
    """Cells of a CSV as a column of the type that was inferred for all of them."""
    if type_ is STRING:
        return pc.if_else(pc.equal(cells, ""), None, cells)
    if type_ is NULL:
        return pa.nulls(len(cells))
    if type_ in (INT, FLOAT) and not pc.any(pc.is_in(cells, _NULL_CELLS)).as_py():
        numbers = _cast(pc.if_else(pc.equal(cells, ""), None, cells), type_.arrow)
        if numbers is not None:  # as where no cell has spaces
            return numbers
    cleaned = clean_cells(cells)
    known = pc.if_else(pc.is_in(cleaned, _NULL_CELLS), None, cleaned)
    if type_ is BOOL:
        return pc.equal(pc.utf8_lower(known), "true")
    return _to_times(known, type_.arrow) if pa.types.is_timestamp(type_.arrow) else pc.cast(known, type_.arrow)


def column_of_values(values: list[Any] | pa.Array, type_: FieldType) -> pa.Array:
    """Values of JSON as a column of the type that was inferred for all of them."""
    if isinstance(values, pa.Array):
        if values.type == type_.arrow:
            return values
        if pa.types.is_string(values.type) and pa.types.is_timestamp(type_.arrow):
            return _to_times(values, type_.arrow)
        values = values.to_pylist()
    if type_ is JSON:
        return pa.ExtensionArray.from_storage(type_.arrow, _to_strings(_to_json(values)))
    if type_ is STRING:
        if not set(map(type, values)) <= {str, type(None)}:
            texts = iter(_to_json([value for value in values if type(value) is not str]))
            values = [value if type(value) is str else next(texts) for value in values]
        return _to_strings(values)
    if pa.types.is_timestamp(type_.arrow):
        return _to_times(_to_strings(values), type_.arrow)
    if pa.types.is_decimal(type_.arrow):
        values = [None if value is None else to_decimal(value) for value in values]
    return pa.array(values, type_.arrow)


def _to_times(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    times = _cast(texts, type_)
    return pc.cast(to_iso(texts), type_) if times is None else times


# Stands between the values of a column while they become JSON in one go. No value can hold it.
_BETWEEN = secrets.token_hex(16)
# Stands around a number that JSON's encoder has no type for, in the place of quotes.
_RAW = secrets.token_hex(16)
_ENCODE = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=lambda number: f"{_RAW}{number}{_RAW}"
).encode


def _to_json(values: list[Any]) -> list[str | None]:
    """Each value as JSON text, None for null."""
    given = [value for value in values if value is not None]
    joined = [_BETWEEN] * (2 * len(given) + 1)
    joined[1::2] = given
    encoded = _ENCODE(joined).replace(f'"{_RAW}', "").replace(f'{_RAW}"', "")
    texts = iter(encoded.split(f'"{_BETWEEN}"')[1:-1])
    return [None if value is None else next(texts)[1:-1] for value in values]


def _to_strings(values: Sequence[str | None] | pa.Array) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([value and clean_text(value) for value in values], pa.string())


def clean_text(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair: JSON can escape one, but it is no character."""
    return _SURROGATE.sub("\ufffd", text)


def _match_all(cells: pa.Array, pattern: str) -> bool:
    # Most patterns that don't fit fail at the first cell.
    return all(pc.all(pc.match_substring_regex(some, pattern)).as_py() for some in (cells[:1], cells))


def _cast(cells: pa.Array, type_: pa.DataType) -> pa.Array | None:
    """The cells as another type; None where one of them is none of it, which is most often the first."""
    try:
        pc.cast(cells[:1], type_)
        return pc.cast(cells, type_)
    except pa.ArrowInvalid:
        return None
