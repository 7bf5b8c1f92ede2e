"""What a file's header claims of its length and picture size, read before anything is decoded.

Demuxers correct such claims from the content, or believe them; either way a file that claims the impossible is not
what its owner thinks it is, and is refused by its claim.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from . import ebml
from .boxes import Box, boxes, inside

_HEADERS = 64  # elements before a Matroska file's tracks
_MOST_BOXES = 200  # or elements, in a movie, a track or a description; some have twenty
_TRACK_DEPTH = 3  # of the boxes that are entered: trak, mdia, minf, stbl
# Elements of Matroska (RFC 9559 5.1).
_SCALE, _DURATION = b"\x2a\xd7\xb1", b"\x44\x89"
_VIDEO, _PIXEL_WIDTH, _PIXEL_HEIGHT = b"\xe0", b"\xb0", b"\xba"
_TIMESTAMP_SCALE = 1_000_000  # nanoseconds, where the header names none (RFC 9559 5.1.2.9)


@dataclass(frozen=True, slots=True)
class Claims:
    """`seconds` is the longest duration that the header states, `pictures` the sizes in pixels of its tracks."""

    seconds: float | None
    pictures: tuple[tuple[int, int], ...]


def read_claims(file: BinaryIO, demuxer: str) -> Claims:
    """Never raises for what the file holds: a header that can't be read claims nothing."""
    durations: list[float] = []
    pictures: list[tuple[int, int]] = []
    read = {"mov": _mov, "matroska": _matroska, "avi": _avi}.get(demuxer, _nothing)
    for value in read(file, file.seek(0, os.SEEK_END)):
        if isinstance(value, tuple):
            pictures.append(value)
        else:
            durations.append(value)
    return Claims(max(durations, default=None), tuple(pictures))


_Claim = float | tuple[int, int]


def _nothing(file: BinaryIO, size: int) -> Iterator[_Claim]:
    yield from ()


def _mov(file: BinaryIO, size: int) -> Iterator[_Claim]:
    """Durations of movie and media (ISO/IEC 14496-12 8.2.2, 8.4.2), sizes of tracks and pictures (8.3.2, 12.1.3), of
    the first movie box, which is the one that counts."""
    for movie in boxes(file, 0, size):
        if movie.kind == b"moov":
            for box in inside(file, movie, size, most=_MOST_BOXES):
                if box.kind == b"mvhd":
                    yield from _duration(file, box)
                if box.kind == b"trak":
                    yield from _track(file, box, min(movie.end, size), _TRACK_DEPTH)
            return


def _track(file: BinaryIO, track: Box, end: int, depth: int) -> Iterator[_Claim]:
    """`end` is where that ends which holds the track, or the part of one that `track` is."""
    end = min(track.end, end)
    for box in inside(file, track, end, most=_MOST_BOXES):
        if box.kind == b"tkhd":
            file.seek(box.body)
            body = file.read(min(96, box.end - box.body))
            if len(body) >= 84:
                width, height = struct.unpack(">II", body[-8:])
                yield width >> 16, height >> 16
        elif box.kind == b"mdhd":
            yield from _duration(file, box)
        elif box.kind in (b"mdia", b"minf", b"stbl") and depth:
            yield from _track(file, box, end, depth - 1)
        elif box.kind == b"stsd":
            for entry in inside(file, box, end, skip=8, most=_MOST_BOXES):
                file.seek(entry.body + 24)
                data = file.read(4)
                # Only entries of pictures have the four bytes 'horizontal resolution' there: 72 dpi or none.
                if len(data) == 4 and file.read(4) in (b"\x00\x48\x00\x00", bytes(4)):
                    yield struct.unpack(">HH", data)


def _duration(file: BinaryIO, box: Box) -> Iterator[float]:
    """Of `mvhd` and `mdhd`, which begin alike; all ones stand for an unknown duration."""
    file.seek(box.body)
    body = file.read(32)
    if len(body) < 32:
        return
    if body[0] == 1:
        scale, ticks = struct.unpack(">IQ", body[20:32])
        unknown = 2**64 - 1
    else:
        scale, ticks = struct.unpack(">II", body[12:20])
        unknown = 2**32 - 1
    if scale and ticks != unknown:
        yield ticks / scale


def _matroska(file: BinaryIO, size: int) -> Iterator[_Claim]:
    """Duration of the Segment and PixelWidth, PixelHeight of its tracks (RFC 9559 5.1.2, 5.1.4)."""
    for top in ebml.children(file, 0, size, most=_HEADERS):
        if top.id == ebml.SEGMENT:
            yield from _segment(file, top.body, size if top.end is None else min(top.end, size))
            return


def _segment(file: BinaryIO, at: int, end: int) -> Iterator[_Claim]:
    for part in ebml.children(file, at, end, most=_HEADERS):
        if part.id == ebml.CLUSTER or part.end is None:
            return
        if part.id == ebml.INFO:
            yield from _info(file, part.body, min(part.end, end))
        if part.id == ebml.TRACKS:
            for entry in ebml.children(file, part.body, min(part.end, end), most=_MOST_BOXES):
                if entry.id == ebml.TRACK_ENTRY and entry.end:
                    yield from _pictures(file, entry.body, min(entry.end, end))


def _info(file: BinaryIO, at: int, end: int) -> Iterator[float]:
    scale, duration = _TIMESTAMP_SCALE, None
    for item in ebml.children(file, at, end, most=_MOST_BOXES):
        data = _content(file, item)
        if item.id == _SCALE:
            scale = int.from_bytes(data, "big")
        elif item.id == _DURATION and len(data) in (4, 8):
            (duration,) = struct.unpack(">f" if len(data) == 4 else ">d", data)
    if duration is not None and duration == duration:
        yield duration * scale / 1e9


def _pictures(file: BinaryIO, at: int, end: int) -> Iterator[tuple[int, int]]:
    for item in ebml.children(file, at, end, most=_MOST_BOXES):
        if item.id == _VIDEO and item.end:
            values = {
                value.id: int.from_bytes(_content(file, value), "big")
                for value in ebml.children(file, item.body, item.end, most=_MOST_BOXES)
            }
            yield values.get(_PIXEL_WIDTH, 0), values.get(_PIXEL_HEIGHT, 0)


def _content(file: BinaryIO, element: ebml.Element) -> bytes:
    """The bytes of a short element; nothing of a long one."""
    if element.end is None or element.end - element.body > 8:
        return b""
    file.seek(element.body)
    return file.read(element.end - element.body)


def _avi(file: BinaryIO, size: int) -> Iterator[_Claim]:
    """The main header: microseconds a frame, number of frames, width and height."""
    file.seek(0)
    head = file.read(72)
    at = head.find(b"avih")
    if at < 0 or len(head) < at + 48:
        return
    step, *_, frames, _, _, _, width, height = struct.unpack("<10I", head[at + 8 : at + 48])
    yield step * frames / 1e6
    yield width, height
