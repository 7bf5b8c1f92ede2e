"""Real files through the real pipeline, and the URLs that BSS gives to players of them."""

from __future__ import annotations

import hashlib
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.api.pipeline import ClaimBatches, StagedObject
from dreamlake_pipeline.kinds import kind_of
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.playback import PlaybackMode
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Workshop
from dreamlake_pipeline.remote.bss import BssClient
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

PICTURE = "-f lavfi -i testsrc2=size=320x180:rate=30"
TONE = "-f lavfi -i sine=440:sample_rate=48000"

# What becomes of these is as different as it gets: kept, re-encoded, turned upright, sound alone.
CLIPS = {
    "kept.mp4": f"{PICTURE} {TONE} -t 8 -c:v libx264 -preset fast -bf 3 -g 60 -flags +cgop -c:a aac -ac 2",
    "re-encoded.webm": f"{PICTURE} {TONE} -t 3 -c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus",
    "turned.mp4": "-display_rotation 90 -i {kept.mp4} -t 2 -c copy",
    "uneven.mkv": f"{PICTURE} -t 4 -vf select='lt(random(0)\\,0.5)' -fps_mode vfr -c:v libx264 -preset ultrafast",
    "sound.wav": f"{TONE} -t 3",
}

# With the ladder of LADDER: all of its steps, the one below, none; the first with a second sound track, half as long.
LADDER = (1080, 720, 480)
LADDERED = {
    "1200.mp4": f"-f lavfi -i testsrc2=size=1600x1200:rate=5 {TONE} -f lavfi -t 4 -i sine=880:sample_rate=44100 "
    "-t 7 -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -g 10 -pix_fmt yuv420p -c:a aac "
    "-metadata:s:a:0 language=eng -metadata:s:a:1 language=fra",
    "720.mp4": "-f lavfi -i testsrc2=size=1280x720:rate=5 -t 1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
    "360.mp4": "-f lavfi -i testsrc2=size=640x360:rate=5 -t 1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
}

# For browsers of today.
MODERN = {
    "av1.mp4": f"{PICTURE} {TONE} -t 7 -c:v libsvtav1 -preset 12 -g 2 -c:a aac -ac 2",
    "vp9.webm": f"{PICTURE} {TONE} -t 7 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 60 -c:a libopus",
}

FRONT_SRT = """1
00:00:02,000 --> 00:00:03,000
The arm moves.

2
00:00:05,000 --> 00:00:07,500
Across two segments.
"""
FRONT_DE = "WEBVTT\n\n00:02.000 --> 00:03.000\nDer Arm bewegt sich.\n"


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`clip(name)` is the path of a clip of CLIPS, LADDERED or MODERN."""
    folder = tmp_path_factory.mktemp("players")

    def make(name: str) -> Path:
        path = folder / name
        if not path.exists():
            words = [
                str(make(word[1:-1])) if word[:1] == "{" else word for word in (CLIPS | LADDERED | MODERN)[name].split()
            ]
            command = [ffmpeg.build().path, "-loglevel", "error", "-nostdin", *words, str(path)]
            subprocess.run(command, check=True, timeout=200)
        return path

    return make


@dataclass(frozen=True, slots=True)
class Served:
    """A processed file, and the URL that plays it with no header."""

    record: Record
    url: str

    @property
    def metadata(self) -> dict[str, Any]:
        return self.record.metadata or {}


@pytest.fixture(scope="session")
def http(services: Any) -> Iterator[ServiceClient]:
    with ServiceClient("BSS", services.bss_url, services.token("*")) as http:
        yield http


ServeFiles = Callable[..., dict[str, Served]]


@pytest.fixture(scope="session")
def serve_files(http: ServiceClient, object_store: ObjectStore) -> ServeFiles:
    """Process files, by name, as a run does, with a ladder; all of them must become ready."""
    pipeline, client = PipelineClient(http), BssClient(http)

    def serve(
        files: dict[str, bytes], ladder: tuple[int, ...] = (), playback: PlaybackMode = PlaybackMode.EVERYWHERE
    ) -> dict[str, Served]:
        owner = f"o{secrets.token_hex(5)}"
        objects = []
        for name, data in files.items():
            key = layout.staging_key(owner, "lab", hashlib.sha256(data).hexdigest())
            object_store.put(key, data, content_type="application/octet-stream")
            objects.append(
                StagedObject(
                    key=key, owner=owner, project="lab", size=len(data), etag="e", kind=kind_of(name), name=name
                )
            )
        pipeline.adopt(objects)
        limits = ClaimBatches(
            max_batches=100,
            max_files=1000,
            max_bytes=10**12,
            settle_seconds=0,
            processing_grace_seconds=0,
            lease_seconds=3600,
            max_attempts=3,
        )
        [partition] = [offer.partition for offer in pipeline.claim(limits) if offer.owner == owner]
        hold = Hold(pipeline, partition, "run-1", lease_seconds=3600)
        shop = Workshop(pipeline, object_store, ladder=ladder, playback=playback)
        with BatchWork(hold, shop, hold.begin().items, workers=2) as work:
            for outcome in work.finish():
                assert outcome.error is None, (outcome.record.name, outcome.error)
        pipeline.finish(partition, hold.run_id)
        records = pipeline.items(partition).items
        return {record.name: Served(record, client.playback(record.kind, record.id).url) for record in records}

    return serve


@pytest.fixture(scope="session")
def served(clip: Callable[[str], Path], serve_files: ServeFiles) -> dict[str, Served]:
    """Every clip, and one of them with subtitles beside it; by name."""
    files = {f"/cam/{name}": clip(name).read_bytes() for name in CLIPS}
    return serve_files(files | {"/cam/kept.srt": FRONT_SRT.encode(), "/cam/kept.de.vtt": FRONT_DE.encode()})


@pytest.fixture(scope="session")
def laddered(clip: Callable[[str], Path], serve_files: ServeFiles) -> dict[str, Served]:
    """Every clip of LADDERED, by name."""
    made = serve_files({f"/{name}": clip(name).read_bytes() for name in LADDERED}, LADDER)
    return {name.lstrip("/"): one for name, one in made.items()}
