"""`rm`, `undelete` and `gc`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer


@pytest.fixture
def stored(dreamlake: Callable[..., Any], recordings: Path) -> dict[str, dict[str, Any]]:
    """The recordings, in project `robot`: the last event of each file."""
    done = dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder", "--json")
    assert done.code == 0
    return done.files


def _tree(dreamlake: Callable[..., Any], target: str = "robot") -> list[str]:
    """The files of a project, by their names in the tree."""
    words = dreamlake("tree", target).out.split()
    return sorted(word for word in words if "." in word)


def test_rm_shows_what_it_would_delete_and_asks(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _tree(dreamlake)
    planned = dreamlake("rm", "robot:run-001", "--dry-run")
    assert planned.code == 0 and f"robot@{owner}:run-001  /camera/front.mp4" in planned.out
    assert [line.split()[:2] for line in planned.out.splitlines()[-3:]] == [
        ["video", "1"],
        ["audio", "1"],
        ["all", "2"],
    ]
    refused = dreamlake("rm", "robot:run-001")
    assert refused.code == 2 and "--yes" in refused.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda question, **_: (_ for _ in ()).throw(typer.Abort))
    assert dreamlake("rm", "robot:run-001").code == 1
    assert _tree(dreamlake) == before
    asked = []
    monkeypatch.setattr(typer, "confirm", lambda question, **_: asked.append(question))
    assert dreamlake("rm", "robot:run-001").code == 0
    assert asked == ["Delete 2 files?"]
    assert len(_tree(dreamlake)) == len(before) - 2


@pytest.mark.parametrize(
    ("what", "gone"),
    [
        (["robot"], 4),
        (["robot:run-001"], 2),
        (["robot:run-001", "/camera"], 1),
        (["robot:run-001", "/camera/front.mp4"], 1),
        (["robot:run-001", "camera", "/mic"], 2),
        (["--episode", "robot:run-001", "/mic"], 1),
    ],
    ids=lambda what: " ".join(what) if isinstance(what, list) else "",
)
def test_whatever_is_named_is_deleted_and_comes_back(
    dreamlake: Callable[..., Any], stored: dict[str, Any], what: list[str], gone: int
) -> None:
    before = _tree(dreamlake)
    done = dreamlake("rm", *what, "--yes", "--json")
    assert done.code == 0 and done.summary["deleted"] == done.summary["files"] == gone
    assert {event["status"] for event in done.events[:-1]} == {"deleted"}
    assert len(_tree(dreamlake)) == len(before) - gone
    listed = dreamlake("undelete", *what, "--dry-run", "--json")
    assert listed.summary["files"] == gone and listed.events[0]["deletedBy"]
    assert dreamlake("undelete", *what, "--dry-run").out.count("until ") == gone
    back = dreamlake("undelete", *what, "--json")
    assert back.code == 0 and back.summary["restored"] == gone
    assert _tree(dreamlake) == before
    assert dreamlake("undelete", *what).code == 1


def test_ids_and_names_that_are_not_there(dreamlake: Callable[..., Any], stored: dict[str, Any]) -> None:
    record_id = stored["front.mp4"]["id"]
    assert dreamlake("rm", record_id, "--yes").code == 0
    assert dreamlake("rm", record_id, "--yes").code == 1
    assert "1 file restored" in dreamlake("undelete", record_id).out
    for words in (["robot:nowhere"], ["robot", "/run-001"], ["robot:run-001", "/cam"], ["0" * 24]):
        assert dreamlake("rm", *words, "--yes").code == 1, words
    assert dreamlake("rm", "--yes").code == dreamlake("rm", "/camera", "--yes").code == 2

    # One wrong word among right ones: it is named, and nothing is done.
    before = _tree(dreamlake)
    for verb in (["rm", "--yes"], ["undelete"]):
        for words in (["robot:run-001", "/camera", "/cam"], [record_id, "0" * 24]):
            done = dreamlake(verb[0], *words, *verb[1:])
            assert done.code == 1 and words[-1] in done.err, (verb, words)
            assert _tree(dreamlake) == before


def test_what_can_be_restored_is_said_where_it_is_something_else(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str
) -> None:
    for words in (["robot"], ["robot", "--dry-run"], ["0" * 24]):
        done = dreamlake("undelete", *words)
        assert done.code == 1 and f"hint: Nothing of namespace '{owner}' can be restored" in done.err, words
    assert dreamlake("rm", "robot:run-001", "--yes").code == 0
    for words in (["plates"], ["0" * 24]):
        done = dreamlake("undelete", *words)
        assert done.code == 1 and f"hint: Files of robot@{owner} can be restored.\n" in done.err, words


def test_what_was_deleted_whole_is_not_listed_until_it_is_back(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str
) -> None:
    assert dreamlake("rm", "robot:run-001", "--yes").code == 0
    assert dreamlake("ls", "robot").out.split() == ["run-002", "2", "files"]
    assert "run-001" not in dreamlake("tree", "robot").out
    assert dreamlake("rm", "robot", "--yes").code == 0
    nothing = dreamlake("ls")
    assert (nothing.code, nothing.out) == (0, "") and "No file is there." in nothing.err
    assert dreamlake("ls", "robot").code == dreamlake("tree", "robot").code == 1
    assert dreamlake("undelete", "robot").code == 0
    assert dreamlake("ls").out.split() == [f"robot@{owner}", "4", "files"]


def test_a_name_goes_with_its_earlier_content_and_is_not_taken_back_by_itself(
    dreamlake: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "a.srt"
    ids = []
    for text in ("one", "two", "three"):
        file.write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n")
        if text == "three":
            done = dreamlake("rm", "robot", "/a.srt", "--yes")
            assert "1 of these is earlier content" in done.out.replace("\n", " "), done.out
        ids.append(dreamlake("upload", file, "--episode", "robot", "--json").files["a.srt"]["id"])
    taken = dreamlake("undelete", "robot", "--json")
    assert taken.code == 1 and taken.summary["restored"] == 0
    assert {event["takenBy"] for event in taken.events[:-1]} == {ids[2]}
    assert dreamlake("undelete", "robot", "--replace").code == 0
    [asset] = dreamlake("ls", "robot", "/", "--json").events
    assert asset["bssId"] == ids[1]


def test_gc_shows_what_it_frees(
    dreamlake: Callable[..., Any], stored: dict[str, Any], services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dreamlake("gc", "--dry-run").code == 2, "the token writes in one namespace only"
    monkeypatch.setenv("DREAMLAKE_API_KEY", services.token("*"))
    assert dreamlake("gc", "--dry-run").code == 0
    plan, summary = dreamlake("gc", "--yes", "--json").events
    assert (plan["event"], summary["event"]) == ("plan", "summary") and "freed" in summary
    assert len(_tree(dreamlake)) == 4
