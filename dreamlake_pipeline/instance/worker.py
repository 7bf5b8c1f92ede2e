"""The process that executes a run, known so that a process id which was given anew is not taken for it."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

# Start times are told in seconds since the epoch; a clock that is set moves them a little.
_SAME_START = 2.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of this machine: its id, and when it started."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Worker:
        """The living process with this id. Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def parse(cls, text: str) -> Worker | None:
        """What `str()` wrote; None for anything else."""
        pid, _, started = text.partition("@")
        try:
            return cls(int(pid), float(started))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.pid}@{self.started:.2f}"

    def is_same(self, other: Worker) -> bool:
        """Whether both are the same process."""
        return self.pid == other.pid and abs(self.started - other.started) < _SAME_START

    def process(self) -> psutil.Process | None:
        """The process while it lives; None once it has ended, whoever has its id by then."""
        try:
            process = psutil.Process(self.pid)
            same = self.is_same(Worker(self.pid, process.create_time()))
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None
