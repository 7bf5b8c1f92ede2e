"""Which ffmpeg there is: found out once, and anew when another one is put in its place."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.media.run import build


def _place(path: Path, version: str, before: str = "") -> None:
    new = path.with_suffix(".new")
    new.write_text(f"#!/bin/sh\n{before}\necho ffmpeg version {version}\n")
    new.chmod(0o755)
    new.rename(path)


@pytest.fixture
def ffmpeg(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that says to be one, for a process that knows of none yet."""
    path = open_folder / "ffmpeg"
    _place(path, "8.1.3")
    monkeypatch.setattr(build, "_known", [])
    monkeypatch.setattr(build, "path", lambda: str(path))
    return path


def test_a_fork_finds_out_and_leaves_no_thread(ffmpeg: Path) -> None:
    threads, files = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    build.learn()
    assert build.known() == build.Build(str(ffmpeg), "ffmpeg version 8.1.3")
    assert threading.active_count() == threads and len(list(Path("/proc/self/fd").iterdir())) == files


def test_another_program_in_its_place_is_asked(ffmpeg: Path) -> None:
    build.learn()
    _place(ffmpeg, "9.0")
    assert build.build().version == "ffmpeg version 9.0"
    _place(ffmpeg, "4.0")
    with pytest.raises(DreamlakeError, match="too old"):
        build.build()


@pytest.mark.parametrize("before", ["exit 1", "sleep 60"])
def test_what_can_t_be_found_out_is_left_to_who_needs_it(
    ffmpeg: Path, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_LEARNS_WITHIN", 1.0)
    _place(ffmpeg, "8.1.3", before)
    build.learn()
    assert build.known() is None
