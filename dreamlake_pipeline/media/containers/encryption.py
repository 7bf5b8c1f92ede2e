"""Whether a file's tracks are encrypted, by what its container says of them. Nothing is decrypted.

FFmpeg opens some such files, fails on others, and makes noise of a third kind: the header decides before it is asked.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from . import ebml
from .boxes import at_path, boxes
from .transport import SYNC, packets

# Sample entries of protected tracks (ISO/IEC 14496-12 8.12; the last two are Apple's).
PROTECTED = frozenset({b"encv", b"enca", b"enct", b"encs", b"encm", b"drms", b"drmi"})
_ENTRIES = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_MOST_BOXES = 200  # in a row; some have twenty
_HEADERS = 64  # elements before a Matroska file's tracks
# Elements of Matroska (RFC 9559 5.1.4.1.31): what was done to a track's data.
_ENCODINGS = (b"\x6d\x80", b"\x62\x40", b"\x50\x35")  # ContentEncodings, ContentEncoding, ContentEncryption
_TS_BYTES = 400_000  # of MPEG-TS that are looked at
_TABLES = 0x20  # PIDs below it, and the one for stuffing, carry no pictures or sound (ISO/IEC 13818-1 2.4.3.3)
_STUFFING = 0x1FFF


def is_encrypted(file: BinaryIO, demuxer: str) -> bool:
    """Whether a track of the file is encrypted. Never raises for what the file holds."""
    size = file.seek(0, os.SEEK_END)
    look = {"mov": _mov, "matroska": _matroska, "mpegts": _mpegts}.get(demuxer)
    return look is not None and look(file, size)


def _mov(file: BinaryIO, size: int) -> bool:
    for movie in boxes(file, 0, size):
        if movie.kind == b"moov":
            for table in at_path(file, movie, size, _ENTRIES, most=_MOST_BOXES):
                if any(entry.kind in PROTECTED for entry in boxes(file, table.body + 8, table.end, most=_MOST_BOXES)):
                    return True
            return False
    return False


def _matroska(file: BinaryIO, size: int) -> bool:
    for top in ebml.children(file, 0, size, most=_HEADERS):
        if top.id == ebml.SEGMENT:
            for part in ebml.children(file, top.body, size, most=_HEADERS):
                if part.id == ebml.CLUSTER or part.end is None:
                    return False
                if part.id == ebml.TRACKS:
                    return _holds(file, part, min(part.end, size), (ebml.TRACK_ENTRY, *_ENCODINGS))
    return False


def _holds(file: BinaryIO, element: ebml.Element, end: int, path: tuple[bytes, ...]) -> bool:
    """Whether there is an element at a path of ids below this one, which ends at `end`."""
    if not path:
        return True
    return any(
        child.id == path[0] and child.end is not None and _holds(file, child, min(child.end, end), path[1:])
        for child in ebml.children(file, element.body, end, most=_MOST_BOXES)
    )


def _mpegts(file: BinaryIO, size: int) -> bool:
    """Whether most packets with content say that it is scrambled (ISO/IEC 13818-1 2.4.3.2)."""
    file.seek(0)
    scrambled = clear = 0
    for packet in packets(file.read(_TS_BYTES)):
        pid = (packet[1] & 31) << 8 | packet[2]
        if packet[0] == SYNC and _TABLES <= pid < _STUFFING and packet[3] & 0x10:
            scrambled += packet[3] >> 6 > 1
            clear += packet[3] >> 6 == 0
    return scrambled > clear
