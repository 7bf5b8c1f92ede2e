"""`dreamlake episode`, and what of it `ls`, `tree` and `show` tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.auth import Scope
from dreamlake_pipeline.client import Code, DreamLake, DreamlakeError


@pytest.fixture
def stored(dreamlake: Callable[..., Any], recordings: Path) -> None:
    """The recordings, in project `robot`."""
    assert dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder").code == 0


def test_an_episode_is_flagged_found_and_renamed(dreamlake: Callable[..., Any], stored: None) -> None:
    done = dreamlake("episode", "flag", "robot:run-001", "bad", "--note", "The gripper stuck.\nTwice.")
    assert (done.code, done.err) == (0, "")
    assert "bad" in done.out and "Twice." in done.out
    listed = dreamlake("ls", "robot", "--flag", "bad")
    assert listed.out.split() == ["run-001", "2", "files", "bad", "The", "gripper", "stuck.…"]
    assert dreamlake("ls", "robot", "--flag", "bad", "-l").out.endswith("The gripper stuck. Twice.\n")
    assert "run-001" not in dreamlake("ls", "robot", "--flag", "none").out
    [found] = dreamlake("ls", "--flag", "bad", "--json").events
    assert (found["name"], found["flag"], found["note"]) == ("run-001", "bad", "The gripper stuck.\nTwice.")
    tree = dreamlake("tree", "robot", "--flag", "bad").out
    assert "run-001" in tree and "run-002" not in tree
    assert dreamlake("mv", "robot:run-001", "robot:first").code == 0
    [said] = dreamlake("episode", "flag", "robot:first", "good", "--json").events
    assert (said["name"], said["flag"], said["note"]) == ("first", "good", "The gripper stuck.\nTwice.")
    assert dreamlake("episode", "flag", "robot:first", "none", "--note", "").code == 0
    shown = dreamlake("episode", "show", "robot:first", "--json").events[0]
    assert (shown["flag"], shown["note"], shown["files"]) == (None, None, 2)
    nobody = dreamlake("ls", "robot", "--flag", "good")
    assert (nobody.code, nobody.out) == (0, "") and "No episode matches." in nobody.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("episode", "flag", "robot:run-01", "bad"), 1, "run-001"),
        (("episode", "flag", "robot", "bad"), 2, "EPISODE"),
        (("episode", "flag", "robot:run-001", "ugly"), 2, "ugly"),
        (("episode", "flag", "robot:run-001", "bad", "--note", "x" * 4001), 2, "4,000"),
        (("episode", "flag", "robot:run-001", "bad", "--note", "a\udcffb"), 2, "broken"),
        (("episode", "flag", "robot:run-001", "bad", "--note", "a\0b"), 2, "NUL"),
        (("episode", "show", "robot"), 2, "project"),
        (("ls", "robot:run-001", "--flag", "bad"), 2, "--flag"),
        (("tree", "robot:run-001", "--flag", "bad"), 2, "--flag"),
        (("ls", "robot", "--flag", "bad", "--failed"), 2, "--flag"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be(
    dreamlake: Callable[..., Any], stored: None, words: tuple[str, ...], code: int, said: str
) -> None:
    done = dreamlake(*words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err and "Traceback" not in done.err


def test_a_token_that_may_only_read_flags_nothing(
    dreamlake: Callable[..., Any], stored: None, services: Any, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMLAKE_API_KEY", services.token(owner, scope=Scope.READ))
    assert dreamlake("episode", "flag", "robot:run-001", "bad").err == "error: This token may only read.\n"
    assert dreamlake("episode", "show", "robot:run-001", "--json").events[0]["flag"] is None


def test_the_sdk_shifts_a_file_and_show_says_so(dreamlake: Callable[..., Any], stored: None) -> None:
    with DreamLake() as lake:
        file = lake.file("robot:run-001", "/camera/front.mp4")
        assert file.time_offset is None
        file.shift(-0.25)
        assert file.time_offset == -0.25
        for wrong in (float("nan"), float("inf"), 1.1e7, -1.1e7):
            with pytest.raises(DreamlakeError) as fault:
                file.shift(wrong)
            assert fault.value.code is Code.USAGE
        shown = dreamlake("show", "robot:run-001", "/camera/front.mp4")
        assert "-0.25 s" in shown.out
        assert dreamlake("show", "robot:run-001/camera/front.mp4", "--json").events[0]["timeOffsetSec"] == -0.25
        file.shift(None)
        assert file.time_offset is None
        assert "offset" not in dreamlake("show", "robot:run-001", "/camera/front.mp4").out


def test_the_sdk_lists_episodes_and_flags_them(stored: None, environment: dict[str, str]) -> None:
    with DreamLake() as lake:
        assert {one.name for one in lake.episodes("robot")} == {"run-001", "run-002"}
        assert lake.flag("robot:run-002", "bad", note="why").flag == "bad"
        assert [one.name for one in lake.episodes("robot", flag="bad", text="WHY")] == ["run-002"]
        assert [one.name for one in lake.episodes("robot", flag="none")] == ["run-001"]
        assert [one.name for one in lake.episodes("robot", kind="audio")] == ["run-001"]
        assert list(lake.episodes("robot", status=["failed", "ready"])) == []
        for wrong in ({"flag": "ugly"}, {"status": "done"}, {"kind": "picture"}):
            with pytest.raises(DreamlakeError):
                list(lake.episodes("robot", **wrong))  # type: ignore[arg-type]
        with pytest.raises(DreamlakeError, match="robt") as fault:
            list(lake.episodes("robt"))
        assert "robot" in (fault.value.hint or "")
