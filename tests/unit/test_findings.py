"""docs/fsck.md has every kind of finding, as the table of findings says it."""

from __future__ import annotations

import re
from pathlib import Path

from dreamlake_pipeline.findings import FINDINGS, Finding, Repair

DOCUMENT = (Path(__file__).parents[2] / "docs" / "fsck.md").read_text()


def test_every_finding_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \| (.*) \|$", DOCUMENT, re.MULTILINE)
    assert rows == [(str(code), str(spec.severity), spec.meaning, spec.then) for code, spec in FINDINGS.items()]
    assert set(FINDINGS) == set(Finding)


def test_what_repair_does_is_said_where_it_does_something() -> None:
    for code, spec in FINDINGS.items():
        assert ("--repair" in spec.then) is (spec.repair is not Repair.NONE), code
