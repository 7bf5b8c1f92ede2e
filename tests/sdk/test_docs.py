"""docs/sdk.md: its examples print what the page says, run against a whole stack, and hold under mypy --strict."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import dreamlake_pipeline.client as sdk
from dreamlake_pipeline.client import DreamLake, File
from dreamlake_pipeline.stack.state import Stack

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sdk.md"


class Example(NamedTuple):
    code: str
    printed: str


def examples() -> list[Example]:
    """The blocks of code, each with what stands below it."""
    found = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", PAGE.read_text(), re.DOTALL)
    return [Example(code, printed) for code, printed in found]


@pytest.mark.stack
@pytest.mark.timeout(500)
def test_every_example_prints_what_the_page_says(
    running_stack: Stack, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DREAMLAKE_REMOTE", "DREAMLAKE_BSS_URL", "DREAMLAKE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DREAMLAKE_NAMESPACE", "reader")  # docs/commands.md has a project of the same name in the stack
    monkeypatch.setenv("DREAMLAKE_HOME", str(running_stack.home))
    monkeypatch.setenv("DREAMLAKE_CACHE", str(tmp_path / "cache"))
    shutil.copytree(recordings, tmp_path / "recordings")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for example in examples():
        out = StringIO()
        with redirect_stdout(out):
            exec(example.code, names)
        assert out.getvalue().replace("cups@reader", "cups@local") == example.printed, example.code


def test_the_examples_hold_under_mypy_strict(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("".join(example.code for example in examples()))
    cache = ROOT / ".mypy_cache" / "strict"
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(cache), str(program)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}  # as an installed package, which has a py.typed
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=220, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_page_names_is_there() -> None:
    page = PAGE.read_text()
    for name in re.findall(r"`lake\.(\w+)", page):
        assert hasattr(DreamLake, name) or name in ("bss", "index"), name
    for name in re.findall(r"from dreamlake_pipeline\.client import (.+)", page):
        assert set(name.split(", ")) <= set(sdk.__all__)
    for member in vars(File):
        assert member.startswith("_") or f"{member}" in page, member
    for option in sdk.StoreOptions.__annotations__:
        assert f"`{option}`" in page, option
