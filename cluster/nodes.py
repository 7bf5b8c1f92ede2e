"""Nodes: each is a tree of processes in namespaces of its own, started and killed as a machine is."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from . import namespaces
from .inside import DISK, Plan
from .namespaces import UNSHARE

REPOSITORY = Path(__file__).parents[1]
HEAD = "head"
_STARTS_WITHIN = 30.0


def address_of(number: int) -> str:
    """Where the node of this number is; the head's is 0."""
    return f"10.77.0.{10 + number}"


class Node:
    """One node, which is off until it is started."""

    def __init__(self, name: str, number: int, folder: Path, environment: Mapping[str, str]) -> None:
        self.name, self.address = name, address_of(number)
        self.cable = f"to-{name}"
        self._folder, self._environment = folder, environment
        self._started: subprocess.Popen[bytes] | None = None
        self._first: psutil.Process | None = None

    @property
    def log(self) -> Path:
        return self._folder / "node.log"

    @property
    def is_up(self) -> bool:
        return self._first is not None and self._first.is_running() and self._first.status() != psutil.STATUS_ZOMBIE

    def start(self, *, cpus: int, head: str | None, core: int | None = None) -> None:
        """Switch it on, with an empty disk. `cpus` is what Ray may give to runs, `core` the only one that it has."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if (disk := self._folder / DISK).exists():
            disk.rename(disk.with_name(f"{DISK}-{len(list(self._folder.iterdir()))}"))
        plan = Plan(self.name, self.address, str(self._folder), _kept(), cpus, head, core)
        with self.log.open("ab") as log:
            self._started = subprocess.Popen(
                [*UNSHARE, sys.executable, "-m", "cluster.inside", plan.dump()],
                cwd=REPOSITORY,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._first = self._wait_for_first()
        namespaces.attach(self._first.pid, self.cable, self.address)

    def _wait_for_first(self) -> psutil.Process:
        """The first process in the node's namespaces: what `unshare` forked, once it is our program."""
        assert self._started is not None
        until = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < until:
            with suppress(psutil.Error):
                for child in psutil.Process(self._started.pid).children():
                    if "cluster.inside" in child.cmdline()[:4]:
                        return child
            time.sleep(0.05)
        raise RuntimeError(f"the node {self.name} does not start: see {self.log}")

    def kill(self) -> None:
        """As when its power fails."""
        if self._first is None or self._started is None:
            return
        with suppress(psutil.Error):
            self._first.kill()
        self._started.wait()
        with suppress(subprocess.CalledProcessError):  # it went with the node's network
            namespaces.ip("link", "delete", self.cable)
        self._first = self._started = None

    def processes(self) -> list[psutil.Process]:
        """All that run on it, the first one included."""
        if not self.is_up or self._first is None:
            return []
        with suppress(psutil.Error):
            return [self._first, *self._first.children(recursive=True)]
        return []

    def ffmpegs(self, *, older_than: float = 0.0) -> list[psutil.Process]:
        """Those that have run for so many seconds."""
        begun = time.time() - older_than
        return [process for process in self.processes() if is_ffmpeg(process) and process.create_time() <= begun]

    def drivers(self) -> list[psutil.Process]:
        """The processes of runs."""
        return [process for process in self.processes() if _is_driver(process)]


def is_ffmpeg(process: psutil.Process) -> bool:
    try:
        return "ffmpeg" in process.name() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_driver(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
        return "dreamlake_pipeline.instance.raydriver" in words and "python" in Path(words[0]).name
    except (psutil.Error, IndexError):
        return False


def _kept() -> tuple[str, ...]:
    """Folders under /tmp that a node needs although its /tmp is its own: this program, where it lies there."""
    candidates = {REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)}
    inside = [folder for folder in candidates if folder.is_relative_to("/tmp")]
    # A folder comes with what is in it.
    return tuple(str(one) for one in inside if not any(one != other and one.is_relative_to(other) for other in inside))
