"""A Dagster instance in Postgres, a run server, and jobs to launch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from dreamlake_pipeline.database import with_driver
from dreamlake_pipeline.instance.launcher import WORKER_TAG
from dreamlake_pipeline.instance.wire import socket_path
from dreamlake_pipeline.instance.worker import Worker

DAGSTER_YAML = """
storage:
  custom:
    module: dreamlake_pipeline.instance
    class: PooledPostgresStorage
    config: {postgres_url: {env: DAGSTER_POSTGRES_URL}}
run_launcher: {module: dreamlake_pipeline.instance, class: ForkRunLauncher}
run_coordinator:
  module: dreamlake_pipeline.instance
  class: PromptRunQueue
  config:
    max_concurrent_runs: 2
    tag_concurrency_limits: [{key: dreamlake/owner, value: {applyLimitPerUniqueValue: true}, limit: 1}]
compute_logs: {module: dreamlake_pipeline.instance, class: RunLogFiles}
run_monitoring: {enabled: true}
telemetry: {enabled: false}
"""

JOBS = '''
import os
import subprocess
import time
from pathlib import Path

from dagster import Definitions, OpExecutionContext, in_process_executor, job, op

NOTES = Path(__file__).parent


@op
def fine(): ...

@op
def broken():
    print("about to break")
    os.system("echo so says a child")
    raise ValueError("this one is broken")

@op
def waits(context: OpExecutionContext):
    """Until the file `go` is there. It has a child in a session of its own, as ffmpeg has."""
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    note = NOTES / f"{context.run_id}.new"
    note.write_text(str(child.pid))
    note.rename(NOTES / f"{context.run_id}.child")
    try:
        while not (NOTES / "go").exists():
            time.sleep(0.05)
    finally:
        child.kill()
        child.wait()

@job
def succeeds():
    fine()

@job
def fails():
    broken()

@job
def takes_long():
    waits()

defs = Definitions(jobs=[succeeds, fails, takes_long], executor=in_process_executor)
'''


@dataclass
class Runs:
    """An instance whose runs are launched by forks, and what a test asks of it."""

    home: Path
    instance: DagsterInstance
    server: subprocess.Popen[bytes] | None = None
    _launched: list[str] = field(default_factory=list)

    def start_server(self) -> subprocess.Popen[bytes]:
        """A run server; it listens when its imports are done, which nobody has to wait for."""
        with (self.home / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-P", "-m", "dreamlake_pipeline.instance.run_server"],
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(self.home)},
            )
        return self.server

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            return connection.connect_ex(str(socket_path())) == 0

    def create(self, name: str, **options: Any) -> DagsterRun:
        """A run that nobody has started."""
        job = ReconstructableRepository.for_file(str(self.home / "jobs.py"), "defs").get_reconstructable_job(name)
        origin = {"job_code_origin": job.get_python_origin()}
        return self.instance.create_run_for_job(job.get_definition(), **(origin | options))

    def launch(self, name: str) -> str:
        """The id of a run that was launched."""
        run = self.create(name)
        self.instance.launch_run(run.run_id, workspace=None)  # type: ignore[arg-type]
        self._launched.append(run.run_id)
        return run.run_id

    def submit(self, name: str, **options: Any) -> DagsterRun:
        """A run that was submitted, as it stands then. (There is no daemon that starts what waits.)"""
        location = InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file=str(self.home / "jobs.py")))
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "defs"), name)
        run = self.create(name, remote_job_origin=origin, **options)
        submitted = self.instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]
        if WORKER_TAG in self.get(run.run_id).tags:
            self._launched.append(run.run_id)
        return submitted

    def get(self, run_id: str) -> DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def worker(self, run_id: str) -> Worker:
        worker = Worker.parse(self.get(run_id).tags[WORKER_TAG])
        assert worker is not None
        return worker

    def wait(self, run_id: str, *statuses: DagsterRunStatus) -> DagsterRunStatus:
        """The run's status once it is one of these (by default: once the run has ended)."""
        self.until(lambda: (run := self.get(run_id)).is_finished or run.status in statuses)
        return self.get(run_id).status

    def wait_for_child(self, run_id: str) -> psutil.Process:
        """The child process of a `takes_long` that is at work."""
        note = self.home / f"{run_id}.child"
        self.until(note.exists)
        return psutil.Process(int(note.read_text()))

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.home / "server.log").read_text()[-3000:]
            time.sleep(0.05)

    def clean_up(self) -> None:
        (self.home / "go").touch()
        for run_id in self._launched:
            self.until(lambda run_id=run_id: self.worker(run_id).process() is None)  # type: ignore[misc]
        self._launched.clear()
        (self.home / "go").unlink()


@pytest.fixture(scope="module")
def instance_home(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]) -> Iterator[Path]:
    database = new_database()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dagster")
    url = with_driver(database, "psycopg2")
    home = tmp_path_factory.mktemp("instance")
    (home / "dagster.yaml").write_text(DAGSTER_YAML)
    (home / "jobs.py").write_text(JOBS)
    (home / "sitecustomize.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        # A path of pytest's may be too long for a socket.
        patch.chdir(home)
        patch.setenv("DREAMLAKE_RUN_SOCKET", "runs.sock")
        schema = f"options={quote('-csearch_path=dagster')}"
        patch.setenv("DAGSTER_POSTGRES_URL", f"{url}{'&' if '?' in url else '?'}{schema}")
        yield home


@pytest.fixture(scope="module")
def served(instance_home: Path) -> Iterator[Runs]:
    """With a run server that listens."""
    with DagsterInstance.from_config(str(instance_home)) as instance:
        runs = Runs(instance_home, instance)
        runs.start_server()
        runs.until(runs.listens)
        yield runs
        assert runs.server is not None
        runs.server.terminate()
        runs.server.wait(20)


@pytest.fixture
def runs(served: Runs) -> Iterator[Runs]:
    yield served
    served.clean_up()
