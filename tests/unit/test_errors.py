"""The table of errors, and the page that lists it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamlake_pipeline.errors import ERRORS, Code, DreamlakeError, ExitCode

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"


def test_every_code_has_a_row() -> None:
    assert set(ERRORS) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_rows_are_sensible(code: Code) -> None:
    spec = ERRORS[code]
    assert 400 <= spec.status < 600
    assert spec.exit_code is not ExitCode.OK
    assert spec.meaning.endswith(".")
    assert code == code.lower()


def test_the_documentation_lists_exactly_the_table() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `")
    ]
    assert rows == [
        [f"`{code}`", str(spec.status), str(int(spec.exit_code)), "yes" if spec.retryable else "no", spec.meaning]
        for code, spec in ERRORS.items()
    ]


def test_an_error_says_what_and_what_to_do() -> None:
    error = DreamlakeError(Code.FILE_EMPTY, "a.mp4 holds no bytes.", hint="Record it again.", path="a.mp4")
    assert str(error) == "a.mp4 holds no bytes. Record it again."
    assert error.spec.status == 422
    assert json.loads(json.dumps(error.as_dict())) == {
        "code": "file_empty",
        "message": "a.mp4 holds no bytes.",
        "hint": "Record it again.",
        "path": "a.mp4",
    }
    assert "hint" not in DreamlakeError(Code.INTERNAL, "x").as_dict()
