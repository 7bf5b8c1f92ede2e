"""What keeps Dagster in order: old partitions go, why runs failed is said, the catalog follows the index."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest
from dagster import (
    AssetMaterialization,
    DagsterInstance,
    RunRequest,
    SensorResult,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.api.server import AssetChange, BatchAsset, EpisodeChange
from dreamlake_pipeline.definitions import defs
from dreamlake_pipeline.flags import Flag
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.sensors.upkeep import partitions_to_retire
from dreamlake_pipeline.server.index import upsert_assets
from dreamlake_pipeline.server.marks import change_asset, change_episode

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def key(age: timedelta, suffix: str = "3f2a") -> str:
    return f"o/p/{NOW - age:%Y-%m-%dT%H-%M-%SZ}-{suffix}"


def test_old_partitions_are_retired_and_others_kept() -> None:
    young, old, older = key(timedelta(days=29)), key(timedelta(days=31)), key(timedelta(days=400))
    assert partitions_to_retire([young, old, "made by hand", older], NOW) == [older, old]


def test_beyond_five_thousand_the_oldest_go_but_none_that_may_be_at_work() -> None:
    many = [key(timedelta(days=3), f"{n:04x}") for n in range(5000)]
    fresh = [key(timedelta(hours=1), f"{n:04x}") for n in range(10)]
    assert partitions_to_retire(many, NOW) == []
    assert partitions_to_retire(many + fresh, NOW) == sorted(many)[:10]
    assert partitions_to_retire([key(timedelta(hours=n % 24), f"{n:04x}") for n in range(6000)], NOW) == []


def test_the_sensor_asks_dagster_to_forget_them(tmp_path: Any) -> None:
    old = f"o/p/{datetime.now(UTC) - timedelta(days=40):%Y-%m-%dT%H-%M-%SZ}-3f2a"
    new = f"o/p/{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}-3f2a"
    sensor = defs.resolve_sensor_def("retire_partitions")
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("batches", [new])
        assert isinstance(sensor(build_sensor_context(instance=instance)), SkipReason)
        instance.add_dynamic_partitions("batches", [old])
        result = sensor(build_sensor_context(instance=instance))
    assert isinstance(result, SensorResult)
    assert [one.partition_keys for one in result.dynamic_partitions_requests or []] == [[old]]


@pytest.mark.parametrize("tag", ["", "x", "9" * 9999], ids=lambda value: str(value)[:12])
def test_why_a_run_failed_is_said_once_whatever_its_tags(world: Any, tag: str) -> None:
    tags = {"dagster/partition": tag or "o/p/x", "dreamlake/attempt": tag}
    run = world.instance.create_run_for_job(world.job("process_batch"), tags=tags)
    failure = world.instance.report_run_failed(run, "The run's process is gone.")
    said = world.what_is_said_of(run, failure)
    assert "The run's process is gone." in said and "what was reported stays done" in said and len(said) < 500


def test_the_catalog_is_the_index_as_parquet(world: Any, samples: dict[str, bytes]) -> None:
    ids = world.upload({"/a.srt": samples["speech.srt"], "/b.jsonl": samples["marks.jsonl"], "/c.srt": b"no cues\n"})
    world.run(world.form_batch())
    result = world.write_catalog()
    [materialization] = result.asset_materializations_for_node("catalog")
    assert all(check.passed for check in result.get_asset_check_evaluations())

    table = pq.read_table(io.BytesIO(world.store.read("catalog/assets.parquet")))
    assert table.num_rows == materialization.metadata["dagster/row_count"].value
    rows = {row["path"]: row for row in table.to_pylist() if row["namespace"] == world.owner}
    assert {path: row["status"] for path, row in rows.items()} == {
        "/a.srt": "ready",
        "/b.jsonl": "ready",
        "/c.srt": "failed",
    }
    assert rows["/a.srt"]["bss_id"] == ids["/a.srt"]
    assert rows["/a.srt"]["duration_sec"] == 2.9 and '"cues": 2' in rows["/a.srt"]["metadata"]


def test_the_catalog_has_what_people_said(world: Any, samples: dict[str, bytes]) -> None:
    with world.resources()["folder_tree"]._connect() as connection, connection.begin():
        [ref, _] = upsert_assets(
            connection,
            [
                BatchAsset(
                    kind=Kind.TEXT_TRACK,
                    namespace=world.owner,
                    project="robot",
                    episode_name=episode,
                    name="/a.srt",
                    bss_text_track_id=new_id(),
                    status=status,
                    size=7,
                    metadata={"durationSec": 2.5},
                )
                for episode, status in (("run-1", Status.READY), ("run-2", Status.FAILED))
            ],
        )
        change_asset(connection, ref.id, AssetChange(time_offset_sec=-0.5))
        change_episode(connection, world.owner, "robot", "run-1", EpisodeChange(flag=Flag.BAD, note="why\nso"))
    world.write_catalog()

    def rows(name: str) -> dict[str, dict[str, Any]]:
        found = pq.read_table(io.BytesIO(world.store.read(f"catalog/{name}.parquet"))).to_pylist()
        return {row["episode"]: row for row in found if row["namespace"] == world.owner}

    files, episodes = rows("assets"), rows("episodes")
    assert (files["run-1"]["time_offset_sec"], files["run-1"]["episode_flag"]) == (-0.5, "bad")
    assert (files["run-2"]["time_offset_sec"], files["run-2"]["episode_flag"]) == (None, None)
    told = ("id", "project", "flag", "note", "files", "failed", "bytes", "duration_sec")
    expected = (ref.episode_id, "robot", "bad", "why\nso", 1, 0, 7, 2.5)
    assert tuple(episodes["run-1"][name] for name in told) == expected
    assert (episodes["run-2"]["flag"], episodes["run-2"]["failed"]) == (None, 1)


def test_the_catalog_is_written_when_the_index_is_newer(tmp_path: Any) -> None:
    schedule = defs.get_repository_def().get_schedule_def("hourly_catalog")

    def evaluate() -> Any:
        return schedule(build_schedule_context(instance=instance, scheduled_execution_time=NOW))

    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert isinstance(evaluate(), SkipReason)
        for asset, answer in (
            ("dreamlake_index", RunRequest),
            ("catalog", SkipReason),
            ("dreamlake_index", RunRequest),
        ):
            instance.report_runless_asset_event(AssetMaterialization(asset))
            assert isinstance(evaluate(), answer), asset
