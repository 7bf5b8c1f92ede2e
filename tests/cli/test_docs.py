"""docs/cli.md has every verb and every option."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from dreamlake_pipeline.cli.main import app
from dreamlake_pipeline.errors import ExitCode

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def commands(group: Any, prefix: str = "dreamlake") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        words = f"{prefix} {name}"
        found |= commands(command, words) if hasattr(command, "commands") else {words: command}
    return found


def test_every_verb_and_option_is_documented() -> None:
    verbs = commands(typer.main.get_command(app))
    assert len(verbs) > 10
    assert [words for words in verbs if f"`{words}" not in DOCUMENTED] == []
    options = {
        option
        for command in verbs.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    }
    assert sorted(options - set(re.findall(r"--[a-z-]+", DOCUMENTED))) == []


def test_every_exit_code_is_documented() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENTED, re.MULTILINE)} == {*ExitCode, 130}
