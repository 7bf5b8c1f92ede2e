"""An embedded stack of the benchmarks' own, in a temporary folder, reached by its public doors."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
import psycopg

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.stack import control, dagster_home, leftovers, postgres
from dreamlake_pipeline.stack.processes import CODE_LOCATION
from dreamlake_pipeline.stack.state import DATABASE, Stack

from .measure import BenchmarkError, disk_bandwidth, peak_of, run, wait_until

BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[1]
SENSOR = "staging_sensor"

# Nothing of these takes this long where it works at all, on a slow machine either.
TIMEOUT = 1800


@dataclass(frozen=True, slots=True)
class Home:
    """A running stack. `scratch` is a folder for files of the measurement, on the same disk."""

    stack: Stack
    scratch: Path
    environment: dict[str, str]

    @property
    def root(self) -> psutil.Process:
        """The supervisor: every process of the stack descends from it."""
        return psutil.Process(int((self.stack.run / "supervisord.pid").read_text()))

    @property
    def disk_bandwidth(self) -> float:
        """Bytes a second that the disk takes for good, measured once."""
        return disk_bandwidth(self.scratch)

    def new_folder(self) -> Path:
        """An empty one in the scratch."""
        folder = self.scratch / secrets.token_hex(4)
        folder.mkdir()
        return folder

    def dreamlake(self, *arguments: str | Path) -> None:
        """Run the command line as a process of its own."""
        run([BIN / "dreamlake", *arguments], environment=self.environment, folder=self.scratch)

    def peak_of_dreamlake(self, *arguments: str | Path) -> int:
        """The same; the most memory in bytes that the process had."""
        return peak_of([BIN / "dreamlake", *arguments], environment=self.environment, folder=self.scratch)

    def client(self) -> DreamLake:
        keys = self.environment
        return DreamLake(
            remote=keys["DREAMLAKE_REMOTE"], bss_url=keys["DREAMLAKE_BSS_URL"], api_key=keys["DREAMLAKE_API_KEY"]
        )

    def new_project(self) -> str:
        """A namespace that nothing is stored in yet: results are shared within a namespace."""
        return f"bench@b{secrets.token_hex(4)}"

    # Postgres

    @property
    def postgres_url(self) -> str:
        """As the superuser: yardsticks have tables and databases of their own."""
        return postgres.superuser_url(self.stack, DATABASE)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.postgres_url, autocommit=True)

    def count(self, project: str, *, status: str) -> int:
        """How many of BSS's records of a `project@namespace` have the status."""
        name, _, owner = project.partition("@")
        with self.connect() as connection:
            found = connection.execute(
                "SELECT count(*) FROM bss.records WHERE owner = %s AND project = %s AND status = %s",
                [owner, name, status],
            ).fetchone()
        return int(found[0]) if found else 0

    def bytes_of(self, schema: str) -> int:
        """What Postgres has on the disk of a schema's tables and indexes."""
        with self.connect() as connection:
            found = connection.execute(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c"
                " WHERE relkind = 'r' AND relnamespace = CAST(%s AS regnamespace)",
                [schema],
            ).fetchone()
        return int(found[0]) if found else 0

    def wait_ready(self, project: str, files: int, *, every: float = 0.1) -> None:
        """Return once all are ready, which they are called after they were indexed. Raises when one fails."""
        with self.connect() as connection:
            name, _, owner = project.partition("@")
            query = """
                SELECT count(*) FILTER (WHERE status = 'ready'), count(*) FILTER (WHERE status = 'failed'),
                    max(error->>'message')
                FROM bss.records WHERE owner = %s AND project = %s"""

            def all_are() -> bool:
                ready, failed, why = connection.execute(query, [owner, name]).fetchone() or (0, 0, None)
                if failed:
                    raise BenchmarkError(f"{failed} of {files} files failed, for example: {why}")
                return bool(ready >= files)

            wait_until(all_are, timeout=TIMEOUT, every=every, what=f"processing of {files} files")

    # Dagster

    def hold_pipeline(self) -> None:
        """Stop the staging sensor, and wait until it has ticked for the last time: what is uploaded stays queued."""
        found = self.ask(_SENSOR, selector=_SELECTOR)["sensorOrError"]
        self.ask(_STOP, id=found["sensorState"]["id"])
        wait_until(
            lambda: all(tick["status"] != "STARTED" for tick in self.ticks(1)),
            timeout=TIMEOUT,
            every=0.1,
            what="the end of the sensor's tick",
        )

    def release_pipeline(self) -> None:
        self.ask(_START, selector=_SELECTOR)

    def ticks(self, limit: int) -> list[dict[str, Any]]:
        """The latest ticks of the staging sensor, each with `status`, `timestamp` and `endTimestamp`."""
        found = self.ask(_TICKS, selector=_SELECTOR, limit=limit)["sensorOrError"]
        return list(found["sensorState"]["ticks"])

    def run_of(self, project: str) -> dict[str, Any]:
        """The latest run over a batch of the project, with its steps' times."""
        name, _, owner = project.partition("@")
        tags = [{"key": "dreamlake/owner", "value": owner}, {"key": "dreamlake/project", "value": name}]
        runs = self.ask(_RUNS, filter={"tags": tags})["runsOrError"]["results"]
        if not runs:
            raise BenchmarkError(f"Dagster knows of no run over a batch of {project}.")
        return dict(runs[0])

    def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        return dagster_home.query(self.stack, document, **variables)


@contextmanager
def running(folder: Path, *, definitions: str | None = None, **settings: str) -> Iterator[Home]:
    """A new stack under `folder`, which is taken down at the end however that comes.

    `definitions` is a module of ours that takes the place of the pipeline's code location; `settings` are further
    environment variables of the stack.
    """
    scratch = folder / "scratch"
    # Dagster leaves the first place out, where Python puts a script's folder.
    extra = {"PYTHONPATH": f"{scratch}{os.pathsep}{REPOSITORY}", **settings}
    if definitions:
        extra["DREAMLAKE_DEFINITIONS"] = definitions
    scratch.mkdir(parents=True)
    said: list[str] = []
    stack: Stack | None = None
    try:
        # The stack's processes inherit the environment of whoever starts them.
        with patch.dict(os.environ, extra):
            stack = control.up(folder / "home", said.append)
        # Python keeps what it has compiled, as it does for whoever runs the commands.
        foreign = {k: v for k, v in os.environ.items() if not k.startswith(("DREAMLAKE_", "PYTHONDONTWRITE"))}
        environment = foreign | stack.environment()
        yield Home(stack, scratch, environment)
    finally:
        if stack is not None:
            control.down(stack.home, said.append)
            assert leftovers.find(stack) == []


_SELECTOR = {
    "repositoryName": "__repository__",
    "repositoryLocationName": CODE_LOCATION,
    "sensorName": SENSOR,
}
_SENSOR = """
query ($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor { sensorState { id } } } }
"""
_STOP = "mutation ($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"
_START = """
mutation ($selector: SensorSelector!) { startSensor(sensorSelector: $selector) { __typename } }
"""
_TICKS = """
query ($selector: SensorSelector!, $limit: Int!) {
  sensorOrError(sensorSelector: $selector) {
    ... on Sensor { sensorState { ticks(limit: $limit) { status timestamp endTimestamp skipReason } } }
  }
}
"""
_RUNS = """
query ($filter: RunsFilter!) {
  runsOrError(filter: $filter, limit: 1) {
    ... on Runs { results { runId status startTime endTime stepStats { stepKey startTime endTime status } } }
  }
}
"""
