"""`mv`: what it says, its codes and its JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def stored(dreamlake: Callable[..., Any], recordings: Path) -> None:
    """The recordings, in project `robot`."""
    assert dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder").code == 0


def test_a_file_a_folder_and_an_episode(dreamlake: Callable[..., Any], stored: None) -> None:
    done = dreamlake("mv", "robot:run-001/camera/front.mp4", "/camera/left.mp4")
    assert (done.code, done.err) == (0, "")
    assert "run-001:/camera/front.mp4  ->  run-001:/camera/left.mp4" in done.out
    assert done.out.endswith("1 file moved.\n")
    assert dreamlake("mv", "-e", "robot:run-001", "camera", "cameras").code == 0
    assert dreamlake("mv", "robot:run-001", "cameras", "robot:run-002").code == 0
    assert dreamlake("mv", "robot:run-002", "robot:second").code == 0
    shown = dreamlake("tree", "robot").out
    assert "left.mp4" in shown
    assert "second" in shown
    assert "run-002" not in shown
    assert "front.mp4" not in shown


def test_json_and_dry_run(dreamlake: Callable[..., Any], stored: None) -> None:
    planned = dreamlake("mv", "robot:run-001", "robot:first", "--dry-run", "--json")
    assert (planned.code, planned.summary["files"], planned.summary["moved"]) == (0, 2, 0)
    moved = dreamlake("mv", "robot:run-001", "robot:first", "--json")
    assert moved.summary["moved"] == 2
    assert {(event["name"], event["newName"], event["newEpisode"], event["status"]) for event in moved.events[:-1]} == {
        ("/camera/front.mp4", "/camera/front.mp4", "first", "moved"),
        ("/mic/left.wav", "/mic/left.wav", "first", "moved"),
    }


def test_what_cannot_be(dreamlake: Callable[..., Any], stored: None) -> None:
    taken = dreamlake("mv", "robot:run-002/words.srt", "joints.csv")
    assert (taken.code, taken.out) == (1, "")
    assert "--force" in taken.err
    nowhere = dreamlake("mv", "robot:run-002/wrds.srt", "x.srt")
    assert nowhere.code == 1
    assert "words.srt" in nowhere.err
    for words in (("robot:run-002/words.srt",), ("robot", "other"), ("robot:run-002/words.srt", "other@lab:run/x.srt")):
        assert dreamlake("mv", *words).code == 2
    assert dreamlake("mv", "robot:run-002/words.srt", "joints.csv", "--force").code == 0
    assert "joints.csv" in dreamlake("undelete", "robot", "--dry-run").out


def test_episodes_become_one_only_by_force(dreamlake: Callable[..., Any], stored: None) -> None:
    refused = dreamlake("mv", "robot:run-001", "robot:run-002")
    assert (refused.code, refused.out) == (1, "")
    assert "run-002" in refused.err and "--force" in refused.err
    assert dreamlake("mv", "robot:run-001", "robot:run-002", "--force").code == 0
    assert dreamlake("ls", "robot").out.split() == ["run-002", "4", "files"]
