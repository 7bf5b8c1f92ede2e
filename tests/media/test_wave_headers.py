"""WAV headers that are not so: sizes, pad bytes and formats that do not agree with the file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.audio import make as making
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.results import AudioResult, Stream

Make = Callable[[bytes], AudioResult]
RATE, HERTZ = 8000, 500
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def tone(seconds: float, channels: int = 1) -> np.ndarray:
    samples = 0.25 * np.sin(2 * np.pi * HERTZ * np.arange(round(seconds * RATE)) / RATE)
    return np.repeat(samples[:, None], channels, axis=1)


def pcm(seconds: float) -> bytes:
    return (tone(seconds) * 32767).astype("<i2").tobytes()


def chunk(name: bytes, body: bytes, *, size: int | None = None, pad: bool = True) -> bytes:
    length = len(body) if size is None else size
    return name + struct.pack("<I", length) + body + b"\0" * (pad and len(body) & 1)


def fmt(channels: int = 1, bits: int = 16, block: int | None = None, tag: int = 1, extension: bytes = b"") -> bytes:
    block = channels * bits // 8 if block is None else block
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, RATE, RATE * block, block, bits) + extension)


def wav(*chunks: bytes, size: int | None = None, form: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body) if size is None else size) + body


def ds64(length: int) -> bytes:
    return chunk(b"ds64", struct.pack("<QQQI", length + 80, length, length // 2, 0))


LIST = chunk(b"LIST", b"INFOISFT" + struct.pack("<I", 6) + b"maker\0")
ODD_LIST = chunk(b"LIST", b"INFOISFT" + struct.pack("<I", 5) + b"maker", pad=False)


@pytest.fixture
def make(tmp_path: Path, written: Callable[[str, bytes], Path]) -> Make:
    def run(data: bytes) -> AudioResult:
        return make_audio(written("sound.wav", data), tmp_path / "out", filename="sound.wav")

    return run


@pytest.fixture(params=["short", "long"])
def seconds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Of a recording that is made in this process, and of one that ffmpeg makes."""
    if request.param == "long":
        monkeypatch.setattr(making.short, "MOST_BYTES", 0)
    return 4


WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "as it should be": lambda data: wav(fmt(), chunk(b"data", data), LIST),
    "no size": lambda data: wav(fmt(), chunk(b"data", data, size=0), size=0),
    "the size of a pipe": lambda data: wav(fmt(), chunk(b"data", data, size=2**32 - 1), size=2**32 - 1),
    "a size of nearly two gigabytes": lambda data: wav(fmt(), chunk(b"data", data, size=0x7FFFFFD4), size=0x7FFFFFF8),
    "a RIFF size that is wrong": lambda data: wav(fmt(), chunk(b"data", data), size=17),
    "RF64 without a length": lambda data: wav(ds64(0), fmt(), chunk(b"data", data, size=2**32 - 1), form=b"RF64"),
    "RF64": lambda data: wav(ds64(len(data)), fmt(), chunk(b"data", data, size=2**32 - 1), form=b"RF64"),
    "no pad byte before the sound": lambda data: wav(fmt(), ODD_LIST, chunk(b"data", data)),
    "no pad byte behind the sound": lambda data: wav(fmt(), chunk(b"data", data), ODD_LIST, LIST),
    "a block of other bytes": lambda data: wav(fmt(block=4), chunk(b"data", data)),
    "a block of no bytes": lambda data: wav(fmt(block=0), chunk(b"data", data)),
    "an ID3 tag behind it": lambda data: wav(fmt(), chunk(b"data", data)) + b"ID3\x04\0\0\0\0\x70\0" + b"title" * 2800,
    "an old tag behind it": lambda data: wav(fmt(), chunk(b"data", data)) + b"TAG" + b" " * 125,
}  # fmt: skip


@pytest.mark.parametrize("form", WHOLE)
def test_a_wrong_header_costs_no_sound(make: Make, hear: Callable[[Stream], Any], seconds: int, form: str) -> None:
    result = make(WHOLE[form](pcm(seconds)))
    assert result.duration == seconds
    assert result.warnings == ()
    heard = hear(result.streams[0])
    for begin, end in ((0.1, 1), (1, 3.9)):
        assert heard.level(HERTZ, begin, end) == pytest.approx(-12, abs=1)


@pytest.mark.parametrize("behind", [b"", LIST])
def test_a_recorder_that_died_before_it_wrote_its_sizes(
    make: Make, hear: Callable[[Stream], Any], seconds: int, behind: bytes
) -> None:
    result = make(wav(fmt(), chunk(b"data", pcm(seconds), size=2 * RATE), behind, size=2 * RATE + 36))
    assert result.duration == seconds
    assert hear(result.streams[0]).level(HERTZ, 1.1, 3.9) == pytest.approx(-12, abs=1)
    assert any("announces 1.0 s of sound; 4.0 s are there" in warning for warning in result.warnings)


def test_what_was_never_written_is_no_sound(make: Make) -> None:
    result = make(wav(fmt(), chunk(b"data", pcm(2))) + bytes(50_000))
    assert result.duration == 2
    assert any("50,000 empty bytes" in warning for warning in result.warnings)


def test_joined_files_are_told_of(make: Make) -> None:
    one = wav(fmt(), chunk(b"data", pcm(2)))
    result = make(one + one)
    assert result.duration == 2
    assert any("Another WAV file follows" in warning and f"{len(one):,}" in warning for warning in result.warnings)


def test_a_few_milliseconds_less_than_announced_are_no_damage(make: Make, seconds: int) -> None:
    data = pcm(seconds)
    result = make(wav(fmt(), chunk(b"data", data, size=len(data) + 320)))
    assert result.duration == seconds
    assert any("announces 20 ms more" in warning for warning in result.warnings)


def test_a_chunk_that_leads_nowhere_does_not_hide_the_sound(make: Make) -> None:
    result = make(wav(fmt(), chunk(b"LIST", b"INFO", size=99_999_999), chunk(b"data", pcm(2))))
    assert result.duration == 2
    assert any("wrong size" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (wav(fmt(), chunk(b"data", pcm(2), size=2 * RATE * 9)), "112,000 bytes that its header announces are missing"),
        (
            wav(ds64(10**6), fmt(), chunk(b"data", pcm(2), size=2**32 - 1), form=b"RF64"),
            "968,000 bytes that its header",
        ),
        (wav(fmt(), LIST), "its sound (the chunk `data`) is missing"),
        (wav(chunk(b"data", pcm(2))), "the description of its sound (the chunk `fmt `) is missing"),
    ],
)
def test_what_is_not_there_is_named(make: Make, data: bytes, message: str) -> None:
    with pytest.raises(DreamlakeError) as caught:
        make(data)
    assert caught.value.code is Code.MEDIA_TRUNCATED
    assert message in caught.value.message


@pytest.mark.parametrize(
    "form",
    [
        fmt(2, bits=24, block=8),
        fmt(2, bits=24, block=8, tag=0xFFFE, extension=struct.pack("<HHI", 22, 24, 3) + PCM_GUID),
        fmt(2, bits=32, tag=0xFFFE, extension=struct.pack("<HHI", 22, 24, 3) + PCM_GUID),
    ],
    ids=["plain", "by its bits", "by its valid bits"],
)
def test_24_bits_in_four_bytes(make: Make, hear: Callable[[Stream], Any], seconds: int, form: bytes) -> None:
    samples = (tone(seconds, 2) * (2**23 - 1)).astype("<i4") << 8
    result = make(wav(form, chunk(b"data", samples.astype("<i4").tobytes())))
    assert (result.codec, result.duration) == ("pcm_s32le", seconds)
    assert result.peak_db == pytest.approx(-12.04, abs=0.05)
    assert hear(result.streams[0]).level(HERTZ, 0.1, 3.9) == pytest.approx(-9, abs=1)
