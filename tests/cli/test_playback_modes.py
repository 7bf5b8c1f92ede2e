"""`--playback` of `upload`, `project` and `retry`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "front.mp4"
    path.write_bytes(b"not looked at here")
    return path


def test_an_upload_and_a_retry_say_for_which_browsers(
    dreamlake: Callable[..., Any], video: Path, pipeline: Any, owner: str
) -> None:
    pipeline.metadata = {"durationSec": 1.5, "playback": "modern"}
    done = dreamlake("upload", video, "-e", "robot", "--playback", "modern", "--json")
    id = done.files["front.mp4"]["id"]

    def playback() -> Any:
        return json.loads(dreamlake("show", id, "--json").out)["playback"]

    assert playback() == "modern"
    pipeline.work(owner, lambda _: None)
    assert ["playback", "modern"] in [line.split()[:2] for line in dreamlake("show", id).out.splitlines()]
    assert dreamlake("retry", "robot", "--all", "--playback", "everywhere").code == 0
    assert playback() == "both"


def test_a_project_says_it(dreamlake: Callable[..., Any], owner: str) -> None:
    def setting(*words: str) -> Any:
        return json.loads(dreamlake("project", *words, "--json").out.splitlines()[-1])["playback"]

    assert setting("show", "robot") is None
    assert setting("set", "robot", "--playback", "modern") == "modern" == setting("show", "robot")
    assert setting("set", "robot", "--playback", "default") is None
    shown = dreamlake("project", "show", "robot").out.splitlines()
    assert ["playback", "everywhere"] in [line.split() for line in shown]


@pytest.mark.parametrize(
    "words", [("upload", "{video}", "-e", "robot"), ("project", "set", "robot"), ("retry", "robot")]
)
def test_what_is_no_mode_is_refused_at_once(dreamlake: Callable[..., Any], video: Path, words: tuple[str, ...]) -> None:
    done = dreamlake(*(word.format(video=video) for word in words), "--playback", "cinema")
    told = " ".join(done.err.split())
    assert done.code == 2 and "cinema" in told and "everywhere, modern, both" in told
