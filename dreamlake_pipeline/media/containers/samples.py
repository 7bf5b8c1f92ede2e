"""Where the samples (pictures, packets of sound) of an MP4's tracks lie, by the tables in its `moov` box, and such a
box for those alone that are whole in a file that was cut off (ISO/IEC 14496-12 8.6, 8.7).

Tables are numpy columns. Whatever they claim, no more is read or made than the box holds.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from .bounds import MAX_PACKETS
from .boxes import Box, at_path, boxes

MOST_BYTES = 512 * 2**20  # of a `moov` box: a day of pictures takes a fifth of it
_NESTED = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_MOST_BOXES = 1000  # in a row
_MOST_DEPTH = 8  # of boxes in a track; its tables lie in the fourth


@dataclass(frozen=True, slots=True)
class Tables:
    """The sample tables of one track. `sizes` holds each sample's bytes, or `size` that of all of them; `per_chunk` the
    number of samples in each chunk, of which `offsets` are the places in the file."""

    count: int
    size: int
    sizes: np.ndarray | None
    offsets: np.ndarray
    per_chunk: np.ndarray
    descriptions: np.ndarray

    def whole_before(self, end: int) -> int:
        """How many samples, counted from the first, end before byte `end` of the file."""
        firsts = np.cumsum(self.per_chunk) - self.per_chunk
        if self.sizes is None:
            there = np.clip((end - self.offsets) // self.size, 0, self.per_chunk) if self.size else self.per_chunk
            short = np.flatnonzero(there < self.per_chunk)
            return int(firsts[short[0]] + there[short[0]]) if len(short) else self.placed
        # Where each sample starts: its chunk's place, and the bytes of those before it in the chunk.
        sizes = self.sizes[: self.placed]
        summed = np.cumsum(sizes)
        before = summed - sizes
        chunk = np.repeat(np.arange(len(self.per_chunk)), self.per_chunk)
        ends = self.offsets[chunk] + summed - before[firsts[chunk]]
        short = np.flatnonzero(ends > end)
        return int(short[0]) if len(short) else self.placed

    @property
    def placed(self) -> int:
        """The number of samples that a chunk is there for."""
        return int(self.per_chunk.sum())


@dataclass(frozen=True, slots=True)
class Index:
    """A `moov` box: its bytes, and for each track with samples the place of its `trak` in them and its tables."""

    data: bytes
    tracks: dict[int, Tables]

    def whole_before(self, end: int) -> dict[int, int]:
        """By track, the number of its first samples that are whole in a file of `end` bytes."""
        return {at: tables.whole_before(end) for at, tables in self.tracks.items()}

    def cut(self, kept: dict[int, int]) -> bytes:
        """A `moov` box whose tracks have only so many of their samples; a track that would have none is left out."""
        return _Cut(self.data, self.tracks, kept).box(next(boxes(io.BytesIO(self.data), 0, len(self.data))))


def read_index(file: BinaryIO, movie: Box) -> Index | None:
    """The tables of a `moov` box that is whole; None when they can't be read, or are larger than anyone's."""
    if movie.end - movie.at > MOST_BYTES:
        return None
    file.seek(movie.at)
    data = file.read(movie.end - movie.at)
    tracks = {}
    try:
        for track, found in _sample_tables(data):
            tables = _tables(data, found)
            if tables.count:
                tracks[track] = tables
    except (KeyError, ValueError, IndexError, struct.error):
        return None
    return Index(data, tracks)


def _sample_tables(data: bytes) -> Iterator[tuple[int, dict[bytes, Box]]]:
    """The place of each `trak`, and the boxes of its `stbl` by kind."""

    def tables(box: Box, end: int, depth: int = _MOST_DEPTH) -> Iterator[Box]:
        for child in boxes(stream, box.body, min(box.end, end), most=_MOST_BOXES):
            if child.kind == b"stbl":
                yield from boxes(stream, child.body, min(child.end, box.end, end), most=_MOST_BOXES)
            elif child.kind in _NESTED and depth:
                yield from tables(child, min(box.end, end), depth - 1)

    stream = io.BytesIO(data)
    movie = next(boxes(stream, 0, len(data)))
    for box in boxes(stream, movie.body, min(movie.end, len(data)), most=_MOST_BOXES):
        if box.kind == b"trak":
            found = {table.kind: table for table in tables(box, len(data))}
            if b"stsz" in found:
                yield box.at, found


def _tables(data: bytes, found: dict[bytes, Box]) -> Tables:
    size, count = struct.unpack_from(">II", data, found[b"stsz"].body + 4)
    sizes = None if size else _column(data, found[b"stsz"], ">u4", 12, count).astype(np.int64)
    if sizes is not None and len(sizes) < count:
        raise ValueError("a table of sizes is shorter than it says")
    wide = b"co64" in found
    offsets = _column(data, found[b"co64" if wide else b"stco"], ">u8" if wide else ">u4", 8).astype(np.int64)
    runs = _column(data, found[b"stsc"], ">u4", 8, width=3).astype(np.int64)
    # A run of `stsc` goes up to where the next one starts; the last one up to the last chunk (8.7.4).
    starts = np.clip(runs[:, 0] - 1, 0, len(offsets))
    lengths = np.maximum(np.diff(np.append(starts, len(offsets))), 0)
    per_chunk = np.repeat(runs[:, 1], lengths)[: len(offsets)]
    # No chunk holds more samples than are left.
    left = np.maximum(count - (np.cumsum(per_chunk) - per_chunk), 0)
    descriptions = np.repeat(runs[:, 2], lengths)[: len(offsets)]
    return Tables(count, size, sizes, offsets[: len(per_chunk)], np.minimum(per_chunk, left), descriptions)


def _column(data: bytes, box: Box, kind: str, skip: int, count: int | None = None, *, width: int = 1) -> np.ndarray:
    """The numbers of a table, `width` in a row, which begin `skip` bytes behind the start of its content: `count` rows,
    else as many as the four bytes before them say, and never more than the box holds."""
    (said,) = struct.unpack_from(">I", data, box.body + skip - 4)
    start, each = box.body + skip, int(kind[2:]) * width
    rows = max(0, min(said if count is None else count, (min(box.end, len(data)) - start) // each))
    numbers = np.frombuffer(data, kind, rows * width, start)
    return numbers.reshape(rows, width) if width > 1 else numbers


_ROW_FIELDS = (0x100, 0x200, 0x400, 0x800)  # duration, size, flags, composition offset (8.8.8.1)


def crowded_fragment(file: BinaryIO) -> int | None:
    """How many samples a run (`trun`) announces that has no room for them, or all runs together beyond MAX_PACKETS;
    None where all is well. A reader makes room for what a run announces before it reads it."""
    size = file.seek(0, os.SEEK_END)
    total = 0
    for fragment in boxes(file, 0, size):
        if fragment.kind != b"moof":
            continue
        for run in at_path(file, fragment, size, (b"traf", b"trun"), most=_MOST_BOXES):
            file.seek(run.body)
            flags, samples = struct.unpack(">II", file.read(8).ljust(8, b"\0"))
            # Without fields of their own, the samples have one size, of a byte or more.
            row = 4 * sum(bool(flags & field) for field in _ROW_FIELDS)
            total += samples
            if samples * row > run.end - run.body or samples > size or total > MAX_PACKETS:
                return max(samples, total)
    return None


class _Cut:
    """Writes the boxes of a movie anew, with `kept` samples of each track."""

    def __init__(self, data: bytes, tracks: dict[int, Tables], kept: dict[int, int]) -> None:
        self._data, self._tracks, self._kept = data, tracks, kept
        self._stream = io.BytesIO(data)
        self._ticks = 0  # how long the kept samples of the track that is being written last

    def box(self, box: Box, track: int | None = None, end: int | None = None, depth: int = _MOST_DEPTH + 2) -> bytes:
        """One box as it comes out; empty where it is left out. `track` is the `trak` that it belongs to."""
        limit = min(box.end, len(self._data) if end is None else end)
        if box.kind == b"trak":
            track = box.at
            if track in self._tracks and not self._kept[track]:
                return b""
        if box.kind in _NESTED and depth:
            children = list(boxes(self._stream, box.body, limit, most=_MOST_BOXES))
            # The media's header comes before its tables, which tell how long it is.
            inner = {child.at: self.box(child, track, limit, depth - 1) for child in reversed(children)}
            return _box(box.kind, b"".join(inner[child.at] for child in children))
        body = self._data[box.body : limit]
        if track in self._tracks:
            body = self._cut(box.kind, body, self._tracks[track], self._kept[track])
        return _box(box.kind, body)

    def _cut(self, kind: bytes, body: bytes, tables: Tables, kept: int) -> bytes:
        chunks = int(np.searchsorted(np.cumsum(tables.per_chunk), kept)) + 1
        if kind in (b"stts", b"ctts"):
            rows = np.frombuffer(body, ">u4", (len(body) - 8) // 8 * 2, 8).reshape(-1, 2).astype(np.int64)
            there = np.clip(kept - (np.cumsum(rows[:, 0]) - rows[:, 0]), 0, rows[:, 0])
            rows = np.column_stack([there, rows[:, 1]])[there > 0]
            if kind == b"stts":
                self._ticks = int((rows[:, 0] * rows[:, 1]).sum())
            return body[:4] + _table(rows)
        if kind == b"stss":
            samples = np.frombuffer(body, ">u4", (len(body) - 8) // 4, 8)
            return body[:4] + _table(samples[samples <= kept])
        if kind == b"stsz":
            return body[:4] + struct.pack(">II", tables.size, kept) + body[12 : 12 + (0 if tables.size else 4 * kept)]
        if kind == b"stco":
            return body[:4] + _table(tables.offsets[:chunks])
        if kind == b"co64":
            return body[:4] + struct.pack(">I", chunks) + tables.offsets[:chunks].astype(">u8").tobytes()
        if kind == b"stsc":
            per_chunk = tables.per_chunk[:chunks].copy()
            per_chunk[-1] -= per_chunk.sum() - kept
            described = tables.descriptions[:chunks]
            changes = (np.diff(per_chunk) != 0) | (np.diff(described) != 0)
            runs = np.flatnonzero(np.append(True, changes))
            return body[:4] + _table(np.column_stack([runs + 1, per_chunk[runs], described[runs]]))
        if kind == b"mdhd" and self._ticks:
            wide = body[0] == 1
            ticks = struct.pack(">Q", self._ticks) if wide else struct.pack(">I", min(self._ticks, 2**32 - 2))
            at = 24 if wide else 16
            return body[:at] + ticks + body[at + len(ticks) :]
        return body


def _table(rows: np.ndarray) -> bytes:
    return struct.pack(">I", len(rows)) + rows.astype(">u4").tobytes()


def _box(kind: bytes, body: bytes) -> bytes:
    if len(body) + 8 >= 2**32:
        return struct.pack(">I4sQ", 1, kind, len(body) + 16) + body
    return struct.pack(">I4s", len(body) + 8, kind) + body
