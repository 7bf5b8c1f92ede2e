"""The good part of a file that was cut off, as a file of its own that ends where an element of its container does.

Matroska and WebM, MPEG-TS, fragmented MP4 and AVI need no index at their end. An MP4 whose index comes first gets a
new one, for the samples that are whole. What comes out is read as strictly as any other file.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np

from . import ebml, riff
from .boxes import Box, boxes
from .integrity import odd_box
from .mpegts import PACKET
from .samples import read_index
from .transport import find_layout

LEAST_SALVAGED = Fraction(1, 2)  # seconds of a file that was cut off that are worth keeping
_TAIL = 32 * 2**20  # bytes of MPEG-TS in which every stream starts a packet of its own
_TS_HEAD = 64 * 1024  # bytes in which its packets are found
_PIECE = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was written. `mended` says in a sentence what was wrong where nothing that is played was lost; a file that
    was cut off has None. `warnings` tell of whole tracks that were."""

    mended: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_part(self) -> bool:
        """Whether there is less than the file once had."""
        return self.mended is None

    def words(self, seconds: float, announced: float | None) -> tuple[str, ...]:
        """The warnings about it, when so many seconds came out of those that the header announces."""
        if self.mended is not None:
            return (self.mended,)
        of = f" of {announced:.1f} s" if announced and announced > seconds else ""
        return (f"Only the first {seconds:.1f} s{of} could be read: the file is cut off.", *self.warnings)


def salvage(file: BinaryIO, target: Path, demuxer: str) -> Salvaged | None:
    """Write the good part of `file` to `target`; None, with nothing of use written, when there is no such part."""
    size = file.seek(0, os.SEEK_END)
    if demuxer == "mov":
        return _mov(file, size, target)
    part = {"matroska": _matroska, "mpegts": _mpegts, "avi": _avi}.get(demuxer)
    return Salvaged() if part is not None and part(file, size, target) else None


def _matroska(file: BinaryIO, size: int, target: Path) -> bool:
    """All before the first element that is cut off; the sizes of what holds it become unknown (RFC 8794 6.2)."""
    open_elements: list[ebml.Element] = []
    at, clusters, seen = 0, 0, 0
    while seen < ebml.MOST and (element := ebml.element_at(file, at)) is not None:
        seen += 1
        enters = element.id in (ebml.SEGMENT, ebml.CLUSTER)
        if enters:
            open_elements = [held for held in open_elements if held.id != element.id] + [element]
        elif element.end is None or element.end > size:
            break
        clusters += element.id == ebml.CLUSTER
        # A whole cluster is stepped over; one that is cut off or of unknown size is entered.
        whole = element.id == ebml.CLUSTER and element.end is not None and element.end <= size
        at = element.body if enters and not whole else element.end or element.body
    cut_off = at < size or any(element.end is not None and element.end > size for element in open_elements)
    if not clusters or not cut_off:
        return False
    _copy(file, at, target)
    with target.open("r+b") as copy:
        for element in open_elements:
            if element.end is not None and element.end > at:
                copy.seek(element.size_field.start)
                copy.write(ebml.unknown_size(element.size_field.stop - element.size_field.start))
    return True


def _mpegts(file: BinaryIO, size: int, target: Path) -> bool:
    """All but the last PES packet of each stream: nothing tells whether that one is whole."""
    file.seek(0)
    layout = find_layout(file.read(_TS_HEAD))
    if layout is None:
        return False
    end = size - layout.behind_last(size)
    start = max(layout.start, end - _TAIL // layout.size * layout.size)
    file.seek(start)
    whole = np.frombuffer(file.read(end - start), dtype=np.uint8).reshape(-1, layout.size)
    rows = whole[:, layout.lead : layout.lead + PACKET]
    pids = (rows[:, 1] & 0x1F).astype(np.int32) << 8 | rows[:, 2]
    starts = (rows[:, 1] & 0x40) != 0
    keep = np.ones(len(rows), dtype=bool)
    found = False
    for pid in np.unique(pids[pids >= 0x10]):  # below lie the tables
        heads = np.flatnonzero((pids == pid) & starts)
        if len(heads) and _is_pes(rows[heads[-1]]):
            keep[heads[-1] :] &= pids[heads[-1] :] != pid
            found = True
    if not found:
        return False
    _copy(file, start, target)
    with target.open("ab") as copy:
        copy.write(whole[keep].tobytes())
    return True


def _is_pes(row: np.ndarray) -> bool:
    body = 5 + int(row[4]) if row[3] & 0x20 else 4
    return row[body : body + 3].tobytes() == b"\x00\x00\x01"


def _mov(file: BinaryIO, size: int, target: Path) -> Salvaged | None:
    mended = _mend_odd_box(file, size, target)
    if mended is not None:
        return mended
    return Salvaged() if _fragments(file, size, target) else _samples(file, size, target)


def _mend_odd_box(file: BinaryIO, size: int, target: Path) -> Salvaged | None:
    """The whole file, with the length of an empty box put right that claims to be shorter than its own header."""
    end = 0
    for box in boxes(file, 0, size):
        end = box.end
    odd = odd_box(file, end, size) if end < size else None
    if odd is None:
        return None
    _copy(file, size, target)
    with target.open("r+b") as copy:
        copy.seek(odd.at)
        copy.write(struct.pack(">I", odd.end - odd.at))
    return Salvaged(
        f"The length of the `{odd.kind.decode('latin-1')}` box at byte {odd.at:,} is not possible; it was taken for an "
        "empty one."
    )


def _fragments(file: BinaryIO, size: int, target: Path) -> bool:
    """All up to the last fragment, a `moof` with its `mdat`, that is whole."""
    end, before = 0, b""
    for box in boxes(file, 0, size):
        if box.kind == b"mdat" and before == b"moof" and box.end <= size:
            end = box.end
        before = box.kind
    if not end:
        return False
    _copy(file, end, target)
    return True


def _samples(file: BinaryIO, size: int, target: Path) -> Salvaged | None:
    """All that there is, with another index at its end, which has no more samples than are whole."""
    movie: Box | None = None
    for box in boxes(file, 0, size):
        if box.kind == b"moov" and box.end <= size:
            movie = movie or box
        if box.kind != b"mdat" or box.end <= size:
            continue
        index = read_index(file, movie) if movie is not None else None
        kept = index.whole_before(size) if index is not None else {}
        if movie is None or index is None or not any(kept.values()):
            return None
        _copy(file, size, target)
        with target.open("r+b") as copy:
            copy.seek(movie.at + 4)
            copy.write(b"free")
            copy.seek(box.at)
            # The header keeps its length: every sample stays where it is.
            wide = box.body - box.at == 16
            copy.write(struct.pack(">I4sQ", 1, b"mdat", size - box.at) if wide else struct.pack(">I", size - box.at))
            copy.seek(0, 2)
            copy.write(index.cut(kept))
        lost = sum(not samples for samples in kept.values())
        told = f"Tracks that lie wholly behind the place where the file is cut off, and are left out: {lost}."
        return Salvaged(warnings=(told,) if lost else ())
    return None


def _avi(file: BinaryIO, size: int, target: Path) -> bool:
    """All before the first chunk of pictures or sound that is cut off; what holds it becomes as long as that."""
    holders: list[riff.RiffChunk] = []
    pictures: dict[bytes, int] = {}
    at = end = seen = 0
    while seen < riff.MOST and (chunk := next(riff.chunks(file, at, size, most=1), None)) is not None:
        seen += 1
        if chunk.kind == b"RIFF" or chunk.form in (b"movi", b"rec "):
            holders += [chunk] if chunk.end > size else []
            at = chunk.body
            continue
        if chunk.end > size:
            break
        at = chunk.end + (chunk.length & 1)
        if chunk.kind[2:] in (b"dc", b"db", b"wb"):
            end = min(at, size)
            pictures[chunk.kind] = pictures.get(chunk.kind, 0) + 1
    if not end or not holders:
        return False
    _copy(file, end, target)
    with target.open("r+b") as copy:
        for holder in holders:
            if holder.at < end:
                copy.seek(holder.at + 4)
                copy.write(struct.pack("<I", end - holder.at - 8))
        _count_pictures(copy, end, pictures)
    return True


def _count_pictures(file: BinaryIO, size: int, pictures: dict[bytes, int]) -> None:
    """Write how many pictures there are into the headers of their streams (`strh`, dwLength)."""
    streams: list[riff.RiffChunk] = []
    for top in riff.chunks(file, 0, size, most=1):
        for header in riff.chunks(file, top.body, size, most=1):
            streams += [part for part in riff.chunks(file, header.body, header.end, most=200) if part.form == b"strl"]
    for number, stream in enumerate(streams):
        for part in riff.chunks(file, stream.body, stream.end, most=20):
            file.seek(part.body)
            if part.kind == b"strh" and file.read(4) == b"vids":
                count = sum(pictures.get(b"%02d" % number + kind, 0) for kind in (b"dc", b"db"))
                file.seek(part.body + 32)
                file.write(struct.pack("<I", count))


def _copy(file: BinaryIO, length: int, target: Path) -> None:
    """The first `length` bytes."""
    file.seek(0)
    with target.open("wb") as copy:
        while length and (data := file.read(min(length, _PIECE))):
            copy.write(data)
            length -= len(data)
