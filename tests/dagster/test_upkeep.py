"""What keeps Dagster in order: old partitions go, failed runs give their batch back, the catalog follows the index."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest
from dagster import (
    AssetMaterialization,
    DagsterEventType,
    DagsterInstance,
    RunRequest,
    SensorResult,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.definitions import defs
from dreamlake_pipeline.resources import BssResource, FolderTreeResource
from dreamlake_pipeline.sensors.upkeep import partitions_to_retire

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


@pytest.mark.parametrize(
    ("broken", "consequence"),
    [
        ("folder_tree", "is offered again in 15 s; what was reported stays done."),
        ("bss", "is offered again when its lease has ended."),
    ],
)
def test_a_failed_run_gives_its_batch_back(
    world: Any, samples: dict[str, bytes], broken: str, consequence: str
) -> None:
    ids = world.upload({"/a.srt": samples["speech.srt"]})
    partition = world.form_batch()
    world.replaced = {
        "folder_tree": {"folder_tree": FolderTreeResource(postgres_url="postgresql://127.0.0.1:9/none")},
        "bss": {"bss": BssResource(url="http://127.0.0.1:9", token="x")},
    }[broken]
    result = world.run(partition, raise_on_error=False)
    assert not result.success

    failure = next(event for event in result.all_events if event.event_type is DagsterEventType.RUN_FAILURE)
    said = world.what_is_said_of(result.dagster_run, failure)
    assert "does not answer" in said and said.endswith(consequence)

    world.replaced = {}
    assert world.run(partition).success
    assert world.records(ids)["/a.srt"].status is Status.READY


def test_the_batch_of_a_killed_run_is_offered_again_at_once(world: Any, samples: dict[str, bytes]) -> None:
    world.upload({"/a.srt": samples["speech.srt"]})
    partition = world.form_batch()
    run = world.instance.create_run_for_job(
        world.job("process_batch"), tags={"dagster/partition": partition, "dreamlake/attempt": "1"}
    )
    world.pipeline.begin(partition, run.run_id, lease_seconds=60)
    failure = world.instance.report_run_failed(run, "The run's process is gone.")
    assert "offered again in 0 s" in world.what_is_said_of(run, failure)
    assert [(offer.partition, offer.attempt) for offer in world.claim()] == [(partition, 2)]


@pytest.mark.parametrize(
    ("tag", "pause"),
    [
        ("", 0),
        ("x", 0),
        ("-5", 0),
        ("0", 0),
        ("²", 0),
        ("1e9", 0),
        ("2", 15),
        ("3", 45),
        ("1000000000", 1905),
        ("9" * 9999, 1905),
    ],
    ids=lambda value: str(value)[:12],
)
def test_whatever_tags_a_run_was_started_with_its_batch_is_given_back(
    world: Any, samples: dict[str, bytes], tag: str, pause: int
) -> None:
    world.upload({"/a.srt": samples["speech.srt"]})
    partition = world.form_batch()
    tags = {"dagster/partition": partition, "dreamlake/attempt": tag}
    run = world.instance.create_run_for_job(world.job("process_batch"), tags=tags)
    world.pipeline.begin(partition, run.run_id, lease_seconds=60)
    failure = world.instance.report_run_failed(run, "The run's process is gone.")
    assert f"offered again in {pause} s" in world.what_is_said_of(run, failure)


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
