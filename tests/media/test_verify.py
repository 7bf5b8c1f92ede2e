"""Verification finds what is wrong with segments: each test breaks good ones in one way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.containers import mpegts
from dreamlake_pipeline.media.hls import segments
from dreamlake_pipeline.media.hls.verify import Expected, verify
from dreamlake_pipeline.media.run import ffmpeg

Check = Callable[..., None]


@pytest.fixture
def folder(clip: Callable[[str], Path], tmp_path: Path) -> Path:
    """The two good segments of a clip of 7 s."""
    hls = ["-f", "hls", "-hls_time", "6", "-hls_list_size", "0", "-hls_segment_filename", str(tmp_path / "%05d.ts")]
    command = [ffmpeg.build().path, "-loglevel", "error", "-i", str(clip("h264.mp4")), "-c", "copy", *hls]
    subprocess.run([*command, str(tmp_path / "index.m3u8")], check=True)
    return tmp_path


def check(folder: Path, *, frames: int = 210, seconds: int = 7) -> None:
    written = segments.read_back(folder, "clip.mp4")
    assert written.video is not None
    stream = segments.to_stream(written, Fraction(written.video + 7 * mpegts.CLOCK), fps=Fraction(30), independent=True)
    expected = Expected(duration=Fraction(seconds), tolerance=Fraction(1, 30), frames=frames)
    verify(written, stream, expected, "clip.mp4")


def rejected(folder: Path, because: str, **expected: int) -> None:
    with pytest.raises(DreamlakeError) as caught:
        check(folder, **expected)
    assert caught.value.code is Code.OUTPUT_INVALID
    assert "clip.mp4" in caught.value.message and because in caught.value.message


def test_good_segments_pass(folder: Path) -> None:
    check(folder)


def test_a_missing_frame_is_found(folder: Path) -> None:
    rejected(folder, "as many frames", frames=211)


def test_a_wrong_duration_is_found(folder: Path) -> None:
    rejected(folder, "duration agrees", seconds=8)


def test_a_missing_packet_is_found(folder: Path) -> None:
    data = (folder / "00000.ts").read_bytes()
    (folder / "00000.ts").write_bytes(data[: 188 * 50] + data[188 * 51 :])
    rejected(folder, "")


def test_segments_in_the_wrong_order_are_found(folder: Path) -> None:
    (folder / "00000.ts").rename(folder / "00002.ts")
    rejected(folder, "")


def test_half_a_packet_is_found(folder: Path) -> None:
    data = (folder / "00001.ts").read_bytes()
    (folder / "00001.ts").write_bytes(data[:-100])
    rejected(folder, "multiple of 188")


def test_lost_sync_is_found(folder: Path) -> None:
    data = bytearray((folder / "00001.ts").read_bytes())
    data[188 * 7] = 0
    (folder / "00001.ts").write_bytes(data)
    rejected(folder, "sync byte")


def test_missing_tables_are_found(folder: Path) -> None:
    data = (folder / "00001.ts").read_bytes()
    rows = [data[at : at + 188] for at in range(0, len(data), 188)]
    (folder / "00001.ts").write_bytes(b"".join(row for row in rows if (row[1] & 31) << 8 | row[2] >= 0x100))
    rejected(folder, "programme tables")


def test_a_segment_that_does_not_start_with_an_idr_is_found(clip: Callable[[str], Path], tmp_path: Path) -> None:
    command = [ffmpeg.build().path, "-loglevel", "error", "-i", str(clip("open-gop.mkv")), "-c", "copy", "-f", "hls"]
    options = ["-hls_time", "2", "-hls_list_size", "0", "-hls_segment_filename", str(tmp_path / "%05d.ts")]
    subprocess.run([*command, *options, str(tmp_path / "index.m3u8")], check=True)
    rejected(tmp_path, "IDR", frames=270, seconds=9)


def test_nothing_written_is_found(tmp_path: Path) -> None:
    rejected(tmp_path, "no segment was written")
