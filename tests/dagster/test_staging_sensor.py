"""The staging sensor, one situation a test: what it asks Dagster for, and what BSS knows afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, SensorResult, SkipReason, build_sensor_context

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.api.common import Listing
from dreamlake_pipeline.api.pipeline import StagedKeys
from dreamlake_pipeline.definitions import defs
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.processing import staging
from dreamlake_pipeline.processing.staging import Position
from dreamlake_pipeline.sensors import attempts

SRT_KEY = "robot-7/speech.srt"


class Sensor:
    """The sensor in one world, tick after tick."""

    def __init__(self, world: Any, instance: DagsterInstance) -> None:
        self.world = world
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> SensorResult | SkipReason:
        with build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={
                name: resource
                for name, resource in self.world.resources().items()
                if name in ("bss", "object_store", "batch_policy")
            },
            definitions=defs,
        ) as context:
            result = defs.resolve_sensor_def("staging_sensor")(context)
        assert isinstance(result, SensorResult | SkipReason)
        if isinstance(result, SensorResult):
            self.cursor = None  # the next tick begins a walk
        return result

    def offers(self) -> list[Any]:
        """The run requests of as many ticks as a walk through the bucket takes, whosever they are."""
        requests = []
        while True:
            result = self.tick()
            assert isinstance(result, SensorResult)
            requests += result.run_requests or []
            if not Position.parse(result.cursor).after:
                return requests
            self.cursor = result.cursor

    def requests(self) -> list[Any]:
        """The run requests for this test's owner."""
        return [one for one in self.offers() if one.tags["dreamlake/owner"] == self.world.owner]

    def drop(self, rest: str, data: bytes, metadata: dict[str, str] | None = None) -> str:
        """An object that a foreign uploader puts under the staging prefix, with plain boto3."""
        key = layout.staging_prefix(self.world.owner, "lab") + rest
        self.world.store.client.put_object(Bucket=self.world.store.bucket, Key=key, Body=data, Metadata=metadata or {})
        return key

    def is_unknown(self, key: str) -> bool:
        """Whether BSS would have the sensor look at the object again."""
        asked = StagedKeys(keys=[key], etags=[self.world.store.head(key).etag])
        return bool(self.world.pipeline.unknown_keys(asked))

    def records(self, kind: Kind) -> list[Record]:
        return self.world.http.get(f"/{kind.spec.route}", Listing[Record], owner=self.world.owner).items


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    """A Dagster instance on disk, as sensors need it."""
    with DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


@pytest.fixture(scope="module")
def new_world(new_worlds: Any) -> Iterator[Any]:
    """The sensor asks for all that is due, whosever it is: what tests elsewhere put off would come due here."""
    with new_worlds() as create:
        yield create


@pytest.fixture
def sensor(world: Any, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Sensor:
    """One that does not take what other worlds were offered for lost."""
    monkeypatch.setattr(attempts, "_CREATED_WITHIN", 3600)
    return Sensor(world, instance)


def test_nothing_new_is_skipped(sensor: Sensor) -> None:
    assert sensor.requests() == []
    result = sensor.tick()
    assert isinstance(result, SensorResult) and not result.run_requests and not result.dynamic_partitions_requests
    assert result.skip_reason is not None and result.cursor is not None


def test_queued_files_become_one_run(sensor: Sensor, samples: dict[str, bytes]) -> None:
    sensor.world.upload({"/a.srt": samples["speech.srt"], "/b.jsonl": samples["marks.jsonl"]})
    result = sensor.tick()
    assert isinstance(result, SensorResult)
    [request] = [one for one in result.run_requests or [] if one.tags["dreamlake/owner"] == sensor.world.owner]
    assert request.partition_key is not None and request.partition_key.startswith(f"{sensor.world.owner}/lab/")
    assert request.run_key == f"{request.partition_key}#1"
    assert request.tags["dreamlake/files"] == "2"
    steps = ("staging_objects", "text_tracks", "label_tracks", "dreamlake_index")
    assert set(request.asset_selection or ()) == {AssetKey(step) for step in steps}
    added = [key for one in result.dynamic_partitions_requests or [] for key in one.partition_keys]
    assert request.partition_key in added
    assert sensor.requests() == []  # it is claimed


def test_a_batch_whose_run_was_never_made_is_offered_again_under_another_key(
    sensor: Sensor, samples: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor.world.upload({"/a.srt": samples["speech.srt"]})
    [first] = sensor.requests()
    sensor.instance.add_dynamic_partitions("batches", [first.partition_key])
    monkeypatch.setattr(attempts, "_CREATED_WITHIN", 0)
    again: list[Any] = []
    deadline = time.monotonic() + 60
    while not again:
        assert time.monotonic() < deadline
        result = sensor.tick()
        assert isinstance(result, SensorResult)
        again = [one for one in result.run_requests or [] if one.tags["dreamlake/owner"] == sensor.world.owner]
    [second] = again
    assert (second.partition_key, second.run_key) == (first.partition_key, f"{first.partition_key}#2")
    assert all(first.partition_key not in one.partition_keys for one in result.dynamic_partitions_requests or [])


def test_a_run_that_waits_for_its_turn_is_not_doubled(
    sensor: Sensor, samples: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor.world.upload({"/a.srt": samples["speech.srt"]})
    [request] = sensor.requests()
    sensor.instance.create_run_for_job(
        sensor.world.job("process_batch"),
        tags={"dagster/partition": request.partition_key},
    )
    monkeypatch.setattr(attempts, "_CREATED_WITHIN", 0)
    assert sensor.requests() == []


def test_the_halves_of_a_batch_whose_run_died_are_new_partitions(sensor: Sensor, samples: dict[str, bytes]) -> None:
    sensor.world.upload({"/a.srt": samples["speech.srt"], "/b.jsonl": samples["marks.jsonl"]})
    [request] = sensor.requests()
    run = sensor.instance.create_run_for_job(
        sensor.world.job("process_batch"), tags={"dagster/partition": request.partition_key}
    )
    sensor.world.pipeline.begin(request.partition_key, run.run_id, lease_seconds=3600)
    sensor.instance.report_run_failed(run, "The run's process is gone.")
    result = sensor.tick()
    assert isinstance(result, SensorResult)
    requests = [one for one in result.run_requests or [] if one.tags["dreamlake/owner"] == sensor.world.owner]
    assert [one.tags["dreamlake/files"] for one in requests] == ["1", "1"]
    added = {key for one in result.dynamic_partitions_requests or [] for key in one.partition_keys}
    assert {one.partition_key for one in requests} <= added
    assert [one.run_key for one in requests] == [f"{one.partition_key}#1" for one in requests]


def test_a_tick_waits_for_a_batch(sensor: Sensor, samples: dict[str, bytes]) -> None:
    while sensor.offers():  # what other worlds left behind ends a tick as well
        pass
    sensor.world.policy["sensor_wait"] = 30
    threading.Timer(0.5, sensor.world.upload, [{"/a.srt": samples["speech.srt"]}]).start()
    started = time.monotonic()
    # One tick: a walk through all that the worlds have in the bucket takes several, each of which would wait.
    mine: list[Any] = []
    while not mine and time.monotonic() - started < 28:  # another world's lease may end meanwhile
        result = sensor.tick()
        assert isinstance(result, SensorResult)
        mine = [one for one in result.run_requests or [] if one.tags["dreamlake/owner"] == sensor.world.owner]
    assert len(mine) == 1
    assert time.monotonic() - started < 28


def test_a_batch_that_is_there_does_not_wait_for_a_walk(
    sensor: Sensor, samples: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But a walk can't be put off for long, however many batches there are: dropped objects are found in time."""
    while sensor.offers():
        pass
    walks: list[Position] = []

    def walk(pipeline: object, store: object, position: Position, **_: object) -> staging.Found:
        walks.append(position)
        return staging.Found()

    monkeypatch.setattr(staging, "adopt_unregistered", walk)
    for is_overdue in (False, True):
        sensor.world.upload({f"/{is_overdue}.srt": samples["speech.srt"]})
        late = time.time() - staging._MOST_LATE + (-1 if is_overdue else 10)
        sensor.cursor = str(Position("somewhere", late))
        result = sensor.tick()
        assert isinstance(result, SensorResult) and result.run_requests
        assert bool(walks) == is_overdue
        assert result.cursor is not None and Position.parse(result.cursor).after == "somewhere"


def test_a_tick_is_not_longer_for_a_walk_that_takes_long(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster looks every 5 seconds which sensor is due: a tick that is at work then misses its turn."""
    waits: list[float] = []
    claim = type(sensor.world.pipeline).claim

    def walk(*_: object, **__: object) -> staging.Found:
        time.sleep(2)
        return staging.Found()

    def claimed(self: object, limits: Any) -> list[Any]:
        waits.append(limits.wait_seconds)
        return claim(self, limits.model_copy(update={"wait_seconds": 0}))

    monkeypatch.setattr(staging, "adopt_unregistered", walk)
    monkeypatch.setattr(type(sensor.world.pipeline), "claim", claimed)
    sensor.world.policy["sensor_wait"] = 3
    sensor.tick()
    assert 0 <= waits[-1] <= 1


def test_an_object_that_nobody_registered_is_adopted_and_processed(sensor: Sensor, samples: dict[str, bytes]) -> None:
    key = sensor.drop(SRT_KEY, samples["speech.srt"])
    [request] = sensor.requests()
    [record] = sensor.records(Kind.TEXT_TRACK)
    assert (record.name, record.episode, record.staging_key) == (f"/{SRT_KEY}", None, key)
    sensor.world.instance.add_dynamic_partitions("batches", [request.partition_key])
    assert sensor.world.run(request.partition_key).success
    [record] = sensor.records(Kind.TEXT_TRACK)
    assert record.status == "ready" and record.metadata is not None and record.metadata["cues"] == 2


def test_metadata_on_the_object_says_what_it_is(sensor: Sensor, samples: dict[str, bytes]) -> None:
    told = layout.staging_metadata(
        kind=Kind.TEXT_TRACK, name="/untertitel/grüße.txt", episode="läufe/1", content_hash="0" * 64
    )
    sensor.drop("whatever.bin", samples["speech.srt"], told)
    assert len(sensor.requests()) == 1
    [record] = sensor.records(Kind.TEXT_TRACK)
    assert (record.name, record.episode) == ("/untertitel/grüße.txt", "läufe/1")


def test_an_object_without_a_name_is_known_by_its_content(sensor: Sensor, samples: dict[str, bytes]) -> None:
    sensor.drop("0123456789abcdef0123456789abcdef", samples["tone.wav"])
    assert len(sensor.requests()) == 1
    [record] = sensor.records(Kind.AUDIO)
    assert record.name == "/unnamed/0123456789abcdef0123456789abcdef.wav"


def test_an_object_of_no_known_kind_is_ignored_once(sensor: Sensor) -> None:
    key = sensor.drop("firmware.bin", b"\x7fELF" + bytes(100))
    assert sensor.requests() == []
    assert not sensor.is_unknown(key)
    assert all(sensor.records(kind) == [] for kind in Kind)


def test_an_upload_that_is_registered_in_time_is_not_adopted(sensor: Sensor, samples: dict[str, bytes]) -> None:
    sensor.world.policy["staging_grace"] = 3600
    key = sensor.drop(SRT_KEY, samples["speech.srt"])
    assert sensor.requests() == []
    assert sensor.is_unknown(key)


def test_a_service_that_is_down_is_one_sentence_and_no_traceback(sensor: Sensor) -> None:
    sensor.world.bss_url = "http://127.0.0.1:9"
    result = sensor.tick()
    assert isinstance(result, SkipReason)
    assert result.skip_message is not None and result.skip_message.startswith("BSS does not answer")


@pytest.mark.parametrize(
    "fault",
    [
        DreamlakeError(Code.STORAGE_FAILED, "The store answered 500."),
        RecursionError("answered 500 brackets"),
        MemoryError("answered 500 GB"),
        ValueError("answered 500\x1b[2J"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_what_is_registered_is_processed_though_the_walk_fails(
    sensor: Sensor, samples: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(staging, "adopt_unregistered", broken)
    # Batches that other tests left open are offered first.
    skipped = next(result for result in iter(sensor.tick, None) if isinstance(result, SkipReason))
    assert "answered 500" in (skipped.skip_message or "") and "\x1b" not in (skipped.skip_message or "")
    sensor.world.upload({"/a.srt": samples["speech.srt"]})
    assert len(sensor.requests()) == 1
