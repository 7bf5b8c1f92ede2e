"""A small directory to try everything on: two episodes of a robot, with files of every kind."""

from __future__ import annotations

import csv
import json
import math
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import Code, DreamlakeError
from ..media.run.build import build

SECONDS = 8
_FPS = 25
_STEPS_PER_SECOND = 50
_PHRASES = ("Reaching for the cup.", "Grasping.", "Lifting it.", "Setting it down.")

_H264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", str(2 * _FPS)]
_AAC = ["-c:a", "aac", "-b:a", "96k"]
_VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k"]
# Between them the two episodes have the usual extensions, codecs that are copied and codecs that are transcoded.
_VIDEOS = {
    "episode-001": {
        "camera/front.mp4": ("testsrc2", [*_H264, *_AAC, "-movflags", "+faststart"]),
        "camera/wrist.mkv": ("mandelbrot", [*_H264, *_AAC]),
        "camera/depth.webm": ("smptebars", [*_VP9, "-c:a", "libopus"]),
    },
    "episode-002": {
        "camera/front.mov": ("rgbtestsrc", [*_H264, *_AAC]),
        "camera/rear.avi": ("testsrc", ["-c:v", "mpeg4", "-b:v", "600k", "-c:a", "libmp3lame"]),
    },
}
_AUDIO = {
    "episode-001": {
        "microphone/left.wav": (220, ["-c:a", "pcm_s16le"]),
        "microphone/right.mp3": (330, ["-c:a", "libmp3lame", "-b:a", "128k"]),
        "microphone/room.ogg": (440, ["-c:a", "libvorbis"]),
    },
    "episode-002": {
        "microphone/left.flac": (550, ["-c:a", "flac"]),
        "microphone/right.aac": (660, _AAC),
    },
}


def make_directory(folder: Path) -> Path:
    """Write the demo's episodes below `folder`, unless they are there. Raises DreamlakeError(STACK_FAILED).

    A file appears under its name only when it is whole, so that an interrupted demo can go on.
    """
    jobs = [
        *_video_commands(folder),
        *_audio_commands(folder),
    ]
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda job: _encode(*job), jobs))
        _write_text(folder)
    except OSError as fault:
        raise DreamlakeError(Code.STACK_FAILED, f"The demo's files cannot be written: {fault}.") from fault
    return folder


def _video_commands(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    for episode, files in _VIDEOS.items():
        for name, (picture, codecs) in files.items():
            source = f"{picture}=size=480x270:rate={_FPS}"
            tone = f"sine=frequency=440:sample_rate=48000:duration={SECONDS}"
            yield folder / episode / name, ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", tone, *codecs]


def _audio_commands(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    for episode, files in _AUDIO.items():
        for name, (frequency, codec) in files.items():
            tone = f"aevalsrc=0.4*sin({frequency}*2*PI*t)*abs(sin(PI*t/2)):sample_rate=48000"
            yield folder / episode / name, ["-f", "lavfi", "-i", tone, *codec]


def _encode(path: Path, arguments: list[str]) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".unfinished-{path.name}")
    done = subprocess.run(
        [
            *(build().path, "-hide_banner", "-nostdin", "-loglevel", "error", "-y"),
            *(*arguments, "-t", str(SECONDS), f"file:{unfinished}"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DreamlakeError(Code.STACK_FAILED, f"ffmpeg could not make {path}: {done.stderr.strip()[-500:]}")
    unfinished.replace(path)


def _write_text(folder: Path) -> None:
    length = SECONDS / len(_PHRASES)
    cues = [(number * length, (number + 1) * length, phrase) for number, phrase in enumerate(_PHRASES)]
    vtt = "\n\n".join(f"{_clock(start)} --> {_clock(end)}\n{phrase}" for start, end, phrase in cues)
    srt = "\n\n".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{phrase}"
        for number, (start, end, phrase) in enumerate(cues, start=1)
    )
    for episode in _VIDEOS:
        captions, labels = folder / episode / "camera", folder / episode / "labels"
        captions.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        suffix, text = ("vtt", f"WEBVTT\n\n{vtt}\n") if episode == "episode-001" else ("srt", f"{srt}\n")
        # Beside front.mp4 or front.mov and named like it: a subtitle of that video.
        (captions / f"front.en.{suffix}").write_text(text)
        with (labels / "joints.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["t", "shoulder", "elbow", "gripper_open"])
            writer.writerows(_joints())
        with (labels / "events.jsonl").open("w") as file:
            for start, end, phrase in cues:
                event = {"start": start, "end": end, "label": phrase.rstrip(".").lower(), "episode": episode}
                file.write(json.dumps(event) + "\n")


def _joints() -> Iterator[list[object]]:
    for step in range(SECONDS * _STEPS_PER_SECOND):
        t = step / _STEPS_PER_SECOND
        yield [f"{t:.2f}", f"{math.sin(t):.4f}", f"{math.cos(t / 2):.4f}", str(t < SECONDS / 2).lower()]


def _clock(seconds: float, point: str = ".") -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes // 60):02}:{int(minutes % 60):02}:{int(rest):02}{point}{round(rest % 1 * 1000):03}"
