"""What the tracks of a file are coded with, by the words of its container: for those that FFmpeg has no name for, and
so that a refusal can say what a track is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from . import ebml
from .boxes import Box, at_path, boxes, inside

_MOST_BOXES = 200  # in a row; some have twenty
_HEADERS = 64  # elements before a Matroska file's tracks
_CODEC_ID = b"\x86"  # RFC 9559 5.1.4.1.21
_LONGEST_ID = 64

# Four letters of a sample entry (mp4ra.org), CodecID of Matroska, or FFmpeg's name -> the name that people know.
_NAMES = {
    "ac-4": "AC-4",
    "apv1": "APV",
    "av3a": "Audio Vivid",
    "c608": "CEA-608 captions",
    "c708": "CEA-708 captions",
    "dav1": "Dolby Vision on AV1",
    "dtsx": "DTS:X",
    "dtsy": "DTS:X",
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
    empty where it can't be read. Never raises for what the file holds."""
    size = file.seek(0, os.SEEK_END)
    look = {"mov": _mov, "matroska": _matroska}.get(demuxer)
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


def _text(code: bytes) -> str:
    text = code.decode("latin-1").strip()
    return text if text.isprintable() and "`" not in text else ""
