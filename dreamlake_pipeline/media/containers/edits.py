"""The edit lists of an MP4 or QuickTime file, and what they ask for that is not played (ISO/IEC 14496-12 8.6.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .boxes import Box, boxes, inside

_MOST = 200  # boxes in a row that are looked at
_MOST_EDITS = 100_000  # of a file
_NORMAL = 0x10000  # a rate of one, as a fixed-point number
_NOTHING = -1


@dataclass(frozen=True, slots=True)
class Edit:
    """One part of a track's presentation, from `start` to `end` in seconds: what its `media` has from a time on, in
    units of its own clock, at a `rate` (zero holds a picture); or, where `empty`, nothing at all."""

    start: float
    end: float
    media: int
    rate: float

    @property
    def empty(self) -> bool:
        return self.media == _NOTHING

    @property
    def warning(self) -> str:
        part = f"from {self.start:.2f} to {self.end:.2f} s"
        if self.empty:
            return f"The file's edit list shows nothing {part}; what is played there is not what it asks for."
        how = f"at {self.rate:.2f} times its speed" if self.rate else "as a still picture"
        return f"The file's edit list asks for a part to be shown {how} ({part}); it is played as it was recorded."


def read_edits(file: BinaryIO, size: int) -> dict[int, list[Edit]]:
    """The edits of each track that has some, by its id. Never raises for what the file holds."""
    movie = next((box for box in boxes(file, 0, size) if box.kind == b"moov"), None)
    found: dict[int, list[Edit]] = {}
    if movie is None:
        return found
    scale, left = 0, _MOST_EDITS
    for box in inside(file, movie, size, most=_MOST):
        if box.kind == b"mvhd":
            scale = _time_scale(file, box)
        elif box.kind == b"trak" and scale:
            track, end = 0, min(box.end, movie.end, size)
            for held in inside(file, box, end, most=_MOST):
                if held.kind == b"tkhd":
                    track = _track_id(file, held)
                elif held.kind == b"edts":
                    lists = [one for one in inside(file, held, end, most=_MOST) if one.kind == b"elst"]
                    edits = [edit for one in lists[:1] for edit in _edits(file, one, min(held.end, end), scale, left)]
                    found.setdefault(track, []).extend(edits)
                    left -= len(edits)
    return found


def odd_edits(edits: Iterable[Edit]) -> list[Edit]:
    """Those of a track's edits that are presented otherwise than their file asks."""
    odd, begun = [], False
    for edit in edits:
        if (edit.empty and begun) or (not edit.empty and edit.rate != 1):
            odd.append(edit)
        begun = begun or not edit.empty
    return odd


def _time_scale(file: BinaryIO, header: Box) -> int:
    """Units a second of the movie (8.2.2), behind two times of 4 or 8 bytes."""
    file.seek(header.body)
    body = file.read(24)
    at = 20 if body[:1] == b"\x01" else 12
    return int.from_bytes(body[at : at + 4], "big") if len(body) >= at + 4 else 0


def _track_id(file: BinaryIO, header: Box) -> int:
    """The number of a track (8.3.2), behind two times of 4 or 8 bytes."""
    file.seek(header.body)
    body = file.read(24)
    at = 20 if body[:1] == b"\x01" else 12
    return int.from_bytes(body[at : at + 4], "big")


def _edits(file: BinaryIO, box: Box, end: int, scale: int, most: int) -> Iterator[Edit]:
    """The first edits of a list that is no longer than what holds it, which ends at `end`."""
    file.seek(box.body)
    head = file.read(8)
    if len(head) < 8:
        return
    form = ">QqI" if head[0] == 1 else ">IiI"
    length = struct.calcsize(form)
    count = min(int.from_bytes(head[4:], "big"), most, (min(box.end, end) - box.body - 8) // length)
    data, at = file.read(max(0, count) * length), 0.0
    for duration, start, rate in struct.iter_unpack(form, data[: len(data) // length * length]):
        end = at + duration / scale
        yield Edit(at, end, start, rate / _NORMAL)
        at = end
