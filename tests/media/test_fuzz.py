"""The fuzzer for a moment, and what it found before. `make fuzz MINUTES=5` runs it for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.run import REGRESSIONS, check, run
from fuzz.targets import MEDIA, PARSERS


@pytest.mark.parametrize("target", [*PARSERS, *MEDIA])
def test_a_moment_of_fuzzing_finds_nothing(target: str, tmp_path: Path) -> None:
    ran = run(target, 3.0, tmp_path / "findings", number=1)
    assert not ran.findings, [path.with_suffix(".txt").read_text() for path in ran.findings]
    assert ran.inputs > 10


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*-*")), ids=lambda path: path.name)
def test_what_was_found_is_mended(path: Path, tmp_path: Path) -> None:
    assert check(path.name.rsplit("-", 1)[0], path.read_bytes(), tmp_path) is None
