"""The command line in a process of its own, against the embedded stack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Start:
    """`start(home, "up", "--json")`: the command in the background, its output captured."""

    def run(home: Path, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dreamlake_pipeline.cli.main", *arguments],
            env=os.environ | {"DREAMLAKE_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def run(start: Start) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run(home, "status")`: the command, done."""

    def finish(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = start(home, *arguments)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    return finish
