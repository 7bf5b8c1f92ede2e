"""Whether what a file is for is encrypted, by what its container says of its tracks. Nothing is decrypted.

FFmpeg opens some such files, fails on others, and makes noise of a third kind: the header decides before it is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from . import ebml
from .boxes import Box, at_path, boxes, inside
from .transport import SYNC, packets

# Sample entries of protected tracks (ISO/IEC 14496-12 8.12; the last two are Apple's).
PROTECTED = frozenset({b"encv", b"enca", b"enct", b"encs", b"encm", b"drms", b"drmi"})
SOUNDS = ("enca", "drms")  # those of them that are sound
_SOUNDS = frozenset(name.encode() for name in SOUNDS)
_ENTRIES = (b"mdia", b"minf", b"stbl", b"stsd")
_MOST_BOXES = 200  # in a row; some have twenty
_HEADERS = 64  # elements before a Matroska file's tracks
# Elements of Matroska (RFC 9559 5.1.4.1.31): what was done to a track's data.
_ENCODINGS = (b"\x6d\x80", b"\x62\x40", b"\x50\x35")  # ContentEncodings, ContentEncoding, ContentEncryption
_TS_BYTES = 400_000  # of MPEG-TS that are looked at
_TABLES = 0x20  # PIDs below it, and the one for stuffing, carry no pictures or sound (ISO/IEC 13818-1 2.4.3.3)
_STUFFING = 0x1FFF


def is_encrypted(file: BinaryIO, demuxer: str) -> bool:
    """Whether a track of the file is encrypted, and not just the sound beside a picture that is in the clear. Never
    raises for what the file holds."""
    size = file.seek(0, os.SEEK_END)
    look = {"mov": _mov, "matroska": _matroska, "mpegts": _mpegts}.get(demuxer)
    return look is not None and look(file, size)


def _mov(file: BinaryIO, size: int) -> bool:
    for movie in boxes(file, 0, size):
        if movie.kind == b"moov":
            entries = set(_entries(file, movie, size))
            is_shown = any(kind == b"vide" and entry not in PROTECTED for kind, entry in entries)
            return any(entry in PROTECTED and not (is_shown and entry in _SOUNDS) for _, entry in entries)
    return False


def _entries(file: BinaryIO, movie: Box, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Of each track, what its handler is for (ISO/IEC 14496-12 8.4.3), and the kind of each sample entry."""
    for track in inside(file, movie, size, most=_MOST_BOXES):
        if track.kind != b"trak":
            continue
        kind = b""
        for handler in at_path(file, track, min(track.end, size), (b"mdia", b"hdlr"), most=_MOST_BOXES):
            file.seek(handler.body + 8)
            kind = file.read(4)
        for table in at_path(file, track, min(track.end, size), _ENTRIES, most=_MOST_BOXES):
            yield from ((kind, entry.kind) for entry in boxes(file, table.body + 8, table.end, most=_MOST_BOXES))


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
