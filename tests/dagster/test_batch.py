"""A real batch from staged objects to `ready`, in process, and what a user sees of it afterwards."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import httpx
import pyarrow.parquet as pq
import pytest
from dagster import ExecuteInProcessResult

from dreamlake_pipeline.api.bss import Playback, Record, Status
from dreamlake_pipeline.assets.outcome import FAILED_TAG, OUTCOME_TAG
from dreamlake_pipeline.database import SERVER_SCHEMA, open_engine
from dreamlake_pipeline.kinds import Kind

GOOD, AGAIN, BROKEN = "/camera/good.mp4", "/camera/again.mp4", "/camera/broken.mp4"
TONE, SPEECH, MARKS, SWAPPED = "/mic/tone.wav", "/subs/speech.srt", "/labels/marks.jsonl", "/labels/swapped.csv"
MEMO = "/mic/memo.mp4"  # a video by its name, which holds sound only
READY = {GOOD, AGAIN, MEMO, TONE, SPEECH, MARKS}
FAILED = {BROKEN, SWAPPED}


class Batch:
    """One batch after its first run, for tests that only look."""

    def __init__(self, world: Any, samples: dict[str, bytes]) -> None:
        self.world = world
        self.files = {
            GOOD: samples["good.mp4"],
            AGAIN: samples["good.mp4"],
            BROKEN: samples["broken.mp4"],
            TONE: samples["tone.wav"],
            MEMO: samples["memo.mp4"],
            SPEECH: samples["speech.srt"],
            MARKS: samples["marks.jsonl"],
        }
        staged = [world.stage(name, data) for name, data in self.files.items()]
        staged.append(world.stage(SWAPPED, b"a,b\n1,2\n", promised=hashlib.sha256(b"something else").hexdigest()))
        self.ids = world.register(staged)
        self.partition = world.form_batch()
        self.result: ExecuteInProcessResult = world.run(self.partition)
        self.records: dict[str, Record] = world.records(self.ids)

    def key(self, name: str, file: str) -> str:
        record = self.records[name]
        return f"{record.owner}/{record.project}/{record.kind.spec.route}/{record.id}/{file}"

    def check(self, asset: str, check: str) -> Any:
        return next(
            one
            for one in self.result.get_asset_check_evaluations()
            if one.asset_key.to_user_string() == asset and one.check_name == check
        )


@pytest.fixture(scope="module")
def batch(new_world: Callable[[], Any], samples: dict[str, bytes]) -> Batch:
    return Batch(new_world(), samples)


def test_a_bad_file_fails_alone_and_says_why(batch: Batch) -> None:
    assert batch.result.success
    assert {name for name, record in batch.records.items() if record.status is Status.READY} == READY
    broken, swapped = batch.records[BROKEN].error, batch.records[SWAPPED].error
    assert broken is not None and "broken.mp4" in broken.message and broken.code.startswith("media_")
    assert swapped is not None and swapped.code == "hash_mismatch" and SWAPPED in swapped.message
    assert batch.world.store.read(batch.records[BROKEN].staging_key) == batch.files[BROKEN]


def test_metadata_describes_the_files(batch: Batch) -> None:
    video, audio = batch.records[GOOD].metadata, batch.records[TONE].metadata
    assert video is not None and audio is not None
    assert (video["length"], video["width"], video["height"], video["fps"]) == (75, 160, 120, 25.0)
    assert video["durationSec"] == pytest.approx(3.0, abs=1 / 25)
    assert video["processing"]["mode"] == "copy" and video["hasAudio"]
    assert audio["durationSec"] == pytest.approx(3.0, abs=1024 / 48000)
    assert audio["loudness"]["integrated"] == pytest.approx(-21.8, abs=0.5)
    memo = batch.records[MEMO].metadata
    assert memo is not None and batch.records[MEMO].kind is Kind.VIDEO
    assert memo["kindByContent"] == "audio" and memo["loudness"]["integrated"] == pytest.approx(-21.8, abs=0.5)
    assert batch.records[SPEECH].metadata["cues"] == 2  # type: ignore[index]
    assert batch.records[MARKS].metadata["entries"] == 3  # type: ignore[index]
    assert batch.records[MARKS].sha256 == hashlib.sha256(batch.files[MARKS]).hexdigest()


@pytest.mark.parametrize("name", [GOOD, AGAIN])
def test_the_stored_playlists_play_from_the_bucket_alone(batch: Batch, name: str, tmp_path: Path) -> None:
    store, prefix = batch.world.store, batch.key(name, "stream/")
    for key in [*batch.world.keys(prefix), *batch.world.keys("chunks/")]:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.read(key))
    with av.open(str(tmp_path / prefix / "master.m3u8"), options={"allowed_extensions": "ALL"}) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames == 75


@pytest.mark.parametrize(("name", "kind"), [(GOOD, Kind.VIDEO), (MEMO, Kind.VIDEO), (TONE, Kind.AUDIO)])
def test_bss_plays_it_in_a_player_that_sends_no_header(batch: Batch, name: str, kind: Kind) -> None:
    url = batch.world.http.get(f"/{kind.spec.route}/{batch.ids[name]}/playback", Playback).url
    for _ in range(2):  # the master, then its media playlist
        playlist = httpx.get(url).raise_for_status().text
        url = urljoin(url, next(line for line in playlist.splitlines() if line and not line.startswith("#")))
    with av.open(io.BytesIO(httpx.get(url).raise_for_status().content)) as segment:
        assert sum(frame.samples for frame in segment.decode(audio=0)) == pytest.approx(3 * 48_000, abs=4_800)


def test_result_files_are_served_under_the_urls_of_the_metadata(batch: Batch) -> None:
    world = batch.world
    headers = {"Authorization": f"Bearer {world.token}"}
    for name, field in (
        (GOOD, "posterUrl"),
        (AGAIN, "posterUrl"),
        (MEMO, "waveformImageUrl"),
        (MEMO, "waveformUrl"),
        (TONE, "waveformImageUrl"),
        (TONE, "waveformUrl"),
        (MARKS, "plotUrl"),
    ):
        url = batch.records[name].metadata[field]  # type: ignore[index]
        assert batch.ids[name] in url
        answer = httpx.get(world.bss_url + url, headers=headers, follow_redirects=False)
        assert answer.status_code == 302 and httpx.get(answer.headers["location"]).status_code == 200
    assert world.store.read(batch.key(SPEECH, "track.vtt")).startswith(b"WEBVTT")
    table = pq.read_table(io.BytesIO(world.store.read(batch.key(MARKS, "data.parquet"))))
    assert table.column("label").to_pylist() == ["cup", "hand", "cup"]


@pytest.mark.parametrize("name", sorted(READY))
def test_meta_json_is_the_whole_record(batch: Batch, name: str) -> None:
    meta = Record.model_validate(json.loads(batch.world.store.read(batch.key(name, "meta.json"))))
    record = batch.records[name]
    varying = {"updated_at", "ready_at", "reported_at"}
    assert meta.model_dump(exclude=varying) == record.model_dump(exclude=varying)


def test_a_failed_file_leaves_nothing_behind(batch: Batch) -> None:
    for name in FAILED:
        assert batch.world.keys(batch.key(name, "")) == []


def test_the_same_bytes_under_another_name_are_not_processed_twice(batch: Batch) -> None:
    first, second = (batch.records[name].metadata for name in (GOOD, AGAIN))
    assert first is not None and second is not None
    made, copied = sorted((first, second), key=lambda metadata: metadata["chunks"]["reused"])
    assert made["chunks"]["new"] == made["chunks"]["count"] > 0
    assert copied["chunks"]["new"] == 0 and copied["chunks"]["reused"] == made["chunks"]["count"]
    assert copied["streams"] == made["streams"]


def test_the_index_has_every_file_with_its_status(batch: Batch) -> None:
    engine = open_engine(batch.world.postgres_url, schema=SERVER_SCHEMA, pool_size=1)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT path, bss_id, status, episode, metadata FROM asset_details WHERE namespace = %s",
            (batch.world.owner,),
        ).all()
    engine.dispose()
    assert {row.path: row.status for row in rows} == dict.fromkeys(READY, "ready") | dict.fromkeys(FAILED, "failed")
    assert all(row.bss_id == batch.ids[row.path] and row.episode == "run-1" for row in rows)
    found = {row.path: row.metadata for row in rows}
    assert found[GOOD] == batch.records[GOOD].metadata
    assert found[BROKEN]["error"]["message"] == batch.records[BROKEN].error.message  # type: ignore[union-attr]


def test_checks_name_the_files_that_failed(batch: Batch) -> None:
    videos, labels = (batch.check(asset, "every_file_processed") for asset in ("hls_streams", "label_tracks"))
    assert not videos.passed and videos.severity.value == "ERROR" and f"lab:run-1{BROKEN}" in videos.description
    assert not labels.passed and SWAPPED in labels.description
    assert not batch.check("label_tracks", "bytes_match_hash").passed
    dropped = batch.check("label_tracks", "nothing_dropped")
    assert not dropped.passed and MARKS in dropped.description and "line 3" in dropped.description
    failed = {
        (one.asset_key.to_user_string(), one.check_name)
        for one in batch.result.get_asset_check_evaluations()
        if not one.passed
    }
    assert failed == {
        ("dreamlake_index", "every_file_processed"),
        ("hls_streams", "every_file_processed"),
        ("label_tracks", "every_file_processed"),
        ("label_tracks", "bytes_match_hash"),
        ("label_tracks", "nothing_dropped"),
    }


def test_the_list_of_runs_says_how_many_failed(batch: Batch) -> None:
    run = batch.world.instance.get_run_by_id(batch.result.run_id)
    assert run.is_success
    assert run.tags[OUTCOME_TAG] == "failures" and run.tags[FAILED_TAG] == "2 of 8 failed"


@pytest.mark.parametrize("asset", ["hls_streams", "label_tracks", "dreamlake_index"])
def test_why_it_failed_is_in_the_first_columns(batch: Batch, asset: str) -> None:
    [materialization] = batch.result.asset_materializations_for_node(asset)
    rows = [record.data for record in materialization.metadata["items"].records]
    assert list(rows[0])[:4] == ["episode", "name", "status", "reason"]
    assert rows[0]["episode"] == "run-1" and rows[0]["status"] == "failed" and rows[0]["reason"]


def test_pictures_are_captioned_by_places(batch: Batch) -> None:
    [videos] = batch.result.asset_materializations_for_node("hls_streams")
    assert f"lab:run-1{GOOD}" in videos.metadata["pictures"].value


def test_a_run_shows_tables_pictures_and_commands(batch: Batch) -> None:
    def shown(asset: str) -> dict[str, Any]:
        [materialization] = batch.result.asset_materializations_for_node(asset)
        return dict(materialization.metadata)

    videos = shown("hls_streams")
    rows = {record.data["name"]: record.data for record in videos["items"].records}
    assert rows[GOOD]["frames"] == 75 and rows[GOOD]["mode"] == "copy" and rows[GOOD]["status"] == "done"
    assert rows[MEMO]["kind by content"] == "audio" and rows[MEMO]["duration (s)"] == pytest.approx(3, abs=0.03)
    assert "data:image/png;base64," in videos["pictures"].value
    assert rows[BROKEN]["status"] == "failed" and rows[BROKEN]["reason"]
    assert "data:image/jpeg;base64," in videos["pictures"].value and len(videos["pictures"].value) < 50_000
    assert videos["dagster/uri"].value.endswith(f"/{batch.world.owner}/lab/videos/")
    assert "data:image/png;base64," in shown("audio_renditions")["pictures"].value
    assert shown("label_tracks")["dagster/row_count"].value == 3
    index = shown("dreamlake_index")
    assert (index["ready"].value, index["failed"].value) == (len(READY), len(FAILED))
    assert index["outcome"].value == "2 of 8 failed"
    assert f"- lab:run-1{BROKEN}: `dreamlake show {batch.ids[BROKEN]}`" in index["to see why"].value
    assert f"- lab:run-1{GOOD}: `dreamlake play {batch.ids[GOOD]} --open`" in index["to play"].value
