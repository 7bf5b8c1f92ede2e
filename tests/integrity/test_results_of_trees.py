"""What was made from files is fetched as the files are: poster, waveform, WebVTT, Parquet, record and playlist."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dreamlake_pipeline.client.fetch import Choice, What
from dreamlake_pipeline.client.storing import summed_up
from dreamlake_pipeline.client.trees import Prepared
from dreamlake_pipeline.remote.bss import Place

from .conftest import OWNER, World, labels, sound, srt, telemetry

PROJECT = "results"


@pytest.fixture(scope="module")
def processed(world: World, clip: bytes, tmp_path_factory: pytest.TempPathFactory) -> World:
    files = {"/clip.mp4": clip, "/a.wav": sound(1), "/said.srt": srt("hello"), "/flight.srt": telemetry(1)}
    folder = tmp_path_factory.mktemp("results")
    world.ingest(files | {"/grip.jsonl": labels(1)}, folder, PROJECT)
    world.process()
    world.ingest({"/later.jsonl": labels(2), "/later.wav": sound(2)}, folder, PROJECT)
    return world


def _fetch(world: World, into: Path, *what: What) -> tuple[dict[str, bytes], dict[str, str | None]]:
    """What came, and the codes of what did not, by name."""
    choice = Choice([Place(OWNER, PROJECT)], what=what)
    told: dict[str, str | None] = {}
    summary = summed_up(
        world.lake.fetch_prepared(Prepared(choice, str(into))),
        lambda event: told.update({event.name: event.code} if getattr(event, "code", None) else {}),
    )
    found = {path.name: path.read_bytes() for path in into.iterdir()} if into.exists() else {}
    assert summary.downloaded == len(found)
    return found, told


def test_tables_come_as_parquet(processed: World, tmp_path: Path) -> None:
    found, told = _fetch(processed, tmp_path / "out", What.PARQUET)
    assert sorted(found) == ["flight.srt.parquet", "grip.jsonl.parquet"]
    assert pq.read_table(tmp_path / "out/grip.jsonl.parquet").num_rows == 30
    assert told == {"/said.srt": "not_found", "/later.jsonl": "not_ready"}


def test_several_sorts_come_at_once(processed: World, tmp_path: Path) -> None:
    found, told = _fetch(processed, tmp_path, What.RAW, What.VTT, What.POSTER, What.WAVEFORM)
    raw = {"clip.mp4", "a.wav", "said.srt", "flight.srt", "grip.jsonl", "later.jsonl", "later.wav"}
    made = {"said.srt.vtt", "flight.srt.vtt", "clip.mp4.poster.jpg", "a.wav.waveform.png"}
    assert set(found) == raw | made
    assert found["said.srt.vtt"].startswith(b"WEBVTT")
    assert found["clip.mp4.poster.jpg"].startswith(b"\xff\xd8")
    assert found["a.wav.waveform.png"].startswith(b"\x89PNG")
    assert told == {"/clip.mp4": "not_found", "/later.wav": "not_ready"}  # its waveform is that of its pictures: none


def test_records_come_as_json(processed: World, tmp_path: Path) -> None:
    found, told = _fetch(processed, tmp_path, What.META)
    records = processed.records(PROJECT)
    assert (len(found), told) == (7, {})
    clip = json.loads(found["clip.mp4.meta.json"])
    assert clip == json.loads(records["/clip.mp4"].wire_json())
    assert clip["metadata"]["width"] == 160


def test_playlists_play_from_wherever_they_lie(processed: World, tmp_path: Path) -> None:
    found, told = _fetch(processed, tmp_path, What.PLAYLIST)
    assert (sorted(found), told) == (["a.wav.m3u8", "clip.mp4.m3u8"], {"/later.wav": "not_ready"})
    urls = [line for line in found["clip.mp4.m3u8"].decode().splitlines() if line and not line.startswith("#")]
    with urllib.request.urlopen(urls[0]) as answer:
        assert b"#EXTINF" in answer.read()


def test_results_that_are_there_are_compared(processed: World, tmp_path: Path) -> None:
    choice = Choice([Place(OWNER, PROJECT)], what=(What.POSTER,))

    def again(*, force: bool = False) -> tuple[int, int, int]:
        summary = summed_up(processed.lake.fetch_prepared(Prepared(choice, str(tmp_path)), force=force), None)
        return summary.downloaded, summary.unchanged, summary.failed

    assert again() == (1, 0, 0)
    assert again() == (0, 1, 0)
    (tmp_path / "clip.mp4.poster.jpg").write_bytes(b"mine")
    assert again() == (0, 0, 1)
    assert again(force=True) == (1, 0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4.poster.jpg"]
