"""What parsers of containers cost grows no faster than the file, whatever its shape: they are counted, not timed."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamlake_pipeline.media.containers import codecs, h264
from dreamlake_pipeline.media.containers import sniff as sniffing
from dreamlake_pipeline.media.containers.claims import read_claims
from dreamlake_pipeline.media.containers.encryption import is_encrypted
from dreamlake_pipeline.media.containers.integrity import look_for_end
from dreamlake_pipeline.media.containers.salvage import salvage
from dreamlake_pipeline.media.containers.samples import crowded_fragment


class Counting(io.BytesIO):
    """A file that counts how often it is read, and how many bytes that gives."""

    reads = given = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.reads += 1
        self.given += len(data)
        return data


PARSERS: dict[str, Callable[[Counting, str, Path], object]] = {
    "end": lambda file, demuxer, _: look_for_end(file, demuxer),
    "claims": lambda file, demuxer, _: read_claims(file, demuxer),
    "encryption": lambda file, demuxer, _: is_encrypted(file, demuxer),
    "codecs": lambda file, demuxer, _: codecs.codes(file, demuxer),
    "fragments": lambda file, demuxer, _: crowded_fragment(file) if demuxer == "mov" else None,
    "salvage": lambda file, demuxer, target: salvage(file, target, demuxer),
    "sniff": lambda file, demuxer, _: sniffing.sniff_file(file),
}


def box(kind: bytes, body: bytes = b"", *, length: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(body) if length is None else length, kind) + body


def wide(kind: bytes, length: int) -> bytes:
    return struct.pack(">I4sQ", 1, kind, length)


def nested(kinds: list[bytes], size: int) -> bytes:
    """Boxes of these kinds, one in the other, each of which claims to go on up to the end of `size` bytes."""
    return b"".join(box(kind, length=max(8, size - 8 * at)) for at, kind in enumerate(kinds))


TRACK = [b"mdia", b"minf", b"stbl", b"stsd"]
FTYP = box(b"ftyp", b"isom\0\0\0\0isom")


def movie(*held: bytes) -> bytes:
    return FTYP + box(b"mdat", bytes(8)) + box(b"moov", b"".join(held))


SEGMENT, CLUSTER, TRACKS = bytes.fromhex("18538067"), bytes.fromhex("1f43b675"), bytes.fromhex("1654ae6b")
UNKNOWN, EBML = b"\x01" + b"\xff" * 7, bytes.fromhex("1a45dfa380")

# Name -> its demuxer, and a file of about so many elements.
SHAPES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "empty boxes": ("mov", lambda n: FTYP + box(b"free") * n),
    "movies": ("mov", lambda n: FTYP + box(b"moov", box(b"trak", box(b"tkhd", bytes(80)))) * n),
    "tracks": ("mov", lambda n: movie(*[box(b"trak", nested(TRACK, 32)) for _ in range(n)])),
    "tracks that claim all": ("mov", lambda n: movie(*[box(b"trak", length=8 * n) for _ in range(n)])),
    "boxes in boxes": ("mov", lambda n: movie(nested([b"trak", *(TRACK * n)], 8 * 4 * n + 8))),
    "movies in movies": ("mov", lambda n: FTYP + nested([b"moov"] * n, 8 * n)),
    "entries": (
        "mov",
        lambda n: movie(box(b"trak", nested(TRACK, 40 + 36 * n) + bytes(8) + box(b"avc1", bytes(28)) * n)),
    ),
    "ends before it begins": ("mov", lambda n: movie(box(b"trak", wide(b"tkhd", 9) * n), bytes(16 * n))),
    "zero to the end": ("mov", lambda n: FTYP + box(b"moov", length=0) + box(b"trak", length=0) * n),
    "fragments": ("mov", lambda n: movie() + (box(b"moof", box(b"traf", box(b"trun", bytes(8)))) + box(b"mdat")) * n),
    "runs": ("mov", lambda n: movie() + box(b"moof", box(b"traf", box(b"trun", bytes(8))) * n) + box(b"mdat")),
    "cut off": ("mov", lambda n: movie(box(b"udta", bytes(n))) + box(b"mdat", bytes(n), length=2 * n + 100)),
    "segments": ("mov", lambda n: box(b"styp", b"msdh") * n),
    "void elements": ("matroska", lambda n: EBML + SEGMENT + UNKNOWN + b"\xec\x80" * n),
    "clusters": ("matroska", lambda n: EBML + SEGMENT + UNKNOWN + (CLUSTER + UNKNOWN + b"\xa3\x81\0") * n),
    "segments in segments": ("matroska", lambda n: EBML + (SEGMENT + UNKNOWN) * n),
    "beyond the end": ("matroska", lambda n: EBML + (SEGMENT + struct.pack(">Q", 1 << 56 | 1 << 40)) * n + bytes(n)),
    "tracks that claim too much": (
        "matroska",
        lambda n: EBML + SEGMENT + UNKNOWN + (TRACKS + struct.pack(">Q", 1 << 56 | 4 * n) + b"\xae\x84\xe0\x82") * n,
    ),
    "chunks": ("avi", lambda n: struct.pack("<4sI4s", b"RIFF", 10**9, b"AVI ") + struct.pack("<4sI", b"JUNK", 0) * n),
    "lists": (
        "avi",
        lambda n: struct.pack("<4sI4s", b"RIFF", 10**9, b"AVI ") + struct.pack("<4sI4s", b"LIST", 10**8, b"movi") * n,
    ),
    "pictures": (
        "avi",
        lambda n: (
            struct.pack("<4sI4s", b"RIFF", 10**9, b"AVI ")
            + struct.pack("<4sI4s", b"LIST", 10**8, b"movi")
            + struct.pack("<4sI", b"00dc", 0) * n
        ),
    ),
    "packets": ("mpegts", lambda n: (b"G\x40\x11\x10\0\0\1" + bytes(181)) * n),
    "programmes": ("mpegts", lambda n: b"".join(b"G\x40" + bytes([n % 256, 16]) + bytes(184) for n in range(n))),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("parser", PARSERS)
def test_work_grows_no_faster_than_the_file(parser: str, shape: str, tmp_path: Path) -> None:
    demuxer, make = SHAPES[shape]
    reads, sizes = [], []
    for number in (250, 500, 1000):
        file = Counting(make(number))
        PARSERS[parser](file, demuxer, tmp_path / "part")
        sizes.append(len(file.getvalue()))
        reads.append(file.reads)
        assert file.reads <= 12 * number + 1000, "a few reads for each element"
        assert file.given <= 24 * file.reads + 4 * sizes[-1] + 2**21, "no more bytes than there are, a few times over"
    exponent = math.log2(max(1, reads[-1]) / max(1, reads[-2]))
    assert exponent < 1.2, (reads, sizes)


@pytest.mark.parametrize("depth", [100, 60_000])
@pytest.mark.parametrize("form", ["[" * 1, '{"a":', '{"a":1}\n[', "[[1,2],"])
def test_brackets_of_any_depth_are_sniffed(form: str, depth: int) -> None:
    found = sniffing.sniff_file(io.BytesIO((form * depth + "\n").encode()))
    assert found is None or found.demuxer is None


@pytest.mark.parametrize(
    "text",
    ["\n", " ", "1", "1:", "00:00", "a,", '"', "file ", "-", "\t1", "\\", "'", "#\n", "1.1e1 ", "{", "00:00:00,0 --> "],
)
def test_no_text_takes_long_to_sniff(text: str) -> None:
    head = (text * sniffing.HEAD_BYTES)[: sniffing.HEAD_BYTES].encode()
    for data in (head, b"file " + head, b"1\n" + head, b"x\n" + head + b"!"):
        started = time.process_time()
        sniffing.sniff_file(io.BytesIO(data))
        assert time.process_time() - started < 1


@pytest.mark.parametrize("filling", [b"\xff", b"\x55", b"\x80\x00\x01\x00"])
def test_a_parameter_set_of_any_size_is_read_at_once(filling: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(ValueError):
        h264.parse_sps(memoryview(b"\x67\x64\x00\x1f" + filling * 2**20))
    assert time.process_time() - started < 1
