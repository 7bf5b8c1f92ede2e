"""A machine that processes files: ffmpeg, scratch space, open files, Dagster's limits."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from dreamlake_pipeline.checks import Level, machine
from dreamlake_pipeline.dagsterhome import instance_yaml
from dreamlake_pipeline.media.run import build
from dreamlake_pipeline.settings import Settings


@pytest.fixture
def unknown_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ffmpeg was looked at yet in this process."""
    monkeypatch.setattr(build, "_known", [])
    build.path.cache_clear()


@pytest.mark.usefixtures("unknown_ffmpeg")
def test_the_ffmpeg_that_is_included_is_well() -> None:
    levels = {finding.part: finding.level for finding in machine.check_ffmpeg(Settings())}
    assert levels["ffmpeg"] is Level.OK
    assert levels["cage"] is Level.OK


@pytest.mark.usefixtures("unknown_ffmpeg")
def test_an_ffmpeg_with_known_holes_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "ffmpeg"
    old.write_text("#!/bin/sh\necho ffmpeg version 6.1.1 Copyright\n")
    old.chmod(0o755)
    monkeypatch.setenv("DREAMLAKE_FFMPEG", str(old))
    try:
        fault = next(machine.check_ffmpeg(Settings()))
    finally:
        build.path.cache_clear()
    assert fault.level is Level.WRONG
    assert "too old" in fault.what and "6.1.1" in fault.what and "DREAMLAKE_FFMPEG" in fault.hint


def test_scratch_space(tmp_path: Path) -> None:
    [found] = machine.check_scratch(Settings(scratch=tmp_path))
    assert found.level is not Level.WRONG and str(tmp_path) in found.what
    assert list(tmp_path.iterdir()) == []
    [missing] = machine.check_scratch(Settings(scratch=tmp_path / "missing"))
    assert missing.level is Level.WRONG and "DREAMLAKE_SCRATCH" in missing.hint


def test_scratch_space_on_the_disk_of_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "filesystem_of", lambda folder: "nfs4")
    [found] = machine.check_scratch(Settings(scratch=tmp_path))
    assert found.level is Level.WARNING and "another machine's disk" in found.what
    [node] = machine.check_scratch(Settings(scratch=tmp_path), must_be_local=True)
    assert node.level is Level.WRONG


def test_which_file_system_a_folder_is_on(tmp_path: Path) -> None:
    deep = tmp_path / "a b" / "deep"
    deep.mkdir(parents=True)
    mounts = tmp_path / "mounts"
    blank = str(tmp_path / "a b").replace(" ", "\\040")
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nhost:/x {blank} nfs4 rw 0 0\n/dev/sdb {tmp_path}/a xfs rw 0 0\n")
    assert machine.filesystem_of(deep, mounts) == "nfs4"
    assert machine.filesystem_of(tmp_path, mounts) == "ext4"
    assert machine.filesystem_of(tmp_path, tmp_path / "missing") == ""
    assert machine.filesystem_of(Path("/proc/self")) == "proc"


def test_a_process_that_may_open_few_files_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024, 524_288))
    found = machine.check_open_files()
    assert found.level is Level.WARNING and "1024" in found.what and "LimitNOFILE" in found.hint


def test_limits_of_dagster_that_do_not_follow_from_the_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    [missing] = machine.check_dagster_yaml(Settings())
    assert missing.level is Level.WRONG and "dreamlake dagster-yaml" in missing.hint
    (tmp_path / "dagster.yaml").write_text(instance_yaml(Settings(slots=4)))
    assert [finding.level for finding in machine.check_dagster_yaml(Settings(slots=4))] == [Level.OK]
    [other] = machine.check_dagster_yaml(Settings(slots=5))
    assert other.level is Level.WARNING and "12 runs at a time" in other.what and "15 and 5" in other.what
    for text in ("", "[]", "run_queue: {max_concurrent_runs: [1]}", "{", "run_coordinator:\n"):
        (tmp_path / "dagster.yaml").write_text(text)
        [unclear] = machine.check_dagster_yaml(Settings())
        assert unclear.level is Level.WARNING, text


def test_as_root_or_not_the_checks_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", None)
    before = set(tmp_path.iterdir())
    list(machine.check(Settings()))
    assert set(tmp_path.iterdir()) == before
