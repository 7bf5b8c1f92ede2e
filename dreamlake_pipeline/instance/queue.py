"""Dagster's queue of runs: a run for which there is room is started when it is submitted, others by the daemon."""

from __future__ import annotations

import logging

from dagster import DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.instance import T_DagsterInstance
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.dagster_run import ACTIVE_RUN_STATUSES
from dagster._utils.tags import TagConcurrencyLimitsCounter

from .watching import PromptLauncher

log = logging.getLogger(__name__)

# The setting of Dagster's own queue takes whole seconds alone, and the first file of an ingest is to be ready in three.
# The daemon waits in steps of this length anyway.
_LOOK_EVERY = 0.5


class PromptRunQueue(QueuedRunCoordinator[T_DagsterInstance]):
    """`QueuedRunCoordinator`, with all of its settings but `dequeue_interval_seconds`, which is half a second here.

    A run that the queue would let pass at its next look does not wait for that, where the launcher starts it at once.
    Two runs that are submitted in the same moment may both take the last place: there is one too many for a while, as
    there may be with Dagster's own queue when runs are launched past it.
    """

    @property
    def dequeue_interval_seconds(self) -> float:  # type: ignore[override]  # the daemon takes any number
        return _LOOK_EVERY

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        run = context.dagster_run
        if run.status is not DagsterRunStatus.NOT_STARTED or not self._is_next(run):
            return super().submit_run(context)
        try:
            return self._instance.launch_run(run.run_id, context.workspace)
        except Exception as error:
            # A run that can't be launched has failed with this as its reason, as it does when the daemon launches it.
            failed = self._instance.get_run_by_id(run.run_id)
            if failed is None or failed.status is not DagsterRunStatus.FAILURE:
                raise
            log.warning("Run %s was not started: %s", run.run_id, error)
            return failed

    def _is_next(self, run: DagsterRun) -> bool:
        """Whether nobody waits, there is room for the run, and it can be started at once."""
        launcher = self._instance.run_launcher
        if not isinstance(launcher, PromptLauncher) or not launcher.starts_at_once(run):
            return False
        if self._instance.get_runs_count(RunsFilter(statuses=[DagsterRunStatus.QUEUED])):
            return False
        limits = self.get_run_queue_config()
        under_way = self._instance.get_runs(RunsFilter(statuses=ACTIVE_RUN_STATUSES))
        has_room = limits.max_concurrent_runs == -1 or len(under_way) < limits.max_concurrent_runs
        return has_room and not TagConcurrencyLimitsCounter(limits.tag_concurrency_limits, under_way).is_blocked(run)
