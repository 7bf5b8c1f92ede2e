"""Real sound through make_audio: as long as what went in, playable, and measured."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.results import AudioResult, Stream

Make = Callable[[Path], AudioResult]

# 8 kHz, mono, 16 bits, and a data chunk of no bytes.
EMPTY_WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda source: make_audio(source, tmp_path / "out", filename=f"/microphone/{source.name}")


@pytest.mark.parametrize(
    ("name", "seconds", "codec", "mode"),
    [
        ("speech.wav", 0.6435, "pcm_s16le", "transcode"),
        ("stereo.wav", 13, "pcm_s24le", "transcode"),
        ("surround.wav", 2, "pcm_s16le", "transcode"),
        ("silence.wav", 4, "pcm_s16le", "transcode"),
        ("tone.mp3", 13, "mp3", "transcode"),
        ("tone.flac", 13, "flac", "transcode"),
        ("tone.ogg", 13, "opus", "transcode"),
        ("vorbis.ogg", 13, "vorbis", "transcode"),
        ("tone.m4a", 13, "aac", "copy"),
    ],
)
def test_the_sound_comes_out_as_long_as_it_was(
    clip: Callable[[str], Path],
    make: Make,
    play: Callable[[Stream], Any],
    name: str,
    seconds: float,
    codec: str,
    mode: str,
) -> None:
    result = make(clip(name))
    stream = result.streams[0]
    played = play(stream)
    frame = 1024 / played.sample_rate
    assert (result.codec, result.mode) == (codec, mode)
    assert result.duration == pytest.approx(seconds, abs=1e-3)
    assert result.duration == pytest.approx(float(sum(segment.duration for segment in stream.segments)))
    assert played.samples / played.sample_rate == pytest.approx(seconds, abs=2 * frame)
    assert stream.codecs == "mp4a.40.2" and stream.width is None
    assert all(check["ok"] for check in result.conformance["checks"])
    assert all(segment.duration < 7 for segment in stream.segments)


def test_adts_is_kept_and_counts_the_priming_that_it_can_not_mark(clip: Callable[[str], Path], make: Make) -> None:
    result = make(clip("tone.aac"))
    assert result.mode == "copy"
    assert result.duration == pytest.approx(13, abs=2 * 1024 / 44_100)


def test_loudness_and_peaks_are_those_of_the_original(clip: Callable[[str], Path], make: Make) -> None:
    result = make(clip("stereo.wav"))
    assert (result.sample_rate, result.channels) == (44_100, 2)
    assert result.peak_db == pytest.approx(20 * math.log10(0.4), abs=0.05)
    # Two sines, of amplitude 0.4 and 0.2: mean power (0.4² + 0.2²) / 4.
    assert result.rms_db == pytest.approx(10 * math.log10((0.16 + 0.04) / 4), abs=0.05)
    # A sine well under 1 kHz reads -0.691 dB plus the power of both channels (ITU-R BS.1770).
    assert result.integrated == pytest.approx(-0.691 + 10 * math.log10(0.16 / 2 + 0.04 / 2), abs=0.7)
    assert result.true_peak == pytest.approx(result.peak_db, abs=0.5)
    assert result.loudness_range == pytest.approx(0, abs=0.2)


def test_silence_has_nothing_to_measure(clip: Callable[[str], Path], make: Make) -> None:
    result = make(clip("silence.wav"))
    assert (result.integrated, result.loudness_range, result.true_peak) == (None, None, None)
    assert (result.peak_db, result.rms_db) == (None, None)
    assert result.waveform_png.startswith(b"\x89PNG")


def test_the_waveform_is_what_players_read(clip: Callable[[str], Path], make: Make) -> None:
    waveform = json.loads(make(clip("speech.wav")).waveform_json)
    assert {key: waveform[key] for key in ("version", "channels", "sample_rate", "samples_per_pixel", "bits")} == {
        "version": 2,
        "channels": 1,
        "sample_rate": 8000,
        "samples_per_pixel": 80,
        "bits": 8,
    }
    assert waveform["length"] == math.ceil(0.6435 * 100) == len(waveform["data"]) // 2
    assert 60 <= max(waveform["data"]) <= 64 and -65 <= min(waveform["data"]) <= -60


def test_the_same_sound_gives_the_same_chunks(clip: Callable[[str], Path], tmp_path: Path) -> None:
    hashes = [
        [segment.sha256 for segment in make_audio(clip("tone.mp3"), tmp_path / run, filename=run).streams[0].segments]
        for run in ("first", "second")
    ]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("name", ["stereo.wav", "tone.flac", "tone.m4a", "tone.mp3", "tone.ogg"])
def test_a_cut_off_recording_is_found_out(cut: Callable[[str, float], Path], make: Make, name: str) -> None:
    with pytest.raises(DreamlakeError) as caught:
        make(cut(name, 0.5))
    assert caught.value.code is Code.MEDIA_TRUNCATED
    assert name in caught.value.message


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("empty.wav", b"", Code.FILE_EMPTY),
        ("notes.wav", b"no sound at all, only words\n", Code.NOT_MEDIA),
        ("header.wav", EMPTY_WAV, Code.NO_AUDIO),
        ("photo.mp3", b"\xff\xd8\xff\xe0" + bytes(300), Code.NOT_MEDIA),
    ],
)
def test_what_is_no_sound_is_refused_by_name(
    written: Callable[[str, bytes], Path], make: Make, name: str, data: bytes, code: Code
) -> None:
    with pytest.raises(DreamlakeError) as caught:
        make(written(name, data))
    assert caught.value.code is code
    assert name in caught.value.message


def test_a_stray_damaged_frame_is_left_out_with_a_warning(
    clip: Callable[[str], Path], written: Callable[[str, bytes], Path], make: Make
) -> None:
    result = make(written("old.mp3", clip("tone.mp3").read_bytes()[:-200] + b"TAG" + b" " * 125))
    assert result.duration == pytest.approx(13, abs=0.1)


def test_sound_that_is_mostly_noise_is_refused(
    clip: Callable[[str], Path], written: Callable[[str, bytes], Path], make: Make
) -> None:
    data = bytearray(clip("tone.flac").read_bytes())
    for at in range(len(data) // 4, len(data), 97):
        data[at] ^= 0xFF
    with pytest.raises(DreamlakeError) as caught:
        make(written("noise.flac", bytes(data)))
    assert caught.value.code in (Code.MEDIA_CORRUPT, Code.MEDIA_TRUNCATED)


def test_a_video_without_sound_is_no_audio(clip: Callable[[str], Path], make: Make) -> None:
    with pytest.raises(DreamlakeError) as caught:
        make(clip("silent.mp4"))
    assert caught.value.code is Code.NO_AUDIO


def test_the_sound_of_a_video_can_be_had_alone(clip: Callable[[str], Path], make: Make) -> None:
    result = make(clip("h264.mp4"))
    assert result.duration == pytest.approx(7, abs=1024 / 48_000)
    assert result.streams[0].codecs == "mp4a.40.2"
