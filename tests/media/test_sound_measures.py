"""Measures have a domain: outside of it there is none, and the result says why."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.audio.waveform import Cleaner
from dreamlake_pipeline.media.results import AudioResult, Stream

Make = Callable[[np.ndarray, int], AudioResult]


@pytest.fixture
def make(tmp_path: Path, written: Callable[[str, bytes], Path]) -> Make:
    """The result of a WAV of the samples (any format that WAV has) at a rate."""

    def run(samples: np.ndarray, rate: int) -> AudioResult:
        channels = samples.shape[1] if samples.ndim > 1 else 1
        width = samples.dtype.itemsize
        tag = 3 if samples.dtype.kind == "f" else 1
        head = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * width, channels * width, 8 * width)
        data = samples.tobytes()
        body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
        source = written("sound.wav", b"RIFF" + struct.pack("<I", len(body)) + body)
        return make_audio(source, tmp_path / "out", filename="sound.wav")

    return run


def tone(seconds: float, rate: int, amplitude: float = 0.25, hertz: float = 1000) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize(
    ("seconds", "amplitude", "measured", "why"),
    [
        (0.05, 0.25, (False, False, True), "0.4 s"),
        (0.39, 0.25, (False, False, True), "0.4 s"),
        (0.5, 0.25, (True, False, True), "4 s"),
        (3.5, 0.25, (True, False, True), "4 s"),
        (4.5, 0.25, (True, True, True), None),
        (4.5, 0.0002, (False, False, True), "-70 LUFS"),
        (4.5, 0, (False, False, False), "silence"),
        (0.1, 0, (False, False, False), "silence"),
    ],
)
def test_what_can_not_be_measured_is_null_with_a_reason(
    make: Make, seconds: float, amplitude: float, measured: tuple[bool, bool, bool], why: str | None
) -> None:
    result = make((tone(seconds, 8000, amplitude) * 32767).astype("<i2"), 8000)
    values = (result.integrated, result.loudness_range, result.true_peak)
    assert tuple(value is not None for value in values) == measured
    assert (result.unmeasured is None) == (why is None)
    assert why is None or why in (result.unmeasured or "")
    assert (result.peak_db is None) == (amplitude == 0)


@pytest.mark.parametrize("rate", [192_000, 384_000])
def test_at_rates_beyond_all_hearing_the_true_peak_is_the_highest_sample(make: Make, rate: int) -> None:
    result = make((tone(0.25, rate, hertz=rate / 5) * 32767).astype("<i2"), rate)
    assert result.sample_rate == rate
    assert result.peak_db == pytest.approx(-12.04, abs=0.5)
    assert result.true_peak == pytest.approx(result.peak_db, abs=0.06)


@pytest.mark.parametrize("kind", ["<f4", "<f8"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seconds", [4, 8])
def test_samples_that_are_no_numbers_are_silence(
    make: Make, hear: Callable[[Stream], Any], kind: str, channels: int, seconds: int
) -> None:
    samples = np.repeat(tone(seconds, 8000)[:, None], channels, axis=1).astype(kind)
    samples[12_000, 0], samples[12_001:12_005, -1] = np.nan, np.inf
    samples[12_005, 0] = 1e30
    result = make(samples, 8000)
    assert result.duration == seconds
    assert result.peak_db == pytest.approx(-12.04, abs=0.05)
    assert result.integrated == pytest.approx(make(np.nan_to_num(samples, posinf=0) * (samples < 1), 8000).integrated)
    assert any("6 samples are no numbers" in warning and "at 1.50 s" in warning for warning in result.warnings)
    assert hear(result.streams[0]).level(1000, 2, seconds - 0.1) == pytest.approx(
        -12 - 20 * np.log10(1), abs=1
    )  # the same tone in all channels, each with its part of it


def test_a_peak_above_full_scale_is_what_it_is(make: Make) -> None:
    result = make(tone(1, 8000, 1.5).astype("<f4"), 8000)
    assert result.peak_db == pytest.approx(3.52, abs=0.05)
    assert result.warnings == ()


def test_integers_in_floating_point_are_told_of(make: Make) -> None:
    result = make(tone(1, 8000, 8192).astype("<f4"), 8000)
    assert any("+78.3 dBFS, far above full scale" in warning for warning in result.warnings)


def test_the_cleaner_takes_pieces_of_any_length() -> None:
    samples = np.array([0.5, np.nan, -0.25, np.inf, -np.inf, 1e7, 1.0], dtype="<f4")
    data, clean = samples.tobytes(), Cleaner()
    cleaned = b"".join(clean(data[at : at + 3]) for at in range(0, len(data), 3))
    assert np.frombuffer(cleaned, dtype="<f4").tolist() == [0.5, 0, -0.25, 0, 0, 0, 1]
