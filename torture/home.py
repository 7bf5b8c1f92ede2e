"""A stack to torture: embedded, in a folder of its own, with short leases and a door before every part that has
clients."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import psycopg
from psycopg.rows import dict_row

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.stack import control, leftovers, postgres, state
from dreamlake_pipeline.stack.state import BUCKET, DATABASE, HOST, REGION, Stack
from dreamlake_pipeline.stack.supervision import Supervisor
from dreamlake_pipeline.storage import client_config

from .doors import Doors

BEHIND_DOORS = ("s3", "bss", "server", "postgres")
LEASE = 10  # seconds, the shortest that may be set

SETTINGS = {
    "DREAMLAKE_BATCH_LEASE": str(LEASE),
    "DREAMLAKE_STAGING_GRACE": "4",
    "DREAMLAKE_PROCESSING_GRACE": "6",
    "DREAMLAKE_PART_SIZE": str(5 * 2**20),
    # Deleted files are purged after half a minute, and what nothing refers to is freed at once.
    "DREAMLAKE_DELETED_KEPT": str(30 / 86400),
    "DREAMLAKE_GARBAGE_WAIT": "0",
}
_SCRATCH_MB = 192


@dataclass(slots=True)
class Home:
    """A running stack. `scratch` is where its runs work: a small disk of its own where that can be had, else None."""

    stack: Stack
    doors: Doors
    folder: Path
    scratch: Path | None
    environment: dict[str, str]
    said: list[str]
    # One at a time starts the stack, or ends all of it.
    starting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def bucket(self) -> str:
        return BUCKET

    def supervisor(self) -> Supervisor:
        return Supervisor(self.stack)

    def up(self, tries: int = 1) -> None:
        """Start whatever does not run. A part whose port somebody has taken meanwhile listens at another one.

        Somebody who starts it again does so again (`tries`) when another fault hits a part that is just beginning.
        """
        with self.starting, _environment(self.scratch):
            for left in reversed(range(tries)):
                try:
                    self.stack = control.up(self.stack.home, self._note)
                    break
                except DreamlakeError:
                    if not left:
                        raise
            self._lead(self.stack)

    def _note(self, sentence: str) -> None:
        """What `up` says. Parts that are healthy already may have other ports, by which the next ones need them."""
        self.said.append(sentence)
        if (stack := state.load(self.stack.home)) is not None:
            self._lead(stack)

    def _lead(self, stack: Stack) -> None:
        for name in BEHIND_DOORS:
            self.doors.lead(name, stack.ports[name])

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """As the superuser, past the door."""
        url = postgres.superuser_url(self.stack, DATABASE)
        with psycopg.connect(url, autocommit=True, row_factory=dict_row, connect_timeout=10) as connection:
            connection.execute("SET statement_timeout = '60s'")
            yield connection

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with self.database() as connection:
            return connection.execute(query, values).fetchall()

    def s3(self) -> Any:
        """A client of the object store, past the door."""
        keys = self.stack.credentials
        return boto3.client(
            "s3",
            endpoint_url=f"http://{HOST}:{self.stack.ports['s3']}",
            aws_access_key_id=keys.s3_access_key,
            aws_secret_access_key=keys.s3_secret_key,
            region_name=REGION,
            config=client_config(),
        )


@contextmanager
def running(folder: Path, seed: int) -> Iterator[Home]:
    """A new stack under `folder`, behind doors; down at the end, however that comes. Its files stay."""
    home = state.make_home(folder / "home")
    stack = state.create(home)
    doors: dict[str, int] = {}
    for name in BEHIND_DOORS:
        doors[name] = state.free_port(taken={*stack.ports.values(), *doors.values()})
    stack = replace(stack, doors=doors)
    stack.save()
    said: list[str] = []
    with (
        _small_disk(folder / "scratch") as scratch,
        Doors({name: (doors[name], stack.ports[name]) for name in BEHIND_DOORS}, seed) as proxies,
    ):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("DREAMLAKE_", "AWS_"))}
        environment |= stack.environment() | SETTINGS
        torn = Home(stack, proxies, folder, scratch, environment, said)
        try:
            torn.up()
            yield torn
        finally:
            control.down(home, said.append)
            assert leftovers.find(stack) == []


@contextmanager
def _environment(scratch: Path | None) -> Iterator[None]:
    """What the stack's processes inherit from whoever starts them."""
    extra = SETTINGS | ({"DREAMLAKE_SCRATCH": str(scratch)} if scratch else {})
    before = {key: value for key, value in os.environ.items() if key.startswith("DREAMLAKE_") or key in extra}
    for key in before:
        del os.environ[key]
    os.environ.update(extra)
    try:
        yield
    finally:
        for key in extra:
            os.environ.pop(key, None)
        os.environ.update(before)


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """A disk that can be filled without harm to others; None where none can be mounted."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SCRATCH_MB}m,mode=0711", "torture", str(folder)]
    may = os.geteuid() == 0 and shutil.which("mount") is not None
    if not may or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
