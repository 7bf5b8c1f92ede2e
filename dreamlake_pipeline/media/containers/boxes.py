"""Walks the boxes of MP4 and QuickTime files (ISO/IEC 14496-12 4.2) without reading what is in them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Box:
    """One box: `at` is where it starts, `body` where its content does, `end` where that ends by its own word."""

    kind: bytes
    at: int
    body: int
    end: int


MOST = 20_000_000  # in a row: two for each picture of a day, which take half a minute to walk


def boxes(file: BinaryIO, at: int, end: int, *, most: int = MOST) -> Iterator[Box]:
    """The boxes in a row from `at` to `end`; the last may claim to go on behind it. Junk ends the row, and so do more
    than `most`."""
    while at + 8 <= end and most > 0:
        most -= 1
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            return
        length, kind = struct.unpack(">I4s", header[:8])
        body = at + 8
        if length == 1 and len(header) == 16:
            (length,) = struct.unpack(">Q", header[8:])
            body = at + 16
        if length == 0:
            length = end - at
        if length < 8:
            return
        yield Box(kind, at, body, at + length)
        at += length
