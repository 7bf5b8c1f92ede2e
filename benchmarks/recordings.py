"""What robots record: short clips of cameras, sounds, labels and subtitles of episodes.

Pictures are encoded once and kept (`cache`); what a turn works on is made of them with content of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import wave
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from pyarrow import csv

from .measure import BenchmarkError, run
from .yardsticks import ffmpeg

CLIP_SECONDS = 6
_CAMERAS, _MICROPHONES, _LABELS = 4, 2, 3  # of an episode
_TAKES = 100  # clips that are encoded; each is used several times, with another mark
_RATE = 16_000

# What x264 writes of itself into the first picture of a file (user data, ITU-T H.264, D.2.7): it shows nowhere.
_X264_ADDRESS = b"http://www.videolan.org/x264.html"
_SESSION = b"session-00000000"

_KEYFRAME_ONCE = ("-g", "9999", "-sc_threshold", "0")
_ENCODERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "h264": (".mp4", ("-c:v", "libx264", "-preset", "veryfast", "-b:v", "2M", *_KEYFRAME_ONCE)),
    # As LeRobot has it.
    "av1": (".mp4", ("-c:v", "libsvtav1", "-preset", "12", "-crf", "30", "-g", "2")),
    "mjpeg": (".avi", ("-c:v", "mjpeg", "-q:v", "5", "-color_range", "pc")),
    "hevc": (".mp4", ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "28", "-tag:v", "hvc1")),
    "vp9": (".webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "2M")),
}
TRANSCODED = ("av1", "mjpeg", "hevc", "vp9")


def cache() -> Path:
    """The folder of what is kept from one run of the benchmarks to the next; its content can be deleted."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dreamlake-bench"


def clip(codec: str, seed: int) -> Path:
    """A clip of 640x480 at 30 pictures a second, one of its kind for each seed; encoded unless the cache has it."""
    suffix, options = _ENCODERS[codec]
    kept = cache() / ffmpeg().name / f"{codec}-{seed:05}{suffix}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        picture = f"testsrc2=size=640x480:rate=30,noise=alls=5:allf=t:all_seed={seed + 1}"
        with TemporaryDirectory(dir=kept.parent, prefix="making-") as made:
            whole = Path(made) / f"clip{suffix}"
            make: list[str | Path] = [
                *(ffmpeg(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", picture, "-t", str(CLIP_SECONDS)),
                *options,
                *("-pix_fmt", "yuvj420p" if codec == "mjpeg" else "yuv420p", whole),
            ]
            run(make, environment=os.environ, folder=Path(made))
            whole.rename(kept)
    return kept


def write_camera_clips(folder: Path, episodes: int, turn: int) -> None:
    """Folders of episodes, each with a clip of H.264 with one keyframe of four cameras."""
    for episode in range(episodes):
        cameras = folder / f"episode-{episode:05}" / "camera"
        cameras.mkdir(parents=True)
        for camera in range(_CAMERAS):
            number = episode * _CAMERAS + camera
            content = clip("h264", number % _TAKES).read_bytes()
            mark = f"turn {turn}, clip {number}".encode().ljust(len(_X264_ADDRESS))
            (cameras / f"camera-{camera}.mp4").write_bytes(_marked(content, _X264_ADDRESS, mark, count=1))


def write_clips_to_transcode(folder: Path, clips: int, turn: int) -> None:
    """Clips of AV1 with a keyframe each second picture, of Motion JPEG, HEVC and VP9, as many of each.

    Their pictures differ: the streams of the same pictures would be the same bytes.
    """
    folder.mkdir()
    for number in range(clips):
        made = clip(TRANSCODED[number % len(TRANSCODED)], turn * 1000 + number)
        shutil.copy(made, folder / f"{made.stem}{made.suffix}")


def write_label_files(folder: Path, files: int, rows: int, turn: int) -> None:
    """Label files of so many rows of twelve fields, CSV and JSON Lines by turns: of ten recordings, each with a
    `session` of its own in each row."""
    folder.mkdir()
    recordings = [_csv(rows, seed) if seed % 2 == 0 else _json_lines(rows, seed) for seed in range(min(files, 10))]
    for number in range(files):
        session = f"session-{turn * 100_000 + number:08}".encode()
        content = _marked(recordings[number % len(recordings)], _SESSION, session, count=rows)
        (folder / f"arm-{number:05}.{'csv' if number % 2 == 0 else 'jsonl'}").write_bytes(content)


def write_episodes(folder: Path, episodes: int, turn: int) -> int:
    """Episodes of six seconds: four cameras, two microphones, three label files and subtitles. How many files."""
    write_camera_clips(folder, episodes, turn)
    chance = np.random.default_rng(turn)
    for number, episode in enumerate(sorted(folder.iterdir())):
        for microphone in range(_MICROPHONES):
            _write_wav(episode / f"microphone-{microphone}.wav", chance)
        for arm in range(_LABELS):
            seed = (turn * episodes + number) * _LABELS + arm
            rows = 100 * CLIP_SECONDS
            suffix, content = (".jsonl", _json_lines(rows, seed)) if arm == 2 else (".csv", _csv(rows, seed))
            (episode / f"arm-{arm}{suffix}").write_bytes(content)
        cues = (
            f"{cue + 1}\n00:00:0{cue},000 --> 00:00:0{cue},800\nTurn {turn}, episode {number}, step {cue}\n"
            for cue in range(CLIP_SECONDS)
        )
        (episode / "instructions.srt").write_text("\n".join(cues))
    return episodes * (_CAMERAS + _MICROPHONES + _LABELS + 1)


def _marked(content: bytes, old: bytes, new: bytes, *, count: int) -> bytes:
    if content.count(old) != count or len(new) != len(old):
        raise BenchmarkError(f"{old!r} is {content.count(old)} times in a recording, not {count} times.")
    return content.replace(old, new)


def _write_wav(path: Path, chance: np.random.Generator) -> None:
    frames = _RATE * CLIP_SECONDS
    tone = 8000 * np.sin(2 * np.pi * chance.uniform(100, 2000) * np.arange(frames) / _RATE)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes((tone + chance.normal(0, 300, frames)).astype("<i2").tobytes())


def _table(rows: int, seed: int) -> pa.Table:
    """A hundred entries a second: time, number, session, phase, contact and seven joints."""
    chance = np.random.default_rng(seed)
    joints = np.round(np.cumsum(chance.normal(0, 0.01, (rows, 7)), axis=0), 6)
    phases = np.array(["approach", "grasp", "lift", "place"])[np.arange(rows) * 40 // rows % 4]
    return pa.table(
        {
            "timestamp": np.round(1.7e9 + seed + np.arange(rows) / 100, 2),
            "frame": np.arange(rows),
            "session": [_SESSION.decode()] * rows,
            "phase": phases,
            "contact": joints[:, 0] > joints[:, 1],
        }
        | {f"joint_{joint}": joints[:, joint] for joint in range(7)}
    )


def _csv(rows: int, seed: int) -> bytes:
    out = pa.BufferOutputStream()
    csv.write_csv(_table(rows, seed), out, csv.WriteOptions(quoting_style="none"))
    return out.getvalue().to_pybytes()


def _json_lines(rows: int, seed: int) -> bytes:
    lines: Sequence[dict[str, object]] = _table(rows, seed).to_pylist()
    return "".join(json.dumps(line) + "\n" for line in lines).encode()
