"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "deploy/README.md",
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
