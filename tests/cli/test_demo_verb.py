"""`make demo`: where a directory of one's own goes, and what a failure looks like."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dreamlake_pipeline.cli.demo_cmd import project_of
from dreamlake_pipeline.names import check_project

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("recordings", "recordings"),
        ("Läufe 2026/11", "11"),
        ("Läufe 2026", "laufe-2026"),
        ("demo", "demo-recordings"),
        ("Demo", "demo-recordings"),
        (".hidden", "hidden"),
        ("走る", "recordings"),
        ("a" * 200, "a" * 60),
        ("..-_x-", "x"),
    ],
)
def test_a_directory_of_ones_own_has_a_project_of_its_own(tmp_path: Path, name: str, project: str) -> None:
    assert check_project(project_of(tmp_path / name)) == project


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
@pytest.mark.parametrize("code", [0, 1, 3, 130])
def test_make_adds_nothing_to_what_a_command_said(tmp_path: Path, code: int) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    command = venv / "bin/dreamlake"
    command.write_text(f'#!/bin/sh\necho "$@"\necho "error: what is wrong" >&2\nexit {code}\n')
    command.chmod(0o755)
    for is_there in (".installed", "libraries"):
        (venv / is_there).touch()
    set_up = [f"VENV={venv}", f"LIBRARIES={venv}/libraries"]
    words = ["make", "-f", ROOT / "Makefile", "demo", *set_up, "DIR=some recordings"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("demo some recordings\n", "error: what is wrong\n")
    assert done.returncode == (1 if code else 0)
