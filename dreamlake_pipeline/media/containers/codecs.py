"""What the tracks of a file are coded with, by the words of its container: for those that FFmpeg has no name for, and
so that a refusal can say what a track is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from . import ebml
from .boxes import Box, at_path, boxes, inside
from .mpegts import PACKET
from .transport import SYNC, packets

_MOST_BOXES = 200  # in a row; some have twenty
_HEADERS = 64  # elements before a Matroska file's tracks
_CODEC_ID = b"\x86"  # RFC 9559 5.1.4.1.21
_LONGEST_ID = 64
_TS_BYTES = 400_000  # of MPEG-TS in which the tables are looked for
# Forms of sound and pictures in MPEG-TS that FFmpeg takes for another, or for nothing: by stream type (ISO/IEC
# 13818-1 table 2-34), and by what follows the tag of an extension descriptor (ETSI EN 300 468 6.4.0).
_STREAM_TYPES = {0x2D: "mhm1", 0x2E: "mhm2", 0x33: "vvc"}
_EXTENSIONS = {0x15: "ac-4", 0x21: "dtsx"}
_EXTENSION, _REGISTRATION = 0x7F, 0x05
_REGISTERED = {b"AC-4": "ac-4", b"DTSX": "dtsx"}

# Four letters of a sample entry (mp4ra.org), CodecID of Matroska, or FFmpeg's name -> the name that people know.
_NAMES = {
    "ac-4": "AC-4",
    "apv1": "APV",
    "av3a": "Audio Vivid",
    "c608": "CEA-608 captions",
    "c708": "CEA-708 captions",
    "dav1": "Dolby Vision on AV1",
    "drms": "encrypted sound",
    "dtsx": "DTS:X",
    "dtsy": "DTS:X",
    "enca": "encrypted sound",
    "evc1": "EVC",
    "iamf": "IAMF",
    "lvc1": "LCEVC",
    "mha1": "MPEG-H 3D Audio",
    "mha2": "MPEG-H 3D Audio",
    "mhm1": "MPEG-H 3D Audio",
    "mhm2": "MPEG-H 3D Audio",
    "mlpa": "Dolby TrueHD",
    "stpp": "TTML subtitles",
    "tx3g": "3GPP timed text",
    "text": "QuickTime text",
    "vvc1": "VVC (H.266)",
    "vvi1": "VVC (H.266)",
    "wvtt": "WebVTT subtitles",
    "amr_nb": "AMR",
    "amr_wb": "AMR-WB",
    "truehd": "Dolby TrueHD",
    "vvc": "VVC (H.266)",
    "subrip": "SubRip subtitles",
    "webvtt": "WebVTT subtitles",
    "ass": "SSA subtitles",
    "ttml": "TTML subtitles",
    "mov_text": "3GPP timed text",
    "dvd_subtitle": "VobSub subtitles",
    "hdmv_pgs_subtitle": "PGS subtitles",
}


def name_of(code: str) -> str:
    """What people call the codec, with the code in brackets where that is another word; empty for an empty code."""
    name = _NAMES.get(code)
    return f"{name} (`{code}`)" if name else code and f"`{code}`"


def codes(file: BinaryIO, demuxer: str) -> tuple[str, ...]:
    """How the container names the codec of each track, in the order of the tracks, which is that of FFmpeg's streams;
    empty where it can't be read. Of MPEG-TS only the forms that FFmpeg does not know are named. Never raises for what
    the file holds."""
    size = file.seek(0, os.SEEK_END)
    look = {"mov": _mov, "matroska": _matroska, "mpegts": _mpegts}.get(demuxer)
    return tuple(look(file, size)) if look else ()


def _mov(file: BinaryIO, size: int) -> Iterator[str]:
    """The four letters of each track's first sample entry (ISO/IEC 14496-12 8.5.2)."""
    for movie in boxes(file, 0, size):
        if movie.kind == b"moov":
            for track in inside(file, movie, size, most=_MOST_BOXES):
                if track.kind == b"trak":
                    yield _entry(file, track, min(movie.end, size))
            return


def _entry(file: BinaryIO, track: Box, end: int) -> str:
    for table in at_path(file, track, end, (b"mdia", b"minf", b"stbl", b"stsd"), most=_MOST_BOXES):
        for entry in boxes(file, table.body + 8, table.end, most=1):
            return _text(entry.kind)
    return ""


def _matroska(file: BinaryIO, size: int) -> Iterator[str]:
    """CodecID of each track (RFC 9559 5.1.4.1.21)."""
    for top in ebml.children(file, 0, size, most=_HEADERS):
        if top.id != ebml.SEGMENT:
            continue
        for part in ebml.children(file, top.body, size, most=_HEADERS):
            if part.id == ebml.CLUSTER or part.end is None:
                return
            if part.id == ebml.TRACKS:
                for entry in ebml.children(file, part.body, min(part.end, size), most=_MOST_BOXES):
                    if entry.id == ebml.TRACK_ENTRY and entry.end is not None:
                        yield _codec_id(file, entry.body, min(entry.end, size))
                return


def _codec_id(file: BinaryIO, at: int, end: int) -> str:
    for item in ebml.children(file, at, end, most=_MOST_BOXES):
        if item.id == _CODEC_ID and item.end is not None:
            file.seek(item.body)
            return _text(file.read(min(item.end - item.body, _LONGEST_ID)).rstrip(b"\0"))
    return ""


def _mpegts(file: BinaryIO, size: int) -> Iterator[str]:
    """Of each stream in the first programme map (ISO/IEC 13818-1 2.4.4.9) that fits into one packet."""
    file.seek(0)
    maps: set[int] = set()
    for packet in packets(file.read(_TS_BYTES)):
        pid = (packet[1] & 31) << 8 | packet[2]
        if packet[0] != SYNC or not packet[1] & 0x40 or (pid and pid not in maps):
            continue
        start = 5 + packet[4] if packet[3] & 0x20 else 4
        section = packet[start + 1 + packet[start] :] if start < PACKET else b""
        if len(section) < 12:
            continue
        # The last four bytes of a section are its checksum.
        section = section[: max(0, 3 + ((section[1] & 15) << 8 | section[2]) - 4)]
        if not pid and section[:1] == b"\0":
            maps |= {(section[i + 2] & 31) << 8 | section[i + 3] for i in range(8, len(section) - 3, 4)}
        elif pid and section[:1] == b"\2":
            yield from _programme(section)
            return


def _programme(section: bytes) -> Iterator[str]:
    at = 12 + ((section[10] & 15) << 8 | section[11]) if len(section) >= 12 else len(section)
    while at + 5 <= len(section):
        described = at + 5
        end = described + ((section[at + 3] & 15) << 8 | section[at + 4])
        code = _STREAM_TYPES.get(section[at], "")
        while described + 2 <= min(end, len(section)):
            tag, body = section[described], section[described + 2 : described + 2 + section[described + 1]]
            if tag == _EXTENSION and body:
                code = _EXTENSIONS.get(body[0], code)
            elif tag == _REGISTRATION:
                code = _REGISTERED.get(body[:4], code)
            described += 2 + len(body) if body else 2 + section[described + 1]
        yield code
        at = end


def _text(code: bytes) -> str:
    text = code.decode("latin-1").strip()
    return text if text.isprintable() and "`" not in text else ""
