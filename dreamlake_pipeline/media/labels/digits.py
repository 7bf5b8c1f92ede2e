"""Whether a 64-bit float keeps a number as it is written, and how much room its digits need in a decimal.

A float keeps a number when it can be written with as many significant digits as the text has (zeros at its end aside)
and gives the same digits. So it is for every number of up to 15 digits (C's DBL_DIG), for what programs print of
their own floats (`0.30000000000000004`), and for what `%.20f` prints of one (`0.10000000000000000555`); not for
`1712345678.1234568`, whose nearest float is `1712345678.1234567`, nor for `1e400`, whose nearest is infinite. Two
different numbers of as many digits that are both kept are different floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_DIGITS = 38  # of a decimal128

# Shorter numbers have 15 digits at the most, beside a point.
_LONG = 17
# Below it, floats have fewer digits than elsewhere (2.2e-308 is the smallest with all of them).
_TINY = 1e-290
_HUGE = 1e308
_MOST_DIGITS_OF_A_FLOAT = 767
_EXACT = Context(prec=10**6, Emax=10**9, Emin=-(10**9))
# What is between a number of JSON and the next sign is ASCII: longer numbers, longer exponents, and a zero below zero.
_UNUSUAL = r"[0-9.]{16}|[0-9.][eE][+-]?[0-9]{3}|-0[\s,\]}]"
_PARTS = r"^[+-]?(?P<whole>[0-9]*)\.?(?P<fraction>[0-9]*)(?:[eE][+]?(?P<exponent>-?[0-9]{1,6}))?$"


def as_one_value(data: bytes) -> pa.Array:
    """An array that holds these bytes, without a copy, as its only value."""
    offsets = np.array([0, len(data)], np.int32)
    return pa.Array.from_buffers(pa.binary(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def may_not_be_kept(text: bytes) -> bool:
    """Whether a text of JSON may have numbers that a float does not keep as they are written, or a minus zero, within
    strings or not: 16 digits or points that follow each other, or an exponent of three digits."""
    return bool(pc.match_substring_regex(as_one_value(text), _UNUSUAL)[0].as_py())


@dataclass(frozen=True, slots=True)
class Digits:
    """How many digits numbers have before and behind the point."""

    whole: int = 0
    fraction: int = 0

    def __or__(self, other: Digits) -> Digits:
        return Digits(max(self.whole, other.whole), max(self.fraction, other.fraction))

    @property
    def fit(self) -> bool:
        """Whether a decimal128 has room for them."""
        return self.whole + self.fraction <= MAX_DIGITS


TOO_MANY = Digits(MAX_DIGITS, MAX_DIGITS)


def parse_number(text: str) -> float | Decimal:
    """A number of JSON with a point or an exponent: a float where that keeps it, else a Decimal of every digit.

    Raises ValueError for one whose exponent no Decimal has room for.
    """
    value = float(text)
    if (len(text) < _LONG and (_TINY < value < _HUGE or -_HUGE < value < -_TINY)) or repr(value) == text:
        return value
    if is_kept(text, value):
        return value
    number = _exactly(text)
    if number is None:
        raise ValueError("a number with an exponent of more than 18 digits")
    return number


def _exactly(text: str) -> Decimal | None:
    """The number; None where its exponent is beyond those of a Decimal."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def is_kept(text: str, value: float) -> bool:
    """Whether `value`, the float nearest to the finite number `text`, keeps it."""
    if repr(value) == text:
        return True
    if math.isinf(value):
        return False
    number = _exactly(text)
    if number is None:
        return False
    if not number or not value:
        return number == value
    digits = len(number.as_tuple().digits)
    if digits > 15:
        number = _EXACT.normalize(number)
        digits = len(number.as_tuple().digits)
    if digits <= 15 and abs(value) > _TINY:
        return True
    return digits <= _MOST_DIGITS_OF_A_FLOAT and Decimal(f"{value:.{digits - 1}e}") == number


def keeps_all(cells: pa.Array, values: pa.Array) -> bool:
    """Whether floats keep each cell: numbers as text, NaN and infinities among them; `values` are the nearest ones."""
    doubtful = pc.greater_equal(pc.binary_length(cells), _LONG)
    sizes = np.abs(values.to_numpy(zero_copy_only=False))
    extreme = (sizes < _TINY) | (sizes == math.inf)
    if extreme.any():  # most often zeros that are written as such
        doubtful = pc.or_(doubtful, pc.and_(pa.array(extreme), pc.match_substring_regex(cells, "[0-9][eE]")))
    if not pc.any(doubtful).as_py():
        return True
    cells, values = cells.filter(doubtful), values.filter(doubtful)
    as_printed = pc.equal(cells, pc.cast(values, pa.string()))  # true of what most programs write
    numbers = pc.match_substring_regex(cells, "[0-9]")
    rest = pc.and_(numbers, pc.invert(as_printed))
    return all(map(_is_kept_quickly, cells.filter(rest).to_pylist(), values.filter(rest).to_pylist()))


def has_odd_number(cells: pa.Array) -> bool:
    """Whether one of the cells, which a cast takes for numbers, begins with a plus, or with a zero before a digit."""
    _, offsets, data = cells.buffers()
    octets = np.frombuffer(data, np.uint8)
    starts, ends = (np.frombuffer(offsets, np.int32)[cells.offset :][at : len(cells) + at] for at in (0, 1))
    first = octets[starts]
    starts = starts + (first == ord("-"))
    zeros = starts[(octets[np.minimum(starts, ends - 1)] == ord("0")) & (starts + 1 < ends)] + 1
    return bool((first == ord("+")).any() or (octets[zeros] - np.uint8(ord("0")) <= 9).any())


def measure_cells(cells: pa.Array) -> Digits:
    """The room that all of the cells need, `TOO_MANY` where one is no finite number."""
    parts = pc.extract_regex(cells, _PARTS)
    if parts.null_count:
        return TOO_MANY
    whole, fraction, exponent = parts.flatten()
    shift = pc.cast(pc.if_else(pc.equal(exponent, ""), "0", exponent), pa.int32())
    before = pc.max(pc.add(pc.binary_length(whole), shift)).as_py()
    behind = pc.max(pc.subtract(pc.binary_length(fraction), shift)).as_py()
    return Digits(max(before, 0), max(behind, 0))


def measure_numbers(numbers: Iterable[int | float | Decimal]) -> Digits:
    """The room that all of the numbers need, `TOO_MANY` where one is not finite."""
    room = Digits()
    for number in numbers:
        decimal = to_decimal(number)
        if not decimal.is_finite():
            return TOO_MANY
        _, digits, exponent = decimal.as_tuple()
        assert isinstance(exponent, int)
        room |= Digits(max(len(digits) + exponent, 0), max(-exponent, 0))
    return room


def to_decimal(number: int | float | Decimal) -> Decimal:
    """The number as a decimal, a float with the digits that it is printed with."""
    return Decimal(repr(number)) if type(number) is float else Decimal(number)


def _is_kept_quickly(text: str, value: float) -> bool:
    """As `is_kept`; what C's `%.{n}f` and `%.{n}e` print of a float, of which files may be full, takes less time."""
    point, exponent = text.find("."), text.find("e")
    form = f".{exponent - point - 1}e" if exponent > 0 else f".{len(text) - point - 1}f"
    return (0 < point < len(text) < 40 and format(value, form) == text) or is_kept(text, value)
