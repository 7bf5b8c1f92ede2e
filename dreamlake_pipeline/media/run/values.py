"""What a worker process may say: plain values, read as the types that the caller expects, and as nothing else.

A worker may have been taken over by the file that it read. Its answers are therefore no pickles (which call what they
name, and whose references grow without bound) but JSON with the bytes behind it, and the reader, not the message, says
which types come out: a value that does not fit is refused. A `Path` becomes whatever `claim` makes of its text.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

MOST_BYTES = 96 * 2**20  # of a message
MOST_TEXT = 32 * 2**20  # of its JSON: as objects it takes up to sixty times as much, and a second for each 10 MiB
_BYTES = "\0"  # the only key of what stands for bytes in JSON: their number among the blobs

Claim = Callable[[str], Path]


class UnexpectedValue(Exception):
    """A message that is not what was expected."""


def pack(value: Any) -> bytes:
    """A message with a value of plain types, dataclasses, named tuples, enumerations, fractions and paths."""
    blobs: list[bytes] = []
    text = json.dumps([_plain(value, blobs), [len(blob) for blob in blobs]]).encode()
    return b"".join((len(text).to_bytes(4, "big"), text, *blobs))


def _plain(value: Any, blobs: list[bytes]) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        blobs.append(value)
        return {_BYTES: len(blobs) - 1}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, blobs) for one in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _plain(one, blobs) for key, one in value.items()}
        return [[_plain(key, blobs), _plain(one, blobs)] for key, one in value.items()]
    if isinstance(value, Fraction):
        return [value.numerator, value.denominator]
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [_plain(getattr(value, field.name), blobs) for field in fields(value)]
    raise TypeError(f"a {type(value).__name__} is no plain value")


class Message:
    """A message as it came, with at most so many bytes of JSON, which is read in parts. Raises UnexpectedValue."""

    def __init__(self, data: bytes | bytearray, claim: Claim, most_text: int = MOST_TEXT) -> None:
        end = 4 + int.from_bytes(data[:4], "big")
        if not 4 < end <= min(len(data), 4 + most_text):
            raise UnexpectedValue
        self.claim = claim
        self._data = memoryview(data)
        try:
            self.value, sizes = json.loads(data[4:end])
            self._ends = [end]
            for size in sizes:
                if type(size) is not int or size < 0:
                    raise UnexpectedValue
                self._ends.append(self._ends[-1] + size)
        except (ValueError, TypeError, RecursionError):
            raise UnexpectedValue from None
        if self._ends[-1] != len(data):
            raise UnexpectedValue

    def blob(self, number: Any) -> bytes:
        if type(number) is not int or not 0 <= number < len(self._ends) - 1:
            raise UnexpectedValue
        return bytes(self._data[self._ends[number] : self._ends[number + 1]])

    def read(self, value: Any, hint: Any) -> Any:
        """A part of `value` as the type that is expected."""
        try:
            return _reader(hint)(value, self)
        except (RecursionError, OverflowError, ArithmeticError):
            raise UnexpectedValue from None


_Reader = Callable[[Any, Message], Any]


@cache
def _reader(hint: Any) -> _Reader:
    """What reads values of a type."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return _one_of(arguments)
    if origin in (typing.Union, types.UnionType):
        return _union([_reader(one) for one in arguments])
    if origin in (list, frozenset, Sequence) or arguments[1:] == (Ellipsis,):
        made = {list: list, frozenset: frozenset}.get(origin, tuple)
        return _many(_reader(arguments[0]), made)
    if origin is tuple:
        return _each([_reader(one) for one in arguments], lambda *given: given)
    if origin in (dict, Mapping):
        return _mapping(_reader(arguments[0]), _reader(arguments[1]))
    if isinstance(hint, type):
        if issubclass(hint, Enum):
            return _enumeration(hint)
        hints = typing.get_type_hints(hint)
        if is_dataclass(hint):
            return _each([_reader(hints[field.name]) for field in fields(hint)], hint)
        if issubclass(hint, tuple) and hasattr(hint, "_fields"):
            return _each([_reader(hints[name]) for name in hint._fields], hint)
    raise TypeError(f"{hint!r} is no type of what a worker may say")


def _exactly(*wanted: type) -> _Reader:
    def read(value: Any, _: Message) -> Any:
        if type(value) not in wanted:
            raise UnexpectedValue
        return value

    return read


def _one_of(choices: tuple[Any, ...]) -> _Reader:
    def read(value: Any, _: Message) -> Any:
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
        raise UnexpectedValue

    return read


def _union(readers: list[_Reader]) -> _Reader:
    def read(value: Any, message: Message) -> Any:
        for one in readers:
            try:
                return one(value, message)
            except UnexpectedValue:
                continue
        raise UnexpectedValue

    return read


def _many(one: _Reader, made: Callable[[Any], Any]) -> _Reader:
    def read(value: Any, message: Message) -> Any:
        if type(value) is not list:
            raise UnexpectedValue
        return made([one(item, message) for item in value])

    return read


def _each(readers: list[_Reader], made: Callable[..., Any]) -> _Reader:
    def read(value: Any, message: Message) -> Any:
        if type(value) is not list or len(value) != len(readers):
            raise UnexpectedValue
        return made(*[one(item, message) for one, item in zip(readers, value, strict=True)])

    return read


def _mapping(key: _Reader, one: _Reader) -> _Reader:
    pair = _each([key, one], lambda *given: given)

    def read(value: Any, message: Message) -> Any:
        if type(value) is dict:
            value = [list(item) for item in value.items()]
        if type(value) is not list:
            raise UnexpectedValue
        return dict(pair(item, message) for item in value)

    return read


def _enumeration(kind: type[Enum]) -> _Reader:
    def read(value: Any, _: Message) -> Any:
        try:
            return kind(value)
        except (ValueError, TypeError):
            raise UnexpectedValue from None

    return read


def _bytes(value: Any, message: Message) -> bytes:
    if type(value) is not dict or list(value) != [_BYTES]:
        raise UnexpectedValue
    return message.blob(value[_BYTES])


def _fraction(value: Any, _: Message) -> Fraction:
    match value:
        case [int(above), int(below)] if below > 0:
            return Fraction(above, below)
    raise UnexpectedValue


def _path(value: Any, message: Message) -> Path:
    if type(value) is not str:
        raise UnexpectedValue
    return message.claim(value)


def _anything_plain(value: Any, message: Message) -> Any:
    """What JSON can say, and bytes. A path stays text."""
    if type(value) is list:
        return [_anything_plain(one, message) for one in value]
    if type(value) is dict:
        if _BYTES in value:
            return _bytes(value, message)
        return {key: _anything_plain(one, message) for key, one in value.items()}
    return value


_PLAIN: dict[Any, _Reader] = {
    Any: _anything_plain,
    object: _anything_plain,
    None: _exactly(type(None)),
    type(None): _exactly(type(None)),
    bool: _exactly(bool),
    int: _exactly(int),
    float: _exactly(float, int),
    str: _exactly(str),
    bytes: _bytes,
    Fraction: _fraction,
    Path: _path,
}


class Signature(NamedTuple):
    """What a function gives back, and what those of its arguments are called with that are functions themselves."""

    result: Any
    callbacks: dict[str, tuple[Any, ...]]


@cache
def signature(function: Callable[..., Any]) -> Signature:
    """The types by its annotations; a function without any gives plain values."""
    hints = typing.get_type_hints(function) if hasattr(function, "__annotations__") else {}
    callbacks = {name: called for name, hint in hints.items() if (called := _arguments_of(hint)) is not None}
    return Signature(hints.get("return", Any), callbacks)


def _arguments_of(hint: Any) -> tuple[Any, ...] | None:
    """Those of a `Callable`, or of one that may be left out; None for any other type."""
    if typing.get_origin(hint) is Callable:
        called = typing.get_args(hint)[0]
        return tuple(called) if isinstance(called, list) else ()
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next((found for one in typing.get_args(hint) if (found := _arguments_of(one)) is not None), None)
    return None
