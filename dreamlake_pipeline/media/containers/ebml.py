"""Walks the elements of EBML (RFC 8794), which Matroska and WebM are written in, without reading what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

SEGMENT = b"\x18\x53\x80\x67"
CLUSTER = b"\x1f\x43\xb6\x75"
INFO = b"\x15\x49\xa9\x66"
TRACKS = b"\x16\x54\xae\x6b"
TRACK_ENTRY = b"\xae"

_HEADER_BYTES = 12  # the longest id and the longest size


@dataclass(frozen=True, slots=True)
class Element:
    """One element: `at` is where its id starts, `body` where its content does, `end` where that ends.

    `end` is None when the size is unknown, which live recordings write (RFC 8794 6.2).
    """

    id: bytes
    at: int
    body: int
    end: int | None

    @property
    def size_field(self) -> slice:
        """Where its size is written, in bytes of the file."""
        return slice(self.at + len(self.id), self.body)


def element_at(file: BinaryIO, at: int) -> Element | None:
    """The element whose header starts at `at`; None when there is no whole header."""
    try:
        file.seek(at)
    except OSError:  # a size may be more than any file of this system has (lseek(2): EINVAL)
        return None
    head = file.read(_HEADER_BYTES)
    if not head:
        return None
    id_length = 9 - head[0].bit_length()
    if id_length > 4 or len(head) <= id_length:
        return None
    size_length = 9 - head[id_length].bit_length()
    if size_length > 8 or len(head) < id_length + size_length:
        return None
    field = head[id_length : id_length + size_length]
    values = (1 << 7 * size_length) - 1
    length = int.from_bytes(field, "big") & values
    body = at + id_length + size_length
    return Element(head[:id_length], at, body, None if length == values else body + length)


MOST = 20_000_000  # in a row: several for each picture of a day, which take half a minute to walk


def children(file: BinaryIO, at: int, end: int, *, most: int = MOST) -> Iterator[Element]:
    """The elements in a row from `at` to `end`. One of unknown size is entered: its children follow it. More than
    `most` are not looked at."""
    while at < end and most > 0 and (found := element_at(file, at)) is not None:
        most -= 1
        yield found
        at = found.body if found.end is None else found.end


def unknown_size(length: int) -> bytes:
    """The size field of `length` bytes that says 'unknown'."""
    return bytes([0xFF >> (length - 1)]) + b"\xff" * (length - 1)
