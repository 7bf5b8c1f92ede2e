"""Every known extension is recognised by content, and what is none of ours is named."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import KNOWN_EXTENSIONS, MEDIA, Kind, kind_of
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.containers import frames
from dreamlake_pipeline.media.containers import sniff as sniffing
from dreamlake_pipeline.media.containers.holds import kind_of_content
from dreamlake_pipeline.media.containers.sniff import Sniffed, extensions_of
from dreamlake_pipeline.media.labels.make import make_label_track
from dreamlake_pipeline.media.text.make import make_text_track
from dreamlake_pipeline.media.video.make import make_video

TEXTS = {
    ".vtt": b"\xef\xbb\xbfWEBVTT - a title\n\n00:01.000 --> 00:02.000\nHello\n",
    ".srt": b"1\r\n00:00:01,000 --> 00:00:02,500\r\nHello\r\n",
    ".jsonl": b'{"t": 0.1, "label": "grasp"}\n{"t": 0.2, "label": "lift"}\n',
    ".ndjson": b'{"t": 0.1, "label": "grasp"}\n{"t": 0.2, "label": "lift"}\n',
    ".csv": b"time,label\n0.1,grasp\n0.2,lift\n",
    ".tsv": b"time\tlabel\n0.1\tgrasp\n0.2\tlift\n",
}


def sniff(data: bytes) -> Sniffed | None:
    """What a file of these bytes is."""
    return sniffing.sniff(lambda at, length: data[at : at + length])


# How a file of each extension is made: options of ffmpeg, for a second of sound or of pictures with sound.
_H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"
MEDIA_FILES = {
    **dict.fromkeys((".mp4", ".mov", ".mkv", ".m4v", ".3gp", ".3g2", ".ts"), _H264),
    **dict.fromkeys((".mts", ".m2t"), f"{_H264} -f mpegts"),
    ".m2ts": f"{_H264} -mpegts_m2ts_mode 1",
    ".qt": f"{_H264} -f mov",
    ".mk3d": f"{_H264} -f matroska",
    ".avi": "-c:v mjpeg -c:a pcm_s16le",
    ".webm": "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus",
    **dict.fromkeys((".wav", ".mp3", ".flac", ".aac", ".ogg", ".opus", ".mp2", ".ac3", ".eac3"), ""),
    ".oga": "-c:a flac -f oga",
    ".m4a": "-c:a aac",
    ".m4b": "-c:a aac -f ipod",
    ".mka": "-c:a libopus -f matroska",
    ".weba": "-c:a libopus -f webm",
    ".wave": "-f wav",
    ".mpga": "-f mp3",
    ".ec3": "-f eac3",
    ".amr": "-c:a libopencore_amrnb -ar 8000",
}


@pytest.fixture
def made(encode: Callable[[str, Path], Path], tmp_path: Path) -> Callable[[str], Path]:
    def make(extension: str) -> Path:
        path = tmp_path / f"x{extension}"
        if extension in TEXTS:
            path.write_bytes(TEXTS[extension])
            return path
        picture = "-f lavfi -i testsrc2=size=160x120:rate=25" if kind_of(path.name) is Kind.VIDEO else ""
        sound = "-f lavfi -i sine=440:sample_rate=48000"
        return encode(f"{picture} {sound} -t 1 {MEDIA_FILES[extension]}", path)

    return make


@pytest.mark.parametrize("extension", KNOWN_EXTENSIONS)
def test_every_known_extension_is_read(made: Callable[[str], Path], tmp_path: Path, extension: str) -> None:
    """What the table of kinds promises of an extension is so: its files are recognised by content, and processed."""
    source, kind = made(extension), kind_of("x" + extension)
    with source.open("rb") as file:
        found = sniffing.sniff_file(file)
        assert found is not None
        assert (kind_of_content(file, found) or found.kind) is kind
    assert kind_of("x" + found.extension) in ((kind,) if kind not in MEDIA else MEDIA)
    assert (found.demuxer is not None) == (kind in MEDIA)
    if kind in MEDIA:
        assert extension in extensions_of(found.container)
    out = tmp_path / "out"
    out.mkdir()
    if kind is Kind.VIDEO:
        assert make_video(source, out, filename=source.name).duration == pytest.approx(1, abs=0.1)
    elif kind is Kind.AUDIO:
        assert make_audio(source, out, filename=source.name).duration == pytest.approx(1, abs=0.1)
    elif kind is Kind.LABEL_TRACK:
        assert make_label_track(source, out, filename=source.name).entries == 2
    else:
        assert make_text_track(source, out, filename=source.name).cues == 1


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
