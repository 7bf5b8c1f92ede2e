"""What a file is, from its first bytes, or those behind its tag: the container decides, not the extension.

`sniff` recognises every extension of `kinds.py`, and names what it finds instead (an archive, a picture, an
encrypted file, a playlist that would make a demuxer open other files), so that a refusal can say what the file is.
"""

from __future__ import annotations

import csv
import io
import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

from ...kinds import Kind
from . import frames

HEAD_BYTES = 64 * 1024  # enough for some lines of text, and for the padding between a tag and its sound
SEARCHED_BYTES = 2**20  # in which the first frame of sound must begin

ReadAt = Callable[[int, int], bytes]
"""Gives the bytes of a file from an offset on: as many as asked for, fewer at its end, none behind it."""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """`container` is a name for people and records; `kind` is None where the content is none of our kinds.

    `extension` is the one of `kinds.py` that fits (with its dot); empty where none does. `demuxer` is the only
    FFmpeg demuxer that may open the file; None where the file is not to be opened as media. `start` is where the
    sound begins in a file with something else before it, in bytes.
    """

    kind: Kind | None
    container: str
    extension: str = ""
    demuxer: str | None = None
    start: int = 0


_MP4 = Sniffed(Kind.VIDEO, "mp4", ".mp4", "mov")
_MOV = Sniffed(Kind.VIDEO, "mov", ".mov", "mov")
_M4A = Sniffed(Kind.AUDIO, "m4a", "", "mov")
_AVI = Sniffed(Kind.VIDEO, "avi", ".avi", "avi")
_MATROSKA = Sniffed(Kind.VIDEO, "matroska", ".mkv", "matroska")
_WEBM = Sniffed(Kind.VIDEO, "webm", ".webm", "matroska")
_MPEG_TS = Sniffed(Kind.VIDEO, "mpegts", "", "mpegts")
_WAV = Sniffed(Kind.AUDIO, "wav", ".wav", "wav")
_MP3 = Sniffed(Kind.AUDIO, "mp3", ".mp3", "mp3")
_FLAC = Sniffed(Kind.AUDIO, "flac", ".flac", "flac")
_AAC = Sniffed(Kind.AUDIO, "aac", ".aac", "aac")
_OGG = Sniffed(Kind.AUDIO, "ogg", ".ogg", "ogg")
_AC3 = Sniffed(Kind.AUDIO, "ac3", "", "ac3")
_EAC3 = Sniffed(Kind.AUDIO, "eac3", "", "eac3")
_AMR = Sniffed(Kind.AUDIO, "amr", "", "amr")
_VTT = Sniffed(Kind.TEXT_TRACK, "webvtt", ".vtt")
_SRT = Sniffed(Kind.TEXT_TRACK, "srt", ".srt")
_JSONL = Sniffed(Kind.LABEL_TRACK, "jsonl", ".jsonl")
_CSV = Sniffed(Kind.LABEL_TRACK, "csv", ".csv")

_EXTENSIONS = {
    known.container: known.extension
    for known in (_MP4, _MOV, _M4A, _AVI, _MATROSKA, _WEBM, _MPEG_TS, _WAV, _MP3, _FLAC, _AAC, _OGG, _AC3, _EAC3, _AMR)
}


def extension_of(container: str) -> str:
    """The extension of `kinds.py` (with its dot) for a container of media, by its name; empty where none fits."""
    return _EXTENSIONS[container]


# Leading bytes of files that are none of ours, with the name that a refusal gives them.
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"%PDF-", "pdf"),
    (b"\x7fELF", "elf"),
    (b"MZ", "exe"),
    (b"Salted__", "encrypted"),
    (b"age-encryption.org/", "encrypted"),
    (b"-----BEGIN PGP MESSAGE", "encrypted"),
    (b"PAR1", "parquet"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\x93NUMPY", "numpy"),
    (b"\x89MCAP", "mcap"),
    (b"#ROSBAG", "rosbag"),
    (b"FLV\x01", "flv"),
    (b"caff", "caf"),
    (b"MThd", "midi"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\x00\x00\x01\xba", "mpeg-ps"),
)
# Audio and video all the same, in containers whose demuxers are left out to keep the surface small.
FOREIGN_MEDIA = frozenset({"flv", "aiff", "caf", "asf", "mpeg-ps", "midi"})

# Text that makes a demuxer open other files or hosts, and markup. Compared without leading space, in lower case.
_SCRIPTS: tuple[tuple[str, str], ...] = (
    ("#extm3u", "m3u8"),
    ("ffconcat version", "ffconcat"),
    ("[playlist]", "pls"),
    ("[reference]", "asx"),
    ("v=0\n", "sdp"),
    ("v=0\r\n", "sdp"),
    ("<mpd", "dash"),
    ("<smoothstreamingmedia", "ism"),
    ("<asx", "asx"),
    ("<!doctype html", "html"),
    ("<html", "html"),
    ("<?xml", "xml"),
    ("<svg", "svg"),
)
_IMAGE_BRANDS = {b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"jxl ", b"crx "}
_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"M4P "}
_MOV_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}

_CUE_TIMES = re.compile(r"^\s*(\d+:)?\d{1,2}:\d{2}[,.]\d{1,3}\s*-->\s*(\d+:)?\d{1,2}:\d{2}[,.]\d{1,3}", re.MULTILINE)


def sniff_file(file: BinaryIO) -> Sniffed | None:
    """What the file is; None when nothing known fits."""

    def read(at: int, length: int) -> bytes:
        file.seek(at)
        return file.read(length)

    return sniff(read)


def sniff(read: ReadAt) -> Sniffed | None:
    """What the file is that `read` gives the bytes of: HEAD_BYTES from its start, as many behind each ID3 tag, and
    SEARCHED_BYTES where neither tells."""
    head = read(0, HEAD_BYTES)
    if head[:3] == b"ID3":
        return _sniff_tagged(read)
    return (_sniff_binary(head) or _sniff_text(head) or _sniff_frames(read)) if head else None


def _sniff_binary(head: bytes) -> Sniffed | None:
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return {b"AVI ": _AVI, b"WAVE": _WAV, b"WEBP": Sniffed(None, "webp")}.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _IMAGE_BRANDS:
            return Sniffed(None, "heif" if brand != b"avif" else "avif")
        return _MOV if brand == b"qt  " else _M4A if brand in _AUDIO_BRANDS else _MP4
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _WEBM if b"\x42\x82\x84webm" in head[:128] else _MATROSKA
    if head[:4] == b"OggS":
        return _OGG
    if head[:4] == b"fLaC":
        return _FLAC
    if head[:6] == b"#!AMR\n" or head[:9] == b"#!AMR-WB\n":  # RFC 4867 5.1
        return _AMR
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return Sniffed(None, name)
    if head[:4] == b"FORM" and head[8:11] == b"AIF":
        return Sniffed(None, "aiff")
    if head[257:262] == b"ustar":
        return Sniffed(None, "tar")
    if head[4:8] in _MOV_ATOMS and struct.unpack(">I", head[:4])[0] < 2**31:
        return _MOV
    if (found := _sniff_first_frames(head)) is not None:
        return found
    if len(head) >= 188 and all(head[at] == 0x47 for at in range(0, min(len(head), 188 * 8), 188)):
        return _MPEG_TS
    return None


_MOST_TAGS = 8  # in a row; writers that don't look for one put theirs before it


def _sniff_tagged(read: ReadAt) -> Sniffed:
    """MP3 carries ID3 most often; AAC and FLAC sometimes do. What lies behind the tags decides."""
    at = 0
    for _ in range(_MOST_TAGS):
        length = frames.id3_length(read(at, 10))
        if not length:
            break
        at += length
    head = read(at, HEAD_BYTES)
    if not head:
        return _MP3  # cut off inside its tag, as nothing else says
    head = head.lstrip(b"\0") or head  # padding that the tag does not count
    if head[:4] == b"fLaC":
        return _FLAC
    return _sniff_first_frames(head) or _sniff_frames(read, at) or Sniffed(None, "an ID3 tag without sound behind it")


def _sniff_first_frames(head: bytes) -> Sniffed | None:
    """Sound that is a row of frames from the first byte on."""
    if frames.starts(head, frames.adts):
        return _AAC
    if frames.starts(head, frames.mpeg_audio):
        return _MP3
    if frames.starts(head, frames.ac3):
        return _EAC3 if frames.is_enhanced(head) else _AC3
    return None


def _sniff_frames(read: ReadAt, at: int = 0) -> Sniffed | None:
    """Frames of sound behind bytes that are none, as when a stream is tapped in the middle of one."""
    data = read(at, SEARCHED_BYTES)
    found = frames.find(data, is_all=len(data) < SEARCHED_BYTES)
    return replace(_MP3 if found[0] is frames.mpeg_audio else _AAC, start=at + found[1]) if found else None


def _sniff_text(head: bytes) -> Sniffed | None:
    text = _decode(head)
    if text is None:
        return None
    body = text.lstrip()
    lowered = body[:4096].lower()
    for prefix, name in _SCRIPTS:
        if lowered.startswith(prefix):
            # A DASH manifest may stand behind an XML declaration and comments.
            return Sniffed(None, "dash" if name == "xml" and "<mpd" in lowered else name)
    if re.match(r"WEBVTT([ \t\r\n]|$)", body):
        return _VTT
    if lowered.startswith("file ") and re.match(r"file\s+['\"]?\S", lowered):
        return Sniffed(None, "ffconcat")
    if _CUE_TIMES.search(text[:4096]):
        return _SRT
    lines = text.splitlines()
    if len(head) >= HEAD_BYTES and len(lines) > 1:
        lines.pop()  # it may be cut off
    lines = [line for line in lines if line.strip()]
    if not lines:
        return None
    if lines[0].lstrip().startswith(("{", "[")):
        return _sniff_json(lines)
    return _CSV if _is_csv(lines[:20]) else None


def _decode(head: bytes) -> str | None:
    """The text of the head; None when it holds bytes that text does not."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace")
    if any(byte < 9 or 13 < byte < 32 for byte in set(head) - {0x1B, 0x1A}):
        return None
    return head.decode("utf-8-sig", "replace")


def _sniff_json(lines: list[str]) -> Sniffed | None:
    """JSON Lines holds one object a line; anything else that is JSON is no label track."""
    try:
        first = json.loads(lines[0])
    except ValueError:
        # One line that is longer than the head, or a JSON document spread over lines.
        return _JSONL if len(lines) == 1 and lines[0].lstrip().startswith('{"') else Sniffed(None, "json")
    return _JSONL if isinstance(first, dict) else Sniffed(None, "json")


def _is_csv(lines: list[str]) -> bool:
    """Two or more lines with the same number of fields, by one of the usual separators."""
    if len(lines) < 2:
        return False
    for separator in (",", ";", "\t"):
        widths = [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)]
        if widths[0] > 1 and widths[1:2] == widths[:1] and widths.count(widths[0]) >= 0.8 * len(widths):
            return True
    return False
