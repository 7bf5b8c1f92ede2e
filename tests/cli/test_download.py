"""`download`: one file, many, and stdout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def stored(
    dreamlake: Callable[..., Any], recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """The recordings, in project `robot`, and an empty working directory; the last event of each file."""
    done = dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder", "--json")
    assert done.code == 0
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return done.files


def below(root: Path | str) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in Path(root).rglob("*") if path.is_file())


def test_one_file_is_what_was_uploaded_and_replaces_nothing(
    dreamlake: Callable[..., Any], stored: dict[str, Any], recordings: Path
) -> None:
    original = (recordings / "run-002/joints.csv").read_bytes()
    done = dreamlake("download", "/joints.csv", "-e", "robot:run-002")
    assert (done.code, done.err.split()[:2]) == (0, ["downloaded", "joints.csv"])
    assert Path("joints.csv").read_bytes() == original
    again = dreamlake("download", "/joints.csv", "-e", "robot:run-002")
    assert (again.code, again.err.split()[0]) == (0, "unchanged")
    Path("joints.csv").write_text("mine")
    refused = dreamlake("download", "/joints.csv", "-e", "robot:run-002")
    assert refused.code == 1
    assert "--force" in refused.err
    assert Path("joints.csv").read_text() == "mine"
    assert dreamlake("download", "/joints.csv", "-e", "robot:run-002", "--force").code == 0
    assert Path("joints.csv").read_bytes() == original


def test_where_one_file_goes(dreamlake: Callable[..., Any], stored: dict[str, Any], recordings: Path) -> None:
    original = (recordings / "run-002/joints.csv").read_bytes()
    record = stored["joints.csv"]["bssId"]
    Path("folder").mkdir()
    done = dreamlake("download", record, "-o", "folder", "--json")
    assert done.files["joints.csv"]["path"] == "folder/joints.csv"
    assert done.files["joints.csv"]["bssId"] == record
    assert done.summary["downloaded"] == 1
    for output, path in (("new/", "new/joints.csv"), ("other.csv", "other.csv"), ("./x.csv", "x.csv")):
        assert dreamlake("download", record, "-o", output).code == 0
        assert Path(path).read_bytes() == original
    nowhere = dreamlake("download", record, "-o", "no/such/folder/x.csv")
    assert nowhere.code == 1
    assert "no/such/folder" in nowhere.err


def test_trees(dreamlake: Callable[..., Any], stored: dict[str, Any], recordings: Path) -> None:
    done = dreamlake("download", "robot", "-o", "out")
    assert done.code == 0
    assert done.out.startswith("4 files: 4 downloaded, ")
    (recordings / "README.md").unlink()
    assert below("out") == below(recordings)
    assert all((Path("out") / name).read_bytes() == (recordings / name).read_bytes() for name in below("out"))
    assert dreamlake("download", "robot", "-o", "out").out.startswith("4 files: 4 unchanged, ")
    assert dreamlake("download", "robot:run-001", "-o", "one").code == 0
    assert below("one") == ["camera/front.mp4", "mic/left.wav"]
    assert dreamlake("download", "robot:run-001", "/camera").code == 0
    assert below("robot") == ["run-001/camera/front.mp4"]
    assert dreamlake("download", "robot:run-001", "/camera", "mic/left.wav", "-o", "two", "--report", "r.csv").code == 0
    assert below("two") == ["camera/front.mp4", "mic/left.wav"]
    assert len(Path("r.csv").read_text().splitlines()) == 3
    some = dreamlake("download", "robot", "--include", "*.csv", "--include", "*.srt", "--exclude", "words*", "-o", "3")
    assert (some.code, below("3")) == (0, ["run-002/joints.csv"])


def test_places_of_several_projects(
    dreamlake: Callable[..., Any], stored: dict[str, Any], recordings: Path, owner: str
) -> None:
    assert dreamlake("ingest", recordings / "run-002", "-e", "other").code == 0
    assert dreamlake("download", "robot:run-001/mic", "robot:run-002/joints.csv", "-o", "1").code == 0
    assert below("1") == ["run-001/mic/left.wav", "run-002/joints.csv"]
    assert dreamlake("download", "robot:run-001/mic", f"other@{owner}/joints.csv", "-o", "2").code == 0
    assert below("2") == ["other/joints.csv", "robot/run-001/mic/left.wav"]
    assert dreamlake("download", stored["joints.csv"]["bssId"], stored["left.wav"]["bssId"]).code == 0
    assert below("robot") == ["run-001/mic/left.wav", "run-002/joints.csv"]
    assert dreamlake("download", stored["joints.csv"]["assetId"]).code == 0
    assert Path("joints.csv").exists()


def test_stdout_has_one_file_and_nothing_else(
    environment: dict[str, str], dreamlake: Callable[..., Any], stored: dict[str, Any], recordings: Path
) -> None:
    script = Path(sys.executable).with_name("dreamlake")
    done = subprocess.run(
        [script, "download", "robot:run-002", "/joints.csv", "-o", "-"],
        env=os.environ | environment, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, (recordings / "run-002/joints.csv").read_bytes(), b"")
    assert below(".") == []
    for words in (
        ["robot"],
        ["robot:run-002", "/joints.csv", "--json"],
        ["robot:run-002", "/joints.csv", "--what", "raw,meta"],
    ):
        refused = dreamlake("download", *words, "-o", "-")
        assert (refused.code, refused.out) == (2, "")


def test_other_sorts(dreamlake: Callable[..., Any], stored: dict[str, Any]) -> None:
    assert dreamlake("download", "robot:run-002", "--what", "raw,meta", "--what", "raw", "-o", "out").code == 0
    assert below("out") == ["joints.csv", "joints.csv.meta.json", "words.srt", "words.srt.meta.json"]
    assert json.loads(Path("out/joints.csv.meta.json").read_text())["name"] == "/joints.csv"
    waits = dreamlake("download", "robot:run-002", "/joints.csv", "--what", "parquet")
    assert waits.code == 1
    assert "queued" in waits.err
    assert "`dreamlake failed robot:run-002 /joints.csv`" in waits.err
    Path("out/joints.csv").write_text("other content")
    differs = dreamlake("download", "robot:run-002", "-o", "out")
    assert differs.code == 1 and "--force" in differs.err and "hint:" not in differs.err
    none = dreamlake("download", "robot:run-002", "/joints.csv", "--what", "poster")
    assert (none.code, "no poster" in none.err) == (1, True)
    assert dreamlake("download", "robot", "--what", "film").code == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),
        (("robot:nowhere",), 1),
        (("robot:run-001", "/camera", "/nowhere"), 1),
        (("nowhere",), 1),
        (("robot", "--include", "*.nothing"), 1),
        (("0" * 24,), 1),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_fetched(
    dreamlake: Callable[..., Any], stored: dict[str, Any], words: tuple[str, ...], code: int
) -> None:
    done = dreamlake("download", *words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error:")
    assert below(".") == []


def test_after_ctrl_c_it_goes_on(environment: dict[str, str], dreamlake: Callable[..., Any], tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.mkdir()
    for n in range(1000):
        (sent / f"{n}.csv").write_text(f"{n}\n")
    assert dreamlake("ingest", sent, "-e", "many").code == 0
    script, out = Path(sys.executable).with_name("dreamlake"), tmp_path / "out"
    command = [script, "download", "many", "-o", out, "--json"]
    with subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        # It waits until somebody reads what it tells: a pipe holds less than that.
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Run the same command again to go on" in said
    done = dreamlake(*command[1:])
    assert (done.code, done.summary["files"], done.summary["failed"]) == (0, 1000, 0)
    assert done.summary["downloaded"] + done.summary["unchanged"] == 1000
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in sent.iterdir()
    }
