"""`failed`: what failed, by the reason."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def stored(dreamlake: Callable[..., Any], recordings: Path) -> None:
    for number in range(12):
        (recordings / "run-001" / f"{number:02}.mp4").write_text(str(number))
    assert dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder").code == 0


def test_what_failed_is_listed_by_the_reason(
    dreamlake: Callable[..., Any], stored: None, pipeline: Any, owner: str
) -> None:
    assert (none := dreamlake("failed", "robot")).code == 0 and "No file failed." in none.err
    pipeline.work(owner, lambda record: "The moov box is missing." if record.name.endswith((".mp4", ".wav")) else None)
    for words in (["robot"], [], [f"robot@{owner}:run-001"], ["-e", "robot"]):
        shown = dreamlake("failed", *words)
        assert shown.code == 0
        assert "media_corrupt  14 files  The media data is damaged." in shown.out
        assert "robot:run-001/00.mp4" in shown.out and "The moov box is missing." in shown.out
        assert "and 4 more: --all lists them" in shown.out and "14 files failed." in shown.out
    assert "`dreamlake retry -e robot`" in shown.err and "`dreamlake show robot:run-001/00.mp4`" in shown.err
    assert "`dreamlake retry robot`" in dreamlake("failed").err
    assert dreamlake("failed", "--all").out.count("robot:run-001/") == 14
    assert "1 file failed." in dreamlake("failed", "robot:run-001", "mic").out
    assert "No file failed" in dreamlake("failed", "robot:run-002").err
    assert "media_corrupt" in dreamlake("failed", "--code", "media_corrupt").out
    assert "No file failed for hash_mismatch." in dreamlake("failed", "--code", "hash_mismatch").err
    typo = dreamlake("failed", "--code", "media_corupt")
    assert typo.code == 2 and "media_corrupt?" in " ".join(typo.err.replace("│", " ").split())
    rows = dreamlake("failed", "robot", "--json").events
    assert len(rows) == 14 and {row["code"] for row in rows} == {"media_corrupt"}
    assert {row["reason"] for row in rows} == {"The moov box is missing."}


def test_what_was_replaced_is_not_told_and_what_plays_still_is(
    dreamlake: Callable[..., Any], recordings: Path, pipeline: Any, owner: str
) -> None:
    upload = ("upload", recordings / "run-001/camera/front.mp4", recordings / "run-001/mic/left.wav", "-e", "robot")
    assert dreamlake(*upload).code == 0
    pipeline.work(owner, lambda record: "Damaged." if record.name == "/front.mp4" else None)
    (recordings / "run-001/camera/front.mp4").write_text("other content")
    assert dreamlake(*upload).code == 0
    assert dreamlake("retry", "robot/left.wav", "--all").code == 0
    pipeline.work(owner, lambda record: "Worse." if record.name == "/left.wav" else None)
    [row] = dreamlake("failed", "robot", "--json").events
    assert (row["name"], row["reason"], row["status"]) == ("/left.wav", "Worse.", "ready")
    assert "(its earlier result plays)" in dreamlake("failed").out


def test_hints_can_be_pasted_whatever_an_episode_is_called(
    dreamlake: Callable[..., Any], recordings: Path, pipeline: Any, owner: str
) -> None:
    place = "robot:Lauf 4: 'über'"
    assert dreamlake("upload", recordings / "run-001/camera/front.mp4", "-e", place, "--to", "camera").code == 0
    pipeline.work(owner, lambda record: "Damaged.")
    hints = {
        "retry": dreamlake("failed", place).err,
        "failed": dreamlake("tree", place).err,
        "ls": dreamlake("show", place).err,
    }
    for verb, told in hints.items():
        hint = next(words for words in told.split("`") if words.startswith(f"dreamlake {verb} "))
        assert dreamlake(*shlex.split(hint)[1:]).code == 0, hint
    assert dreamlake("ls", place, "/camera").code == 0  # --to, without its first slash
