"""`logs`: what the processes of the stack log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.stack import state
from dreamlake_pipeline.stack.processlogs import follow, last_lines


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the logs of a stack that is not running."""
    stack = state.create(state.make_home(tmp_path / "home"))
    monkeypatch.setenv("DREAMLAKE_HOME", str(stack.home))
    stack.logs.mkdir(exist_ok=True)
    return stack.logs


def test_the_last_lines_of_one_and_of_all(dreamlake: Callable[..., Any], logs: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("DREAMLAKE_HOME", str(logs.parent))
    (logs / "bss.log").write_text("".join(f"line {number}\n" for number in range(100)))
    (logs / "server.log").write_text("\x1b[32mgreen\x1b[0m\n\x1b]0;title\x07 unfinished")
    assert dreamlake("logs", "bss", "-n", "2").out == "line 98\nline 99\n"
    assert dreamlake("logs", "bss").out.count("line") == 50
    assert str(logs / "bss.log") in dreamlake("logs", "bss").err
    shown = dreamlake("logs").out.splitlines()
    assert [line.split()[0] for line in shown] == ["bss"] * 10 + ["server"] * 2
    assert shown[-2].endswith("green") and "\x1b" not in shown[-1]
    wrong = dreamlake("logs", "bbs")
    assert wrong.code == 1 and "Did you mean bss?" in wrong.err
    monkeypatch.setenv("DREAMLAKE_HOME", str(logs / "nowhere"))
    assert dreamlake("logs").code == 3


def test_a_log_is_followed_also_where_it_is_rotated(tmp_path: Path) -> None:
    log, other = tmp_path / "a.log", tmp_path / "b.log"
    log.write_text("one\ntwo\nthree\n")
    written = follow({"a": log, "b": other}, 2)

    def told() -> list[str]:
        """What comes before there is nothing new."""
        return [one.line for one in iter(written.__next__, None) if one is not None]

    assert told() == ["two", "three"]
    with log.open("a") as file:
        file.write("four\nfi")
        file.flush()
        assert told() == ["four"]
        file.write("ve\n")
        file.flush()
        log.rename(tmp_path / "a.log.1")
        log.write_text("six\n")
        other.write_text("of another\n")
    assert sorted(told()) == ["five", "of another", "six"]
    log.write_text("")
    assert told() == []
    log.write_text("7\n")
    assert told() == ["7"]


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("wb") as file:
        file.writelines(b"x" * 1000 + b"\n" for _ in range(10_000))
        file.write(b"\xff last\n")
    assert last_lines(log, 1) == ["\ufffd last"]
    assert len(last_lines(log, 100)) == 100
    assert len(last_lines(log, 10_000)) < 2000
    assert last_lines(log, 0) == last_lines(tmp_path / "none", 5) == []
