"""Clips that ffmpeg makes when a test asks for them, each once per run."""

from __future__ import annotations

import io
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from dreamlake_pipeline.media.hls.playlist import master_playlist, media_playlist
from dreamlake_pipeline.media.results import Segment, Stream
from dreamlake_pipeline.media.run import ffmpeg

TEST_PICTURE = "-f lavfi -i testsrc2=size=320x180:rate=30"
TONE = "-f lavfi -i sine=440:sample_rate=48000"
X264 = "-c:v libx264 -preset ultrafast -g 30"

# Name -> arguments.
CLIPS = {
    "h264.mp4": f"{TEST_PICTURE} {TONE} -t 7 {X264} -c:a aac",
    "silent.mp4": f"{TEST_PICTURE} -t 3 {X264}",
    "b-frames.mp4": f"{TEST_PICTURE} -t 9 -c:v libx264 -preset fast -bf 3 -g 60",
    "trimmed.mp4": "-ss 1.3 -i {h264.mp4} -c copy",
    "vp9.webm": f"{TEST_PICTURE} {TONE} -t 4 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus",
    "vp8.webm": f"{TEST_PICTURE} -t 4 -c:v libvpx -deadline realtime -cpu-used 8 -auto-alt-ref 1",
    "av1.mp4": f"{TEST_PICTURE} -t 2 -c:v libsvtav1 -preset 12 -g 2",
    "mjpeg.avi": f"{TEST_PICTURE} {TONE} -t 4 -c:v mjpeg -c:a pcm_s16le",
    "h264.avi": f"{TEST_PICTURE} -t 3 {X264}",
    "hdr.mp4": f"{TEST_PICTURE} -t 1 -vf format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084:"
    "colorspace=bt2020nc -c:v libx265 -preset ultrafast "
    "-x265-params log-level=0:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
    "fragmented.mp4": "-i {silent.mp4} -c copy -movflags frag_keyframe+empty_moov",
    "mpeg4.avi": f"{TEST_PICTURE} -t 4 -c:v mpeg4 -bf 2",
    "odd.mp4": "-f lavfi -i testsrc=size=321x181:rate=30 -t 2 -c:v libx264 -preset ultrafast -pix_fmt yuv444p",
    "rotated.mp4": "-display_rotation 90 -i {silent.mp4} -c copy",
    "anamorphic.mp4": f"{TEST_PICTURE} -t 2 -vf setsar=4/3 {X264}",
    "interlaced.mp4": f"{TEST_PICTURE} -t 2 {X264} -flags +ildct+ilme -x264-params tff=1 -vf setfield=tff",
    "full-range.mkv": f"{TEST_PICTURE} -t 2 {X264} -pix_fmt yuvj420p",
    "open-gop.mkv": f"{TEST_PICTURE} -t 9 -c:v libx264 -preset fast -bf 3 -g 30 -x264-params open-gop=1:scenecut=0",
    "depth.mkv": f"{TEST_PICTURE} -t 2 -c:v ffv1 -pix_fmt gray12le",
    "variable.mp4": f"{TEST_PICTURE} -t 8 -vf select='lt(random(0)\\,0.5)' -fps_mode vfr {X264}",
    "one-keyframe.mp4": "-f lavfi -i testsrc2=size=160x90:rate=15 -t 40 -c:v libx264 -preset ultrafast -g 9999 "
    "-sc_threshold 0",
    "small.h264": f"-f lavfi -i testsrc2=size=160x90:rate=30 -t 2 {X264}",
    "large.h264": f"{TEST_PICTURE} -t 2 {X264}",
    "one-frame.mp4": f"{TEST_PICTURE} -frames:v 1 {X264}",
    # A flash and a beep at the start of each second.
    "beeps.webm": "-f lavfi -i color=black:size=64x64:rate=50,"
    "geq=lum='if(lt(mod(T\\,1)\\,0.1)\\,235\\,16)':cb=128:cr=128 "
    "-f lavfi -i aevalsrc='if(lt(mod(t\\,1)\\,0.1)\\,0.8*sin(2000*t)\\,0)':s=48000 -t 8 "
    "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus",
    "mp3-sound.mkv": f"{TEST_PICTURE} {TONE} -t 4 {X264} -c:a libmp3lame",
    "late.mkv": "-itsoffset 100000 -i {h264.mp4} -c copy -copyts",
    "encrypted.mp4": "-i {h264.mp4} -c copy -encryption_scheme cenc-aes-ctr "
    "-encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8",
    "cover.jpg": f"{TEST_PICTURE} -frames:v 1",
    "cover-art.m4a": "-i {h264.mp4} -i {cover.jpg} -map 0:a -map 1 -c copy -disposition:v attached_pic -f mp4",
    "faststart.mp4": "-i {h264.mp4} -c copy -movflags faststart",
    "remuxed.mkv": "-i {h264.mp4} -c copy",
    "speech.wav": "-f lavfi -i aevalsrc=0.5*sin(900*t)*sin(6*t):s=8000 -t 0.6435",
    "stereo.wav": "-f lavfi -i aevalsrc=0.4*sin(2000*t)|0.2*sin(3000*t):s=44100 -t 13 -c:a pcm_s24le",
    "surround.wav": "-f lavfi -i anoisesrc=a=0.2:r=48000,pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0 -t 2",
    "silence.wav": "-f lavfi -i anullsrc=r=16000:cl=mono -t 4",
    "tone.mp3": "-i {stereo.wav} -c:a libmp3lame -b:a 128k",
    "tone.flac": "-i {stereo.wav} -c:a flac",
    "tone.ogg": "-i {stereo.wav} -c:a libopus",
    "vorbis.ogg": "-i {stereo.wav} -c:a libvorbis",
    "tone.aac": "-i {stereo.wav} -c:a aac",
    "tone.m4a": "-i {stereo.wav} -c:a aac -f mp4",
}

Clip = Callable[[str], Path]
Encode = Callable[[str, Path], Path]


@pytest.fixture(scope="session")
def encode() -> Encode:
    """`encode(arguments, path)` has ffmpeg write `path` and returns it."""

    def run(arguments: str, path: Path) -> Path:
        command = [ffmpeg.build().path, "-hide_banner", "-loglevel", "error", "-nostdin", *arguments.split(), str(path)]
        subprocess.run(command, check=True, timeout=60)
        return path

    return run


@pytest.fixture(scope="session")
def clip_maker(tmp_path_factory: pytest.TempPathFactory, encode: Encode) -> Callable[[Mapping[str, str]], Clip]:
    """`clip_maker(clips)(name)` is the path of a clip, made when it is first asked for. `clips` are ffmpeg's arguments
    by name, in which `{other}` stands for another clip's path."""

    def make_clips(clips: Mapping[str, str]) -> Clip:
        folder = tmp_path_factory.mktemp("clips")

        def make(name: str) -> Path:
            path = folder / name
            if path.exists():
                return path
            words = [str(make(word[1:-1])) if word[:1] == "{" else word for word in clips[name].split()]
            return encode(" ".join(words), path)

        return make

    return make_clips


@pytest.fixture(scope="session")
def clip(clip_maker: Callable[[Mapping[str, str]], Clip]) -> Clip:
    """`clip(name)` is the path of a clip of CLIPS."""
    return clip_maker(CLIPS)


@pytest.fixture
def cut(clip: Clip, tmp_path: Path) -> Callable[[str, float], Path]:
    """`cut(name, share)` is a file with only the first `share` of a clip's bytes."""

    def make(name: str, share: float) -> Path:
        whole = clip(name).read_bytes()
        path = tmp_path / f"cut-{name}"
        path.write_bytes(whole[: int(len(whole) * share)])
        return path

    return make


@dataclass(frozen=True)
class Played:
    """What a player gets out of a playlist: every picture's time and size, how many of them need no other, and the
    number of samples."""

    pictures: tuple[float, ...]
    keyframes: int
    sizes: frozenset[tuple[int, int]]
    pixel_formats: frozenset[str]
    samples: int
    sample_rate: int


def on_disk(segment: Segment, folder: Path) -> Path:
    """The file of a segment, written there if it is in memory."""
    if isinstance(segment.content, bytes):
        path = folder / f"{segment.sha256}.ts"
        path.write_bytes(segment.content)
        return path
    return segment.path


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Stream], Played]:
    """Decode a stream whole, through its playlists, as a player would."""

    def run(stream: Stream) -> Played:
        chunks = {segment.sha256: str(on_disk(segment, tmp_path)) for segment in stream.segments}
        playlist = tmp_path / "media.m3u8"
        playlist.write_text(media_playlist(stream, lambda name: chunks[name.partition(".")[0]]))
        (tmp_path / "master.m3u8").write_text(master_playlist([stream], lambda name: playlist.name))
        pictures, sizes, formats, keyframes, samples, rate = [], set(), set(), 0, 0, 0
        options = {"allowed_extensions": "ALL", "extension_picky": "0"}
        with av.open(str(tmp_path / "master.m3u8"), format="hls", options=options) as container:
            for frame in container.decode(*container.streams.video, *container.streams.audio):
                if isinstance(frame, av.VideoFrame):
                    pictures.append(float(frame.pts * frame.time_base))
                    keyframes += frame.key_frame
                    sizes.add((frame.width, frame.height))
                    formats.add(frame.format.name)
                else:
                    samples, rate = samples + frame.samples, frame.sample_rate
        return Played(tuple(pictures), keyframes, frozenset(sizes), frozenset(formats), samples, rate)

    return run


@dataclass(frozen=True)
class Heard:
    """The sound that a player gets out of a stream, from its start on: (samples, channels) between -1 and 1."""

    samples: np.ndarray
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def level(self, hertz: float, begin: float, end: float) -> float:
        """The amplitude of a tone from `begin` to `end` seconds in dB of full scale, in all channels together."""
        part = self.samples[round(begin * self.rate) : round(end * self.rate)]
        window = np.hanning(len(part))[:, None]
        spectrum = np.abs(np.fft.rfft(part * window, axis=0)) * 2 / window.sum()
        near = np.abs(np.fft.rfftfreq(len(part), 1 / self.rate) - hertz) < max(0.01 * hertz, 3 / (end - begin))
        return 20 * math.log10(max(1e-6, float(np.sqrt((spectrum[near].max(axis=0) ** 2).sum()))))


@pytest.fixture
def hear() -> Callable[[Stream], Heard]:
    def run(stream: Stream) -> Heard:
        data = io.BytesIO(b"".join(segment.read() for segment in stream.segments))
        pieces: list[tuple[float, np.ndarray]] = []
        with av.open(data, format="mpegts") as container:
            rate = container.streams.audio[0].rate
            for frame in container.decode(audio=0):
                assert frame.pts is not None and frame.time_base is not None
                pieces.append((float(frame.pts * frame.time_base), frame.to_ndarray().T))
        places = [round((time - pieces[0][0]) * rate) for time, _ in pieces]
        samples = np.zeros((places[-1] + len(pieces[-1][1]), pieces[0][1].shape[1]))
        for place, (_, piece) in zip(places, pieces, strict=True):
            samples[place : place + len(piece)] = piece
        return Heard(samples, rate)

    return run


@pytest.fixture
def onsets(tmp_path: Path) -> Callable[[Stream], tuple[list[float], list[float]]]:
    """The times at which the picture turns bright, and at which sound sets in, in seconds of playback."""

    def find(stream: Stream) -> tuple[list[float], list[float]]:
        chunks = {segment.sha256: str(on_disk(segment, tmp_path)) for segment in stream.segments}
        playlist = tmp_path / "onsets.m3u8"
        playlist.write_text(media_playlist(stream, lambda name: chunks[name.partition(".")[0]]))
        bright: list[tuple[float, bool]] = []
        loud: list[tuple[float, bool]] = []
        options = {"allowed_extensions": "ALL", "extension_picky": "0"}
        with av.open(str(playlist), format="hls", options=options) as container:
            for frame in container.decode(*container.streams.video, *container.streams.audio):
                start = float(frame.pts * frame.time_base)
                if isinstance(frame, av.VideoFrame):
                    bright.append((start, frame.to_ndarray(format="gray").mean() > 100))
                else:
                    steps = abs(frame.to_ndarray()[0]).reshape(-1, 64).max(axis=1) > 0.2
                    loud += [(start + 64 * at / frame.sample_rate, bool(step)) for at, step in enumerate(steps)]
        origin = bright[0][0]

        def rises(states: list[tuple[float, bool]]) -> list[float]:
            times = [time - origin for time, state in states if state]
            return times[:1] + [after for before, after in pairwise(times) if after - before > 0.5]

        return rises(bright), rises(loud)

    return find


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def make(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return make


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder to which other users come; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)
