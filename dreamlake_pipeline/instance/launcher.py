"""The run launcher: what Dagster's daemon and webserver call to start, stop and look after runs."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import DagsterRun
from dagster._config.config_schema import UserConfigSchema
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.instance import T_DagsterInstance
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, serialize_value
from dagster._serdes.config_class import ConfigurableClassData

from .watching import HOST_TAG, WORKER_TAG
from .wire import Line, is_of_this_machine, is_of_this_user, socket_path
from .worker import Worker

# A run server that was just started, or that starts anew because the code changed, imports for some seconds.
_PATIENCE = 60.0
_PAUSE = 0.2


class ForkRunLauncher(RunLauncher[T_DagsterInstance], ConfigurableClass):
    """Has the run server of this machine fork a process for each run, and knows whether that process lives."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> ForkRunLauncher[T_DagsterInstance]:
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Fork a process and let it go once the run's tags name it: what is started can always be found.

        Raises DagsterLaunchFailedError, and then nothing was started.
        """
        run = context.dagster_run
        if run.job_code_origin is None:
            raise DagsterLaunchFailedError(f"Run {run.run_id} does not say where its code is.")
        arguments = ExecuteRunArgs(
            job_origin=run.job_code_origin,
            run_id=run.run_id,
            instance_ref=self._instance.get_ref(),
            set_exit_code_on_failure=True,
        )
        with _run_server() as line:
            line.send({"run": serialize_value(arguments)})
            worker = Worker.parse(line.receive()["worker"])
            self._instance.add_run_tags(run.run_id, {WORKER_TAG: str(worker), HOST_TAG: socket.gethostname()})
            line.send({"go": True})

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run; the run server kills it when it does not end soon. False when there is no such run."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        worker = _worker_of(run)
        if worker is None:
            self._instance.report_engine_event("Nothing is known of the run's process: it can't be ended.", run)
            return False
        self._instance.report_run_canceling(run)
        if worker.process() is None:
            self._instance.report_run_canceled(run, "The run's process had ended before.")
            return True
        with _run_server() as line:
            line.send({"stop": str(worker)})
            return bool(line.receive()["stopping"])

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        worker = _worker_of(run)
        if worker is None:
            # Any other answer would have it marked as failed.
            return CheckRunHealthResult(WorkerStatus.RUNNING, "Another launcher started it: nothing is known of it.")
        if worker.process() is None:
            return CheckRunHealthResult(WorkerStatus.FAILED, f"Process {worker.pid} of the run is gone.")
        return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(worker))

    def starts_at_once(self, run: DagsterRun) -> bool:
        """Whether the run server listens: it forks in milliseconds."""
        return _is_listening(socket_path())

    def has_lost(self, run: DagsterRun) -> bool:
        """Whether it is certain that no process executes a run that was told to start a while ago.

        It is never certain elsewhere than beside the run server, or while that does not listen.
        """
        if not _is_listening(socket_path()):
            return False
        worker = _worker_of(run)
        return worker is None or worker.process() is None

    def was_killed_alone(self, run: DagsterRun) -> bool:
        """Whether a signal that nobody sends on purpose ended the run's process, and no other run's at that time.

        Only the run server that forked it knows; it is False where that does not live, or is another one by now.
        """
        worker = _worker_of(run)
        if worker is None or worker.process() is not None:
            return False
        try:
            with _run_server(patience=0) as line:
                line.send({"died": str(worker)})
                return bool(line.receive().get("killedAlone"))
        except DagsterLaunchFailedError:
            return False


def _is_listening(path: Path) -> bool:
    """Whether a run server of this machine listens here."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
            return is_of_this_machine(connection)
        except OSError:
            return False


def _worker_of(run: DagsterRun) -> Worker | None:
    return Worker.parse(run.tags.get(WORKER_TAG, ""))


@contextmanager
def _run_server(patience: float = _PATIENCE) -> Iterator[Line]:
    """A conversation with the run server, which may just be starting: it is waited for, for so many seconds. Raises
    DagsterLaunchFailedError."""
    path = socket_path()
    deadline = time.monotonic() + patience
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
            break
        except OSError as fault:
            connection.close()
            if time.monotonic() > deadline:
                raise DagsterLaunchFailedError(
                    f"The run server does not answer at {path} ({fault.strerror}). "
                    "`python -m dreamlake_pipeline.instance.run_server …` has to run beside the daemon."
                ) from fault
            time.sleep(_PAUSE)
    if not is_of_this_user(connection):
        connection.close()
        raise DagsterLaunchFailedError(f"What listens at {path} is another user's process, not the run server.")
    line = Line(connection, _PATIENCE)
    try:
        yield line
    except OSError as fault:
        raise DagsterLaunchFailedError(f"The run server at {path} broke off ({fault}).") from fault
    finally:
        line.close()
