"""Every known extension is recognised by content, and what is none of ours is named."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import KNOWN_EXTENSIONS, Kind, kind_of
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.containers import frames
from dreamlake_pipeline.media.containers import sniff as sniffing
from dreamlake_pipeline.media.containers.sniff import HEAD_BYTES, Sniffed

TEXTS = {
    ".vtt": b"\xef\xbb\xbfWEBVTT - a title\n\n00:01.000 --> 00:02.000\nHello\n",
    ".srt": b"1\r\n00:00:01,000 --> 00:00:02,500\r\nHello\r\n",
    ".jsonl": b'{"t": 0.1, "label": "grasp"}\n{"t": 0.2, "label": "lift"}\n',
    ".csv": b"time,label\n0.1,grasp\n0.2,lift\n",
}


def sniff(data: bytes) -> Sniffed | None:
    """What a file of these bytes is."""
    return sniffing.sniff(lambda at, length: data[at : at + length])


CLIPS = {
    ".mp4": "h264.mp4",
    ".avi": "mjpeg.avi",
    ".mkv": "remuxed.mkv",
    ".webm": "vp9.webm",
    ".wav": "speech.wav",
    ".mp3": "tone.mp3",
    ".flac": "tone.flac",
    ".aac": "tone.aac",
    ".ogg": "tone.ogg",
}


@pytest.mark.parametrize("extension", KNOWN_EXTENSIONS)
def test_every_known_extension_is_recognised_by_content(clip: Callable[[str], Path], extension: str) -> None:
    if extension in TEXTS:
        head = TEXTS[extension]
    elif extension == ".mov":
        head = b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00qt  "
    else:
        head = clip(CLIPS[extension]).read_bytes()[:HEAD_BYTES]
    found = sniff(head)
    assert found is not None
    assert (found.extension, found.kind) == (extension, kind_of("x" + extension))
    assert (found.demuxer is not None) == (found.kind in (Kind.VIDEO, Kind.AUDIO))


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"PK\x03\x04" + bytes(50), "zip"),
        (gzip.compress(b"hello", mtime=0), "gzip"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "jpeg"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "png"),
        (b"\x00\x00\x00\x1cftypheic" + bytes(50), "heif"),
        (b"RIFF\x00\x01\x00\x00WEBPVP8 ", "webp"),
        (b"%PDF-1.7\n", "pdf"),
        (b"Salted__" + bytes(range(8)), "encrypted"),
        (b"-----BEGIN PGP MESSAGE-----\n", "encrypted"),
        (b"PAR1" + bytes(10), "parquet"),
        (b"\x89MCAP0\r\n", "mcap"),
        (b"  <!doctype HTML><html>", "html"),
        (b"#EXTM3U\n#EXTINF:1,\na.ts\n", "m3u8"),
        (b"\n\n#EXTM3U\n", "m3u8"),
        (b"ffconcat version 1.0\nfile a.mp4\n", "ffconcat"),
        (b"file 'a.mp4'\nfile 'b.mp4'\n", "ffconcat"),
        (b'<?xml version="1.0"?>\n<!-- x --><MPD></MPD>', "dash"),
        (b'{\n  "a": 1,\n  "b": [1, 2]\n}\n', "json"),
        (b"[1, 2, 3]\n", "json"),
    ],
)
def test_what_is_none_of_ours_is_named_and_never_opened(head: bytes, container: str) -> None:
    found = sniff(head)
    assert found is not None
    assert (found.kind, found.container, found.extension, found.demuxer) == (None, container, "", None)


@pytest.mark.parametrize("head", [b"", b"just words, with a comma\n", b"\x00\x01\x02\x03" * 30])
def test_what_is_unknown_is_unknown(head: bytes) -> None:
    assert sniff(head) is None


def test_text_in_utf_16_is_text() -> None:
    found = sniff("time;label\n1;a\n2;b\n".encode("utf-16"))
    assert found is not None and found.extension == ".csv"


def id3(size: int, *, footer: bool = False) -> bytes:
    """A tag that holds a picture of so many bytes, which look like the start of an MP3 frame."""
    numbers = bytes((size >> shift) & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x04\0" + (b"\x10" if footer else b"\0") + numbers + b"\xff\xfb" * (size // 2) + bytes(10 * footer)


@pytest.mark.parametrize("rate", [48_000, 44_100, 32_000])
@pytest.mark.parametrize("codec", ["ac3", "eac3"])
def test_ac3_is_known_by_its_frames(encode: Callable[[str, Path], Path], tmp_path: Path, codec: str, rate: int) -> None:
    source = encode(f"-f lavfi -i sine=500:r={rate}:d=1 -c:a {codec}", tmp_path / f"sound.{codec}")
    result = make_audio(source, tmp_path / "out", filename=source.name)
    assert (result.container, result.codec, result.sample_rate) == (codec, codec, rate)
    assert result.duration == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "tag",
    [id3(20), id3(2**20), id3(2**20, footer=True), id3(70_000) + id3(2**20), id3(2**20) + bytes(3000)],
    ids=["small", "picture", "footer", "two tags", "padding"],
)
def test_what_lies_behind_a_tag_decides(clip: Callable[[str], Path], tag: bytes) -> None:
    for name in ("tone.mp3", "tone.aac", "tone.flac"):
        data = clip(name).read_bytes()
        found = sniff(tag + data[frames.id3_length(data) :])
        assert found is not None and found.extension == Path(name).suffix
    for garbage in (b"\xff\xfb" + bytes(range(256)) * 8, b"words\n" * 100, bytes(100)):
        found = sniff(tag + garbage)
        assert found is not None and (found.kind, found.demuxer) == (None, None)


def test_sound_behind_a_tag_and_something_else_is_found(clip: Callable[[str], Path]) -> None:
    found = sniff(id3(2**20) + b"\xff\xfb\x90 words " * 50 + clip("tone.mp3").read_bytes())
    assert found is not None and found.extension == ".mp3"


@pytest.mark.parametrize("name", ["tone.mp3", "tone.aac"])
def test_sound_behind_a_large_picture_is_processed(clip: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    data = clip(name).read_bytes()
    source = tmp_path / f"source{clip(name).suffix}"
    source.write_bytes(id3(2**20) + data[frames.id3_length(data) :])
    result = make_audio(source, tmp_path / "out", filename=name)
    assert (result.container, result.duration) == (name[-3:], pytest.approx(13, abs=0.06))


def test_a_file_that_ends_inside_its_tag_is_cut_off(tmp_path: Path) -> None:
    source = tmp_path / "song.mp3"
    source.write_bytes(id3(2**20)[:500_000])
    with pytest.raises(DreamlakeError, match="song") as caught:
        make_audio(source, tmp_path / "out", filename="song.mp3")
    assert caught.value.code is Code.MEDIA_TRUNCATED


@given(st.binary(max_size=400).flatmap(lambda data: st.sampled_from([data, b"ID3\x04\0\0" + data])))
def test_no_bytes_upset_it(head: bytes) -> None:
    found = sniff(head)
    assert found is None or found.container
