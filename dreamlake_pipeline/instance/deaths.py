"""How the forks of a run server ended: what only the process knows that buried them."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from contextlib import suppress
from typing import NamedTuple

import psutil

from .worker import Worker

# Runs that are killed within so many seconds of each other are killed by the same cause, which is none of their files.
_TOGETHER = 10.0

_MOST = 1000  # deaths that are remembered

# Somebody wants the process to end: a supervisor, a terminal, a machine that goes down.
ASKED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


class _Death(NamedTuple):
    worker: Worker
    at: float  # by the monotonic clock


class Deaths:
    """The forks that a signal ended which nobody asks a process to end by: SIGSEGV of a library that crashes, SIGKILL
    of a system without memory."""

    def __init__(self) -> None:
        self._alive: dict[int, Worker] = {}
        self._last: deque[_Death] = deque(maxlen=_MOST)

    def note_birth(self, pid: int) -> None:
        """A process was forked."""
        with suppress(psutil.Error):
            self._alive[pid] = Worker.of(pid)

    def note(self, pid: int, status: int) -> None:
        """A fork ended with this wait status."""
        worker = self._alive.pop(pid, None)
        if worker is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) not in ASKED:
            self._last.append(_Death(worker, time.monotonic()))

    def was_killed_alone(self, worker: Worker) -> bool:
        """Whether such a signal ended this process, and no other one within some seconds before or after."""
        died = next((death for death in self._last if death.worker.is_same(worker)), None)
        if died is None:
            return False
        return not any(death is not died and abs(death.at - died.at) < _TOGETHER for death in self._last)
