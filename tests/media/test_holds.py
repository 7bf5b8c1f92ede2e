"""Whether a file holds pictures or sound, by the header of its container."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.containers.holds import kind_of_content
from dreamlake_pipeline.media.containers.sniff import sniff_file
from dreamlake_pipeline.media.run import ffmpeg

PICTURE = "-f lavfi -i testsrc2=size=64x48:rate=10:duration=1"
SOUND = "-f lavfi -i sine=440:duration=1"
VIDEO = "-c:v mpeg4"


def encode(path: Path, *words: str) -> Path:
    command = [ffmpeg.build().path, "-loglevel", "error", *" ".join(words).split(), str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


def held(path: Path) -> Kind | None:
    with path.open("rb") as file:
        sniffed = sniff_file(file)
        assert sniffed is not None
        return kind_of_content(file, sniffed)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("last.mp4", "-c:a aac"),
        ("first.mp4", "-c:a aac -movflags +faststart"),
        ("fragments.mp4", "-c:a aac -movflags +frag_keyframe+empty_moov"),
        ("memo.mov", "-c:a aac"),
        ("brand.mp4", "-c:a aac -f ipod"),
        ("memo.mkv", "-c:a libopus"),
        ("recorder.webm", "-c:a libopus"),
        ("live.webm", "-c:a libopus -live 1"),
        ("memo.avi", "-c:a pcm_s16le"),
        ("memo.wav", ""),
        ("memo.mp3", ""),
        ("memo.ogg", "-c:a libopus"),
    ],
)
def test_sound_only(tmp_path: Path, name: str, options: str) -> None:
    assert held(encode(tmp_path / name, SOUND, options)) is Kind.AUDIO


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("both.mp4", "-c:a aac"),
        ("both.mov", "-c:a aac -movflags +faststart"),
        ("fragments.mp4", "-c:a aac -movflags +frag_keyframe+empty_moov"),
        ("both.mkv", "-c:a aac"),
        ("both.avi", "-c:a pcm_s16le"),
        ("silent.mp4", "-an"),
        ("silent.mkv", "-an"),
    ],
)
def test_pictures(tmp_path: Path, name: str, options: str) -> None:
    assert held(encode(tmp_path / name, PICTURE, SOUND, VIDEO, options)) is Kind.VIDEO


def test_chapter_pictures_make_no_video_of_an_audio_book(tmp_path: Path) -> None:
    plain = encode(tmp_path / "both.mp4", PICTURE, SOUND, VIDEO, "-c:a aac").read_bytes()
    (tmp_path / "book.m4b").write_bytes(plain.replace(b"ftypisom", b"ftypM4B ", 1))
    assert held(tmp_path / "book.m4b") is Kind.AUDIO


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_a_header_that_is_not_there_says_nothing_and_none_raises(tmp_path: Path, name: str) -> None:
    whole = encode(tmp_path / name, SOUND, "-c:a aac -movflags +faststart" if name.endswith("mp4") else "-c:a aac")
    content = whole.read_bytes()
    for end in range(12, min(len(content), 2000), 7):
        file = io.BytesIO(content[:end])
        sniffed = sniff_file(file)
        assert sniffed is not None
        assert kind_of_content(file, sniffed) in (None, Kind.AUDIO)


def test_text_is_no_media() -> None:
    file = io.BytesIO(b"t,x\n1,2\n")
    sniffed = sniff_file(file)
    assert sniffed is not None and kind_of_content(file, sniffed) is None
