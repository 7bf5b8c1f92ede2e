"""The worker server, `python -m dreamlake_pipeline.media.run.worker_server`: a process that has imported what makers
need, holds no secret, and forks the keeper of a worker for every connection.

Whoever connects hands over the plan of a cage and the ends of two pipes, through which he then talks to his worker; or
asks what the cage is here. The server reads nothing that a stranger sent. How it forks, and cleans up behind what was
forked, is in `forkserver.py`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import NoReturn

from ... import forkserver
from ...forkserver import ForkServer
from . import build, worker
from .cage import seccomp
from .cage.keeper import end_all, keep
from .cage.layer import Missing, Plan, parse
from .start import ENVIRONMENT, receive_request, socket_path
from .workers import Workers

log = logging.getLogger("dreamlake.workers")

_MODULES = (
    *("dreamlake_pipeline.media.video.make", "dreamlake_pipeline.media.audio.make"),
    *("dreamlake_pipeline.media.labels.make", "dreamlake_pipeline.media.text.make", "pyarrow.compute", "pyarrow.csv"),
)
_SELF = [sys.executable, "-P", "-m", "dreamlake_pipeline.media.run.worker_server"]
_KEPT = ("DREAMLAKE_WORKER_SOCKET", "DREAMLAKE_FFMPEG", "DREAMLAKE_STACK_ID")  # no secret is in them
_SILENCE = 10.0  # seconds that a run may take to say what it wants


class WorkerServer(ForkServer):
    """Forks a keeper for each worker that a run wants."""

    log = log

    def _watched(self) -> Iterable[ModuleType]:
        # Our modules, and of each library its first one, which is written anew with every version.
        return [
            module
            for name, module in list(sys.modules.items())
            if "." not in name or name.startswith("dreamlake_pipeline.")
        ]

    def _do(self, connection: socket.socket) -> int:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # What the server has open, above all.
        os.closerange(3, connection.fileno())
        os.closerange(connection.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
        connection.settimeout(_SILENCE)
        return _answer(connection)

    def _kill_orphans(self) -> None:
        end_all(but=self._children)

    def _end_children(self) -> None:
        end_all()

    def _start_anew(self, *arguments: str) -> NoReturn:
        os.execv(_SELF[0], [*_SELF, *arguments])  # noqa: S606


def _answer(connection: socket.socket) -> int:
    try:
        request, pipes = receive_request(connection)
    except OSError:
        return 0  # whoever it was only looked whether somebody is here
    if "layers" in request:
        # As a run would: a worker of this very server says what its cage is.
        with suppress(OSError), Workers(1) as workers:
            connection.sendall(json.dumps([*workers.layers(), build.libav()]).encode())
        return 0
    connection.close()
    calls, answers = pipes
    return keep(_with_program(parse(request["plan"])), calls, answers, worker.at(calls, answers))


def _with_program(plan: Plan) -> Plan:
    """The plan with seccomp's instructions, unless it says why it has none: they were made once."""
    if plan.program or plan.no_program:
        return plan
    try:
        return replace(plan, program=seccomp.program())
    except Missing as missing:
        return replace(plan, no_program=str(missing))


def main() -> None:
    """Import, listen, serve."""
    parser = argparse.ArgumentParser(prog="python -m dreamlake_pipeline.media.run.worker_server", description=__doc__)
    forkserver.add_arguments(parser)
    given = parser.parse_args()
    forkserver.log_to_stderr(log)
    path = socket_path()
    if path is None:
        sys.exit("DREAMLAKE_WORKER_SOCKET is not set: it says where the worker server listens.")
    listener = forkserver.listen_at(path, given.listener)
    # Whoever started it may have keys in his environment; /proc/<pid>/environ still shows what it was started with.
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if set(os.environ) - set(ENVIRONMENT) - set(kept):
        os.set_inheritable(listener.fileno(), True)
        os.execve(_SELF[0], [*_SELF, "--listener", str(listener.fileno())], dict(ENVIRONMENT) | kept)  # noqa: S606
    for name in _MODULES:
        importlib.import_module(name)
    with suppress(Missing):
        seccomp.program()
    WorkerServer(listener, given.children).serve()


if __name__ == "__main__":
    main()
