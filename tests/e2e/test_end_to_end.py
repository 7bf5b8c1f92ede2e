"""The whole house, as a person uses it: the embedded stack, the CLI as a process, real files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import boto3
import httpx
import imageio_ffmpeg
import m3u8
import pytest

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.stack.state import Stack
from dreamlake_pipeline.storage import client_config

# One worker of a parallel run has the stack.
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

DREAMLAKE = str(Path(sys.executable).with_name("dreamlake"))


def ffmpeg(*arguments: str) -> None:
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *arguments],
        check=True,
    )


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two episodes with every kind, a broken video, a file of no known kind, and one content under two names."""
    root = tmp_path_factory.mktemp("robot")
    for episode in ("run-001", "run-002"):
        for folder in ("camera", "microphone", "subtitles", "labels"):
            (root / episode / folder).mkdir(parents=True)
    one, two = root / "run-001", root / "run-002"
    picture, tone = "testsrc2=size=320x180:rate=25:duration=4", "sine=frequency=440:duration=4"
    ffmpeg(
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, "-c:v", "libx264", "-pix_fmt", "yuv420p"),
        *("-g", "50", "-c:a", "aac", str(one / "camera" / "front cam.mp4")),
    )
    ffmpeg("-f", "lavfi", "-i", picture, "-c:v", "mjpeg", str(two / "camera" / "wrist.AVI"))
    (two / "camera" / "broken.mp4").write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(5000))
    ffmpeg("-f", "lavfi", "-i", tone, str(one / "microphone" / "left.wav"))
    (two / "microphone" / "same.wav").write_bytes((one / "microphone" / "left.wav").read_bytes())
    (one / "subtitles" / "front cam.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nGrasping the cup\n")
    (two / "labels" / "état.jsonl").write_text(
        "".join(json.dumps({"t": n / 10, "grip": n % 2}) + "\n" for n in range(40))
    )
    (two / "labels" / "joints.csv").write_text("t,j1\n" + "".join(f"{n},{n * 0.5}\n" for n in range(30)))
    (root / "NOTES.md").write_text("not ours")
    return root


@pytest.fixture(scope="module")
def environment(running_stack: Stack) -> dict[str, str]:
    """A shell's, with what `dreamlake env` exports."""
    return os.environ | running_stack.environment()


@pytest.fixture(scope="module")
def dreamlake(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DREAMLAKE, *words], env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run


@pytest.fixture(scope="module")
def ingested(episodes: Path, dreamlake: Callable[..., Any]) -> subprocess.CompletedProcess[str]:
    """One ingest of the whole directory, waited for."""
    return dreamlake("ingest", str(episodes), "--episode", "mugs@lab", "--episode-per-folder", "--wait", "--json")


def events_of(done: subprocess.CompletedProcess[str]) -> Iterator[dict[str, Any]]:
    return map(json.loads, done.stdout.splitlines())


def last_status(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """The last event of each file, by its path's name."""
    return {Path(event["path"]).name: event for event in events_of(done) if event["event"] == "file"}


def test_ingest_makes_everything_ready_but_the_broken_file(ingested: subprocess.CompletedProcess[str]) -> None:
    files = last_status(ingested)
    assert ingested.returncode == 1, ingested.stderr
    assert {name: event["status"] for name, event in files.items()} == {
        "front cam.mp4": "ready",
        "left.wav": "ready",
        "front cam.srt": "ready",
        "wrist.AVI": "ready",
        "broken.mp4": "failed",
        "same.wav": "ready",
        "état.jsonl": "ready",
        "joints.csv": "ready",
        "NOTES.md": "skipped",
    }
    assert files["broken.mp4"]["reason"]
    assert "Traceback" not in ingested.stderr
    summary = list(events_of(ingested))[-1]
    assert summary["event"] == "summary"
    assert (summary["files"], summary["skipped"], summary["ready"], summary["failed"]) == (9, 1, 7, 1)


def test_second_ingest_sends_nothing_and_tries_what_failed_again(
    ingested: subprocess.CompletedProcess[str], episodes: Path, dreamlake: Callable[..., Any]
) -> None:
    again = dreamlake("ingest", str(episodes), "--episode", "mugs@lab", "--episode-per-folder", "--wait", "--json")
    summary = list(events_of(again))[-1]
    assert (summary["uploaded"], summary["duplicate"], summary["ready"], summary["failed"]) == (0, 8, 7, 1)
    ids = {name: event.get("id") for name, event in last_status(again).items()}
    assert ids == {name: event.get("id") for name, event in last_status(ingested).items()}


def test_tree_shows_every_file_with_duration_and_status(
    ingested: subprocess.CompletedProcess[str], dreamlake: Callable[..., Any]
) -> None:
    tree = dreamlake("tree", "mugs@lab")
    assert tree.returncode == 0, tree.stderr
    for name in ("run-001", "run-002", "front cam.mp4", "wrist.AVI", "état.jsonl", "broken.mp4"):
        assert name in tree.stdout
    assert "NOTES.md" not in tree.stdout
    assert "failed" in tree.stdout


def test_a_browser_can_play_the_video_with_no_header(
    ingested: subprocess.CompletedProcess[str], dreamlake: Callable[..., Any], episodes: Path, tmp_path: Path
) -> None:
    record = last_status(ingested)["front cam.mp4"]["id"]
    url = dreamlake("play", record).stdout.split()[-1]
    master = m3u8.loads(httpx.get(url).raise_for_status().text)
    variant = urljoin(url, master.playlists[0].uri)
    playlist = m3u8.loads(httpx.get(variant).raise_for_status().text)
    whole = b""
    for segment in playlist.segments:
        chunk = httpx.get(urljoin(variant, segment.uri), follow_redirects=True).raise_for_status().content
        assert hashlib.sha256(chunk).hexdigest() in segment.uri
        whole += chunk
    with av.open(io.BytesIO(whole), format="mpegts") as stream:
        frames = sum(1 for _ in stream.decode(video=0))
    assert frames == 100
    assert sum(segment.duration for segment in playlist.segments) == pytest.approx(4.0, abs=1 / 25)


def test_the_raw_file_comes_back_as_it_was(
    ingested: subprocess.CompletedProcess[str], dreamlake: Callable[..., Any], episodes: Path, tmp_path: Path
) -> None:
    record = last_status(ingested)["joints.csv"]["id"]
    done = dreamlake("download", record, "-o", str(tmp_path / "joints.csv"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "joints.csv").read_bytes() == (episodes / "run-002/labels/joints.csv").read_bytes()


def test_a_notebook_reads_the_index_and_the_labels_as_frames(
    ingested: subprocess.CompletedProcess[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with DreamLake.from_environment() as lake:
        files = lake.table("mugs@lab")
        joints = lake.labels(last_status(ingested)["joints.csv"]["id"])
        with pytest.raises(DreamlakeError, match="not a label track"):
            lake.labels(last_status(ingested)["left.wav"]["id"])
    assert len(files) == 8
    ready = files[files["status"] == "ready"].set_index("name")
    assert ready.loc["/camera/front cam.mp4", "frames"] == 100
    assert ready.loc["/microphone/left.wav", "duration_sec"] == pytest.approx(4.0)
    assert list(joints["j1"]) == [n * 0.5 for n in range(30)]
    assert list(joints["_line"]) == list(range(2, 32))


def test_show_says_why_the_broken_file_failed(
    ingested: subprocess.CompletedProcess[str], dreamlake: Callable[..., Any]
) -> None:
    shown = dreamlake("show", last_status(ingested)["broken.mp4"]["id"], "--json")
    record = json.loads(shown.stdout)
    assert record["status"] == "failed"
    assert record["error"]["code"] in {"media_corrupt", "media_truncated", "not_media"}


def test_an_object_dropped_into_staging_is_found_processed_and_indexed(
    environment: dict[str, str], dreamlake: Callable[..., Any], episodes: Path
) -> None:
    data = (episodes / "run-001/microphone/left.wav").read_bytes()
    s3 = boto3.client(
        "s3",
        config=client_config(),
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    key = f"lab/dropped/staging/{hashlib.sha256(data).hexdigest()}"
    s3.put_object(Bucket=environment["DREAMLAKE_BUCKET"], Key=key, Body=data, Metadata={"name": "/mic/robot.wav"})
    deadline = time.monotonic() + 240
    shown = ""
    while time.monotonic() < deadline:
        tree = dreamlake("tree", "dropped@lab")
        shown = tree.stdout
        if "robot.wav" in shown and "ready" in shown:
            break
        time.sleep(2)
    assert "robot.wav" in shown
    assert "ready" in shown


def test_services_that_are_down_are_named(environment: dict[str, str]) -> None:
    nowhere = environment | {"DREAMLAKE_BSS_URL": "http://127.0.0.1:9", "DREAMLAKE_REMOTE": "http://127.0.0.1:9"}
    done = subprocess.run([DREAMLAKE, "ls"], env=nowhere, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 3
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr
