"""docs/cli.md has every verb and every option."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from dreamlake_pipeline.cli.main import app
from dreamlake_pipeline.client.events import FileStatus
from dreamlake_pipeline.client.fields import MEANINGS, OLD_COLUMNS, OLD_JSON_NAMES
from dreamlake_pipeline.errors import ExitCode
from dreamlake_pipeline.kinds import KINDS

ROOT = Path(__file__).parents[2]
DOCUMENTED = (ROOT / "docs" / "cli.md").read_text()


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


def test_every_field_of_a_file_is_documented_with_its_meaning() -> None:
    section = DOCUMENTED.split("### Fields of a file\n")[1].split("\n### ")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)) == MEANINGS
    for old in (*OLD_JSON_NAMES, *OLD_COLUMNS):
        assert f"`{old}` (for" in section
    status_words = set(re.findall(r"`([a-z]+)`", section))
    assert {str(status) for status in FileStatus} <= status_words


def test_the_extensions_of_every_kind_are_documented() -> None:
    section = DOCUMENTED.split("### What is known by its extension\n")[1].split("\n### ")[0]
    listed = {kind: tuple(names.split()) for kind, names in re.findall(r"^\| `([a-z-]+)` \| (\..+) \|$", section, re.M)}
    assert listed == {str(kind): tuple(spec.extensions) for kind, spec in KINDS.items()}


def test_help_says_nothing_that_only_its_authors_understand() -> None:
    for words, command in {"dreamlake": typer.main.get_command(app), **commands(typer.main.get_command(app))}.items():
        helps = [getattr(parameter, "help", None) or "" for parameter in command.params]
        for text in (command.help or "", *helps):
            assert not re.search(r"held against|\blacks\b|\bowner\b|chunk pool|\bpartition\b", text), (words, text)
            assert "BSS" not in text or "storage service" in text, (words, text)


def test_words_are_explained_where_they_come_first() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs" / name for name in ("cli.md", "watch.md", "access.md"))):
        first = next((line for line in page.read_text().splitlines() if re.search(r"\bBSS\b", line)), "storage service")
        assert "storage service" in first, page.name
