"""Walks the chunks of RIFF files, of which AVI is one, without reading what is in them (Microsoft's AVI RIFF File
Reference)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MOST = 20_000_000  # in a row: two for each picture of a day


@dataclass(frozen=True, slots=True)
class RiffChunk:
    """One chunk: `at` is where it starts, `body` where its content does, `end` where that ends by its own word, padding
    left out. `form` is what a `RIFF` or `LIST` holds; such a one's content begins behind it."""

    kind: bytes
    form: bytes
    at: int
    body: int
    end: int

    @property
    def name(self) -> bytes:
        """What a list holds, or else what the chunk is."""
        return self.form or self.kind

    @property
    def length(self) -> int:
        """Bytes, as its header has them."""
        return self.end - self.at - 8


def chunks(file: BinaryIO, at: int, end: int, *, most: int = MOST) -> Iterator[RiffChunk]:
    """The chunks in a row from `at` to `end`; the last may claim to go on behind it. More than `most` are not looked
    at."""
    while at + 8 <= end and most > 0:
        most -= 1
        file.seek(at)
        head = file.read(12)
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head[:8])
        form = head[8:] if kind in (b"RIFF", b"LIST") else b""
        yield RiffChunk(kind, form, at, at + 8 + len(form), at + 8 + length)
        at += 8 + length + (length & 1)
