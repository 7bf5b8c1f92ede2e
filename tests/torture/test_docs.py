"""docs/reliability.md says of every crash point what is stored then, and names none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from dreamlake_pipeline.crashpoints import VARIABLE, CrashPoint

DOCUMENT = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()


def test_every_crash_point_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+) \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(CrashPoint)
    assert all(stored and goes_on for _, stored, goes_on in rows)


def test_the_variable_is_named() -> None:
    assert f"`{VARIABLE}=chunks-stored`" in DOCUMENT
