"""Ogg files that are chained: one stream behind another (RFC 3533 4), each of which may have a form of its own."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from .excerpt import Excerpt

_HEADER = struct.Struct("<4sBBqIIIB")  # RFC 3533 6
_FIRST = 2  # header type flag: the page begins a logical stream
_IDENTIFIED = 64  # bytes of the packet that identifies a stream that are enough


def parts(file: BinaryIO) -> list[Excerpt]:
    """The stretches of the file in which the sound keeps its codec, rate and channels, when they are several.

    None for a file that is not a chain of single streams, or whose pages do not lead to its end.
    """
    size = file.seek(0, os.SEEK_END)
    found: list[tuple[int, bytes]] = []  # where a stretch begins, and its form
    was_first = False
    for at, is_first, packet in _pages(file, size):
        if is_first and was_first:
            return []  # several streams side by side
        if is_first and (form := _form(packet)) != (found[-1][1] if found else None):
            found.append((at, form))
        was_first = is_first
    if len(found) < 2:
        return []
    ends = [at for at, _ in found[1:]] + [size]
    return [Excerpt(b"", at, end) for (at, _), end in zip(found, ends, strict=True)]


def _pages(file: BinaryIO, size: int) -> Iterator[tuple[int, bool, bytes]]:
    """Where each page lies, whether it begins a stream, and the beginning of the packet in that case."""
    at = 0
    while at + _HEADER.size <= size:
        file.seek(at)
        head = file.read(_HEADER.size + 255)
        magic, _, flags, _, _, _, _, count = _HEADER.unpack_from(head)
        if magic != b"OggS":
            return
        body = _HEADER.size + count
        is_first = bool(flags & _FIRST)
        yield at, is_first, head[body : body + _IDENTIFIED] if is_first else b""
        at += body + sum(head[_HEADER.size : body])


def _form(packet: bytes) -> bytes:
    """What all parts of one form have in common in the packet that identifies a stream: codec, channels and rate."""
    if packet[:7] == b"\x01vorbis":  # Vorbis I 4.2.2
        return packet[:16]
    if packet[:8] == b"OpusHead":  # RFC 7845 5.1; its rate is that of the original, and of no importance here
        return packet[:10] + packet[18:19]
    if packet[:5] == b"\x7fFLAC":  # FLAC-to-Ogg mapping; rate, channels and bits of STREAMINFO (RFC 9639 8.2)
        return packet[:5] + packet[27:30] + bytes([packet[30] & 0xF0]) if len(packet) > 30 else packet
    return packet
