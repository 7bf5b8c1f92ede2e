"""How worker processes come to be."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time

from . import build
from .room import Room

_PATIENCE = 10.0  # seconds that a worker has to end when it is told to

ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C.UTF-8",
    # More threads would only take memory: the files are short, and there are other workers.
    "OPENBLAS_NUM_THREADS": "1",
    # glibc gives large blocks back to the system at once, and each file needs the same ones again: a sixth of the time.
    "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
}


class Process:
    """A worker, by the ends of two pipes: `calls` to write to, `answers` to read from."""

    def __init__(self, calls: int, answers: int, process: subprocess.Popen[bytes] | None) -> None:
        self.calls, self.answers, self._process = calls, answers, process
        os.set_blocking(calls, False)

    def kill(self) -> None:
        """End it and all that it started; they have ended when this returns."""
        os.close(self.calls)
        if self._process is not None:
            self._process.kill()
        _wait_for_end(self.answers)
        os.close(self.answers)
        if self._process is not None:
            self._process.wait()


def start(room: Room) -> Process:
    """A worker at work in `room`."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "dreamlake_pipeline.media.run.worker", build.path()],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    calls, answers = os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno())
    process.stdin.close()
    process.stdout.close()
    return Process(calls, answers, process)


def _wait_for_end(answers: int) -> None:
    """Until nobody can answer any more: a process that is killed may take its time."""
    deadline = time.monotonic() + _PATIENCE
    with selectors.PollSelector() as selector:
        selector.register(answers, selectors.EVENT_READ)
        while selector.select(max(0, deadline - time.monotonic())):
            if not os.read(answers, 1 << 20):
                return
