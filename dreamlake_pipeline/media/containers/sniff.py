"""What a file is, from its first bytes, or those behind its tag: the container decides, not the extension.

`sniff` recognises every extension of `kinds.py`, and names what it finds instead (an archive, a picture, an
encrypted file, a playlist that would make a demuxer open other files), so that a refusal can say what the file is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

from ...kinds import Kind
from . import frames
from .sniff_text import decode, sniff_text
from .transport import find_layout

HEAD_BYTES = 64 * 1024  # enough for some lines of text, and for the padding between a tag and its sound
SEARCHED_BYTES = 2**20  # in which the first frame of sound must begin

ReadAt = Callable[[int, int], bytes]
"""Gives the bytes of a file from an offset on: as many as asked for, fewer at its end, none behind it."""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """`container` is a name for people and records; `kind` is None where the content is none of our kinds.

    `extension` is the usual one of `kinds.py` that fits (with its dot); empty where none does. `demuxer` is the only
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
_M4A = Sniffed(Kind.AUDIO, "m4a", ".m4a", "mov")
_AVI = Sniffed(Kind.VIDEO, "avi", ".avi", "avi")
_MATROSKA = Sniffed(Kind.VIDEO, "matroska", ".mkv", "matroska")
_WEBM = Sniffed(Kind.VIDEO, "webm", ".webm", "matroska")
_MPEG_TS = Sniffed(Kind.VIDEO, "mpegts", ".ts", "mpegts")
_WAV = Sniffed(Kind.AUDIO, "wav", ".wav", "wav")
_MP3 = Sniffed(Kind.AUDIO, "mp3", ".mp3", "mp3")
_FLAC = Sniffed(Kind.AUDIO, "flac", ".flac", "flac")
_AAC = Sniffed(Kind.AUDIO, "aac", ".aac", "aac")
_OGG = Sniffed(Kind.AUDIO, "ogg", ".ogg", "ogg")
_AC3 = Sniffed(Kind.AUDIO, "ac3", ".ac3", "ac3")
_EAC3 = Sniffed(Kind.AUDIO, "eac3", ".eac3", "eac3")
_AMR = Sniffed(Kind.AUDIO, "amr", ".amr", "amr")
_VTT = Sniffed(Kind.TEXT_TRACK, "webvtt", ".vtt")
_SRT = Sniffed(Kind.TEXT_TRACK, "srt", ".srt")
_JSONL = Sniffed(Kind.LABEL_TRACK, "jsonl", ".jsonl")
_CSV = Sniffed(Kind.LABEL_TRACK, "csv", ".csv")
_TEXTS = {known.container: known for known in (_VTT, _SRT, _JSONL, _CSV)}

# Extensions of `kinds.py` that fit a container of media; first the one that a file without a name is given.
_EXTENSIONS: dict[str, tuple[str, ...]] = {
    _MP4.container: (".mp4", ".m4v", ".m4a", ".m4b", ".3gp", ".3g2"),
    _MOV.container: (".mov", ".qt"),
    _M4A.container: (".m4a", ".m4b"),
    _AVI.container: (".avi",),
    _MATROSKA.container: (".mkv", ".mka", ".mk3d"),
    _WEBM.container: (".webm", ".weba"),
    _MPEG_TS.container: (".ts", ".mts", ".m2ts", ".m2t"),
    _WAV.container: (".wav", ".wave"),
    _MP3.container: (".mp3", ".mp2", ".mpga"),
    _FLAC.container: (".flac",),
    _AAC.container: (".aac",),
    _OGG.container: (".ogg", ".oga", ".opus"),
    _AC3.container: (".ac3",),
    _EAC3.container: (".eac3", ".ec3"),
    _AMR.container: (".amr",),
}


def extensions_of(container: str) -> tuple[str, ...]:
    """The extensions of `kinds.py` (with their dots) that fit a container of media, by its name."""
    return _EXTENSIONS[container]


APPLE_DOUBLE = "an AppleDouble file"  # attributes that macOS keeps of another file, whatever it is called

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
    (b"\x00\x05\x16\x07", APPLE_DOUBLE),  # RFC 1740 appendix B
    (b"\x00\x05\x16\x00", "an AppleSingle file"),
    (b"\x00\x00\x00\x01Bud1", "a .DS_Store of macOS"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE file, such as Thumbs.db or an old Office document"),
    (b"\xac\x40", "ac4"),
    (b"\xac\x41", "ac4"),
)
# Audio and video all the same, in containers whose demuxers are left out to keep the surface small.
FOREIGN_MEDIA = frozenset({"flv", "aiff", "caf", "asf", "mpeg-ps", "midi", "ac4"})

_IMAGE_BRANDS = {b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"jxl ", b"crx "}
_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"M4P "}
_MOV_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_SEGMENT_BOXES = {b"styp", b"sidx", b"moof", b"emsg", b"prft"}  # what segments of streams begin with


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
    if not head:
        return None
    # What is text from its first letters on is no binary file, whatever they are: `MZ`, or `The free`.
    may_be_text = all(32 <= byte < 127 or byte in b"\t\n\r" for byte in head[:16])
    if not may_be_text and (found := _sniff_binary(head)):
        return found
    text = decode(head)
    if text is None:
        return (_sniff_binary(head) if may_be_text else None) or _sniff_frames(read)
    name = sniff_text(text, whole=len(head) < HEAD_BYTES)
    # Bytes of any sort may look like text in an old encoding.
    return _TEXTS.get(name, Sniffed(None, name)) if name else _sniff_frames(read)


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
    if head[4:8] in _SEGMENT_BOXES and struct.unpack(">I", head[:4])[0] < 2**31:
        return _MP4
    if (found := _sniff_first_frames(head)) is not None:
        return found
    return _MPEG_TS if find_layout(head) else None


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
        return _ac3(head)
    return None


def _ac3(frame: bytes) -> Sniffed:
    return _EAC3 if frames.is_enhanced(frame) else _AC3


def _sniff_frames(read: ReadAt, at: int = 0) -> Sniffed | None:
    """Frames of sound behind bytes that are none, as when a stream is tapped in the middle of one."""
    data = read(at, SEARCHED_BYTES)
    found = frames.find(data, is_all=len(data) < SEARCHED_BYTES)
    if found is None:
        return None
    header, begin = found
    known = _MP3 if header is frames.mpeg_audio else _AAC if header is frames.adts else _ac3(data[begin:])
    return replace(known, start=at + begin)
