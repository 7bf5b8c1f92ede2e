"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from dreamlake_pipeline.cli.main import app
from dreamlake_pipeline.processing.catalog import EPISODES, FILES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "deploy/README.md",
    "deploy/containers.md",
    "deploy/ecs/README.md",
    "deploy/kubernetes/README.md",
    *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")),
]


def test_architecture_names_modules_that_exist() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", (ROOT / "ARCHITECTURE.md").read_text()))
    assert len(named) > 20
    package = ROOT / "dreamlake_pipeline"
    # A bare name is of the folder that the sentence is about; it must then be in one of them.
    assert [name for name in sorted(named) if not list(package.rglob(name)) and not (ROOT / name).exists()] == []


def test_security_names_what_exists() -> None:
    named = set(
        re.findall(r"`([a-z0-9_/]+\.py|[a-z0-9_]+/(?:[a-z0-9_]+/)*)`", (ROOT / "docs" / "security.md").read_text())
    )
    assert len(named) > 15
    files = [path for folder in ("dreamlake_pipeline", "tests") for path in (ROOT / folder).rglob("*")]
    known = [f"/{path.relative_to(ROOT)}" + ("/" if path.is_dir() else "") for path in files]
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in known)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_readme_names_make_targets_that_exist() -> None:
    named = set(re.findall(r"`?\bmake ([a-z]+)\b", (ROOT / "README.md").read_text())) - {"and"}
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "help"} <= named
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_anchors_lead_to_headings(document: str) -> None:
    path = ROOT / document
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", path.read_text()):
        text = ((path.parent / target) if target else path).read_text()
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        # As GitHub makes anchors of headings: small letters, no punctuation, hyphens for spaces.
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in anchors, f"{document}: {target}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_command_lines_have_verbs_and_options_that_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    lines = re.findall(r"^(?:    |\$ )(?:sudo )?dreamlake (.*)$", text, re.MULTILINE)
    lines += re.findall(r"`dreamlake ([^`]+)`", text)
    for line in lines:
        words = re.sub(r"(\\?\||#|&&|;).*", "", line).split()
        if not words or not words[0].islower() or words[0] == "…" or "completion" in words[0]:
            continue
        group: Any = typer.main.get_command(app)
        while words and hasattr(group, "commands") and not words[0].startswith("-"):
            assert words[0] in group.commands, f"{document}: dreamlake {line}"
            group = group.commands[words.pop(0)]
        known = {option for parameter in group.params for option in parameter.opts} | {"--help", "-h"}
        used = {option for word in words for option in re.findall(r"^\[?(--?[a-z][a-z-]*)", word)}
        assert used <= known, f"{document}: dreamlake {line}"


def test_the_catalog_page_has_its_columns() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| \S", (ROOT / "docs" / "catalog.md").read_text(), re.MULTILINE)
    assert rows == [(field.name, str(field.type)) for table in (FILES, EPISODES) for field in table.schema]
