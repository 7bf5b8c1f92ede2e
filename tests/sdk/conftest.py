"""Both services with files of every kind, processed as runs process them, and a client that finds them."""

from __future__ import annotations

import json
import math
import secrets
import subprocess
import wave
from array import array
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import pytest

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.integrity.conftest import OWNER, World, running, telemetry

RATE = 16_000
CLICKS = (0.5, 3.25, 6.0, 7.875)  # seconds at which the sound is loud
SECONDS = 9

_FRONT = (
    "-f lavfi -i testsrc2=size=160x120:rate=25 -i {sound} -t {seconds} -c:v libx264 -preset ultrafast "
    "-bf 2 -g 50 -flags +cgop -pix_fmt yuv420p -c:a aac -ar 16000"
)
SRT = """1
00:00:00,500 --> 00:00:01,500
Grasping <i>the</i> cup

2
00:00:02,000 --> 00:00:03,000
Two
lines & more
"""


def clicks() -> bytes:
    """A WAV that is silent but for a click at each of CLICKS."""
    samples = array("h", bytes(2 * RATE * SECONDS))
    for at in CLICKS:
        for n in range(160):
            samples[round(at * RATE) + n] = round(20_000 * math.sin(n / 3))
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return out.getvalue()


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An episode with a file of every kind, and one that fails."""
    root = tmp_path_factory.mktemp("sdk") / "recordings"
    files = {
        "run-001/microphone/left.wav": clicks(),
        "run-001/subtitles/words.srt": SRT.encode(),
        "run-001/subtitles/flight.srt": telemetry(1),
        "run-001/labels/joints.csv": ("t,grip\n" + "".join(f"{n / 10},{n * 0.5}\n" for n in range(30))).encode(),
        "run-001/labels/marks.jsonl": "".join(
            json.dumps({"t": n, "what": "<b>x</b>"}) + "\n" for n in range(5)
        ).encode(),
        "run-001/camera/broken.mp4": b"\x00\x00\x00\x20ftypisom" + bytes(5000),
    }
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    sound = root / "run-001/microphone/left.wav"
    words = [word.format(seconds=SECONDS, sound=sound) for word in _FRONT.split()]
    command = [ffmpeg.build().path, "-loglevel", "error", *words, str(root / "run-001/camera/front.mp4")]
    subprocess.run(command, check=True, timeout=60)
    return root


@pytest.fixture(scope="session")
def world(
    new_database: Callable[[], str],
    s3_server: str,
    serve: Callable[..., AbstractContextManager[str]],
    recordings: Path,
) -> Iterator[World]:
    """Both services; project `cups` has the recordings, an episode per folder, and all of them are processed."""
    store = ObjectStore(open_client(), f"sdk-{secrets.token_hex(4)}")
    store.create_bucket()
    with running(new_database(), store, serve) as world:
        assert world.lake.ingest(recordings, episode=f"cups@{OWNER}", episode_per_folder=True).uploaded == 7
        world.process()
        yield world


@pytest.fixture(scope="session")
def lake(world: World) -> DreamLake:
    return world.lake
