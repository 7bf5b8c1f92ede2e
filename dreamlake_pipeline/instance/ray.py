"""Runs as jobs of a Ray cluster: `RayJobLauncher` in dagster.yaml. Where daemon and webserver are, nothing of Ray is.

A run is one job, whose id follows from the run's: what was asked for twice is there once, and what was asked for is
found again without being remembered. Of a run, only what is sure is said: a head that does not answer says nothing.
"""

from __future__ import annotations

import re
import shlex
import signal
import time
from collections.abc import Mapping
from typing import Any

from dagster import DagsterInvariantViolationError, DagsterRun, Field, Noneable, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._config.field_utils import Map
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.instance import T_DagsterInstance
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, serialize_value
from dagster._serdes.config_class import ConfigurableClassData

from .. import __version__
from ..settings import Settings
from .deaths import ASKED
from .rayhead import Head, HeadAway, HeadRefuses, Job
from .watching import WORKER_TAG

_PATIENCE = 15.0  # seconds for which a launch is tried again
_PAUSE, _MOST_PAUSE = 0.5, 4.0
_PASSWORD = re.compile(r"://[^/@\s:\"]*:[^/@\s\"]+@")


class RayJobLauncher(RunLauncher[T_DagsterInstance], ConfigurableClass):
    """Has the head at `address` (http://HOST:8265) run a job for each run, on a node that has `num_cpus`, as many as
    DREAMLAKE_WORKERS when it is not said, `resources` and `labels` to give. `python` is what a node's shell finds
    Python by, with this package in it.

    Raises DagsterInvariantViolationError for configuration that can be none.
    """

    def __init__(
        self,
        address: str,
        num_cpus: float | None = None,
        resources: Mapping[str, float] | None = None,
        labels: Mapping[str, str] | None = None,
        python: str = "python",
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        self._inst_data = inst_data
        self._head = Head(address)
        num_cpus = float(Settings().workers) if num_cpus is None else num_cpus
        if not 0 < num_cpus < 10_000:
            raise DagsterInvariantViolationError(
                "`num_cpus` of RayJobLauncher in dagster.yaml is to be above 0: Ray would put all runs on its head."
            )
        self._needs: dict[str, Any] = {
            "entrypoint_num_cpus": num_cpus,
            **({"entrypoint_resources": dict(resources)} if resources else {}),
            **({"entrypoint_label_selector": dict(labels)} if labels else {}),
        }
        self._python = python
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {
            "address": StringSource,
            "num_cpus": Field(Noneable(float), default_value=None, is_required=False),
            "resources": Field(Map(str, float), default_value={}, is_required=False),
            "labels": Field(Map(str, str), default_value={}, is_required=False),
            "python": Field(StringSource, default_value="python", is_required=False),
        }

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> RayJobLauncher[T_DagsterInstance]:
        return cls(inst_data=inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Have a job begun for a run, once, also where the answer to that is lost.

        Raises DagsterLaunchFailedError. If a job begins all the same, Dagster has it end at once: its run has failed.
        """
        run = context.dagster_run
        request = {
            "submission_id": job_of(run.run_id),
            "entrypoint": self._command(run),
            "metadata": {"dagster/run-id": run.run_id},
            **self._needs,
        }
        try:
            self._submit(request, run)
        except HeadRefuses as refusal:
            raise DagsterLaunchFailedError(str(refusal)) from None
        except HeadAway as away:
            raise DagsterLaunchFailedError(f"{away} The run was not started; its batch is offered again.") from None
        self._instance.add_run_tags(run.run_id, {WORKER_TAG: str(request["submission_id"])})

    def _submit(self, request: Mapping[str, Any], run: DagsterRun) -> None:
        deadline, pause = time.monotonic() + _PATIENCE, _PAUSE
        while True:
            try:
                if self._head.submit(request):
                    return
                # An earlier request came through, or somebody else took the id.
                job = self._head.look(request["submission_id"])
                if job is not None and job.run_id == run.run_id:
                    return
                raise HeadRefuses(f"Ray's head at {self._head.place} has a job of this run's id that is not the run's.")
            except HeadAway:
                if time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _MOST_PAUSE)

    def _command(self, run: DagsterRun) -> str:
        """For the shell of a node. Raises DagsterLaunchFailedError when it would show a password: Ray's dashboard and
        logs show commands."""
        if run.job_code_origin is None:
            raise DagsterLaunchFailedError(f"Run {run.run_id} does not say where its code is.")
        arguments = serialize_value(
            ExecuteRunArgs(
                job_origin=run.job_code_origin,
                run_id=run.run_id,
                instance_ref=self._instance.get_ref(),
                set_exit_code_on_failure=True,
            )
        )
        if _PASSWORD.search(arguments):
            raise DagsterLaunchFailedError(
                "dagster.yaml holds a URL with a password, which Ray would show to everybody who sees its dashboard: "
                "have it name a variable by `env:`, which each node has, too."
            )
        driver = [self._python, "-m", "dreamlake_pipeline.instance.raydriver", __version__, arguments]
        return shlex.join(["exec", *driver])

    def terminate(self, run_id: str) -> bool:
        """Have the run's job end: Ray interrupts it, and kills it when it does not end soon. False when there is no
        such run, or the head does not answer."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        try:
            job = self._head.look(job_of(run_id))
            self._instance.report_run_canceling(run)
            if job is not None and not job.has_ended and self._head.stop(job_of(run_id)):
                return True
        except (HeadAway, HeadRefuses) as trouble:
            self._instance.report_engine_event(f"{trouble} The run can't be ended now.", run)
            return False
        self._instance.report_run_canceled(run, "The run's job had ended before, or Ray knows nothing of it.")
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """FAILED once the head says that the job has ended, or knows nothing of it, and RUNNING as long as it says
        nothing: any answer but RUNNING and SUCCESS has the run marked as failed."""
        try:
            job = self._head.look(job_of(run.run_id))
        except (HeadAway, HeadRefuses) as trouble:
            return CheckRunHealthResult(WorkerStatus.RUNNING, str(trouble))
        why = _end_of(job)
        if why is not None:
            return CheckRunHealthResult(WorkerStatus.FAILED, why, transient=False)
        return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=job_of(run.run_id))

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Where the run's job is, for the message of one that did not start in time."""
        try:
            job = self._head.look(job_of(run.run_id))
        except (HeadAway, HeadRefuses) as trouble:
            return str(trouble)
        if job is not None and job.status == "PENDING":
            needs = ", ".join(f"{name.removeprefix('entrypoint_')} {what}" for name, what in self._needs.items())
            return f"Its Ray job waits for a node that has to give what it needs ({needs}): see `ray status`."
        return None

    def has_lost(self, run: DagsterRun) -> bool:
        """Whether the head says that the run's job has ended, or was never begun."""
        try:
            return _end_of(self._head.look(job_of(run.run_id))) is not None
        except (HeadAway, HeadRefuses):
            return False

    def was_killed_alone(self, run: DagsterRun) -> bool:
        """Whether Ray saw the run's process end by a signal that nobody sends on purpose. Of a node that is gone, it
        sees no process end; other runs that were killed at that time are told apart by whoever asks."""
        try:
            job = self._head.look(job_of(run.run_id))
        except (HeadAway, HeadRefuses):
            return False
        return job is not None and job.exit_code is not None and job.exit_code < 0 and -job.exit_code not in ASKED


def job_of(run_id: str) -> str:
    """The id of the job of a run."""
    return f"dagster-run-{run_id}"


def _end_of(job: Job | None) -> str | None:
    """How a job ended, as a sentence; None for one that has not."""
    if job is None:
        return "Ray's head knows nothing of the run's job: it was started anew since, or never heard of it."
    if not job.has_ended:
        return None
    place = f" on {job.node}" if job.node else ""
    if job.status == "STOPPED":
        return f"The run's Ray job{place} was stopped."
    if job.status == "SUCCEEDED":
        return f"The process of the run{place} ended without saying what became of the run."
    if job.lacks_us or job.exit_code == 127:
        return f"There is no Python with dreamlake-pipeline{place}: `dreamlake worker` prepares a node."
    if job.note:
        return f"The run's Ray job{place} failed: {job.note}"
    if job.exit_code is None:
        return f"The run's Ray job{place} failed ({job.error or 'Ray does not say why'}): its node may be gone."
    if job.exit_code < 0:
        return f"The process of the run{place} was killed by {_signal(-job.exit_code)}."
    return f"The process of the run{place} ended with exit code {job.exit_code}; its log is in Ray's dashboard."


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
