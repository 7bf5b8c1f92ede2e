"""Tables on a terminal: none is wider than it, whatever the names are called; what is no terminal gets all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.cli import output
from dreamlake_pipeline.cli.listing import Line, Table
from dreamlake_pipeline.cli.output import align, shorten, style, unstyle, width

LONG = "n" * 100 + ".mp4"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Has stdout be a terminal of so many columns."""
    return lambda columns: monkeypatch.setattr(output, "terminal_width", lambda: columns)


@pytest.mark.parametrize("name", ["a.mp4", LONG, "録画" * 40, "e\u0301" * 60, "🎥" * 50, "x\x1b[31m" * 20])
@pytest.mark.parametrize("room", [80, 100, 200])
def test_rows_fit_and_stay_aligned(name: str, room: int) -> None:
    rows = [["short.mp4", "video", "ready"], [name, "audio", "failed"], [style(name, bold=True), "audio", "failed"]]
    lines = list(align(rows, room=room, is_cut=True))
    assert all(width(line) <= room for line in lines)
    assert (
        len({width(unstyle(line).partition(kind)[0]) for line in lines for kind in ("video", "audio") if kind in line})
        == 1
    )
    assert unstyle(lines[1]) == unstyle(lines[2])
    assert unstyle(lines[1]).startswith(("a.mp4 ", LONG[:8], "録画", "e\u0301", "🎥", "x\\x1b[31m"))


def test_a_long_name_keeps_its_two_ends_its_style_and_the_lines_of_the_tree() -> None:
    assert shorten("front-camera-of-the-left-arm.mp4", 20) == "front-came…t-arm.mp4"
    cut = shorten(f"│   ├── {style('a-folder-with-a-long-name/', fg='blue')}", 24)
    assert unstyle(cut).startswith("│   ├── a-folder") and unstyle(cut).endswith("name/") and cut != unstyle(cut)
    assert width(cut) == 24
    deep = "│   " * 30 + "└── a-long-name-far-below.mp4"
    assert shorten(deep, 40).endswith("└── a-long…w.mp4")


def test_names_that_stay_whole_move_what_comes_after_them_alone() -> None:
    rows = [["short", "video", "ready"], [LONG, "video", "ready"]]
    short, long = align(rows, room=60)
    assert len(short) <= 60 and long == f"{LONG}  video  ready"


def test_a_reason_has_room_beside_a_long_name(
    terminal: Callable[[int | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    error = ErrorBody(code="media_truncated", message="The end of the file is missing. " * 5)
    lines = [Line([LONG, "video", "ready"]), Line(["a.mp4", "video", "failed"], error)]
    terminal(80)
    table = Table()
    table.show(lines)
    table.tell_cut("lab")
    told = capsys.readouterr()
    assert all(width(line) <= 80 for line in told.out.splitlines())
    assert "failed  media_truncated" in told.out or "failed  The end of the file" in told.out
    assert told.err.count("Names are cut") == told.err.count("Reasons are cut") == 1
    terminal(None)
    Table().show(lines)
    told = capsys.readouterr()
    assert LONG in told.out and error.message.strip() in told.out


def test_every_list_fits(
    dreamlake: Callable[..., Any],
    pipeline: Any,
    owner: str,
    recordings: Path,
    terminal: Callable[[int | None], None],
) -> None:
    long = f"{'very-long-name-' * 12}.srt"
    (recordings / "run-001" / "camera" / long).write_text("words")
    assert dreamlake("ingest", recordings, "-e", "robot", "--episode-per-folder").code == 0
    pipeline.work(owner, lambda record: "The moov box is missing." * 9 if record.name.endswith(".mp4") else None)
    lists = (["ls", "robot:run-001/camera"], ["ls", "robot", "--kind", "text-track"], ["tree", "robot"])
    for words in lists:
        terminal(None)
        assert long in dreamlake(*words).out
        terminal(80)
        shown = dreamlake(*words)
        assert long not in shown.out and ".srt" in shown.out and "Names are cut" in shown.err
        assert all(width(line) <= 80 for line in shown.out.splitlines()), shown.out
        assert long in dreamlake(*words, "--json").out
    assert long in dreamlake("ls", "robot:run-001/camera", "--long").out
    assert dreamlake("rm", "robot", "--yes").code == 0
    rows = dreamlake("undelete", "robot", "--dry-run").out.splitlines()
    assert sum(len(row) <= 140 for row in rows) == len(rows) - 1 and any(long in row for row in rows)
