"""Attempts at batches that are over, as Dagster tells it: what BSS then offers again, and what it does not."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus
from sqlalchemy import event

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.api.pipeline import BatchOffer, ItemResult, LeasedBatch, Release
from dreamlake_pipeline.database import BSS_SCHEMA, open_engine
from dreamlake_pipeline.instance import ForkRunLauncher
from dreamlake_pipeline.processing.settling import Settling
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.resources import BssResource, FolderTreeResource
from dreamlake_pipeline.sensors import attempts
from dreamlake_pipeline.sensors.attempts import release_ended


class Batch:
    """A batch that was offered to the sensor of one world."""

    def __init__(self, world: Any, count: int = 2) -> None:
        self.world = world
        self.ids = world.upload(
            {f"/{n}.srt": f"1\n00:00:00,000 --> 00:00:01,000\n{n}\n".encode() for n in range(count)}
        )
        self.partition = world.form_batch()

    def launch(self, status: DagsterRunStatus = DagsterRunStatus.STARTED, attempt: int = 1) -> DagsterRun:
        return self.world.instance.create_run_for_job(
            self.world.job("process_batch"),
            tags={"dagster/partition": self.partition, "dreamlake/attempt": str(attempt)},
            status=status,
        )

    def begin(self, run: DagsterRun) -> list[str]:
        begun = self.world.pipeline.begin(self.partition, run.run_id, lease_seconds=3600)
        return [item.id for item in begun.items]

    def look(self) -> list[str]:
        """What the sensor finds out of this batch."""
        found = release_ended(self.world.instance, self.world.pipeline, max_attempts=3)
        return [one for one in found if self.partition in one]

    def offers(self) -> list[BatchOffer]:
        return self.world.claim()

    def end_pauses(self) -> None:
        """The clock is Postgres's: what is offered after a pause is made to have paused."""
        engine = open_engine(self.world.postgres_url, schema=BSS_SCHEMA)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE batches SET lease_until = now() WHERE run_id IS NULL AND partition = %s", (self.partition,)
            )
        engine.dispose()


@pytest.fixture(autouse=True)
def _others_offers_are_young(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_CREATED_WITHIN", 3600)


def test_an_offer_without_a_run_is_offered_again(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(world)
    assert batch.look() == [] and batch.offers() == []  # its run may be on its way
    monkeypatch.setattr(attempts, "_CREATED_WITHIN", 0)
    [said] = batch.look()
    assert "has no run that would begin it" in said
    [offer] = batch.offers()
    assert (offer.partition, offer.attempt, offer.files) == (batch.partition, 2, 2)


@pytest.mark.parametrize("status", [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED, DagsterRunStatus.SUCCESS])
def test_an_offer_whose_run_ended_before_it_began_is_offered_again_at_once(
    world: Any, status: DagsterRunStatus
) -> None:
    """Its launch failed, as while a cluster's head is away, or its process died before it came to the batch."""
    batch = Batch(world)
    run = batch.launch(status)
    [said] = batch.look()
    assert f"Run {run.run_id} ended before it had begun" in said
    [offer] = batch.offers()
    assert (offer.partition, offer.attempt, offer.files) == (batch.partition, 2, 2)
    # That run says nothing of the next offer; the files have nothing against them, however often it happens.
    assert batch.look() == [] and batch.offers() == []
    for attempt in range(2, 8):
        batch.launch(status, attempt=attempt)
        assert len(batch.look()) == 1
        batch.end_pauses()
        assert [offer.attempt for offer in batch.offers()] == [attempt + 1]
    assert {record.status for record in world.records(batch.ids).values()} == {Status.QUEUED}


@pytest.mark.parametrize("whose", ["another attempt", "a person", "of no attempt"])
def test_a_run_that_is_not_the_offers_says_nothing_of_it(world: Any, whose: str) -> None:
    batch = Batch(world)
    first = batch.launch(DagsterRunStatus.FAILURE, attempt=1 if whose == "a person" else 7)
    if whose == "a person":
        batch.look()
        batch.offers()
        world.instance.create_run_for_job(
            world.job("process_batch"),
            tags={"dagster/partition": batch.partition, "dreamlake/attempt": "2"},
            status=DagsterRunStatus.FAILURE,
            parent_run_id=first.run_id,
            root_run_id=first.run_id,
        )
    if whose == "of no attempt":
        world.instance.create_run_for_job(
            world.job("process_batch"), tags={"dagster/partition": batch.partition}, status=DagsterRunStatus.FAILURE
        )
    assert batch.look() == [] and batch.offers() == []


@pytest.mark.parametrize("status", [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_an_offer_whose_run_waits_or_starts_is_kept(
    world: Any, status: DagsterRunStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_CREATED_WITHIN", 0)
    batch = Batch(world)
    batch.launch(status)
    assert batch.look() == [] and batch.offers() == []


def test_a_batch_at_which_a_run_works_is_kept(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_CREATED_WITHIN", 0)
    batch = Batch(world)
    run = batch.launch()
    batch.begin(run)
    assert batch.look() == []
    world.instance.report_run_canceling(run)
    assert batch.look() == []
    # A run that this Dagster does not know may be another's: it has the batch as long as its lease lasts.
    world.pipeline.begin(batch.partition, "unknown", lease_seconds=3600)
    assert batch.look() == [] and batch.offers() == []


def test_the_batch_of_a_killed_run_is_offered_in_halves_at_once(world: Any) -> None:
    batch = Batch(world, 5)
    run = batch.launch()
    done, *rest = batch.begin(run)
    world.pipeline.report(batch.partition, run.run_id, [ItemResult(id=done, metadata={"cues": 1})])
    world.instance.report_run_failed(run, "The run's process is gone.")
    [said] = batch.look()
    assert f"Run {run.run_id} died" in said
    offers = {offer.partition: offer for offer in batch.offers()}
    # Of the batch itself, what was reported is left to be indexed.
    assert offers.pop(batch.partition).attempt == 2
    assert [offer.files for offer in offers.values()] == [2, 2]
    halves = [world.pipeline.begin(half, secrets.token_hex(4), lease_seconds=60).items for half in offers]
    assert sorted(item.id for half in halves for item in half) == sorted(rest)
    assert batch.look() == []


class Launcher(ForkRunLauncher):  # type: ignore[type-arg]
    """Whose run server knows that each run was killed alone, or does not."""

    knows = False

    def was_killed_alone(self, run: DagsterRun) -> bool:
        return self.knows


@pytest.mark.parametrize(
    ("launcher", "is_proof"), [("another", True), ("one that knows", True), ("one that does not", False)]
)
def test_what_is_known_of_a_dead_run_is_told(
    world: Any, monkeypatch: pytest.MonkeyPatch, launcher: str, is_proof: bool
) -> None:
    if launcher != "another":
        monkeypatch.setattr(Launcher, "knows", launcher == "one that knows")
        monkeypatch.setattr(type(world.instance), "run_launcher", Launcher())
    told: list[Release] = []
    release = PipelineClient.release
    monkeypatch.setattr(
        PipelineClient, "release", lambda self, found, **more: told.extend(found) or release(self, found, **more)
    )
    batch = Batch(world)
    run = batch.launch()
    batch.begin(run)
    world.instance.report_run_failed(run, "The run's process is gone.")
    batch.look()
    assert [(one.died, one.proven) for one in told if one.partition == batch.partition] == [(True, is_proof)]


def test_a_run_that_could_say_what_it_died_of_is_no_proof(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that nobody foresaw, between the files: it may be Postgres's."""
    told: list[Release] = []
    release = PipelineClient.release
    monkeypatch.setattr(
        PipelineClient, "release", lambda self, found, **more: told.extend(found) or release(self, found, **more)
    )

    def break_down(*_: Any) -> None:
        raise RuntimeError("nobody foresaw this")

    batch = Batch(world)
    with monkeypatch.context() as broken:
        broken.setattr(Settling, "tick", break_down)
        assert not world.run(batch.partition, raise_on_error=False).success
    batch.look()
    assert [(one.died, one.proven) for one in told if one.partition == batch.partition] == [(True, False)]


@pytest.mark.parametrize("broken", ["folder_tree", "bss"])
def test_the_batch_of_a_run_that_failed_plainly_is_offered_again_as_it_is(world: Any, broken: str) -> None:
    batch = Batch(world)
    world.replaced = {
        "folder_tree": {"folder_tree": FolderTreeResource(postgres_url="postgresql://127.0.0.1:9/none")},
        "bss": {"bss": BssResource(url="http://127.0.0.1:9", token="x")},
    }[broken]
    result = world.run(batch.partition, raise_on_error=False)
    failure = next(one for one in result.all_events if one.event_type is DagsterEventType.RUN_FAILURE)
    assert "does not answer" in world.what_is_said_of(result.dagster_run, failure)
    world.replaced = {}
    if broken == "folder_tree":  # the run had begun the batch
        [said] = batch.look()
        assert "ended (failure) with work left" in said
        assert batch.offers() == []  # what is away needs a moment
        batch.end_pauses()
        assert [(offer.partition, offer.attempt) for offer in batch.offers()] == [(batch.partition, 2)]
    assert world.run(batch.partition).success
    assert {record.status for record in world.records(batch.ids).values()} == {Status.READY}


@pytest.mark.parametrize("status", [DagsterRunStatus.SUCCESS, DagsterRunStatus.CANCELED])
def test_a_run_that_ended_with_work_left_holds_nothing(world: Any, status: DagsterRunStatus) -> None:
    batch = Batch(world)
    batch.begin(batch.launch(status))
    [said] = batch.look()
    assert f"ended ({status.value.lower()})" in said
    batch.end_pauses()
    assert [(offer.partition, offer.files) for offer in batch.offers()] == [(batch.partition, 2)]


def test_an_offer_that_two_runs_take_is_the_latest_ones(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was slow to come, after its batch was offered again."""
    monkeypatch.setattr(attempts, "_CREATED_WITHIN", 0)
    batch = Batch(world)
    batch.look()
    [again] = batch.offers()
    late, latest = batch.launch(), batch.launch(attempt=2)
    assert len(world.pipeline.begin(batch.partition, latest.run_id, lease_seconds=60, attempt=again.attempt).items) == 2
    with pytest.raises(Exception, match="came too late"):
        world.pipeline.begin(batch.partition, late.run_id, lease_seconds=60, attempt=1)
    assert batch.look() == []


def test_a_tick_at_which_nothing_ended_is_one_question_and_one_query(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = Batch(world)
    batch.begin(batch.launch())
    asked: list[str] = []
    leased = PipelineClient.leased

    def of_this_test(client: PipelineClient) -> list[LeasedBatch]:
        asked.append("leased")
        return [one for one in leased(client) if one.partition == batch.partition]

    monkeypatch.setattr(PipelineClient, "leased", of_this_test)
    monkeypatch.setattr(PipelineClient, "release", lambda *_, **__: asked.append("release"))
    # The ephemeral instance's tables are SQLite's.
    engine = world.instance.run_storage._engine
    statements: list[str] = []
    listener = lambda *args: statements.append(args[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", listener)
    release_ended(world.instance, world.pipeline, max_attempts=3)
    event.remove(engine, "before_cursor_execute", listener)
    assert asked == ["leased"]
    assert len([one for one in statements if one.startswith("SELECT") and "runs" in one]) == 1, statements


def test_the_sensors_run_of_an_earlier_offer_ends_in_a_sentence(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_CREATED_WITHIN", 0)
    batch = Batch(world)
    batch.look()
    assert len(batch.offers()) == 1
    tags = {"dagster/run_key": f"{batch.partition}#1", "dreamlake/attempt": "1"}
    late = world.job("process_batch").execute_in_process(
        instance=world.instance, partition_key=batch.partition, tags=tags, raise_on_error=False
    )
    assert not late.success
    assert "came too late" in str(late.failure_data_for_node("staging_objects").user_failure_data.description)
    # Whoever starts a run by hand has the batch.
    assert world.run(batch.partition).success
