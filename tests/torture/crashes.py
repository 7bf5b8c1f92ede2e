"""The system in processes that can die at a crash point: both services, the command line, the staging sensor, a run.

All of them are forked from a process that has imported what they need, since a start of their own would take seconds.
A fork is armed as a process is that was started with the point in its environment.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from dreamlake_pipeline import crashpoints
from dreamlake_pipeline.api.bss import Deleted, Ids, Undelete, Undeleted
from dreamlake_pipeline.api.garbage import Collected, CollectGarbage
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.bss import presence
from dreamlake_pipeline.crashpoints import CrashPoint
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.patience import Patience
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.storage import ObjectStore
from tests.conftest import SECRET, free_port

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "dreamlake_pipeline.definitions",
        "dreamlake_pipeline.preload",
        "dreamlake_pipeline.bss.app",
        "dreamlake_pipeline.server.app",
        "dreamlake_pipeline.cli.main",
        "dreamlake_pipeline.cli.ingest_cmd",
        "dreamlake_pipeline.client",
        "tests.torture.crashes",
    ]
)
_LONGEST = 120
_MOST_TURNS = 12


@dataclass
class System:
    """Both services over a database and a bucket of their own, and everybody who works with them."""

    folder: Path
    postgres_url: str
    store: ObjectStore
    bss_port: int = field(default_factory=free_port)
    server_port: int = field(default_factory=free_port)
    settings: dict[str, Any] = field(default_factory=dict)  # beyond those of `start_services`
    died: list[str] = field(default_factory=list)  # services, each time that one died at its point
    _services: dict[str, Any] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        return self.store.bucket

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DREAMLAKE_BSS_URL": f"http://127.0.0.1:{self.bss_port}",
            "DREAMLAKE_REMOTE": f"http://127.0.0.1:{self.server_port}",
            "DREAMLAKE_API_KEY": issue_token(SECRET, sub="test", namespaces=["*"], scope=Scope.WRITE, ttl=3600),
            "DREAMLAKE_POSTGRES_URL": self.postgres_url,
            "DREAMLAKE_BUCKET": self.bucket,
            "DREAMLAKE_HOME": str(self.folder / "none"),
            "DREAMLAKE_CACHE": str(self.folder / "cache"),
        }

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.postgres_url, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()

    def s3(self) -> Any:
        return self.store.client

    # The services

    def start_services(self, at: CrashPoint | None = None) -> None:
        """Start those that do not run, to die at a crash point."""
        settings = Settings(
            postgres_url=self.postgres_url,
            auth_secret=SECRET,
            bucket=self.bucket,
            part_size=5 * 2**20,
            bss_url=self.environment["DREAMLAKE_BSS_URL"],
            **self.settings,
        )
        for name, port in (("bss", self.bss_port), ("server", self.server_port)):
            if name in self._services:
                continue
            heard, said = _FORKS.Pipe(duplex=False)
            process = _FORKS.Process(target=_serve, args=(at, name, settings, port, said), daemon=True)
            process.start()
            said.close()
            assert heard.poll(_LONGEST) and heard.recv() == "listening", f"{name} does not start"
            self._services[name] = process

    def stop_services(self) -> None:
        for process in self._services.values():
            process.kill()
            process.join()
        self._services.clear()

    # Those who work with them

    def ingest(self, at: CrashPoint | None = None) -> int:
        """`dreamlake ingest` over the folder `files`; its exit code, or minus the signal that ended it."""
        return self._act(_ingest, at, str(self.folder / "files"))[0]

    def tick(self, at: CrashPoint | None = None) -> tuple[int, list[str]]:
        """A tick of the staging sensor: its exit code, and the partitions of the runs that it asks for."""
        code, partitions = self._act(_tick, at)
        return code, partitions or []

    def run(self, partition: str, at: CrashPoint | None = None) -> int:
        """A run over a batch; its exit code."""
        return self._act(_run, at, partition)[0]

    def crash_service(self, at: CrashPoint) -> int:
        """Ingest and process, while a service dies at the point and is started again; the client's exit code."""
        self.start_services(at)
        code = self.ingest()
        for partition in self.tick()[1]:
            self.run(partition)
        return code

    def delete(self, ids: Sequence[str]) -> int:
        """Delete records as a client does that tells BSS alone; its exit code."""
        return self._act(_delete, None, *ids)[0]

    def restore(self, ids: Sequence[str]) -> int:
        return self._act(_restore, None, *ids)[0]

    def tell_index(self, at: CrashPoint | None = None) -> int:
        """What the sensor of deleted records does."""
        return self._act(_tell_index, at)[0]

    def collect(self) -> int:
        """Collect garbage, to the end."""
        return self._act(_collect, None)[0]

    def rebuild(self) -> int:
        return self._act(_rebuild, None)[0]

    def let_time_pass(self) -> None:
        """Have the time pass for which garbage collection leaves what somebody may just be about to use."""
        for statement in (
            "UPDATE bss.chunks SET lease_until = now() - interval '1 second' RETURNING 1",
            "UPDATE bss.ended_uploads SET ended_at = now() - interval '1 day' RETURNING 1",
            "UPDATE bss.signed_puts SET signed_at = now() - interval '1 day' RETURNING 1",
        ):
            self.rows(statement)

    def let_leases_end(self) -> None:
        """Have the time pass that a lease lasts."""
        self.rows("UPDATE bss.batches SET lease_until = now() - interval '1 second' WHERE state = 'open' RETURNING 1")

    def heal(self) -> None:
        """What happens by itself: services are started again, sensors go on, leases end."""
        self.start_services()
        for _ in range(_MOST_TURNS):
            for partition in self.tick()[1]:
                self.run(partition)
            if not self.unsettled():
                assert self.tell_index() == 0
                return
            self.let_leases_end()

    def unsettled(self) -> int:
        """How many records are not done, and batches open."""
        (row,) = self.rows("""
            SELECT (SELECT count(*) FROM bss.records WHERE status NOT IN ('ready', 'failed'))
                + (SELECT count(*) FROM bss.batches WHERE state = 'open') AS n""")
        return int(row["n"])

    def _act(self, what: Callable[..., Any], at: CrashPoint | None, *words: str) -> tuple[int, Any]:
        """Do something in a process of its own, while services that die are started again: its exit code, and what it
        came to."""
        heard, said = _FORKS.Pipe(duplex=False)
        log = self.folder / f"{what.__name__}.log"
        process = _FORKS.Process(target=_do, args=(what, at, self.environment, str(log), said, *words))
        process.start()
        said.close()
        deadline = time.monotonic() + _LONGEST
        while process.is_alive() and time.monotonic() < deadline:
            self._bury()
            process.join(0.05)
        if process.is_alive():
            process.kill()
            process.join()
            raise AssertionError(f"{what.__name__} does not end: {log.read_text()[-2000:]}")
        try:
            return process.exitcode or 0, heard.recv()
        except EOFError:
            return process.exitcode or 0, None

    def _bury(self) -> None:
        """Start services again that died at their point."""
        for name, process in list(self._services.items()):
            process.join(0)
            if process.exitcode is not None:
                assert process.exitcode == -signal.SIGKILL, f"{name} ended with {process.exitcode}"
                self.died.append(name)
                del self._services[name]
                self.start_services()


@contextmanager
def system(folder: Path, postgres_url: str, store: ObjectStore) -> Iterator[System]:
    """A system whose services run."""
    whole = System(folder, postgres_url, ObjectStore(store.client, f"crash-{secrets.token_hex(5)}"))
    whole.store.create_bucket()
    try:
        yield whole
    finally:
        whole.stop_services()


# In the forks


def _arm(at: CrashPoint | None) -> None:
    """Make this process one that was started with the point in its environment."""
    os.environ.pop(crashpoints.VARIABLE, None)
    if at is not None:
        os.environ[crashpoints.VARIABLE] = at
    importlib.reload(crashpoints)  # the functions that others hold read the module's own variables


def _serve(at: CrashPoint | None, name: str, settings: Settings, port: int, said: Connection) -> None:
    import uvicorn

    _arm(at)
    presence.HEARD_WITHIN = 0.0  # a run whose lease the test ends is dead
    app = importlib.import_module(f"dreamlake_pipeline.{name}.app").create_app(settings)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            said.send("listening")

    Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="on")).run()


def _do(
    what: Callable[..., Any],
    at: CrashPoint | None,
    environment: dict[str, str],
    log: str,
    said: Connection,
    *words: Any,
) -> None:
    os.setsid()
    os.environ.update(environment)
    with Path(log).open("ab", buffering=0) as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    _arm(at)
    said.send(what(*words))


def _ingest(folder: str) -> None:
    from dreamlake_pipeline.cli.main import main

    sys.argv = ["dreamlake", "ingest", folder, "--episode", "cups@lab", "--json"]
    main()


def _bss() -> ServiceClient:
    """BSS, as a patient caller reaches it."""
    known = os.environ
    return ServiceClient("BSS", known["DREAMLAKE_BSS_URL"], known["DREAMLAKE_API_KEY"], patience=Patience(60))


def _delete(*ids: str) -> None:
    with _bss() as bss:
        bss.post("/records/delete", Ids(ids=list(ids)), Deleted)


def _restore(*ids: str) -> None:
    with _bss() as bss:
        bss.post("/records/undelete", Undelete(ids=list(ids)), Undeleted)


def _tell_index() -> None:
    from dreamlake_pipeline.processing.deletions import tell_deletions

    tree = _resources()["folder_tree"]
    with _bss() as bss:
        tell_deletions(PipelineClient(bss), tree.remove, tree.upsert, min_age_seconds=0)


def _collect() -> None:
    cursor = None
    with _bss() as bss:
        while (cursor := bss.post("/gc/step", CollectGarbage(cursor=cursor), Collected).cursor) is not None:
            pass


def _rebuild() -> None:
    from dreamlake_pipeline.cli.main import main

    sys.argv = ["dreamlake", "rebuild", "--json"]
    main()


def _resources() -> dict[str, Any]:
    from dreamlake_pipeline.resources import (
        BatchPolicy,
        BatchTools,
        BssResource,
        FolderTreeResource,
        MediaToolsResource,
        ObjectStoreResource,
        Redo,
    )

    known = os.environ
    settings = Settings(staging_grace=0, processing_grace=0, batch_settle=0, sensor_wait=0, batch_lease=60)
    resources: dict[str, Any] = {
        "object_store": ObjectStoreResource(bucket=known["DREAMLAKE_BUCKET"]),
        "bss": BssResource(url=known["DREAMLAKE_BSS_URL"], token=known["DREAMLAKE_API_KEY"]),
        "folder_tree": FolderTreeResource(postgres_url=known["DREAMLAKE_POSTGRES_URL"]),
        "media_tools": MediaToolsResource(workers=2),
        "batch_policy": BatchPolicy.of(settings),
        "redo": Redo(),
    }
    return resources | {"batch_tools": BatchTools(**{name: resources[name] for name in BatchTools.model_fields})}


def _tick() -> list[str]:
    """A tick of the staging sensor: the partitions of the runs that it asks for."""
    from dagster import DagsterInstance, SensorResult, build_sensor_context

    from dreamlake_pipeline.definitions import defs

    resources = _resources()
    with (
        DagsterInstance.ephemeral() as instance,
        build_sensor_context(
            instance=instance,
            resources={name: resources[name] for name in ("bss", "object_store", "batch_policy")},
            definitions=defs,
        ) as context,
    ):
        result = defs.resolve_sensor_def("staging_sensor")(context)
    if not isinstance(result, SensorResult):
        return []
    return [str(one.partition_key) for one in result.run_requests or []]


def _run(partition: str) -> bool:
    """A run over a batch; whether it succeeded."""
    from dagster import ConfigurableResource, DagsterInstance, Definitions

    from dreamlake_pipeline.assets.partitions import BATCHES
    from dreamlake_pipeline.definitions import defs
    from dreamlake_pipeline.resources import closed

    resources = {
        name: closed(one) if isinstance(one, ConfigurableResource) else one for name, one in _resources().items()
    }
    here = Definitions(assets=defs.assets, jobs=defs.jobs, resources=resources)
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(BATCHES, [partition])
        done = here.resolve_job_def("process_batch").execute_in_process(
            instance=instance, partition_key=partition, raise_on_error=False
        )
    return done.success
