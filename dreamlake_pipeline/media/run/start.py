"""How worker processes come to be."""

from __future__ import annotations

import json
import logging
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from . import build
from .cage import seccomp
from .cage.layer import Missing, Plan
from .messages import HEAD
from .room import Room
from .values import MOST_BYTES, UnexpectedValue

log = logging.getLogger(__name__)

_PATIENCE = 10.0  # seconds that a worker has to end when it is told to
_TICK = 0.5

ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C.UTF-8",
    # More threads would only take memory: the files are short, and there are other workers.
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    # glibc gives large blocks back to the system at once, and each file needs the same ones again: a sixth of the time.
    "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
}


class Process:
    """A worker, by the ends of two pipes: `calls` to write to, `answers` to read from."""

    def __init__(self, calls: int, answers: int, process: subprocess.Popen[bytes] | None) -> None:
        self.calls, self.answers, self._process = calls, answers, process
        self._is_dismissed = False
        os.set_blocking(calls, False)

    def send(self, message: bytes, deadline: float) -> None:
        """Write a message, which may be more than the pipe holds: who does not read it is out of time.

        Raises TimeoutError at the `deadline` (of the monotonic clock), BrokenPipeError when nobody is there.
        """
        left = memoryview(message)
        with selectors.PollSelector() as selector:
            selector.register(self.calls, selectors.EVENT_WRITE)
            while left:
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise TimeoutError
                left = left[os.write(self.calls, left) :]

    def receive(self, deadline: float, meanwhile: Callable[[], None] = lambda: None) -> bytearray:
        """Read a message, and call `meanwhile` every half second.

        Raises TimeoutError, EOFError when the process has ended, UnexpectedValue for one that is too long.
        """
        received, wanted = bytearray(), HEAD
        with selectors.PollSelector() as selector:
            selector.register(self.answers, selectors.EVENT_READ)
            while len(received) < wanted:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                meanwhile()
                if not selector.select(min(left, _TICK)):
                    continue
                data = os.read(self.answers, min(1 << 20, wanted - len(received)))
                if not data:
                    raise EOFError
                received += data
                if wanted == HEAD and len(received) == HEAD:
                    wanted += int.from_bytes(received, "big")
                    if wanted > HEAD + MOST_BYTES:
                        raise UnexpectedValue
        return received[HEAD:]

    def dismiss(self) -> None:
        """Have the keeper end it."""
        if not self._is_dismissed:
            self._is_dismissed = True
            os.close(self.calls)

    def kill(self) -> None:
        """End it and all that it started; they have ended when this returns."""
        self.dismiss()
        _wait_for_end(self.answers)
        os.close(self.answers)
        if self._process is not None:
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def plan_of(room: Room, given: Mapping[str, Any]) -> Plan:
    """The cage of a worker in `room`, without seccomp's instructions; fields that are `given` are otherwise."""
    return replace(Plan(str(room.path), os.path.abspath(build.path())), **given)  # noqa: PTH100


def socket_path() -> Path | None:
    """Where a worker server listens: the setting `worker_socket`."""
    from ...settings import Settings

    path = Settings().worker_socket
    return path if path and path.name else None  # an empty variable counts as unset


def start(room: Room, given: Mapping[str, Any]) -> Process:
    """A worker at work in `room`, of the worker server, else of its own; see `plan_of`."""
    plan = plan_of(room, given)
    path = socket_path()
    if path is not None:
        try:
            return _ask_server(path, plan)
        except OSError as error:
            _tell_no_server(f"{path}: {error.strerror or error}")
    return start_alone(plan)


@cache
def _tell_no_server(why: str) -> None:
    log.warning("No worker server answers at %s. Workers are started without it, which takes longer.", why)


def _ask_server(path: Path, plan: Plan) -> Process:
    calls_read, calls = os.pipe()
    answers, answers_written = os.pipe()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(str(path))
            request = json.dumps({"plan": str(plan)}).encode() + b"\n"
            socket.send_fds(connection, [request], [calls_read, answers_written])
    except BaseException:
        os.close(calls)
        os.close(answers)
        raise
    finally:
        os.close(calls_read)
        os.close(answers_written)
    return Process(calls, answers, None)


def receive_request(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What `_ask_server` or `stack/cage.py` sent: a line of JSON, and descriptors. Raises OSError."""
    data, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 2)
    while data and not data.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:
            break
        data += more
    if not data.endswith(b"\n"):
        raise ConnectionResetError("nothing was asked for")
    return dict(json.loads(data)), descriptors


def start_alone(plan: Plan) -> Process:
    """A worker whose keeper is a child of this process."""
    if not plan.program and not plan.no_program:
        try:
            plan = replace(plan, program=seccomp.program())
        except Missing as missing:
            plan = replace(plan, no_program=str(missing))
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "dreamlake_pipeline.media.run.worker", str(plan)],
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
        while (left := deadline - time.monotonic()) > 0 and selector.select(left):
            if not os.read(answers, 1 << 20):
                return
