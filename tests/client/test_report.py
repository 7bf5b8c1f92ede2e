from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dreamlake_pipeline.client.events import FileEvent, FileStatus
from dreamlake_pipeline.client.report import COLUMNS, Report
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind

STORED = FileEvent(
    "/data/a, b.wav", FileStatus.UPLOADED, "/a, b.wav", "run 1", Kind.AUDIO, 2**33, bss_id="1" * 24, sha256="ab" * 32
)
READY = FileEvent("/data/a, b.wav", FileStatus.READY, "/a, b.wav", "run 1", Kind.AUDIO, 2**33, bss_id="1" * 24)
SKIPPED = FileEvent("/data/x\ny.md", FileStatus.SKIPPED, size=3, reason='.md is "none" of\nours')


def rows(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".csv":
        with path.open(newline="") as lines:
            return [{k: v or None for k, v in row.items()} for row in csv.DictReader(lines)]
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("name", ["report.csv", "report.parquet"])
def test_a_file_has_one_row_with_its_last_status(tmp_path: Path, name: str) -> None:
    report = Report(tmp_path / name)
    for event in (STORED, SKIPPED, READY):
        report.add(event)
    assert not (tmp_path / name).exists()
    report.close()
    first, second = rows(tmp_path / name)
    assert tuple(first) == COLUMNS
    assert first["id"] == first["bssId"] == STORED.bss_id
    assert (first["path"], first["status"], first["kind"], first["sha256"], first["episode"]) == (
        "/data/a, b.wav",
        "ready",
        "audio",
        "ab" * 32,
        "run 1",
    )
    assert str(first["size"]) == str(2**33)
    assert (second["path"], second["status"], second["reason"]) == (SKIPPED.path, "skipped", SKIPPED.reason)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["report.csv", "report.parquet"])
def test_a_run_without_files_leaves_a_table_without_rows(tmp_path: Path, name: str) -> None:
    Report(tmp_path / name).close()
    assert rows(tmp_path / name) == []


def test_more_rows_than_are_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamlake_pipeline.client.report._ROWS", 10)
    for name in ("report.csv", "report.parquet"):
        report = Report(tmp_path / name)
        for n in range(105):
            report.add(FileEvent(f"/{n}", FileStatus.FAILED, code="x"))
        report.close()
        assert [row["path"] for row in rows(tmp_path / name)] == [f"/{n}" for n in range(105)]


@pytest.mark.parametrize("name", ["report.txt", "no/such/folder/report.csv"])
def test_where_it_cannot_be_is_said_before_anything_is_sent(tmp_path: Path, name: str) -> None:
    with pytest.raises(DreamlakeError) as error:
        Report(tmp_path / name)
    assert error.value.code is Code.USAGE


@pytest.mark.parametrize("name", ["report.csv", "report.parquet"])
def test_a_full_disk_leaves_the_old_report_and_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    report = Report(tmp_path / name)
    report.add(STORED)
    report._part.unlink()
    report._part.symlink_to("/dev/full")
    with pytest.raises(DreamlakeError) as error:
        report.close()
    assert error.value.code is Code.STORAGE_FULL
    assert (tmp_path / name).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [name]
