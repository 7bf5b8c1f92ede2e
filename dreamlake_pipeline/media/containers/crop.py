"""What a container cuts off a track's decoded pictures before they are shown.

A decoder knows nothing of it, and a copy into another container loses it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from . import ebml
from .boxes import Box, boxes

_MOST = 200  # boxes or elements in a row that are looked at; some files have twenty
_HEADERS = 64  # elements before a Matroska file's tracks
_ENTRY_FIELDS = 78  # bytes of a picture's sample entry before the boxes in it (ISO/IEC 14496-12 12.1.3)
_VIDEO_TRACK = 1  # TrackType (RFC 9559 5.1.4.1.3)
_TRACK_ENTRY, _TRACK_TYPE, _CODEC_ID, _VIDEO = b"\xae", b"\x83", b"\x86", b"\xe0"
_PIXEL_WIDTH, _PIXEL_HEIGHT = b"\xb0", b"\xba"
# PixelCropLeft, -Top, -Right, -Bottom (RFC 9559 5.1.4.1.28.8 to .11).
_PIXEL_CROPS = (b"\x54\xcc", b"\x54\xbb", b"\x54\xdd", b"\x54\xaa")


@dataclass(frozen=True, slots=True)
class Crop:
    """Pixels that are cut off at each edge of the decoded picture, before it is turned."""

    left: int
    top: int
    right: int
    bottom: int

    def fits(self, width: int, height: int) -> bool:
        """Whether anything is left of a picture of this size."""
        return self.left + self.right < width and self.top + self.bottom < height


def read_crops(file: BinaryIO, demuxer: str) -> dict[int, Crop]:
    """What is cut off the pictures of each track that has any of it: by track ID in MP4 and QuickTime, by its number
    among the video tracks (from zero) in Matroska; nothing elsewhere. A crop that leaves nothing, or asks for more than
    there is, is none. Never raises for what the file holds."""
    size = file.seek(0, os.SEEK_END)
    found = {"mov": _mov, "matroska": _matroska}.get(demuxer)
    return dict(found(file, size)) if found else {}


def _mov(file: BinaryIO, size: int) -> Iterator[tuple[int, Crop]]:
    for top in boxes(file, 0, size):
        if top.kind == b"moov":
            for track in _inside(file, top, size):
                if track.kind == b"trak":
                    yield from _track(file, track, size)
            return


def _track(file: BinaryIO, track: Box, size: int) -> Iterator[tuple[int, Crop]]:
    head = _child(file, track, b"tkhd", size)
    number = _track_id(file, head) if head else None
    description: Box | None = track
    for kind in (b"mdia", b"minf", b"stbl", b"stsd"):
        description = _child(file, description, kind, size) if description else None
    if number is None or description is None:
        return
    for entry in boxes(file, description.body + 8, min(description.end, size), most=1):
        crop = _aperture(file, entry, size)
        if crop is not None:
            yield number, crop


def _child(file: BinaryIO, box: Box, kind: bytes, size: int) -> Box | None:
    return next((child for child in _inside(file, box, size) if child.kind == kind), None)


def _inside(file: BinaryIO, box: Box, size: int) -> Iterator[Box]:
    return boxes(file, box.body, min(box.end, size), most=_MOST)


def _track_id(file: BinaryIO, head: Box) -> int | None:
    """The track ID of a `tkhd` (ISO/IEC 14496-12 8.3.2), behind two times of 4 or 8 bytes."""
    file.seek(head.body)
    body = file.read(24)
    at = 20 if body[:1] == b"\x01" else 12
    return int.from_bytes(body[at : at + 4], "big") if len(body) >= at + 4 else None


def _aperture(file: BinaryIO, entry: Box, size: int) -> Crop | None:
    """The clean aperture of a sample entry (ISO/IEC 14496-12 12.1.4): its size and the distance of its centre from that
    of the picture, as fractions. Where it ends within a pixel, that pixel is kept, as FFmpeg does."""
    file.seek(entry.body + 24)
    data = file.read(4)
    if len(data) < 4:
        return None
    picture = struct.unpack(">HH", data)
    for box in boxes(file, entry.body + _ENTRY_FIELDS, min(entry.end, size), most=_MOST):
        if box.kind != b"clap":
            continue
        file.seek(box.body)
        data = file.read(32)
        if len(data) < 32:
            return None
        width, w_unit, height, h_unit, right, r_unit, down, d_unit = struct.unpack(">iiiiiiii", data)
        if min(w_unit, h_unit, r_unit, d_unit) <= 0 or width < 0 or height < 0:
            return None
        horizontal = _edges(picture[0], Fraction(width, w_unit), Fraction(right, r_unit))
        vertical = _edges(picture[1], Fraction(height, h_unit), Fraction(down, d_unit))
        if horizontal is None or vertical is None:
            return None
        return _crop((horizontal[0], vertical[0], horizontal[1], vertical[1]), picture)
    return None


def _edges(length: int, kept: Fraction, offset: Fraction) -> tuple[int, int] | None:
    """Pixels before and behind an aperture along one axis; None when it is not inside the picture."""
    centre = Fraction(length - 1, 2) + offset
    first, last = centre - (kept - 1) / 2, centre + (kept - 1) / 2
    if kept > length or first < 0 or last >= length:
        return None
    return int(first), length - 1 - int(last)


def _matroska(file: BinaryIO, size: int) -> Iterator[tuple[int, Crop]]:
    number = 0
    for entry in _entries(file, size):
        items = {item.id: item for item in ebml.children(file, entry.body, entry.end or size, most=_MOST)}
        if _TRACK_TYPE not in items or _CODEC_ID not in items:
            continue
        if _number(file, items[_TRACK_TYPE]) != _VIDEO_TRACK:
            continue
        video = items.get(_VIDEO, entry)
        values = {
            item.id: _number(file, item) for item in ebml.children(file, video.body, video.end or size, most=_MOST)
        }
        left, top, right, bottom = (values.get(edge, 0) for edge in _PIXEL_CROPS)
        crop = _crop((left, top, right, bottom), (values.get(_PIXEL_WIDTH, 0), values.get(_PIXEL_HEIGHT, 0)))
        if crop is not None:
            yield number, crop
        number += 1


def _entries(file: BinaryIO, size: int) -> Iterator[ebml.Element]:
    for top in ebml.children(file, 0, size, most=_HEADERS):
        if top.id != ebml.SEGMENT:
            continue
        for part in ebml.children(file, top.body, size if top.end is None else min(top.end, size), most=_HEADERS):
            if part.id == ebml.CLUSTER or part.end is None:
                return
            if part.id == ebml.TRACKS:
                for entry in ebml.children(file, part.body, part.end, most=_MOST):
                    if entry.id == _TRACK_ENTRY and entry.end is not None:
                        yield entry
        return


def _number(file: BinaryIO, element: ebml.Element) -> int:
    """An unsigned integer (RFC 8794 7.2); zero where there is something longer."""
    if element.end is None or element.end - element.body > 8:
        return 0
    file.seek(element.body)
    return int.from_bytes(file.read(element.end - element.body), "big")


def _crop(edges: tuple[int, int, int, int], picture: tuple[int, int]) -> Crop | None:
    crop = Crop(*edges)
    return crop if any(edges) and crop.fits(*picture) else None
