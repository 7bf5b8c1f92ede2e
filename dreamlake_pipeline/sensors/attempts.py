"""Which attempts at batches are over, as Dagster knows it: nothing waits for the lease of a run that is dead.

An attempt that BSS offered has a run soon, and the run is at work until Dagster says that it ended. Monitoring finds
runs whose process died (`instance/launcher.py`); what Dagster doesn't know (a run that is stopped, or that does not
reach BSS) ends with its lease.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.execution.plan.objects import ErrorSource
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES

from ..assets.partitions import ATTEMPT_TAG, PARTITION_TAG
from ..instance.watching import WORKER_TAG, Watcher

if TYPE_CHECKING:
    from ..api.pipeline import LeasedBatch, Release
    from ..remote.pipeline import PipelineClient

# Seconds after which an offer has a run, if it ever gets one: a tick's runs are created before the next tick.
_CREATED_WITHIN = 10.0

# Seconds after which a process has said that it executes the run, and after which a launch has come to a process.
_STARTED_WITHIN, _LAUNCHED_WITHIN = 5.0, 20.0
_SKEW = 60.0  # seconds by which clocks of two machines may differ


def release_ended(instance: DagsterInstance, pipeline: PipelineClient, *, max_attempts: int) -> list[str]:
    """Have BSS offer batches again whose attempt is over; what was found out about each, as a sentence.

    It is one question to BSS and one query, when no attempt ended. `max_attempts`: deaths of runs at one file alone
    after which the file fails. Raises DreamlakeError.
    """
    batches = pipeline.leased()
    if not batches:
        return []
    tags = {PARTITION_TAG: [batch.partition for batch in batches]}
    unfinished = instance.get_run_records(RunsFilter(tags=tags, statuses=NOT_FINISHED_STATUSES))
    alive = [record for record in unfinished if not _ended_at_start(instance, record)]
    ended = list(_ended(instance, batches, alive))
    if not ended:
        return []
    released = pipeline.release([release for release, _ in ended], max_attempts=max_attempts)
    return [f"{why} Batch {one.partition} is offered again." for one, why in ended if one.partition in released]


def _ended(
    instance: DagsterInstance, batches: Sequence[LeasedBatch], alive: Sequence[RunRecord]
) -> Iterator[tuple[Release, str]]:
    from ..api.pipeline import Release

    at_work = {record.dagster_run.run_id for record in alive}
    expected = {record.dagster_run.tags.get(PARTITION_TAG) for record in alive}
    gone = [batch for batch in batches if batch.run_id and batch.run_id not in at_work]
    ended = instance.get_run_records(RunsFilter(run_ids=[str(batch.run_id) for batch in gone])) if gone else []
    by_id = {record.dagster_run.run_id: record.dagster_run for record in ended}
    unbegun = [batch for batch in batches if batch.run_id is None and batch.partition not in expected]
    never_began = _never_began(instance, unbegun)
    for batch in batches:
        release = Release(partition=batch.partition, attempt=batch.attempt, run_id=batch.run_id)
        if batch.run_id is None:
            if (run := never_began.get(batch.partition)) is not None:
                yield release, f"Run {run.run_id} ended before it had begun."
            elif batch.age > _CREATED_WITHIN and batch.partition not in expected:
                yield release, f"Attempt {batch.attempt} has no run that would begin it."
        elif (run := by_id.get(batch.run_id)) is not None and run.is_finished:
            died, proven = _died(instance, run)
            how = "died" if died else f"ended ({run.status.value.lower()}) with work left"
            yield release.model_copy(update={"died": died, "proven": proven}), f"Run {run.run_id} {how}."


def _never_began(instance: DagsterInstance, unbegun: Sequence[LeasedBatch]) -> dict[str, DagsterRun]:
    """The runs of offers that are over although no run took the batch, by partition: their launch failed, or they ended
    before they came to it. Another attempt's run, or one that a person started, says nothing of an offer."""
    if not unbegun:
        return {}
    attempts = {batch.partition: str(batch.attempt) for batch in unbegun}
    found = instance.get_run_records(RunsFilter(tags={PARTITION_TAG: list(attempts)}, statuses=FINISHED_STATUSES))
    runs = [record.dagster_run for record in found]
    return {
        partition: run
        for run in runs
        if run.parent_run_id is None
        and (partition := run.tags[PARTITION_TAG]) in attempts
        and run.tags.get(ATTEMPT_TAG) == attempts[partition]
    }


def _died(instance: DagsterInstance, run: DagsterRun) -> tuple[bool, bool]:
    """Whether a finished run was killed, or crashed in a way that nobody foresaw: a step that failed plainly says so
    (`plain_failure`), and so does one that was interrupted. And whether that is proof against what it worked on: it is
    none when the run could still say what it died of, which may be that Postgres went away."""
    if run.status is not DagsterRunStatus.FAILURE:
        return False, False
    records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.STEP_FAILURE, limit=1).records
    event = records[0].event_log_entry.dagster_event if records else None
    if event is None:
        launcher = instance.run_launcher
        # Of processes that other launchers start, all that can be known is that they are gone.
        return True, launcher.was_killed_alone(run) if isinstance(launcher, Watcher) else True
    failure = event.step_failure_data
    return failure.error_source is ErrorSource.USER_CODE_ERROR and failure.user_failure_data is None, False


def _ended_at_start(instance: DagsterInstance, record: RunRecord) -> bool:
    """Whether a run was killed before it could say that it started, or its launch was: Dagster itself looks for the
    processes of such runs only after the time that a start may take. The run is then marked as failed."""
    run, launcher = record.dagster_run, instance.run_launcher
    if run.status not in (DagsterRunStatus.STARTING, DagsterRunStatus.NOT_STARTED):
        return False
    age = (datetime.now(UTC) - record.update_timestamp).total_seconds()
    due = _STARTED_WITHIN if WORKER_TAG in run.tags else _LAUNCHED_WITHIN
    # A time to come is one of a clock that was set back since.
    if -_SKEW < age < due or not isinstance(launcher, Watcher) or not launcher.has_lost(run):
        return False
    instance.report_run_failed(run, "The run's process ended before it had started, or was never made.")
    return True
