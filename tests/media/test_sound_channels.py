"""Channels with and without places: all that should be heard is heard, and measured."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.results import Stream
from dreamlake_pipeline.media.video.make import make_video

RATE, SECONDS = 16_000, 1.5
AMPLITUDE = 0.25
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def hertz(channel: int) -> int:
    return 300 + 100 * channel


def tones(channels: int) -> np.ndarray:
    time = np.arange(round(SECONDS * RATE)) / RATE
    return np.stack([AMPLITUDE * np.sin(2 * np.pi * hertz(channel) * time) for channel in range(channels)], axis=1)


def wav(channels: int, mask: int | None) -> bytes:
    """16 bits; a `mask` of None is a header without any."""
    data = (tones(channels) * 32767).astype("<i2").tobytes()
    block = 2 * channels
    head = struct.pack("<HHIIHH", 1 if mask is None else 0xFFFE, channels, RATE, RATE * block, block, 16)
    head += b"" if mask is None else struct.pack("<HHI", 22, 16, mask) + PCM_GUID
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


WITHOUT_PLACES = [
    *((channels, mask) for channels in (3, 4, 6, 8) for mask in (None, 0)),
    (16, 0),
    (64, 0),
    (4, 0x3),  # a mask with fewer places than channels
    (3, 0x15),  # left, middle and rear left: nothing that could be mixed
]


@pytest.mark.parametrize(("channels", "mask"), WITHOUT_PLACES)
def test_channels_without_places_are_heard_and_measured_alike(
    written: Callable[[str, bytes], Path],
    tmp_path: Path,
    hear: Callable[[Stream], Any],
    channels: int,
    mask: int | None,
) -> None:
    result = make_audio(written("array.wav", wav(channels, mask)), tmp_path / "out", filename="array.wav")
    assert result.channels == channels
    assert any(reason.startswith("audio_channels: ") for reason in result.transcode_reasons)
    heard = hear(result.streams[0])
    assert heard.samples.shape[1] == 1
    levels = [heard.level(hertz(channel), 0.2, 1.3) for channel in range(channels)]
    each = 20 * math.log10(AMPLITUDE / channels)
    assert levels == pytest.approx([each] * channels, abs=2 if channels > 16 else 1)
    assert np.abs(heard.samples).max() <= AMPLITUDE * 1.1
    # Weights of 1.0; K-weighting lifts what is above 1 kHz by up to 4 dB (ITU-R BS.1770).
    power = -0.691 + 10 * math.log10(channels * AMPLITUDE**2 / 2)
    assert power - 1 < result.integrated < power + 4 if result.integrated else False


@pytest.mark.parametrize(("channels", "mask"), [(1, 0), (1, 0x8), (2, 0), (2, 0x3), (2, 0x30), (2, 0x5)])
def test_one_or_two_channels_are_left_and_right_wherever_they_are_said_to_be(
    written: Callable[[str, bytes], Path], tmp_path: Path, hear: Callable[[Stream], Any], channels: int, mask: int
) -> None:
    result = make_audio(written("pair.wav", wav(channels, mask)), tmp_path / "out", filename="pair.wav")
    heard = hear(result.streams[0])
    assert heard.samples.shape[1] == channels
    for channel in range(channels):
        assert heard.level(hertz(channel), 0.2, 1.3) == pytest.approx(20 * math.log10(AMPLITUDE), abs=1)
    assert result.integrated == pytest.approx(-0.691 + 10 * math.log10(channels * AMPLITUDE**2 / 2), abs=1)


def test_surround_with_places_is_mixed_to_stereo(
    written: Callable[[str, bytes], Path], tmp_path: Path, hear: Callable[[Stream], Any]
) -> None:
    result = make_audio(written("surround.wav", wav(6, 0x3F)), tmp_path / "out", filename="surround.wav")
    heard = hear(result.streams[0])
    assert heard.samples.shape[1] == 2
    assert heard.level(hertz(0), 0.2, 1.3) > heard.level(hertz(4), 0.2, 1.3) + 2
    assert heard.level(hertz(3), 0.2, 1.3) < -60  # low-frequency effects


def test_more_channels_than_can_be_read_are_refused(written: Callable[[str, bytes], Path], tmp_path: Path) -> None:
    with pytest.raises(DreamlakeError) as caught:
        make_audio(written("wall.wav", wav(65, 0)), tmp_path / "out", filename="wall.wav")
    assert caught.value.code is Code.MEDIA_UNSUPPORTED
    assert "65 channels" in caught.value.message and "64" in caught.value.message


@pytest.mark.parametrize("name", ["front.mov", "front.mkv"])
def test_the_sound_of_a_video_has_all_its_microphones(
    written: Callable[[str, bytes], Path],
    encode: Callable[[str, Path], Path],
    tmp_path: Path,
    hear: Callable[[Stream], Any],
    name: str,
) -> None:
    sound = written("array.wav", wav(3, 0))
    picture = "-f lavfi -i testsrc2=size=64x64:rate=25:d=1.5"
    source = encode(
        f"{picture} -guess_layout_max 0 -i {sound} -c:v libx264 -preset ultrafast -c:a pcm_s16le", tmp_path / name
    )
    heard = hear(make_video(source, tmp_path / "out", filename=name).streams[0])
    for channel in range(3):
        assert heard.level(hertz(channel), 0.2, 1.3) == pytest.approx(20 * math.log10(AMPLITUDE / 3), abs=1.5)
