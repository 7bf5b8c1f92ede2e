"""`dreamlake fsck` and `rebuild`: what they print, and their exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.storage import ObjectStore

from .conftest import Done, Pipeline

Run = Callable[..., Done]


@pytest.fixture
def waiting(dreamlake: Run, tmp_path: Path) -> None:
    """Two files in project `robot` that wait for processing."""
    (tmp_path / "said.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    (tmp_path / "grip.jsonl").write_text('{"grip": 1}\n')
    for name in ("said.srt", "grip.jsonl"):
        assert dreamlake("upload", tmp_path / name, "--episode", "robot").code == 0


@pytest.mark.usefixtures("waiting")
def test_what_is_whole_is_clean(dreamlake: Run) -> None:
    done = dreamlake("fsck", "robot")
    assert (done.code, done.out.splitlines()[-1][-5:]) == (0, "clean")
    assert "2 records" in done.out and "2 raw files" in done.out
    everything = dreamlake("fsck", "--deep", "--json")  # of the token's namespace
    assert everything.code == 0 and everything.summary["checked"]["records"] == 2
    assert everything.summary["damage"] == 0 and everything.summary["bytes"] > 20


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("how", ["--deep", "--json"])
def test_a_project_that_is_not_there_is_not_clean(dreamlake: Run, how: str) -> None:
    done = dreamlake("fsck", "robbot", how)
    assert (done.code, done.out) == (1, "") and "robbot" in done.err


@pytest.mark.usefixtures("waiting")
def test_damage_is_named_and_explained(dreamlake: Run, object_store: ObjectStore, owner: str) -> None:
    staged = [item.key for item in object_store.list_all(f"{owner}/robot/staging/")]
    object_store.delete(staged[:1])
    done = dreamlake("fsck", "robot", "--repair")
    assert done.code == 1
    assert "raw_missing" in done.out and "The uploaded bytes are not in the bucket." in done.out
    assert "1 damage can't be repaired" in done.out
    told = dreamlake("fsck", "robot", "--json")
    [finding, summary] = told.events
    assert told.code == 1 and summary["damage"] == 1
    assert finding["code"] == "raw_missing" and finding["severity"] == "damage" and finding["what"] == staged[0]


@pytest.mark.usefixtures("waiting")
def test_what_can_be_made_again_is_queued(dreamlake: Run, pipeline: Pipeline, owner: str) -> None:
    pipeline.work(owner, lambda record: None)  # nothing was made: no run has worked
    done = dreamlake("fsck", "robot", "--repair", "--json")
    assert {event["code"] for event in done.events[:-1]} == {"ready_without_result", "output_missing"}
    assert done.code == 0 and done.summary["queued"] == 2 and done.summary["left"] == 0


def test_whole_projects_are_checked(dreamlake: Run) -> None:
    done = dreamlake("fsck", "robot:run-1")
    assert done.code == 2 and "whole projects" in done.err


@pytest.mark.usefixtures("waiting")
def test_rebuild_is_for_a_database_that_is_lost(dreamlake: Run, services: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done = dreamlake("rebuild")
    assert done.code == 2 and "every namespace" in done.err
    monkeypatch.setenv("DREAMLAKE_API_KEY", services.token("*"))
    done = dreamlake("rebuild")
    assert done.code == 1 and "--merge" in done.err
