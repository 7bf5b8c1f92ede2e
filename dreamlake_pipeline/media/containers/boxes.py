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
    """The boxes in a row from `at` to `end`; the last may claim to go on behind it. Junk ends the row, such as a box
    that would end before its own content starts, and so do more than `most`."""
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
        if length < body - at:
            return
        yield Box(kind, at, body, at + length)
        at += length


def inside(file: BinaryIO, box: Box, end: int, *, skip: int = 0, most: int = MOST) -> Iterator[Box]:
    """The boxes that one holds, behind the first `skip` bytes of its content; none is looked for beyond `end`, which is
    where its parent ends."""
    return boxes(file, box.body + skip, min(box.end, end), most=most)


def at_path(file: BinaryIO, box: Box, end: int, path: tuple[bytes, ...], *, most: int) -> Iterator[Box]:
    """The boxes below one at a path of kinds: `(b"mdia", b"minf")` are those `minf` in any `mdia` of it. Of each row,
    the first `most` boxes are looked at."""
    limit = min(box.end, end)
    for child in inside(file, box, end, most=most):
        if child.kind != path[0]:
            continue
        if len(path) == 1:
            yield Box(child.kind, child.at, child.body, min(child.end, limit))
        else:
            yield from at_path(file, child, limit, path[1:], most=most)
