"""Every known extension is recognised by content, and what is none of ours is named."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.kinds import KNOWN_EXTENSIONS, Kind, kind_of
from dreamlake_pipeline.media.sniff import HEAD_BYTES, sniff

TEXTS = {
    ".vtt": b"\xef\xbb\xbfWEBVTT - a title\n\n00:01.000 --> 00:02.000\nHello\n",
    ".srt": b"1\r\n00:00:01,000 --> 00:00:02,500\r\nHello\r\n",
    ".jsonl": b'{"t": 0.1, "label": "grasp"}\n{"t": 0.2, "label": "lift"}\n',
    ".csv": b"time,label\n0.1,grasp\n0.2,lift\n",
}
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
        (gzip.compress(b"hello"), "gzip"),
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


@given(st.binary(max_size=400))
def test_no_bytes_upset_it(head: bytes) -> None:
    found = sniff(head)
    assert found is None or found.container
