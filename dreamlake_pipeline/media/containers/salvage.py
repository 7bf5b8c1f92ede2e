"""The good part of a file that was cut off, as a file of its own that ends where an element of its container does.

Only containers whose good part needs no index at the end can be salvaged: Matroska and WebM, MPEG-TS, and fragmented
MP4. What comes out is read as strictly as any other file.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from . import ebml
from .boxes import boxes
from .mpegts import PACKET

_TAIL = 32 * 2**20  # bytes of MPEG-TS in which every stream starts a packet of its own
_PIECE = 4 * 2**20


def salvage(source: Path, target: Path, demuxer: str) -> bool:
    """Write the good part of `source` to `target`; False, with nothing written, when there is no such part."""
    size = source.stat().st_size
    with source.open("rb") as file:
        if demuxer == "matroska":
            return _matroska(file, size, target)
        if demuxer == "mpegts":
            return _mpegts(file, size, target)
        if demuxer == "mov":
            return _fragments(file, size, target)
    return False


def _matroska(file: BinaryIO, size: int, target: Path) -> bool:
    """All before the first element that is cut off; the sizes of what holds it become unknown (RFC 8794 6.2)."""
    open_elements: list[ebml.Element] = []
    at, clusters = 0, 0
    while (element := ebml.element_at(file, at)) is not None:
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
    end = size - size % PACKET
    start = max(0, end - _TAIL // PACKET * PACKET)
    file.seek(start)
    rows = np.frombuffer(file.read(end - start), dtype=np.uint8).reshape(-1, PACKET)
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
        copy.write(rows[keep].tobytes())
    return True


def _is_pes(row: np.ndarray) -> bool:
    body = 5 + int(row[4]) if row[3] & 0x20 else 4
    return row[body : body + 3].tobytes() == b"\x00\x00\x01"


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


def _copy(file: BinaryIO, length: int, target: Path) -> None:
    """The first `length` bytes."""
    file.seek(0)
    with target.open("wb") as copy:
        while length and (data := file.read(min(length, _PIECE))):
            copy.write(data)
            length -= len(data)
