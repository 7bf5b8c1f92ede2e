from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import av
import psycopg
import pytest

from benchmarks import document, index, recordings, shell
from benchmarks.home import Home
from benchmarks.measure import BenchmarkError, Pairs, Sample, run, sampling
from benchmarks.results import Report, Result
from benchmarks.rows import BY_KEY, ROWS, STANDARD


def test_the_document_has_the_rows_that_are_measured() -> None:
    cells = list(document.rows_of(document.DOCUMENT.read_text()).values())[2:]
    for row in cells:
        row[1] = row[1].partition(" [")[0]  # what was measured, where a run has other sizes than the issue names
    assert [row[:4] for row in cells] == [[row.key, row.work, row.yardstick, row.limit] for row in ROWS]


def test_the_document_explains_each_row_of_the_table() -> None:
    explained = re.findall(r"^### (\d+):", document.DOCUMENT.read_text(), re.MULTILINE)
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
    pairs = Pairs([Sample(2.0, 1.0, 0.25), Sample(3.0, 1.0, 0.35)], [Sample(2.0, 1.0), Sample(2.0, 1.0)])
    pairs.floors = [0.5, 0.5]
    report.results = [Result.of_pairs("1", pairs), Result("6", [0.004])]
    page = tmp_path / "page.md"
    measured = "0.50 | 0.40 to 0.60 | yes | 7.0 | 12% | 2026-11-01 def"
    row_3 = f"| 3 | {BY_KEY['3'].work} | {BY_KEY['3'].yardstick} | ≤ 1.50 | {measured} |"
    row_4 = f"| 4 | {BY_KEY['4'].work} | {BY_KEY['4'].yardstick} | ≤ 9.00 | {measured} |"
    page.write_text(f"before\n<!-- make bench writes from here -->\nstale\n{row_3}\n{row_4}\n<!-- to here -->\nafter\n")
    document.refresh(report, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "stale" not in text
    assert "| ≤ 1.00 | 1.25 | 1.00 to 1.50 | **no** | 5.0 | 30% | 2026-11-22 abc |" in text
    assert "| ≤ 5.0 ms | 4.0 ms | 4.0 ms to 4.0 ms | yes |  |  | 2026-11-22 abc |" in text
    # What this run did not measure stays; whether a target that changed is reached is not said.
    assert row_3 in text
    assert row_4.replace("≤ 9.00", "≤ 1.25").replace("| yes |", "|  |") in text
    assert text.count("not measured") == len(ROWS) - 4
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


def test_idle_cores_are_a_share_of_the_time_that_passed() -> None:
    with sampling(itself=True) as passed:
        deadline = time.monotonic() + 60
        while (sample := passed()).cpu_seconds < 0.2 and time.monotonic() < deadline:
            pass
    assert 0 <= sample.idle < 1


def test_recordings_of_two_turns_have_the_same_pictures_and_other_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(recordings, "CLIP_SECONDS", 1)
    monkeypatch.setattr(recordings, "_TAKES", 2)
    hashes: list[str] = []
    for turn in range(2):
        files = recordings.write_episodes(tmp_path / f"{turn}", 1, turn)
        paths = [path for path in (tmp_path / f"{turn}").rglob("*") if path.is_file()]
        assert len(paths) == files == 10
        hashes += [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        recordings.write_label_files(tmp_path / f"labels-{turn}", 4, 50, turn)
        hashes += [hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / f"labels-{turn}").iterdir()]
    assert len(set(hashes)) == 28
    [first, *_] = sorted((tmp_path / "0").rglob("camera-0.mp4"))
    [second, *_] = sorted((tmp_path / "1").rglob("camera-0.mp4"))
    assert _pictures(first) == _pictures(second)
    with av.open(first) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [packet.is_keyframe for packet in packets] == [True] + [False] * 29
    # What the shell makes of an episode: playlists, WebVTT and tables.
    home = SimpleNamespace(environment=os.environ, scratch=tmp_path)
    shell.make(cast(Home, home), tmp_path / "0", tmp_path / "made", video=shell.COPY)
    made = [path.suffix for path in (tmp_path / "made").rglob("*")]
    assert {suffix: made.count(suffix) for suffix in (".m3u8", ".vtt", ".parquet")} == {
        ".m3u8": 6,
        ".vtt": 1,
        ".parquet": 3,
    }


def test_clips_to_transcode_are_of_the_codecs_that_the_table_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(recordings, "CLIP_SECONDS", 0.5)
    recordings.write_clips_to_transcode(tmp_path / "in", 4, turn=1)
    codecs = {}
    for path in (tmp_path / "in").iterdir():
        with av.open(path) as container:
            codecs[container.streams.video[0].codec_context.codec.canonical_name] = path.suffix
    assert codecs == {"av1": ".mp4", "mjpeg": ".avi", "hevc": ".mp4", "vp9": ".webm"}
    home = SimpleNamespace(environment=os.environ, scratch=tmp_path)
    shell.make(cast(Home, home), tmp_path / "in", tmp_path / "made", video=shell.TRANSCODE)
    assert len(list((tmp_path / "made").rglob("*.ts"))) == 4


def _pictures(path: Path) -> str:
    digest = hashlib.sha256()
    with av.open(path) as container:
        for frame in container.decode(video=0):
            digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()
