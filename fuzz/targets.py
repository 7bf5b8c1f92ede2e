"""What reads bytes of strangers, each as a function of bytes, with what it is worst for or goes on from.

The tests of growth (tests/media/test_growth.py) repeat these tokens, the fuzzer mixes them.
"""

from __future__ import annotations

import contextlib
import io
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.containers import (
    claims,
    codecs,
    encryption,
    frames,
    h264,
    holds,
    integrity,
    mpegts,
    ogg,
    samples,
    sniff,
    wave,
)
from dreamlake_pipeline.media.containers.boxes import boxes
from dreamlake_pipeline.media.containers.headers import read_headers
from dreamlake_pipeline.media.labels.make import make_label_track
from dreamlake_pipeline.media.text.encoding import detect_encoding
from dreamlake_pipeline.media.text.make import make_text_track
from dreamlake_pipeline.media.text.nuls import find_nuls
from dreamlake_pipeline.remote.http1 import _Connection

Parser = Callable[[bytes, Path], object]


def text(name: str) -> Parser:
    def parse(data: bytes, folder: Path) -> object:
        (folder / name).write_bytes(data)
        return make_text_track(folder / name, folder, filename=name)

    return parse


def labels(name: str) -> Parser:
    def parse(data: bytes, folder: Path) -> object:
        (folder / name).write_bytes(data)
        return make_label_track(folder / name, folder, filename=name)

    return parse


def headers(demuxer: str) -> Parser:
    """Everything that is read of a container before FFmpeg is asked."""

    def parse(data: bytes, folder: Path) -> object:
        file = io.BytesIO(data)
        found = sniff.sniff_file(file)
        if found is not None:
            holds.kind_of_content(file, found)
        for look in (claims.read_claims, codecs.codes, encryption.is_encrypted, read_headers, integrity.look_for_end):
            look(file, demuxer)
        if demuxer == "mov":
            samples.crowded_fragment(file)
            for movie in boxes(file, 0, len(data), most=1000):
                if movie.kind == b"moov" and (index := samples.read_index(file, movie)):
                    index.cut(index.whole_before(len(data) // 2))
                    break
        return found

    return parse


def encodings(data: bytes, folder: Path) -> object:
    (folder / "text").write_bytes(data)
    encoding = detect_encoding(folder / "text")
    return encoding and find_nuls(folder / "text", encoding)


def units(data: bytes, folder: Path) -> object:
    with contextlib.suppress(ValueError):
        list(h264.units_with_length(data, 4))
    h264.parameter_sets(data)
    with contextlib.suppress(ValueError):
        h264.parse_sps(memoryview(data))
    return list(h264.units_with_start_code(data))


def sound(data: bytes, folder: Path) -> object:
    frames.find(data, is_all=True)
    frames.foreign_end(data)
    file = io.BytesIO(data)
    return wave.read(file), ogg.parts(file)


def answer(data: bytes, folder: Path) -> object:
    """An answer of HTTP/1.1."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            theirs.send(data[: 1 << 16])
        theirs.shutdown(socket.SHUT_WR)
        ours.settimeout(5)
        found = _Connection(ours).answer("GET", lambda: None)
        read = found.read(1 << 20)
        found.close()
        return read


def media(data: bytes, folder: Path) -> object:
    """All of the look at a video, FFmpeg's demuxers and a decoder for one picture among it."""
    from dreamlake_pipeline.media.containers.probe import probe

    (folder / "media").write_bytes(data)
    return probe(folder / "media", "media", wanted=Kind.VIDEO)


# What is no fault of a parser: its own word that the bytes are not what it reads.
EXPECTED = (DreamlakeError, ValueError, ConnectionError, TimeoutError)

PARSERS: dict[str, Parser] = {
    "vtt": text("a.vtt"),
    "srt": text("a.srt"),
    "csv": labels("a.csv"),
    "jsonl": labels("a.jsonl"),
    "encoding": encodings,
    "mov": headers("mov"),
    "matroska": headers("matroska"),
    "avi": headers("avi"),
    "mpegts": headers("mpegts"),
    "units": units,
    "sound": sound,
    "segment": lambda data, _: mpegts.parse_segment(data),
    "http": answer,
}


# They read by FFmpeg's libraries too, and take too long for the tests of growth.
MEDIA: dict[str, Parser] = {"media": media}


def box(kind: bytes, body: bytes = b"", *, length: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(body) if length is None else length, kind) + body


def chunk(kind: bytes, form: bytes = b"", *, length: int = 0) -> bytes:
    return struct.pack("<4sI", kind, length) + form


HIGH = 10**8
FTYP = box(b"ftyp", b"isom\0\0\0\0isom")
MVHD = box(b"mvhd", bytes(12) + struct.pack(">I", 1000) + bytes(84))
EBML = bytes.fromhex("1a45dfa38018538067") + b"\x01" + b"\xff" * 7
CUE = b"00:00:01.000 --> 00:00:02.000\n"
RIFF = chunk(b"RIFF", b"AVI ", length=HIGH) + chunk(b"LIST", b"hdrl", length=HIGH)

# One token again and again, behind a beginning that a parser goes on from.
BEGINNINGS = {
    "vtt": (b"", b"WEBVTT\n\n", b"WEBVTT\n\n" + CUE, b"WEBVTT\n\n" + CUE[:-1] + b" ", b"WEBVTT\n\nNOTE "),
    "srt": (b"", b"1\n" + CUE.replace(b".", b","), b"\xff\n"),
    "csv": (b"", b"a,b,c\n1,2,3\n", b'a,b\n1,"', b"\xff\n"),
    "jsonl": (b"", b'{"a":1}\n', b'{"a":"', b'{"a":['),
    "encoding": (b"", b"\xff\n", b"\xff\xfe", b"\xe9 "),
    "mov": (FTYP, FTYP + box(b"moov", MVHD, length=HIGH), FTYP + box(b"moov", length=HIGH) + box(b"trak", length=HIGH)),
    "matroska": (EBML, EBML + bytes.fromhex("1654ae6b") + b"\x01" + b"\xff" * 7),
    "avi": (RIFF, RIFF + chunk(b"LIST", b"strl", length=HIGH), chunk(b"RIFF", b"AVI ", length=HIGH)),
    "mpegts": (b"",),
    "units": (b"", b"\1\x64\0\x1f\xff\xe1", b"\0\0\1\x67\x64\0\x1f"),
    "sound": (b"", b"RIFF\xff\xff\xff\xffWAVE", b"\xff\xf1\x50\x80\x01\xff\xfc", b"ID3\4\0\0\0\0\0\0"),
    "segment": (b"",),
    "http": (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
}
TEXTS = (
    b"a", b"0", b" ", b"\n", b"\r", b",", b'"', b"'", b"[", b"{", b"<", b"&", b"\\", b"|", b"-", b".", b"#", b"\0",
    b"a,", b"1,", b'",', b'"\n', b'""', b"1 ", b"a ", b"a\n", b"1\n", b"#\n", b"x,y\n", b",,\n", b"| a |\n", b"1e9,",
    b"\0\n", b"a\0", b"\0" * 8 + b"a", b"\xff", b"\xff\n", b"a\xff", b"\xe9 ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n",
    b"\xff\xfea\0", b"\xef\xbb\xbfa\xff", b"\x81\x40", b"\xc3\xa9\xe9", b"\x1a", b"\xd9\xa1", b"\xc2\xb2",
    b"\xe2\x80\xa8",
    b"a=1 ", b"a:1 ", b"a(1,2) ", b"[a: 1] ", b"&#1;", b"&#", b"<b>", b"<font color=", b"{\\", b"{\\an8}", b"-->",
    CUE, CUE + b"x\n\n", b"1\n" + CUE, b"WEBVTT\n\n", b"NOTE\n", b"STYLE\nx\n\n",
    b"X-TIMESTAMP-MAP=LOCAL:00:00:00.000,",
    b'{"a":1}\n', b'{"a":1}', b'"a":1,', b"[1]", b"{}", b'{"a":', b'{"\\u0000":1}\n', b"2024-01-01T00:00:00Z,1\n",
    b"17/06/2025 08:15:00\n", b"08:15:00,", b'="1",', b"1.234.567,8;", b"(a b) ", b"a [m] ",
)  # fmt: skip
TOKENS: dict[str, tuple[bytes, ...]] = {
    **dict.fromkeys(("vtt", "srt", "csv", "jsonl", "encoding"), TEXTS),
    "mov": (
        *(box(kind) for kind in (b"free", b"moov", b"trak", b"mdia", b"moof", b"edts", b"mdat", b"stbl")),
        *(box(kind, length=HIGH) for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"moof", b"traf")),
        box(b"trak", box(b"edts", box(b"elst", b"\0\0\0\0\0\1\0\0", length=HIGH), length=HIGH)),
        box(b"trak", box(b"mdia", box(b"minf", length=HIGH), length=HIGH)),
        box(b"moof", box(b"traf", box(b"trun", bytes(8)))), box(b"free", length=0),
        b"\0\0\0\1free" + bytes(7) + b"\x10",
        b"\0", b"\xff", box(b"stsz", bytes(12)), box(b"stsc", b"\xff" * 12, length=HIGH), box(b"elst", b"\xff" * 20),
    ),
    "matroska": (
        b"\xec\x80", b"\xae\x80", b"\xae\x84\xe0\x82", b"\xec\x81\0", b"\x18\x53\x80\x67\x01" + b"\xff" * 7,
        b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7, b"\x16\x54\xae\x6b\x08\xff\xff\xff", b"\xae\x08\xff\xff\xff", b"\0",
        b"\xff",
    ),
    "avi": (
        chunk(b"JUNK"), chunk(b"LIST", b"strl"), chunk(b"LIST", b"strl", length=HIGH), chunk(b"LIST",
        b"hdrl", length=20),
        chunk(b"LIST", b"hdrl", length=16) + chunk(b"LIST", b"strl", length=HIGH), chunk(b"LIST", b"movi", length=HIGH),
        chunk(b"strh", b"vids", length=4), chunk(b"00dc"), chunk(b"RIFF", b"AVIX"), chunk(b"idx1",
        b"00dc" * 4, length=HIGH),
        chunk(b"indx", b"\4\0\0\0\xff\xff\xff\0" + bytes(16), length=HIGH), b"\0", b"strh",
    ),
    "mpegts": (b"G\x40\x11\x10\0\0\1" + bytes(181), b"G" + bytes(187), b"G", b"G\x40\0\x10\0\0\xb0" + b"\xff" * 181),
    "units": (
        b"\0\0\1", b"\0\0\1\6", b"\0\0\0\1\x67", b"\0\0\0\1\6", b"\0", b"\xff", b"\0\0\0\2\x67\x64",
        b"\x67\x64\0\x1f\xac",
        b"\0\0\3", b"\x80\0\1\0",
    ),
    "sound": (
        b"\xff\xf1\x50\x80\x01\xff\xfc", b"\xff\xfb\x90\0", b"\x0b\x77\0\0\0\0", b"\xff", b"\x0b\x77",
        b"ID3\4\0\0\0\0\0\0",
        b"OggS" + bytes(23), b"OggS\0\2" + bytes(20) + b"\1\7\x01vorbis", b"OggS\0\2" + bytes(20) + b"\1\1a", b"data",
        chunk(b"JUNK"), chunk(b"fmt "), chunk(b"data", length=HIGH), chunk(b"LIST") + b"data",
        b"\xff\xf1\x50\x80\0\xff\xfcID3",
    ),
    "segment": (
        b"G\x40\0\x10\0\0\xb0\x0d\0\1\xc1\0\0\0\1\xf0\0" + bytes(171), b"G\x40\0\x30\xff" + bytes(183),
        b"G" + bytes(187),
    ),
    "http": (
        b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n", b"5\r\nabcde\r\n", b"0\r\n\r\n", b"a",
        b": ", b"\xb2",
        b"HTTP/1.1 100 Continue\r\n\r\n", b"-5\r\n", b"0x5\r\n", b" ", b"X: y\r\n", b"9", b";", b"\0",
    ),
}  # fmt: skip
