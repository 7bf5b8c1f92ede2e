"""Whether a file is whole, by what its container says about its own length. Nothing is decoded."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from . import ebml, wave
from .boxes import boxes
from .frames import id3_length
from .mpegts import PACKET

_UNKNOWN_SIZES = {0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}


def missing_part(file: BinaryIO, demuxer: str) -> str | None:
    """What is missing at the end of the file, in words; None when nothing is, or the container does not tell."""
    size = file.seek(0, os.SEEK_END)
    if demuxer == "mov":
        return _mov(file, size)
    if demuxer == "wav":
        return wave.read(file).missing
    if demuxer == "avi":
        return _avi(file, size)
    if demuxer == "matroska":
        return _matroska(file, size)
    if demuxer == "mpegts":
        return _mpegts(file, size)
    if demuxer == "mp3":
        return _mp3(file, size)
    if demuxer == "ogg":
        return _ogg(file, size)
    return None


def _short(missing: int) -> str:
    return f"{missing:,} bytes that its header announces are missing at its end"


def _mov(file: BinaryIO, size: int) -> str | None:
    """Top-level boxes (ISO/IEC 14496-12 4.2) must end where the file ends, with an index and media among them."""
    kinds, last, end = set(), b"", 0
    for box in boxes(file, 0, size):
        kinds.add(box.kind)
        last, end = box.kind, box.end
        if box.end > size and box.kind in (b"mdat", b"moov", b"moof"):
            return _short(box.end - size)
    if b"moov" not in kinds and b"moof" not in kinds:
        return "its index (`moov`) is missing, as when a recording was broken off"
    if b"mdat" not in kinds or last == b"moof":
        return "its media data (`mdat`) are missing"
    if b"moof" in kinds and 0 < size - end < 8:
        return "it ends in the middle of a fragment's header"
    return None


def _avi(file: BinaryIO, size: int) -> str | None:
    """The first RIFF chunk must fit into the file."""
    file.seek(0)
    header = file.read(8)
    if header[:4] != b"RIFF":
        return None
    (length,) = struct.unpack("<I", header[4:8])
    return _short(length + 8 - size) if length not in _UNKNOWN_SIZES and length + 8 > size else None


def _matroska(file: BinaryIO, size: int) -> str | None:
    """The Segment element (RFC 8794, RFC 9559) must fit into the file when its size is known."""
    for _, element in zip(range(8), ebml.children(file, 0, size), strict=False):
        if element.id == ebml.SEGMENT:
            if element.end is None:
                return _live(file, element.body, size)
            return _short(element.end - size) if element.end > size else None
    return None


def _live(file: BinaryIO, at: int, size: int) -> str | None:
    """A recording whose writer did not know its size: it is whole when its last element is."""
    end = at
    for element in ebml.children(file, at, size):
        end = element.body if element.end is None else element.end
    return "it ends in the middle of a picture or sound packet" if end != size else None


def _mpegts(file: BinaryIO, size: int) -> str | None:
    """Packets have one size (ISO/IEC 13818-1 2.4.3.2); a stream may end behind any of them."""
    return f"it ends {size % PACKET} bytes into a packet" if size % PACKET else None


def _mp3(file: BinaryIO, size: int) -> str | None:
    """The Xing or Info tag in the first frame counts the bytes from there on, where an encoder wrote one."""
    file.seek(0)
    start = id3_length(file.read(10))
    if start >= size:
        return "it ends with its ID3 tag, before any sound"
    file.seek(start)
    frame = file.read(256)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 16:
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    if not flags & 2:
        return None
    field = at + 8 + (4 if flags & 1 else 0)
    expected = start + int.from_bytes(frame[field : field + 4], "big")
    # Some encoders count a frame more or less than they write.
    return _short(expected - size) if expected - size > 2048 else None


def _ogg(file: BinaryIO, size: int) -> str | None:
    """The last page (RFC 3533 6) must end where the file ends."""
    file.seek(max(0, size - 66_000))  # more than the largest page
    tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0:
        return None  # padding behind the last page; the demuxer decides
    lacing = tail[at + 27 : at + 27 + tail[at + 26]] if len(tail) > at + 26 else b""
    if len(tail) <= at + 26 or len(lacing) < tail[at + 26]:
        return "its last page is cut off"
    missing = at + 27 + len(lacing) + sum(lacing) - len(tail)
    return _short(missing) if missing > 0 else None
