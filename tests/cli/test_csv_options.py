"""`--csv` of `upload`, `ingest` and `project set`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.kinds import Kind


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "force.csv"
    path.write_text("t;x\n0,1;2\n0,2;3\n")
    return path


def test_options_are_of_the_label_files_that_are_sent(dreamlake: Callable[..., Any], recordings: Path) -> None:
    done = dreamlake("ingest", recordings, "-e", "robot", "--csv", "delimiter=;", "--csv", "header=2", "--json")
    assert done.code == 0
    options = {
        name: json.loads(dreamlake("show", file["id"], "--json").out)["csv"]
        for name, file in done.files.items()
        if file["id"]
    }
    told = {"delimiter": ";", "header": "2"}
    assert options == {"front.mp4": None, "left.wav": None, "words.srt": None, "joints.csv": told}


def test_other_options_make_a_ready_file_again(
    dreamlake: Callable[..., Any], labels: Path, pipeline: Any, owner: str
) -> None:
    pipeline.metadata = {"csvOptions": {}}

    def status(*words: str) -> str:
        return dreamlake("upload", labels, "-e", "robot", *words, "--json").files["force.csv"]["status"]

    assert status() == "uploaded"
    pipeline.work(owner, lambda _: None)
    assert status() == status("--csv", "auto") == status("--ladder", "480") == "ready"
    pipeline.metadata["csvOptions"] = {"decimal": ","}
    assert status("--csv", "decimal=,") == "duplicate"
    assert pipeline.work(owner, lambda _: None) == 1
    assert status("--csv", "decimal=comma") == status() == "ready"
    assert pipeline.work(owner, lambda _: None) == 0


@pytest.mark.parametrize(("words", "problem"), [("delimiter=ab", "one character"), ("colour=red", "there is no")])
def test_what_is_no_option_is_refused_at_once(
    dreamlake: Callable[..., Any], labels: Path, words: str, problem: str
) -> None:
    for verb in (
        ("upload", labels, "-e", "robot"),
        ("ingest", labels.parent, "-e", "robot"),
        ("project", "set", "robot"),
    ):
        done = dreamlake(*verb, f"--csv={words}")
        assert done.code == 2
        told = " ".join(done.err.replace("│", " ").split())
        assert "--csv" in told and problem in told and "delimiter, encoding, header" in told


def test_a_project_has_options(dreamlake: Callable[..., Any]) -> None:
    def settings(*words: str) -> Any:
        shown = json.loads(dreamlake("project", *words, "--json").out)
        return shown["csv"], shown["ladder"]

    assert settings("show", "robot") == (None, None)
    told = {"decimal": ",", "delimiter": ";"}
    assert settings("set", "robot", "--csv", "delimiter=;", "--csv", "decimal=,") == (told, None)
    assert settings("set", "robot", "--ladder", "480") == (told, [480])
    assert settings("set", "robot", "--csv", "auto") == ({}, [480])
    assert settings("set", "robot", "--csv", "default", "--ladder", "default") == (None, None)
    shown = dreamlake("project", "set", "robot", "--csv", "skip=2").out
    assert ["csv", "skip=2"] in [line.split() for line in shown.splitlines()]
    assert dreamlake("project", "set", "robot").code == 2


def test_python_checks_it_as_well(environment: dict[str, str], labels: Path, owner: str) -> None:
    with DreamLake.from_environment() as lake:
        with pytest.raises(DreamlakeError, match="CSV option"):
            list(lake.upload_events([labels], episode="robot", csv={"delimiter": "ab"}))
        list(lake.upload_events([labels], episode="robot", csv={"delimiter": "semicolon"}))
        (record,) = lake.bss.list_all(Kind.LABEL_TRACK, owner=owner)
        assert record.csv == {"delimiter": ";"}
