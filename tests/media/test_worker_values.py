"""What a worker says is read as the expected types, or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.results import RawSegment, Segment
from dreamlake_pipeline.media.run.values import Message, UnexpectedValue, pack, signature
from dreamlake_pipeline.media.video.make import make_video


class Line(NamedTuple):
    number: int
    text: str


@dataclass(frozen=True)
class Everything:
    kind: Kind
    mode: Literal["copy", "transcode"]
    path: Path | None
    content: Path | bytes
    rate: Fraction
    lines: tuple[Line, ...]
    units: Mapping[int, str]
    columns: frozenset[int]
    plain: dict[str, Any]
    bound: int | float | str | None


EVERYTHING = Everything(
    Kind.VIDEO, "copy", None, b"\x00\xff", Fraction(30000, 1001), (Line(1, "ü\udcff\n"),), {3: "ms"}, frozenset({1, 2}),
    {"a": [1, 2.5, None, True, b"x"]}, 2**70,
)  # fmt: skip


def read(value: Any, hint: Any) -> Any:
    message = Message(pack(value), Path)
    return message.read(message.value, hint)


def test_values_come_as_they_went() -> None:
    assert read(EVERYTHING, Everything) == EVERYTHING
    segment = Segment(Path("/out/1/0.ts"), "0" * 64, 188, Fraction(6))
    assert read((segment, None), tuple[Segment, RawSegment | None]) == (segment, None)


def test_what_calls_here_are_called_with_is_annotated() -> None:
    assert signature(make_video).callbacks == {"on_segment": (RawSegment,)}


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("1", int), (1, str), (True, int), (1.5, int), (None, int), ([1], tuple[str, ...]), ([1, 2], tuple[int]),
        ({"a": 1}, bytes), ("x", Literal["copy"]), ("x", Kind), ([1, 0], Fraction), ([1, -1], Fraction),
        ("1", Fraction),
        ([1], Line), ([1, "a", 2], Line), ({"\0": 7}, bytes), ({"\0": -1}, bytes), ({"\0": 0, "b": 1}, bytes),
        ([[1, 2, 3]], dict[int, int]), ({"\0": 9}, Any),
    ],
)  # fmt: skip
def test_what_is_of_another_type_is_refused(value: Any, hint: Any) -> None:
    with pytest.raises(UnexpectedValue):
        read(value, hint)


def framed(text: bytes, rest: bytes = b"") -> bytes:
    return len(text).to_bytes(4, "big") + text + rest


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0\0\0\0", b"\xff\xff\xff\xff[]", framed(b"[]"), framed(b"{}"), framed(b"[1, [-1]]"),
        framed(b"[1, [5]]"),
        framed(b"[1, []]", b"more"), framed(b"[1, [true]]", b"x"), framed(b"[" * 100_000), framed(b"\xff\xfe"),
        framed(b"[" + b"9" * 5000 + b", []]"), framed(b'[1, {"a": 1}]'),
    ],
)  # fmt: skip
def test_nonsense_is_refused(data: bytes) -> None:
    started = time.thread_time()
    with pytest.raises(UnexpectedValue):
        Message(data, Path)
    assert time.thread_time() - started < 1


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for bytes_ in (data, framed(data), framed(json.dumps([data.decode("latin1"), []]).encode())):
        try:
            message = Message(bytes_, Path)
            message.read(message.value, Everything)
        except UnexpectedValue:
            pass


def test_what_is_no_value_is_not_said() -> None:
    for value in (object(), print, {1, 2}.__iter__()):
        with pytest.raises(TypeError):
            pack(value)
