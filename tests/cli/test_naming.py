"""Every verb that looks something up takes the same names, and says the nearest ones of what is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OF_FILES = (["show"], ["download", "--force"], ["rm", "--dry-run"], ["ls"], ["tree"], ["retry"], ["failed"])
FORMS = (
    ["robot:run-001/camera/front.mp4"],
    ["robot@{}:run-001/camera/front.mp4"],
    ["robot:run-001", "/camera/front.mp4"],
    ["robot:run-001", "camera/front.mp4"],
    ["robot:run-001/camera", "front.mp4"],
    ["-e", "robot:run-001", "/camera/front.mp4"],
    ["-e", "robot:run-001", "camera/front.mp4"],
)


@pytest.fixture
def stored(dreamlake: Callable[..., Any], recordings: Path) -> dict[str, dict[str, Any]]:
    done = dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder", "--json")
    assert done.code == 0
    return done.files


def test_every_verb_takes_every_form(
    dreamlake: Callable[..., Any],
    stored: dict[str, Any],
    owner: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for verb in OF_FILES:
        told = []
        for form in FORMS:
            done = dreamlake(*verb, *(word.format(owner) for word in form))
            assert done.code == 0, (verb, form, done.err)
            told.append(done.out.rpartition(",")[0] if verb == ["retry"] else done.out)  # it ends with its seconds
        assert len(set(told)) == 1, verb
        if verb[0] in ("show", "ls", "tree"):
            assert "front.mp4" in told[0] and "left.wav" not in told[0]
    assert dreamlake("rm", "--yes", "robot:run-001/camera/front.mp4").code == 0
    for form in FORMS:
        done = dreamlake("undelete", "--dry-run", *(word.format(owner) for word in form))
        assert done.code == 0 and "front.mp4" in done.out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["robto:run-001/camera/front.mp4"], "robot@{}:run-001/camera/front.mp4"),
        (["robot:run-01/camera/front.mp4"], "robot@{}:run-001/camera/front.mp4"),
        (["robot:run-001/camera/fornt.mp4"], "robot@{}:run-001/camera/front.mp4"),
        (["robot:run-001/front.mp4"], "robot@{}:run-001/camera/front.mp4"),
        (["-e", "robot:run-01", "camera/front.mp4"], "robot@{}:run-001/camera/front.mp4"),
        (["robot", "run-001/camera/front.mp4"], "An episode comes after a colon: robot@{}:run-001/camera/front.mp4"),
        (["robot/run-001/camera/front.mp4"], "An episode comes after a colon: robot@{}:run-001/camera/front.mp4"),
    ],
    ids=lambda what: " ".join(what) if isinstance(what, list) else "",
)
def test_every_verb_says_the_nearest_names(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str, words: list[str], hint: str
) -> None:
    for verb in (["show"], ["play"], ["download"], ["rm", "--yes"], ["ls"], ["tree"], ["retry"], ["failed"]):
        done = dreamlake(*verb, *words)
        assert (done.code, done.out) == (1, ""), verb
        assert hint.format(owner) in done.err, verb


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["robot:run-01/nothing"], "Did you mean robot@{}:run-001?"),
        (["robot:run-01/camera/fornt.mp4"], "Did you mean robot@{}:run-001/camera/front.mp4?"),
        (["robto:run-9/front.mp4"], "Did you mean robot@{}?"),
        (["robto:run-001/front.mp4"], "Did you mean robot@{}:run-001/camera/front.mp4?"),
        (["robto/nothing.mp4"], "Did you mean robot@{}?"),
        (["{}/robot:run-9"], "Did you mean robot@{}?"),
        (["{}/robot:run-001/nothing"], "Did you mean robot@{}:run-001?"),
    ],
)
def test_what_may_be_meant_is_there(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str, words: list[str], hint: str
) -> None:
    done = dreamlake("show", *(word.format(owner) for word in words))
    assert done.code == 1 and f"hint: {hint.format(owner)}\n" in done.err


def test_settings_of_a_project_that_holds_nothing_are_said_to_be_such(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str
) -> None:
    for words in (["project", "show", "robto"], ["project", "set", "robto", "--ladder", "none"]):
        done = dreamlake(*words)
        assert done.code == 0 and f"Nothing is stored in robto@{owner} yet. Did you mean robot@{owner}?" in done.err
    assert "Nothing" not in dreamlake("project", "show", "robot").err
    done = dreamlake("fsck", "robto")
    assert done.code == 1 and f"robot@{owner}" in done.err


def test_a_wrong_form_gets_the_right_one(dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str) -> None:
    for verb in ("show", "play", "download", "rm", "undelete", "retry", "tree"):
        done = dreamlake(verb, "/camera/front.mp4")
        assert done.code == 2 and "robot@lab:run-001/camera/front.mp4" in done.err, verb
        done = dreamlake(verb, "Robot")
        assert done.code == 2 and "robot" in done.err, verb
    for verb in ("show", "play"):
        done = dreamlake(verb, "robot:run-001")
        assert done.code == 1 and "an episode, not a file" in done.err, verb
    wrong = dreamlake("ingest", ".", "-e", "robot/run-001")
    assert wrong.code == 2 and "robot:run-001" in wrong.err


@pytest.mark.parametrize("verb", ["ls", "tree"])
def test_only_what_is_asked_for_is_listed(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str, pipeline: Any, verb: str
) -> None:
    pipeline.work(owner, lambda record: "The moov box is missing." if record.name.endswith(".mp4") else None)

    def names(*words: str) -> set[str]:
        done = dreamlake(verb, *words)
        assert done.code == 0, done.err
        return {word.rpartition("/")[2] for word in done.out.split() if word.endswith((".mp4", ".wav", ".srt", ".csv"))}

    assert names("robot", "--failed") == names("robot", "--status", "failed") == {"front.mp4"}
    assert names("robot", "--status", "ready", "--kind", "audio") == {"left.wav"}
    assert names("robot", "--kind", "video", "--type", "text-track") == {"front.mp4", "words.srt"}
    assert names("robot:run-001", "--status", "ready") == {"left.wav"}
    assert names("robot:run-001", "camera", "--kind", "audio") == set()
    assert "No file matches." in dreamlake(verb, "robot:run-002", "--failed").err
    assert "The moov box is missing." in dreamlake(verb, "robot", "--failed").out
    assert dreamlake(verb, "robot", "--status", "done").code == 2
    assert dreamlake(verb, "robot:run-001/nowhere", "--failed").code == 1


def test_what_is_listed_can_be_named_again(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str, pipeline: Any
) -> None:
    pipeline.work(owner, lambda record: "Damaged.")
    for line in dreamlake("ls", "--failed").out.splitlines():
        assert dreamlake("show", line.split()[0]).code == 0, line
    long = dreamlake("ls", "robot:run-001/camera", "--long").out
    assert stored["front.mp4"]["bssId"] in long and "Damaged." in long


def test_lists_are_sorted(dreamlake: Callable[..., Any], recordings: Path) -> None:
    for name, size in (("b.srt", 30), ("a.srt", 10), ("c/d.srt", 20), ("c/e.csv", 40)):
        (recordings / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (recordings / "run" / name).write_bytes(b"x" * size)
    assert dreamlake("ingest", recordings / "run", "-e", "sorted:run").code == 0

    def listed(*words: str) -> list[str]:
        out = dreamlake(*words).out
        return [word.strip("/") for word in out.split() if word.endswith((".srt", ".csv", "/"))]

    assert listed("ls", "sorted:run") == ["a.srt", "b.srt", "c"]
    assert listed("ls", "sorted:run", "--sort", "size") == ["c", "b.srt", "a.srt"]
    assert listed("ls", "sorted:run", "--sort", "size", "--reverse") == ["a.srt", "b.srt", "c"]
    assert listed("ls", "sorted:run", "--kind", "text-track", "--sort", "size") == ["b.srt", "c/d.srt", "a.srt"]
    assert listed("tree", "sorted:run", "--sort", "size") == ["c", "e.csv", "d.srt", "b.srt", "a.srt"]
    assert listed("tree", "sorted:run", "-r") == ["b.srt", "a.srt", "c", "e.csv", "d.srt"]
    assert listed("tree", "sorted:run/c", "--sort", "kind") == ["e.csv", "d.srt"]


def test_rows_for_programs_have_the_fields_of_every_event(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str, pipeline: Any
) -> None:
    pipeline.work(owner, lambda record: "Damaged." if record.name.endswith(".mp4") else None)
    [row] = dreamlake("ls", "robot", "--failed", "--json").events
    [node] = [node for node in dreamlake("tree", "robot", "--failed", "--json").events if node["type"] == "asset"]
    [shown] = dreamlake("show", "robot:run-001/camera/front.mp4", "--json").events
    event = stored["front.mp4"]
    for fields in (row, node["asset"], shown):
        assert (fields["path"], fields["name"]) == (None, "/camera/front.mp4")
        assert (fields["bssId"], fields["assetId"]) == (event["bssId"], event["assetId"])
        assert (fields["status"], fields["code"], fields["reason"]) == ("failed", "media_corrupt", "Damaged.")
        assert (fields["episode"], fields["kind"], fields["size"]) == ("run-001", "video", 24)
