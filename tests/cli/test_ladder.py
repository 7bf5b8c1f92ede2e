"""`--ladder` of `upload` and `ingest`, and `project`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.kinds import Kind


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "front.mp4"
    path.write_bytes(b"not looked at here")
    return path


def test_a_ladder_is_of_the_videos_that_are_sent(dreamlake: Callable[..., Any], recordings: Path) -> None:
    done = dreamlake("ingest", recordings, "-e", "robot", "--ladder", "480, 1080,480", "--json")
    assert done.code == 0
    ladders = {
        name: json.loads(dreamlake("show", file["id"], "--json").out)["ladder"]
        for name, file in done.files.items()
        if file["id"]
    }
    assert ladders == {"front.mp4": [1080, 480], "left.wav": None, "words.srt": None, "joints.csv": None}


def test_another_ladder_makes_a_ready_video_again(
    dreamlake: Callable[..., Any], video: Path, pipeline: Any, owner: str
) -> None:
    pipeline.metadata = {"durationSec": 1.5, "ladder": []}

    def status(*words: str) -> str:
        return dreamlake("upload", video, "-e", "robot", *words, "--json").files["front.mp4"]["status"]

    assert status() == "uploaded"
    pipeline.work(owner, lambda _: None)
    assert status() == status("--ladder", "none") == "ready"
    pipeline.metadata["ladder"] = [720]
    assert status("--ladder", "720") == "duplicate"
    assert pipeline.work(owner, lambda _: None) == 1
    assert status("--ladder", "720") == status() == "ready"
    assert pipeline.work(owner, lambda _: None) == 0


@pytest.mark.parametrize(
    ("ladder", "problem"),
    [
        ("720p", "'720p' is not a height in pixels"),
        ("0", "0 is not an even number"),
        ("721", "721 is not an even number"),
        ("", "a height is missing"),
        ("720,,480", "a height is missing"),
        ("none,720", "'none' is not a height"),
        ("-720", "'-720' is not a height"),
        ("9" * 5000, "is not a height"),
    ],
)
def test_what_is_no_ladder_is_refused_at_once(
    dreamlake: Callable[..., Any], video: Path, ladder: str, problem: str
) -> None:
    for words in (
        ("upload", video, "-e", "robot"),
        ("ingest", video.parent, "-e", "robot", "--dry-run"),
        ("project", "set", "robot"),
    ):
        done = dreamlake(*words, f"--ladder={ladder}")
        told = " ".join(done.err.replace("│", " ").split())
        assert (done.code, done.out) == (2, "")
        assert "--ladder" in told and problem in told and "1080,720,480" in told


def test_a_project_has_a_ladder(dreamlake: Callable[..., Any], owner: str) -> None:
    def ladder(*words: str) -> Any:
        done = dreamlake("project", *words, "--json")
        assert done.code == 0, done.err
        (shown,) = done.events
        assert (shown["namespace"], shown["project"]) == (owner, "robot")
        return shown["ladder"]

    assert ladder("show", "robot") is None
    for words, expected in (("480,720", [720, 480]), ("none", []), ("default", None)):
        assert ladder("set", f"robot@{owner}", "--ladder", words) == expected == ladder("show", "robot")
    assert "DREAMLAKE_LADDER" in dreamlake("project", "show", "robot").out
    shown = dreamlake("project", "set", "robot", "--ladder", "480,720").out.splitlines()
    assert ["ladder", "720,480"] in [line.split() for line in shown]


def test_settings_are_of_whole_projects_in_reach(dreamlake: Callable[..., Any]) -> None:
    assert dreamlake("project", "show", "robot:run-001").code == 2
    assert dreamlake("project", "set", "robot").code == 2
    refused = dreamlake("project", "set", "robot@another", "--ladder", "480")
    assert "does not reach namespace 'another'" in refused.err


def test_python_checks_it_as_well(environment: dict[str, str], video: Path, owner: str) -> None:
    with DreamLake.from_environment() as lake:
        with pytest.raises(DreamlakeError, match="721 is not an even number"):
            list(lake.upload_events([video], episode="robot", ladder=[721]))
        list(lake.upload_events([video], episode="robot", ladder=[240, 480]))
        (record,) = lake.bss.list_all(Kind.VIDEO, owner=owner)
        assert record.ladder == (480, 240)
