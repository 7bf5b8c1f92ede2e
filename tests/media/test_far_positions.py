"""Sizes that lead to positions which no file has: what reads headers says nothing of what is there, and goes on."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.containers import ebml
from dreamlake_pipeline.media.containers.probe import probe

# The first is more than ext4 seeks to (16 TiB), the others more than XFS does, and than a signed number holds.
SIZES = (2**44 + 2**43, 2**56 - 2, 2**63 - 1, 2**64 - 1)
_BOXES = rb"ftyp|moov|mvhd|trak|edts|elst|mdia|mdhd|hdlr|minf|stbl|stsd|stts|stss|stsc|stsz|stco|udta|mdat|free"


def boxes(whole: bytes, size: int) -> Iterator[bytes]:
    for box in re.finditer(_BOXES, whole):
        at = box.start() - 4
        yield whole[:at] + struct.pack(">I4sQ", 1, box[0], size) + whole[at + 8 :]


def elements(whole: bytes, size: int) -> Iterator[bytes]:
    for at in range(min(len(whole), 500)):
        yield whole[:at] + b"\x01" + (size % 2**56).to_bytes(7, "big") + whole[at + 1 :]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("extension", "bent"), [("mp4", boxes), ("mkv", elements)])
def test_a_size_beyond_all_files_is_no_fault(
    extension: str,
    bent: Callable[[bytes, int], Iterator[bytes]],
    size: int,
    encode: Callable[[str, Path], Path],
    tmp_path: Path,
) -> None:
    whole = encode("-f lavfi -i testsrc=size=64x64:rate=10:duration=1", tmp_path / f"whole.{extension}").read_bytes()
    path = tmp_path / f"bent.{extension}"
    for bytes_ in bent(whole, size):
        path.write_bytes(bytes_)
        with suppress(DreamlakeError):
            probe(path, path.name, wanted=Kind.VIDEO)


@pytest.mark.parametrize("size", SIZES)
def test_elements_end_before_a_position_that_there_is_not(size: int, tmp_path: Path) -> None:
    """Where an outer size is as large, nothing else bounds the walk."""
    (tmp_path / "bent.mkv").write_bytes(ebml.TRACK_ENTRY + b"\x01" + (size % 2**56 - 1).to_bytes(7, "big") + bytes(99))
    with (tmp_path / "bent.mkv").open("rb") as file:
        assert len(list(ebml.children(file, 0, 2**60))) == 1
