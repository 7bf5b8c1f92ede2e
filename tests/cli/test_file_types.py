"""What files are by their extensions, what a person says they are, and what is said of those that nobody knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.client.selection import Selection
from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.filetypes import check_types, parse_types, show_types
from dreamlake_pipeline.kinds import Kind

TRANSPORT = (b"\x47\x40\x11\x10" + bytes(184)) * 40
TYPESCRIPT = b"import { a, b } from './a'\nexport const c = a + b\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    return folder


def kinds(done: Any) -> dict[str, tuple[str, str | None]]:
    return {name: (event["status"], event["kind"]) for name, event in done.files.items()}


def test_source_code_is_no_video(dreamlake: Callable[..., Any], folder: Path) -> None:
    contents = {
        "a.ts": TYPESCRIPT,
        "b.mts": TYPESCRIPT,
        "de.ts": '<?xml version="1.0"?>\n<!DOCTYPE TS>\n<TS language="de"></TS>\n'.encode("utf-16"),
        "camera.ts": TRANSPORT + TRANSPORT[:188],
        "camera.MTS": TRANSPORT,
        "camera.m2ts": b"\0\0\0\0" + TRANSPORT,
        "broken.ts": bytes(range(256)) * 10,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "empty.ts").touch()
    done = dreamlake("ingest", folder, "-e", "robot", "--json")
    video, text = ("uploaded", "video"), ("skipped", None)
    assert kinds(done) == {
        "a.ts": text,
        "b.mts": text,
        "de.ts": text,
        "camera.ts": video,
        "camera.MTS": video,
        "camera.m2ts": video,
        "broken.ts": video,
        "empty.ts": ("failed", "video"),
    }
    assert done.summary["unknown"] == {".ts": 2, ".mts": 1}
    assert "it is text, as source code in .ts files is" in done.files["a.ts"]["reason"]
    assert done.files["broken.ts"]["warning"].endswith("broken.ts does not look like a video.")
    planned = dreamlake("ingest", folder, "-e", "robot", "--dry-run", "--json")
    assert planned.summary["unknown"] == done.summary["unknown"]
    named = dreamlake("upload", folder / "a.ts", "-e", "robot")
    assert (named.code, "it is text, as source code" in named.err) == (2, True)
    assert dreamlake("upload", folder / "a.ts", "-e", "robot", "--type", "video").code == 0


def test_what_was_skipped_is_said_loudly(dreamlake: Callable[..., Any], folder: Path) -> None:
    (folder / "joints.csv").write_text("t,x\n1,2\n")
    for n in range(12):
        (folder / f"{n}.TXT").write_text("x")
    (folder / "Makefile").write_text("x")
    (folder / "._joints.csv").write_bytes(bytes.fromhex("0005160700020000"))
    for words in ([], ["--dry-run"], ["--json"], ["--dry-run", "--json"]):
        done = dreamlake("ingest", folder, "-e", "robot", *words)
        told = (
            "13 of 15 files were skipped: nothing says what they are (.txt 12, no extension 1).\nhint: --type .txt=KIND"
        )
        assert (done.code, f"warning: {told}" in done.err) == (0, True)
        strict = dreamlake("ingest", folder, "-e", "robot", "--strict", *words)
        assert (strict.code, f"error: {told}" in strict.err) == (1, True)
    first = dreamlake("ingest", folder, "-e", "robot").err.splitlines()
    assert sum(line.startswith("skipped ") for line in first) == 10
    assert "further skipped files are counted; --json names all of them" in first[10]
    (folder / "Makefile").unlink()
    for n in range(12):
        (folder / f"{n}.TXT").unlink()
    fine = dreamlake("ingest", folder, "-e", "robot", "--strict")
    assert (fine.code, fine.err) == (0, "")  # a system's file is nobody's loss


def test_a_type_is_said_of_an_extension(dreamlake: Callable[..., Any], folder: Path) -> None:
    for name in ("a.dat", "b.DAT", "c.log", "d.srt"):
        (folder / name).write_text(f"t,x\n1,{name}\n")
    words = ["ingest", folder, "-e", "robot", "--type", "dat=label-track", "--type", "*.SRT=label-track", "--json"]
    label = ("uploaded", "label-track")
    assert kinds(dreamlake(*words, "--dry-run")) == {
        **dict.fromkeys(("a.dat", "b.DAT", "d.srt"), ("planned", "label-track")),
        "c.log": ("skipped", None),
    }
    assert kinds(dreamlake(*words)) == {"a.dat": label, "b.DAT": label, "c.log": ("skipped", None), "d.srt": label}


def test_a_project_keeps_its_types(dreamlake: Callable[..., Any], folder: Path) -> None:
    for name in ("a.dat", "b.log"):
        (folder / name).write_text(f"t,x\n1,{name}\n")
    changed = dreamlake("project", "set", "robot", "--type", ".dat=audio", "--type", ".log=text-track", "--json")
    assert changed.events == [json.loads(changed.out)]
    assert changed.events[0]["types"] == {".dat": "audio", ".log": "text-track"}
    assert ".dat=audio .log=text-track" in dreamlake("project", "show", "robot").out
    # What is not named keeps its value.
    dreamlake("project", "set", "robot", "--ladder", "480")
    words = ["ingest", folder, "-e", "robot", "--type", ".dat=label-track", "--json"]
    assert kinds(dreamlake(*words, "--dry-run")) == {
        "a.dat": ("planned", "label-track"),
        "b.log": ("planned", "text-track"),
    }
    assert kinds(dreamlake(*words)) == {"a.dat": ("uploaded", "label-track"), "b.log": ("uploaded", "text-track")}
    assert kinds(dreamlake("upload", folder / "a.dat", "-e", "robot", "--json")) == {"a.dat": ("duplicate", "audio")}
    dreamlake("project", "set", "robot", "--type", "default")
    assert "as the extensions say" in dreamlake("project", "show", "robot").out
    assert dreamlake("upload", folder / "a.dat", "-e", "robot").code == 2


def test_the_sdk_takes_types(environment: dict[str, str], folder: Path) -> None:
    lake = DreamLake()
    (folder / "a.dat").write_bytes(b"t,x\n1,2\n")
    summary = lake.ingest(folder, episode="robot", types={"dat": "label-track"})
    assert (summary.uploaded, summary.unknown) == (1, {})
    assert lake.ingest(folder, episode="robot").unknown == {".dat": 1}
    found = list(Selection(folder, lake.target("robot")).files(types={".dat": Kind.AUDIO}))
    assert [file.kind for file in found] == [Kind.AUDIO]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["audio"], "audio is a kind, and does not say of which files"),
        ([".dat"], ".dat is no EXT=KIND"),
        ([".dat=sound"], "'sound' is no kind of file"),
        (["=audio"], "'' is no extension"),
        (["tar.gz=audio"], "'tar.gz' is no extension"),
        (["a/b=audio"], "'a/b' is no extension"),
        ([".dat=audio", ".dat=video"], "The type of .dat is given twice"),
    ],
)
def test_what_is_no_type_is_refused(
    dreamlake: Callable[..., Any], folder: Path, words: list[str], problem: str
) -> None:
    for command in (["ingest", folder, "-e", "robot"], ["project", "set", "robot"]):
        done = dreamlake(*command, *(part for word in words for part in ("--type", word)))
        assert (done.code, problem in " ".join(done.err.replace("│", " ").split())) == (2, True)


def test_types_are_written_in_one_way() -> None:
    types = parse_types(["*.DAT=audio", "log=text-track"])
    assert types == {".dat": Kind.AUDIO, ".log": Kind.TEXT_TRACK} == check_types(types)
    assert show_types(types) == ".dat=audio .log=text-track"
    with pytest.raises(DreamlakeError):
        check_types({f".x{n}": "audio" for n in range(201)})
