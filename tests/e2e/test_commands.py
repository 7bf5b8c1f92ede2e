"""docs/commands.md shows what the commands really say."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamlake_pipeline.stack.state import Stack
from tests.e2e.transcript import environment_of, masked, prepare, transcribe

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.mark.timeout(900)  # a stack is started for it, where no other test has one
def test_commands_say_what_the_page_shows(running_stack: Stack, tmp_path: Path) -> None:
    """Where this is meant to be otherwise: `python -m tests.e2e.transcript docs/commands.md` writes the page again."""
    prepare(tmp_path)
    page = PAGE.read_text()
    assert page.count("\n$ dreamlake ") >= 20
    said = transcribe(page, tmp_path, environment_of(running_stack.environment()))
    assert masked(said) == masked(page)
