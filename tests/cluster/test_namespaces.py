"""The cluster's network, without Ray: cables are laid, cut and mended, and nothing outlives whoever built it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cluster import namespaces

WHY_NOT = namespaces.missing(ray=False)
needs_namespaces = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
REPOSITORY = Path(__file__).parents[2]


def python(*words: str) -> list[str]:
    return [*namespaces.UNSHARE, sys.executable, *words]


@needs_namespaces
def test_a_cable_is_cut_and_mended() -> None:
    done = subprocess.run(
        python(str(Path(__file__).with_name("cable.py"))),
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout.split(), done.returncode) == (["reached", "lost", "reached"], 0), done.stderr


@needs_namespaces
def test_nothing_outlives_a_harness_that_is_killed() -> None:
    """Neither its own namespaces nor those of a node in them, nor a process that ran away from both."""
    mark = f"left-{os.getpid()}"
    sleeper = ["bash", "-c", f"exec -a {mark} sleep 600"]
    node = f"import subprocess; subprocess.Popen({sleeper!r}, start_new_session=True); input()"
    inside = f"import subprocess; subprocess.run({python('-c', node)!r})"
    outside = f"import subprocess; subprocess.run({python('-c', inside)!r})"
    harness = subprocess.Popen([sys.executable, "-c", outside], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: bool(marked(mark)), "the process on the node runs")
        harness.kill()
        harness.wait()
        wait_until(lambda: not marked(mark), "it is gone")
    finally:
        harness.kill()


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[:1] == [mark]:
                found.append(process)
        except psutil.Error:
            pass
    return found


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until, f"it did not come about that {what}"
        time.sleep(0.05)


def test_an_ordinary_user_is_told_in_one_line_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert namespaces.missing() == "A cluster needs root, for network namespaces: run it as root."


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nowhere")
    why = namespaces.missing()
    assert why is not None
    assert "unshare" in why and "\n" not in why


def test_the_command_says_why_it_can_not_and_ends_with_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cluster", "calm"],
        cwd=REPOSITORY,
        env=os.environ | {"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("A cluster needs ") and done.stdout.count("\n") == 1


def test_a_scenario_that_there_is_none_of_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cluster", "kill-everything"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "no such scenario: kill-everything" in done.stderr
