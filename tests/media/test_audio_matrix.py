"""Every sample format, rate, channel count and container that people have: length, measures, waveform, picture."""

from __future__ import annotations

import io
import json
import math
import re
import resource
import struct
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media import picture
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.results import AudioResult, Stream
from dreamlake_pipeline.media.run import ffmpeg

Make = Callable[[Path], AudioResult]
Generate = Callable[[str, str], Path]

SECONDS = 2.5
# A tone that is loud, then soft: a loudness range of its own, and a waveform with a shape.
LOUD_THEN_SOFT = "if(lt(t,{half}),0.5,0.05)*sin({hertz}*t)"
COVER = "-f lavfi -i testsrc2=size=64x64:d=0.04 -map 0 -map 1 -disposition:v attached_pic"


def sound(rate: int = 44_100, channels: int = 1, seconds: float = SECONDS, layout: str = "") -> str:
    tones = "|".join(LOUD_THEN_SOFT.format(half=seconds / 2, hertz=2000 + 500 * at) for at in range(channels))
    return f"-f lavfi -i aevalsrc={tones.replace(',', chr(92) + ',')}:s={rate}:d={seconds}{layout and f':c={layout}'}"


# Name -> arguments that make it, and the codec, rate and channels that are to be found in it.
CASES: dict[str, tuple[str, str, int, int]] = {
    **{
        f"{codec}.wav": (f"{sound()} -c:a {codec}", codec, 44_100, 1)
        for codec in (
            *("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw"),
            *("adpcm_ms", "adpcm_ima_wav"),
        )
    },
    **{
        f"{rate}-hz.wav": (sound(rate), "pcm_s16le", rate, 1)
        for rate in (8000, 11_025, 16_000, 22_050, 32_000, 48_000, 88_200, 96_000, 176_400, 192_000)
    },
    **{
        f"{layout}.wav": (sound(48_000, channels, layout=layout), "pcm_s16le", 48_000, channels)
        for channels, layout in enumerate(("stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1"), 2)
    },
    "float-surround.wav": (f"{sound(96_000, 6, layout='5.1')} -c:a pcm_f32le", "pcm_f32le", 96_000, 6),
    "rf64.wav": (f"{sound()} -rf64 always", "pcm_s16le", 44_100, 1),
    "rf64-float.wav": (f"{sound()} -rf64 always -c:a pcm_f32le", "pcm_f32le", 44_100, 1),
    "vbr-tagged.mp3": (
        f"{sound(channels=2)} {COVER} -c:a libmp3lame -q:a 4 -metadata title=Ton -id3v2_version 3 -write_id3v1 1",
        *("mp3", 44_100, 2),
    ),
    "vbr-bare.mp3": (f"{sound()} -c:a libmp3lame -q:a 4 -write_xing 0 -id3v2_version 0", "mp3", 44_100, 1),
    "mpeg-2.mp3": (f"{sound(22_050)} -c:a libmp3lame -b:a 64k", "mp3", 22_050, 1),
    "mpeg-2.5.mp3": (f"{sound(8000)} -c:a libmp3lame -b:a 16k", "mp3", 8000, 1),
    "cover.flac": (f"{sound()} {COVER} -c:a flac", "flac", 44_100, 1),
    "24-bit.flac": (f"{sound(96_000, 2)} -c:a flac -sample_fmt s32", "flac", 96_000, 2),
    "adts.aac": (f"{sound()} -c:a aac", "aac", 44_100, 1),
    "tagged.aac": (f"{sound(48_000, 2)} -c:a aac -write_id3v2 1 -metadata title=Ton", "aac", 48_000, 2),
    "surround.aac": (f"{sound(48_000, 6, layout='5.1')} -c:a aac", "aac", 48_000, 6),
    "vorbis.ogg": (f"{sound()} -c:a libvorbis", "vorbis", 44_100, 1),
    "opus.ogg": (f"{sound(48_000)} -c:a libopus", "opus", 48_000, 1),
    "flac.ogg": (f"{sound()} -c:a flac", "flac", 44_100, 1),
    "opus.opus": (f"{sound(48_000, 2)} -c:a libopus", "opus", 48_000, 2),
    "aac.m4a": (f"{sound(channels=2)} {COVER} -c:a aac -c:v mjpeg", "aac", 44_100, 2),
    "alac.m4a": (f"{sound()} -c:a alac", "alac", 44_100, 1),
    "surround.m4a": (f"{sound(48_000, 6, layout='5.1')} -c:a aac", "aac", 48_000, 6),
    "sound-only.mkv": (f"{sound()} -c:a pcm_s16le", "pcm_s16le", 44_100, 1),
    "sound-only.webm": (f"{sound(48_000)} -c:a libopus", "opus", 48_000, 1),
}


@pytest.fixture(scope="session")
def generate(tmp_path_factory: pytest.TempPathFactory, encode: Callable[[str, Path], Path]) -> Generate:
    folder = tmp_path_factory.mktemp("sounds")

    def generate(name: str, arguments: str) -> Path:
        path = folder / name
        return path if path.exists() else encode(arguments, path)

    return generate


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda source: make_audio(source, tmp_path / "out", filename=f"/microphone/{source.name}")


def measured(source: Path) -> dict[str, float]:
    """What ffmpeg's ebur128 says of the file by itself: I, LRA and Peak."""
    command = [ffmpeg.build().path, "-hide_banner", "-nostdin", "-i", str(source), "-map", "0:a"]
    log = subprocess.run(
        [*command, "-af", "ebur128=peak=true", "-f", "null", "-"], capture_output=True, text=True, check=True
    ).stderr
    summary = log[log.rindex("Summary:") :]
    return {key: float(value) for key, value in re.findall(r"\b(I|LRA|Peak):\s+(\S+) ", summary)}


def pixels(picture: bytes) -> np.ndarray:
    """The PNG as RGBA."""
    with av.open(io.BytesIO(picture)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgba")


@pytest.mark.parametrize("name", CASES)
def test_sound_of_every_kind(generate: Generate, make: Make, play: Callable[[Stream], Any], name: str) -> None:
    arguments, codec, rate, channels = CASES[name]
    source = generate(name, arguments)
    result = make(source)
    assert (result.codec, result.sample_rate, result.channels) == (codec, rate, channels)

    # ADTS and MP3 without a tag can't say that their first samples are priming, ADPCM that its last block is padded.
    marked = not name.startswith("adpcm") and not name.endswith(".aac") and name != "vbr-bare.mp3"
    assert result.duration == pytest.approx(SECONDS, abs=0.001 if marked else 0.05)
    (stream,) = result.streams
    assert float(sum(segment.duration for segment in stream.segments)) == pytest.approx(result.duration, abs=1e-3)
    assert all(check["ok"] for check in result.conformance["checks"])
    played = play(stream)
    assert played.samples / played.sample_rate == pytest.approx(result.duration, abs=2 * 1024 / played.sample_rate)

    with av.open(io.BytesIO(stream.segments[0].read()), format="mpegts") as container:
        assert container.streams.audio[0].channels == min(channels, 2)
        assert not container.streams.video
    assert ("audio_channels" in " ".join(result.transcode_reasons)) == (channels > 2)
    assert (result.mode == "copy") == (codec == "aac" and channels <= 2)

    of_ffmpeg = measured(source)
    assert result.integrated == pytest.approx(of_ffmpeg["I"], abs=0.1)
    assert result.true_peak == pytest.approx(of_ffmpeg["Peak"], abs=0.1)
    assert result.peak_db is not None and result.rms_db is not None
    assert result.rms_db < result.peak_db <= of_ffmpeg["Peak"] + 0.3
    # Lossy codecs ring where the tone changes.
    assert 20 * math.log10(0.5) - 1 < result.peak_db < 0 + (codec == "aac") * 0.5

    waveform = json.loads(result.waveform_json)
    assert waveform["sample_rate"] == rate
    assert waveform["samples_per_pixel"] == rate // 100
    assert waveform["length"] == math.ceil(round(result.duration * rate) / (rate // 100)) == len(waveform["data"]) // 2
    half = len(waveform["data"]) // 2
    assert max(waveform["data"][:half]) > 5 * max(waveform["data"][half + 40 :])

    picture = pixels(result.waveform_png)
    assert picture.shape == (240, 1200, 4)
    height = (picture[:, :, 3] > 127).sum(axis=0)
    assert height[100:500].min() > 100 and 4 < height[700:1100].max() < 40


def test_the_loudness_range_is_that_of_ffmpeg(generate: Generate, make: Make) -> None:
    source = generate("range.wav", sound(48_000, seconds=16))
    result = make(source)
    assert result.loudness_range == pytest.approx(measured(source)["LRA"], abs=0.1)
    assert result.loudness_range is not None and result.loudness_range > 10


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
@pytest.mark.parametrize("samples", [1, 2, 500, 1023, 1025])
def test_however_little_sound_there_is(
    generate: Generate, make: Make, play: Callable[[Stream], Any], rate: int, samples: int
) -> None:
    source = generate(f"{samples}-of-{rate}.wav", f"-f lavfi -i sine=300:r={rate},atrim=end_sample={samples}")
    result = make(source)
    assert result.duration == pytest.approx(samples / rate)
    played = play(result.streams[0])
    frame = 1024 / played.sample_rate
    assert played.samples % 1024 == 0 and played.samples >= 1024
    (segment,) = result.streams[0].segments
    assert float(segment.duration) == pytest.approx(max(result.duration, frame))
    padded = [warning for warning in result.warnings if "silence follows it" in warning]
    assert bool(padded) == (result.duration < frame)
    assert json.loads(result.waveform_json)["length"] == math.ceil(samples / (rate // 100))
    assert pixels(result.waveform_png)[:, :, 3].any()


@pytest.mark.parametrize("name", ["ten.m4a", "ten.mp3", "ten.ogg", "ten.opus", "ten.aac"])
def test_ten_samples_in_a_codec_with_frames(generate: Generate, make: Make, name: str) -> None:
    result = make(generate(name, "-f lavfi -i sine=300:r=48000,atrim=end_sample=10"))
    assert 0 < result.duration < 0.05
    assert sum(segment.duration for segment in result.streams[0].segments) >= 1024 / 48_000 - 1e-6


def test_half_an_hour_and_more_takes_bounded_time_and_memory(tmp_path: Path, make: Make) -> None:
    samples = 2100 * 8000
    source = tmp_path / "night.wav"
    with source.open("wb") as file:
        fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16_000, 2, 16)
        file.write(struct.pack("<4sI4s", b"RIFF", 36 + 2 * samples, b"WAVE") + fmt)
        file.write(struct.pack("<4sI", b"data", 2 * samples))
        file.truncate(44 + 2 * samples)  # silence that takes no room on the disk
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = make(source)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024 < 200
    assert result.duration == 2100
    assert 345 < len(result.streams[0].segments) < 355
    assert (result.integrated, result.true_peak, result.peak_db) == (None, None, None)
    assert json.loads(result.waveform_json)["length"] == 210_000


@pytest.mark.parametrize("swapped", [False, True])
def test_surround_that_is_called_pcm(generate: Generate, tmp_path: Path, make: Make, swapped: bool) -> None:
    """DTS in WAV, as it is on compact discs: taken for PCM, it would be loud noise."""
    frames = np.frombuffer(
        generate("surround.dts", f"{sound(channels=2)} -c:a dca -strict -2 -b:a 1411200").read_bytes(), dtype="<u2"
    )
    source = tmp_path / "dts.wav"
    with wave.open(str(source), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        file.writeframes((frames.byteswap() if swapped else frames).tobytes())
    result = make(source)
    assert (result.codec, result.duration) == ("dts", pytest.approx(SECONDS, abs=0.03))


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (96_000, 1)])
def test_with_and_without_ffmpeg_the_same_comes_out(
    generate: Generate, tmp_path: Path, play: Callable[[Stream], Any], rate: int, channels: int
) -> None:
    """A short WAV takes no ffmpeg; the same samples in FLAC do."""
    arguments = sound(rate, channels, 4.4)
    here, there = (
        make_audio(generate(f"same-{rate}.{name}", f"{arguments} -sample_fmt s16"), tmp_path / name, filename=name)
        for name in ("wav", "flac")
    )
    for field in ("duration", "sample_rate", "channels", "mode", "peak_db", "rms_db", "warnings"):
        assert getattr(here, field) == getattr(there, field)
    for field in ("integrated", "loudness_range", "true_peak"):
        assert getattr(here, field) == pytest.approx(getattr(there, field), abs=0.1)
    assert here.waveform_json == there.waveform_json
    assert here.waveform_png == there.waveform_png
    assert here.time_origin.stream_start == there.time_origin.stream_start
    assert [check["rule"] for check in here.conformance["checks"]] == [
        check["rule"] for check in there.conformance["checks"]
    ]
    assert play(here.streams[0]).samples == play(there.streams[0]).samples
    assert here.streams[0].bandwidth == pytest.approx(there.streams[0].bandwidth, rel=0.1)


@pytest.mark.parametrize(("rate", "warned"), [(16_000, True), (44_100, False)])
def test_adts_whose_priming_may_be_noticed_says_so(generate: Generate, make: Make, rate: int, warned: bool) -> None:
    result = make(generate(f"priming-{rate}.aac", f"{sound(rate)} -c:a aac"))
    assert result.duration == pytest.approx(SECONDS, abs=2 * 1024 / rate)
    assert any("where its sound begins" in warning for warning in result.warnings) == warned


@pytest.mark.parametrize(("rate", "output"), [(8000, 32_000), (22_050, 44_100), (12_000, 48_000), (96_000, 48_000)])
def test_other_rates_become_a_multiple_or_a_part(generate: Generate, make: Make, rate: int, output: int) -> None:
    (stream,) = make(generate(f"{rate}-hz.wav", sound(rate))).streams
    with av.open(io.BytesIO(stream.segments[0].read()), format="mpegts") as container:
        assert container.streams.audio[0].sample_rate == output


@pytest.mark.parametrize(("name", "as_if"), [("aac.m4a", "song.mp3"), ("vorbis.ogg", "song.wav")])
def test_the_content_decides_not_the_name(generate: Generate, tmp_path: Path, name: str, as_if: str) -> None:
    source = generate(name, CASES[name][0])
    result = make_audio(source, tmp_path / "out", filename=as_if)
    assert result.codec == CASES[name][1]
    assert result.container == {"aac.m4a": "m4a", "vorbis.ogg": "ogg"}[name]


@pytest.mark.parametrize("name", ["vbr-tagged.mp3", "cover.flac", "aac.m4a"])
def test_cover_art_is_on_the_record_and_nowhere_else(generate: Generate, make: Make, name: str) -> None:
    result = make(generate(name, CASES[name][0]))
    assert ["attached_pic"] in [stream.get("disposition") for stream in result.source_streams]
    assert result.streams[0].codecs == "mp4a.40.2"


def test_a_wav_that_announces_more_than_it_holds_is_found_out(tmp_path: Path, generate: Generate, make: Make) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(generate("rf64.wav", CASES["rf64.wav"][0]).read_bytes()[:100_000])
    with pytest.raises(DreamlakeError) as caught:
        make(cut)
    assert caught.value.code is Code.MEDIA_TRUNCATED
    assert "cut.wav" in caught.value.message


def test_areas_cover_pixels_by_their_share() -> None:
    """Drawn by differences, they are what each pixel's share of them gives."""
    top, bottom = np.array([0.0, 2.4, 3.2, 1.0, 7.0]), np.array([8.0, 5.6, 3.4, 1.0, 8.0])
    drawn = picture.Areas(5, 8)
    drawn.add(top, bottom, picture.OPACITY)
    drawn.add(top, bottom, picture.BLEND * np.array([1, 1, 1, 0, 0]))
    rows = np.arange(8)[:, None]
    share = np.clip(np.minimum(rows + 1, bottom) - np.maximum(rows, top), 0, 1)
    blend = picture.steps(share * [1, 1, 1, 0, 0])
    assert drawn.encode() == picture.encode(blend, picture.steps(share))
