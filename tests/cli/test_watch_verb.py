"""`watch`, as a shell and systemd see it: lines with their times, signals, restarts, exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@contextmanager
def watching(log: Path, *words: str | Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The verb in a process of its own; what it says goes to `log`."""
    with log.open("w") as out:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("dreamlake"), "watch", *words, "--settle", "0.5s"],
            env=os.environ | environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(log: Path, pattern: str) -> None:
    deadline = time.monotonic() + 60
    while not re.search(pattern, log.read_text(), re.MULTILINE):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def end(process: subprocess.Popen[str], by: signal.Signals) -> int:
    """Its exit code, which comes within seconds."""
    process.send_signal(by)
    return process.wait(15)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_it_sends_what_appears_until_it_is_told_to_end(
    environment: dict[str, str], recordings: Path, tmp_path: Path, by: signal.Signals
) -> None:
    log = tmp_path / "log"
    words = (recordings, "--episode", "robot", "--episode-per-folder")
    with watching(log, *words, environment=environment) as process:
        wait_for(log, r"^\d\d:\d\d:\d\d  uploaded   run-001:/camera/front.mp4  24 B$")
        (recordings / "run-003").mkdir()
        (recordings / "run-003" / "late.csv").write_text("time,x\n0,1\n")
        wait_for(log, r"^\d\d:\d\d:\d\d  uploaded   run-003:/late.csv  11 B$")
        assert end(process, by) == 0
    assert re.search(r"^6 files: 5 uploaded, 1 skipped, .* sent, \S+ s$", log.read_text(), re.MULTILINE)
    assert "Traceback" not in log.read_text()
    with watching(log, *words, environment=environment) as process:
        (recordings / "run-003" / "later.csv").write_text("time,x\n0,2\n")
        wait_for(log, r"uploaded   run-003:/later.csv")
        assert end(process, by) == 0
    assert log.read_text().count("\n") == 3


def test_events_for_programs(environment: dict[str, str], recordings: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with watching(log, recordings, "--episode", "robot", "--json", environment=environment) as process:
        wait_for(log, "joints.csv")
        wait_for(log, "front.mp4.*uploaded")
        end(process, signal.SIGTERM)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert {event["name"] for event in events if event.get("status") == "uploaded"} == {
        *("/run-001/camera/front.mp4", "/run-001/mic/left.wav", "/run-002/words.srt", "/run-002/joints.csv")
    }
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"]) for event in events[:-1])
    assert (events[-1]["event"], events[-1]["uploaded"], events[-1]["unsettled"]) == ("summary", 4, 0)


def test_once(dreamlake: Callable[..., Any], recordings: Path) -> None:
    (recordings / "empty.csv").touch()
    done = dreamlake("watch", recordings, "--episode", "robot", "--once", "--settle", "0.2s", "--json")
    assert (done.code, done.summary["uploaded"], done.summary["failed"]) == (1, 4, 1)
    (recordings / "empty.csv").unlink()
    again = dreamlake("watch", recordings, "--episode", "robot", "--once", "--settle", "0.2s", "--json")
    assert (again.code, again.summary["uploaded"], again.summary["skipped"]) == (0, 0, 1)
    strict = dreamlake("watch", recordings, "--episode", "robot", "--once", "--settle", "0.2s", "--strict")
    assert strict.code == 1 and "nothing says what they are: .md 1" in strict.err


def test_a_folder_that_is_none(dreamlake: Callable[..., Any], recordings: Path) -> None:
    for name, reason in (("nowhere", "does not exist"), ("README.md", "is a file")):
        done = dreamlake("watch", recordings / name, "--episode", "robot")
        assert reason in done.err
        assert done.code in (1, 2)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_the_sample_unit_is_one(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "dreamlake-watch.service").read_text()
    assert text in (ROOT / "docs" / "watch.md").read_text()
    command = re.search(r"^ExecStart=(\S+) (.*(?:\n.*)?)$", text, re.MULTILINE)
    assert command is not None
    unit = tmp_path / "dreamlake-watch.service"
    unit.write_text(text.replace(command[1], str(Path(sys.executable).with_name("dreamlake"))))
    found = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    assert [line for line in found.stderr.splitlines() if "dreamlake-watch" in line] == []
