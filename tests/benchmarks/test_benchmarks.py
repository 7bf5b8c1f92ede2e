from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import psycopg
import pytest

from benchmarks import document, index
from benchmarks.measure import BenchmarkError, Pairs, Sample, run
from benchmarks.results import Report, Result
from benchmarks.rows import ROWS, STANDARD


def test_the_document_has_the_rows_that_are_measured() -> None:
    lines = [line for line in document.DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines][2:]
    for row in cells:
        row[1] = row[1].partition(" [")[0]  # what was measured, where a run has other sizes than the issue names
    assert [row[:4] for row in cells] == [[row.key, row.work, row.yardstick, row.limit] for row in ROWS]
    # A table of another run than the standard or the full one would not be comparable.
    assert {len(row) for row in cells} == {7}


def test_the_document_explains_each_row_of_the_table() -> None:
    explained = re.findall(r"^### (\d):", document.DOCUMENT.read_text(), re.MULTILINE)
    assert explained == [row.key for row in ROWS if row.key.isdigit()]


def test_a_row_is_measured(postgres: str) -> None:
    pairs = index.register(postgres, assets=200, folders=20, repeats=1)
    assert len(pairs.ratios) == 1
    assert all(sample.seconds > 0 and sample.cpu_seconds > 0 for sample in [*pairs.ours, *pairs.yardstick])
    with psycopg.connect(postgres) as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'bench_%'").fetchall()
    assert left == []


def test_ratios_are_held_by_their_median_and_bounds_by_their_greatest() -> None:
    assert Result("7", [3.0, 3.9, 9.0]).is_reached
    assert not Result("7", [3.0, 4.1, 4.2]).is_reached
    assert not Result("worker", [100.0, 100.0, 601.0]).is_reached


def test_the_yardstick_of_row_3_is_allowed_two_seconds_more() -> None:
    pairs = Pairs([Sample(3, 0)], [Sample(1, 0)], allowance=2.0)
    assert pairs.ratios == [1.0]


def test_a_report_is_written_as_table_and_json(tmp_path: Path) -> None:
    report = Report(
        STANDARD, is_comparable=True, started="2026-11-22T10:00:00", machine={"cores": "2", "commit": "abc"}
    )
    pairs = Pairs([Sample(2.0, 1.0), Sample(3.0, 1.0)], [Sample(2.0, 1.0), Sample(2.0, 1.0)])
    report.results = [Result.of_pairs("1", pairs), Result("6", [0.004])]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- make bench writes from here -->\nstale\n<!-- to here -->\nafter\n")
    document.refresh(report, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "stale" not in text
    assert "| ≤ 1.10 | 1.25 | 1.00 to 1.50 | **no** |" in text
    assert "| ≤ 5.0 ms | 4.0 ms | 4.0 ms to 4.0 ms | yes |" in text
    report.write(tmp_path / "results.json")
    one = json.loads((tmp_path / "results.json").read_text())["results"][0]
    assert (one["spread"]["median"], one["reached"], one["ours"][1]["seconds"]) == (1.25, False, 3.0)


def test_a_command_that_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"], environment={}, folder=tmp_path)


def test_what_row_6_gets_ready_made_is_what_the_pool_takes(tmp_path: Path) -> None:
    """The module replaces parts of the pipeline: it is loaded by a process of its own."""
    program = """
import sys
from pathlib import Path
from types import SimpleNamespace
from benchmarks import inputs, noop
from dreamlake_pipeline.processing import pool
from dreamlake_pipeline.processing.fetch import Source
import hashlib
for seed in (1, 2):
    path = Path(sys.argv[1]) / f"{seed}.wav"
    inputs.write_wav(path, 4000, seed)
    data = path.read_bytes()
    source = Source(path.name, hashlib.sha256(data).hexdigest(), len(data), path, data)
    made = noop.make(SimpleNamespace(source=source, filename=path.name))
    [segment] = made.streams[0].segments
    pool._verify(segment)
    print(segment.sha256)
"""
    (tmp_path / "run").mkdir()
    environment = os.environ | {"DREAMLAKE_HOME": str(tmp_path)}
    said = run([sys.executable, "-c", program, tmp_path], environment=environment, folder=tmp_path)
    assert len(set(said.split())) == 2
