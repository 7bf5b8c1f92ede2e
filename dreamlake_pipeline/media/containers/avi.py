"""The index of an AVI file, in which FFmpeg's demuxer passes over chunks without content.

Such a chunk means that the last picture stays for a frame: captures write one for each frame that they dropped.
The forms are those of Microsoft's AVI RIFF File Reference and of the OpenDML AVI File Format Extensions 1.02.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from . import riff
from .bounds import MAX_PACKETS
from .riff import RiffChunk

_MOST = 4096  # chunks in a row; headers have ten, and hours of video a few hundred RIFF lists
_MOST_STREAMS = 100  # their numbers have two digits
_SUPER_INDEX, _CHUNK_INDEX = 0, 1  # bIndexType
_OLD_ENTRY = np.dtype([("id", "S4"), ("flags", "<u4"), ("at", "<u4"), ("size", "<u4")])
_NEW_ENTRY = np.dtype([("at", "<u4"), ("size", "<u4")])
_BLOCK = 1 << 18  # entries that are looked at together
_UNKNOWN = (0, 0xFFFF_FFFF)  # sizes that a recording was begun with, and never ended
_NOT_KEY = 0x8000_0000  # the bit of an OpenDML size that says that the chunk is no keyframe


@dataclass(frozen=True, slots=True)
class Chunks:
    """How many frames a stream has by the index, and how many of them are empty."""

    count: int
    empty: int


def read_chunks(file: BinaryIO, size: int) -> dict[int, Chunks]:
    """Of each picture stream, by its number; of a file without an index, what its first list of media holds. Never
    raises for what the file holds."""
    found: dict[int, Chunks] = {}
    pictures: list[int] = []
    media: RiffChunk | None = None
    for top in _row(file, 0, size):
        if top.name not in (b"AVI ", b"AVIX"):
            return found
        end = min(top.end, size)
        for part in _row(file, top.body, end):
            if part.name == b"hdrl":
                streams = [one for one in _row(file, part.body, min(part.end, end)) if one.name == b"strl"]
                for number, stream in enumerate(streams[: _MOST_STREAMS - len(pictures)]):
                    header, index = _stream(file, stream, min(part.end, end))
                    if header == b"vids":
                        pictures.append(number)
                        listed = _opendml(file, index, size) if index else None
                        if listed is not None:
                            found[number] = listed
            elif part.name == b"movi":
                media = media or part
            elif part.name == b"idx1":
                return _old_index(file, part, size, [number for number in pictures if number not in found]) | found
        if media is not None and not found:
            return _walk(file, media, size, pictures)
    return found


def _row(file: BinaryIO, at: int, end: int, most: int = _MOST) -> Iterator[RiffChunk]:
    """The chunks in a row; a list whose size was never written goes up to the end."""
    for chunk in riff.chunks(file, at, end, most=most):
        if chunk.form in (b"AVI ", b"movi") and chunk.length in _UNKNOWN:
            yield replace(chunk, end=end)
            return
        yield chunk


def _stream(file: BinaryIO, stream: RiffChunk, end: int) -> tuple[bytes, RiffChunk | None]:
    """The sort of a stream, and its OpenDML index where it has one; what holds the stream ends at `end`."""
    sort, index = b"", None
    for part in _row(file, stream.body, min(stream.end, end)):
        if part.name == b"strh":
            file.seek(part.body)
            sort = file.read(4)
        elif part.name == b"indx":
            index = part
    return sort, index


def _opendml(file: BinaryIO, index: RiffChunk, size: int) -> Chunks | None:
    """What an index of chunks lists, or all those that an index of indexes names."""
    file.seek(index.body)
    head = file.read(24)
    if len(head) < 24:
        return None
    if head[3] == _CHUNK_INDEX:
        return _standard(file, index.body, size)
    if head[3] != _SUPER_INDEX:
        return None
    (used,) = struct.unpack("<I", head[4:8])
    places = np.frombuffer(file.read(min(used, _MOST) * 16), dtype=np.uint8)
    count = empty = 0
    for place in places[: len(places) // 16 * 16].view(np.dtype([("at", "<u8"), ("size", "<u4"), ("frames", "<u4")])):
        listed = _standard(file, int(place["at"]) + 8, size)
        if listed is None:
            return None
        count, empty = count + listed.count, empty + listed.empty
        if 8 * count > size:  # each chunk has a header; several entries name the same index
            return None
    return Chunks(count, empty) if count else None


def _standard(file: BinaryIO, at: int, size: int) -> Chunks | None:
    """One OpenDML index of chunks, whose content begins at `at`."""
    if at + 24 > size:
        return None
    file.seek(at)
    head = file.read(24)
    if len(head) < 24 or head[3] != _CHUNK_INDEX:
        return None
    (used,) = struct.unpack("<I", head[4:8])
    count = empty = 0
    for rows in _blocks(file, at + 24, min(size, at + 24 + used * _NEW_ENTRY.itemsize), _NEW_ENTRY):
        count, empty = count + len(rows), empty + int((rows["size"] & (_NOT_KEY - 1) == 0).sum())
    return Chunks(count, empty)


def _old_index(file: BinaryIO, index: RiffChunk, size: int, streams: list[int]) -> dict[int, Chunks]:
    """What an `idx1` lists of the frames of streams."""
    names = {number: _names(number) for number in streams}
    listed = dict.fromkeys(streams, Chunks(0, 0))
    for rows in _blocks(file, index.body, min(index.end, size), _OLD_ENTRY):
        for number, before in listed.items():
            mine = rows["size"][np.isin(rows["id"], names[number])]
            listed[number] = Chunks(before.count + len(mine), before.empty + int((mine == 0).sum()))
    return listed


def _walk(file: BinaryIO, media: RiffChunk, size: int, streams: list[int]) -> dict[int, Chunks]:
    """The chunks themselves; some writers put those that are read together into lists."""
    names = {name: number for number in streams for name in _names(number)}
    count, empty = dict.fromkeys(streams, 0), dict.fromkeys(streams, 0)
    for held in _row(file, media.body, min(media.end, size), MAX_PACKETS):
        group = _row(file, held.body, min(held.end, size)) if held.name == b"rec " else (held,)
        for chunk in group:
            if chunk.name in names and chunk.end <= size:
                count[names[chunk.name]] += 1
                empty[names[chunk.name]] += chunk.body == chunk.end
    return {number: Chunks(count[number], empty[number]) for number in streams}


def _names(number: int) -> list[bytes]:
    """What the frames of a stream are called, uncompressed and compressed."""
    return [b"%02ddb" % number, b"%02ddc" % number]


def _blocks(file: BinaryIO, at: int, end: int, entry: np.dtype) -> Iterator[np.ndarray]:
    """The entries between two places, some at a time."""
    end = min(end, at + MAX_PACKETS * entry.itemsize)
    while at + entry.itemsize <= end:
        file.seek(at)
        data = file.read(min(_BLOCK, (end - at) // entry.itemsize) * entry.itemsize)
        rows = np.frombuffer(data[: len(data) // entry.itemsize * entry.itemsize], dtype=entry)
        if not len(rows):
            return
        yield rows
        at += len(rows) * entry.itemsize
