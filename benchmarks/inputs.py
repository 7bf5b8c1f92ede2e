"""Files to work on, made anew for every turn: content that was seen before would be stored without work."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import wave
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from .measure import run
from .yardsticks import ffmpeg

MB = 1_000_000
_RATE = 16_000
_WAV_HEADER = 44
WAV_BYTES = 7000
_MOST_LINKS = 60_000  # of one file: ext4 allows 65,000


def write_wav(path: Path, size: int, seed: int) -> None:
    """A valid WAV file of about `size` bytes of noise."""
    block = 64 * 2**20
    noise = np.random.default_rng(seed)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.setnframes((size - _WAV_HEADER) // 2)
        left = size - _WAV_HEADER
        while left > 1:
            out.writeframesraw(noise.bytes(min(block, left // 2 * 2)))
            left -= block


def write_wavs(folder: Path, files: int, seed: int, *, per_folder: int = 100, size: int = WAV_BYTES) -> None:
    """Small WAV files, each a tone of its own with some noise, in folders."""
    noise = np.random.default_rng(seed)
    frames = (size - _WAV_HEADER) // 2
    time = np.arange(frames) / _RATE
    for number in range(files):
        if number % per_folder == 0:
            (folder / f"run-{number // per_folder:05}").mkdir(parents=True)
        tone = 8000 * np.sin(2 * np.pi * noise.uniform(100, 2000) * time) + noise.normal(0, 300, frames)
        with wave.open(str(folder / f"run-{number // per_folder:05}" / f"mic-{number:06}.wav"), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(_RATE)
            out.writeframes(tone.astype("<i2").tobytes())


def write_sparse_mp4(path: Path, size: int, scratch: Path) -> None:
    """A small MP4 video, whole, with an empty box behind it that makes it `size` bytes and takes no blocks."""
    write_h264(path, MB, 0, scratch)
    pad_mp4(path, size)


def pad_mp4(path: Path, size: int) -> None:
    """Make an MP4 file `size` bytes by an empty box at its end (ISO/IEC 14496-12, 8.1.2)."""
    with path.open("ab") as out:
        # 4.2: size 1 says that 64 bits of it follow the type.
        out.write(struct.pack(">I4sQ", 1, b"free", size - out.tell()))
        out.truncate(size)


def write_h264(path: Path, size: int, seed: int, scratch: Path) -> None:
    """An H.264 MP4 of about `size` bytes that is fit for a stream copy: 8 Mbit/s of test picture and noise.

    Half a minute is encoded and then repeated: the times in the segments differ, and with them every chunk.
    """
    one = path.with_suffix(".one.mp4")
    seconds = max(1.0, min(30.0, size / MB))
    make: list[str | Path] = [
        *(ffmpeg(), "-nostdin", "-v", "error", "-y", "-f", "lavfi"),
        *("-i", f"testsrc2=size=960x540:rate=25,noise=alls=12:allf=t:all_seed={seed + 1}", "-t", str(seconds)),
        *("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "8M", "-maxrate", "8M", "-bufsize", "8M"),
        *("-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-bf", "0", "-pix_fmt", "yuv420p", one),
    ]
    run(make, environment=os.environ, folder=scratch)
    loops = max(0, round(size / one.stat().st_size) - 1)
    repeat: list[str | Path] = [
        *(ffmpeg(), "-nostdin", "-v", "error", "-y", "-stream_loop", str(loops), "-i", one),
        *("-c", "copy", "-movflags", "+faststart", path),
    ]
    run(repeat, environment=os.environ, folder=scratch)
    one.unlink()


def write_mpeg4(path: Path, seconds: int, seed: int, scratch: Path) -> None:
    """An MP4 video of so many seconds in MPEG-4 Part 2, which no browser plays: it has to be transcoded.
    It is small enough to share a batch with other files."""
    one = path.with_suffix(".one.mp4")
    picture = f"testsrc2=size=1280x720:rate=30,noise=alls=8:allf=t:all_seed={seed + 1}"
    make: list[str | Path] = [
        *(ffmpeg(), "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", picture, "-t", "5"),
        *("-c:v", "mpeg4", "-b:v", "1200k", one),
    ]
    run(make, environment=os.environ, folder=scratch)
    repeat: list[str | Path] = [
        *(ffmpeg(), "-nostdin", "-v", "error", "-y", "-stream_loop", "-1", "-i", one),
        *("-t", str(seconds), "-c", "copy", path),
    ]
    run(repeat, environment=os.environ, folder=scratch)
    one.unlink()


def write_texts(folder: Path, *, labels: int, subtitles: int, seed: int) -> None:
    """Small label files (CSV) and subtitle files (SRT), each with content of its own."""
    for number in range(labels):
        rows = "\n".join(f"{second * 0.1:.1f},{seed},{number * 1000 + second}" for second in range(100))
        (folder / f"arm-{number:03}.csv").write_text(f"time,session,position\n{rows}\n")
    for number in range(subtitles):
        cues = (
            f"{cue + 1}\n00:00:{cue:02},000 --> 00:00:{cue:02},800\nSession {seed}, track {number}, cue {cue}\n"
            for cue in range(30)
        )
        (folder / f"said-{number:03}.srt").write_text("\n".join(cues))


def write_measurements(path: Path, *, entries: int, fields: Sequence[str], seed: int) -> None:
    """A label file (CSV) of random walks, an entry each hundredth of a second."""
    chance = np.random.default_rng(seed)
    walks = np.cumsum(chance.normal(size=(entries, len(fields))), axis=0)
    table = pa.table(
        {"timestamp": np.arange(entries) / 100}
        | {name: np.round(walks[:, column], 4) for column, name in enumerate(fields)}
    )
    csv.write_csv(table, path)


def place_objects(data: Path, bucket: str, prefix: str, contents: dict[str, bytes]) -> None:
    """Objects of the embedded S3 server, written where it keeps them: a file, and what is known of it beside it.

    For measurements of what comes after the upload, which would take most of the time.
    """
    objects, known = data / bucket / prefix, data / bucket / ".nanio-meta" / prefix
    objects.mkdir(parents=True, exist_ok=True)
    known.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (objects / name).write_bytes(content)
        (known / f"{name}.json").write_text(_sidecar(content))


def place_same_objects(data: Path, bucket: str, prefix: str, names: list[str], content: bytes) -> None:
    """As `place_objects`, with the same content under every name: links, which take no time to write."""
    objects, known = data / bucket / prefix, data / bucket / ".nanio-meta" / prefix
    objects.mkdir(parents=True, exist_ok=True)
    known.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(names), _MOST_LINKS):
        first, *others = names[start : start + _MOST_LINKS]
        place_objects(data, bucket, prefix, {first: content})
        for name in others:
            os.link(objects / first, objects / name)
            os.link(known / f"{first}.json", known / f"{name}.json")


def _sidecar(content: bytes) -> str:
    return json.dumps(
        {
            "etag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"',
            "size": len(content),
            "last_modified": datetime.now(UTC).isoformat(),
            "content_type": "audio/wav",
            "user_metadata": {},
            "storage_class": "STANDARD",
        }
    )
