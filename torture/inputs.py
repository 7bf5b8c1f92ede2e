"""Made-up datasets: waves of files, each a directory for one ingest, and objects that are dropped into staging."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import subprocess
import wave
from dataclasses import dataclass, field, replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np

_RATE = 16_000
_LARGE = 12 * 2**20  # more than two parts of an upload (home.py)

# What is wrong with each kind of bad file, as the record's error has it: any of these is true of it.
BAD = {
    "broken.mp4": {"media_corrupt", "media_truncated", "not_media", "no_video"},
    "noise.wav": {"media_corrupt", "media_truncated", "not_media", "no_audio"},
    "silent.srt": {"text_invalid"},
    "binary.csv": {"labels_invalid"},
}


@dataclass(frozen=True, slots=True)
class Expected:
    """A file as it has to stand at the end. `errors`: codes one of which a bad file has to fail with; empty for a good
    one. `frames` of a video."""

    owner: str
    project: str
    episode: str | None
    name: str
    sha256: str
    size: int
    errors: frozenset[str] = frozenset()
    frames: int | None = None

    @property
    def place(self) -> tuple[str, str, str | None, str]:
        return self.owner, self.project, self.episode, self.name


@dataclass(frozen=True, slots=True)
class Drop:
    """An object for a staging prefix, as a robot's own uploader leaves it."""

    key: str
    content: bytes
    metadata: dict[str, str]
    expected: Expected


@dataclass(slots=True)
class Wave:
    """A directory for one ingest, `folder`, into `project@owner`; `drops` come beside it."""

    folder: Path
    owner: str
    project: str
    files: list[Expected] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)

    @property
    def expected(self) -> list[Expected]:
        return [*self.files, *(drop.expected for drop in self.drops)]


@dataclass(frozen=True, slots=True)
class _Content:
    suffix: str
    content: bytes
    frames: int | None = None


class Inputs:
    """Waves of one seed. A few videos are encoded once; a box at the end makes each of its copies another file."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._random = random.Random(seed)
        self._folder.mkdir(parents=True)
        self._videos: dict[int, _Content] = {}  # by their place in _HOW; each is encoded when it is needed
        self._first: list[_Content] = []  # of the first wave, to be there again under other names
        self._seen: list[_Content] = []

    def _encoded(self, number: int) -> _Content:
        if number not in self._videos:
            suffix, seconds, options = _HOW[number]
            path = self._folder / f"video-{number}{suffix}"
            picture = f"testsrc2=size=320x180:rate=25:duration={seconds},noise=alls=8:allf=t:all_seed={number + 1}"
            subprocess.run(
                [
                    *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"),
                    *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=frequency={300 + number}"),
                    *("-t", str(seconds), *options, "-fflags", "+bitexact", str(path)),  # no random id in it
                ],
                check=True,
            )
            self._videos[number] = _Content(suffix, path.read_bytes(), seconds * 25)
        return self._videos[number]

    def wave(self, number: int, *, sounds: int, videos: int, texts: int, drops: int, bad: bool, long: int = 0) -> Wave:
        """The wave of this number, whatever was made before: so many files of each kind, some of them under two names,
        and some of the first wave again. `long` is how many videos keep ffmpeg busy for seconds."""
        self._random = random.Random(f"{self._seed}/{number}")
        self._seen = list(self._first)
        made = Wave(self._folder / f"wave-{number:03}", f"lab{number % 2}", f"cups-{number % 3}")
        for n in range(sounds):
            self._add(made, number, f"mic/{n:03}.wav", self._sound())
        for n in range(videos):
            video = self._video(large=n == 0)
            self._add(made, number, f"camera/{n:03}{video.suffix}", video.content, video.frames)
        for n in range(long):
            video = self._distinct(self._encoded(_LONG), 64)
            self._add(made, number, f"overview/{n:03}{video.suffix}", video.content, video.frames)
        for n in range(texts):
            suffix, content = self._text(n)
            self._add(made, number, f"notes/{n:03}{suffix}", content)
        for n, same in enumerate(self._random.sample(self._seen, min(4, len(self._seen)))):
            self._add(made, number, f"again/{n:03}{same.suffix}", same.content, same.frames)
        if bad:
            for name, codes in BAD.items():
                self._add(made, number, f"bad/{name}", self._bad(name), errors=frozenset(codes))
        if number == 0:
            self._first = self._seen[:20]
        made.drops = [self._drop(made, number, n) for n in range(drops)]
        return made

    def _add(
        self,
        made: Wave,
        number: int,
        name: str,
        content: bytes,
        frames: int | None = None,
        errors: frozenset[str] = frozenset(),
    ) -> None:
        episode = f"w{number:03}-{self._random.randrange(2)}"
        path = made.folder / episode / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        made.files.append(Expected(made.owner, made.project, episode, f"/{name}", digest, len(content), errors, frames))
        if not errors and len(content) < _LARGE:
            self._seen.append(_Content(path.suffix, content, frames))

    def _drop(self, made: Wave, number: int, n: int) -> Drop:
        content = self._sound()
        digest = hashlib.sha256(content).hexdigest()
        name = f"/robot/{number:03}-{n:02}.wav"
        is_named = n % 2 == 0  # else by its key alone
        return Drop(
            key=f"{made.owner}/{made.project}/staging/{digest if is_named else name[1:]}",
            content=content,
            metadata={"name": name, "kind": "audio", "hash": digest} if is_named else {},
            expected=Expected(made.owner, made.project, None, name, digest, len(content)),
        )

    def _sound(self) -> bytes:
        noise = np.random.default_rng(self._random.getrandbits(64))
        frames = self._random.randrange(4_000, 24_000)
        tone = 8000 * np.sin(noise.uniform(0.1, 0.8) * np.arange(frames)) + noise.normal(0, 300, frames)
        path = self._folder / "sound.wav"
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(_RATE)
            out.writeframes(tone.astype("<i2").tobytes())
        return path.read_bytes()

    def _video(self, *, large: bool) -> _Content:
        return self._distinct(self._encoded(0 if large else self._random.randrange(_LONG)), _LARGE if large else 64)

    def _distinct(self, video: _Content, size: int) -> _Content:
        """An MP4 with so many bytes more, which no other has: the same video as another file."""
        if video.suffix != ".mp4":
            return video
        # ISO/IEC 14496-12, 8.1.2: a box of free space, whatever is in it.
        free = self._random.randbytes(size)
        return replace(video, content=video.content + struct.pack(">I4s", 8 + len(free), b"free") + free)

    def _text(self, n: int) -> tuple[str, bytes]:
        rows = [(row / 10, self._random.random()) for row in range(40)]
        match n % 4:
            case 0:
                return ".csv", ("t,grip\n" + "".join(f"{t},{grip}\n" for t, grip in rows)).encode()
            case 1:
                return ".jsonl", "".join(json.dumps({"t": t, "grip": grip}) + "\n" for t, grip in rows).encode()
            case 2:
                cue = f"1\n00:00:00,500 --> 00:00:01,500\nGrasping cup {rows[0][1]}\n"
                return ".srt", cue.encode()
            case _:
                return ".vtt", f"WEBVTT\n\n00:00.500 --> 00:01.500\nGrasping cup {rows[0][1]}\n".encode()

    def _bad(self, name: str) -> bytes:
        own = self._random.randbytes(16).hex().encode()
        match name:
            case "broken.mp4":
                return b"\x00\x00\x00\x20ftypisom" + bytes(5000) + own
            case "noise.wav":
                return b"RIFF" + self._random.randbytes(400)
            case "silent.srt":
                return b"nothing was said at all " + own + b"\n"
            case _:
                return self._random.randbytes(3000)


_COPY = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-bf", "0", "-c:a", "aac")

# Most are copied into segments; the last three are transcoded, the last one for seconds.
_HOW: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    (".mp4", 4, _COPY),
    (".mp4", 9, _COPY),
    (".mp4", 14, _COPY),
    (".mkv", 4, _COPY),
    (".avi", 4, ("-c:v", "mjpeg", "-c:a", "pcm_s16le")),
    (".mp4", 8, ("-c:v", "mpeg4", "-g", "50", "-c:a", "aac")),
    (".mp4", 90, ("-c:v", "mpeg4", "-g", "50", "-c:a", "aac")),
)
_LONG = len(_HOW) - 1
