"""The worker server, `python -m dreamlake_pipeline.media.run.worker_server`: a process that has imported what makers
need, holds no secret, and forks the keeper of a worker for every connection.

Whoever connects hands over the plan of a cage and the ends of two pipes, through which he then talks to his worker; or
asks what the cage is here. The server reads nothing that a stranger sent. It has one thread, since a fork copies no
other, and replaces itself when code has changed; what keepers leave when they are killed becomes its child and is
killed.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import logging
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from . import build, worker
from .cage import seccomp
from .cage.keeper import adopt_orphans, end_all, keep
from .cage.layer import Missing, Plan, parse
from .start import ENVIRONMENT, receive_request, socket_path
from .workers import Workers

log = logging.getLogger("dreamlake.workers")

_MODULES = (
    *("dreamlake_pipeline.media.video.make", "dreamlake_pipeline.media.audio.make"),
    *("dreamlake_pipeline.media.labels.make", "dreamlake_pipeline.media.text.make", "pyarrow.compute", "pyarrow.csv"),
)
_SILENCE = 10.0  # seconds that a run may take to say what it wants


class WorkerServer:
    """Accepts on `listener` until it is asked to end."""

    def __init__(self, listener: socket.socket, keepers: set[int]) -> None:
        self._listener, self._keepers = listener, keepers
        # Our modules, and of each library its first one, which is written anew with every version.
        self._loaded = {
            path: _stat(path)
            for name, module in list(sys.modules.items())
            if ("." not in name or name.startswith("dreamlake_pipeline."))
            and (path := getattr(module, "__file__", None))
        }
        self._is_ending = False

    def serve(self) -> None:
        """Fork for every connection; at the end, end the workers too."""
        awake, wake = os.pipe()
        for one in (awake, wake):
            os.set_blocking(one, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(awake, selectors.EVENT_READ)
            while not self._is_ending:
                for key, _ in selector.select():
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        os.read(awake, 4096)
                self._bury()
        self._listener.close()
        end_all()

    def _end(self, *_: object) -> None:
        self._is_ending = True

    def _accept(self) -> None:
        if any(_stat(path) != then for path, then in self._loaded.items()):
            self._start_anew()
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        pid = os.fork()
        if pid == 0:
            _be_keeper(connection)
        self._keepers.add(pid)
        connection.close()

    def _start_anew(self) -> None:
        """Import everything again: code changed. Who has connected waits, and keepers stay children."""
        log.info("the code changed: starting anew")
        os.set_inheritable(self._listener.fileno(), True)
        keepers = ",".join(map(str, self._keepers))
        again = [sys.executable, "-P", "-m", "dreamlake_pipeline.media.run.worker_server"]
        os.execv(again[0], [*again, "--listener", str(self._listener.fileno()), "--keepers", keepers])  # noqa: S606

    def _bury(self) -> None:
        """Keepers that ended; what they left, if they were killed, is adopted by this process, and killed."""
        ended = False
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                ended |= found[0] in self._keepers
                self._keepers.discard(found[0])
        if ended:
            end_all(but=self._keepers)


def _be_keeper(connection: socket.socket) -> NoReturn:
    """What the fork does: have one request, and do it."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # The server's listener, above all.
        os.closerange(3, connection.fileno())
        os.closerange(connection.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
        connection.settimeout(_SILENCE)
        code = _do(connection)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stderr.flush()
        # Nothing of the server is to be torn down in its copy.
        os._exit(code)


def _do(connection: socket.socket) -> int:
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


def _stat(path: str) -> tuple[int, int] | None:
    """What changes when a file does."""
    try:
        found = os.stat(path)  # noqa: PTH116 - some hundreds of them before each worker
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _bind(path: Path) -> socket.socket:
    """A socket that only its owner can open; exits when another server listens at it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.connect(str(path))
        sys.exit(f"Another worker server listens at {path}.")
    path.unlink(missing_ok=True)
    umask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(umask)
    return listener


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def main() -> None:
    """Import, listen, serve."""
    parser = argparse.ArgumentParser(prog="python -m dreamlake_pipeline.media.run.worker_server", description=__doc__)
    parser.add_argument("--listener", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--keepers", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    _log_to_stderr()
    path = socket_path()
    if path is None:
        sys.exit("DREAMLAKE_WORKER_SOCKET is not set: it says where the worker server listens.")
    listener = _bind(path) if given.listener is None else socket.socket(fileno=given.listener)
    # Whoever started it may have keys in his environment; /proc/<pid>/environ still shows what it was started with.
    kept = {name: os.environ[name] for name in ("DREAMLAKE_WORKER_SOCKET", "DREAMLAKE_FFMPEG") if name in os.environ}
    if set(os.environ) - set(ENVIRONMENT) - set(kept) - {"DREAMLAKE_STACK_ID"}:
        os.set_inheritable(listener.fileno(), True)
        again = [sys.executable, "-P", "-m", "dreamlake_pipeline.media.run.worker_server"]
        stack = {name: os.environ[name] for name in ("DREAMLAKE_STACK_ID",) if name in os.environ}
        os.execve(  # noqa: S606
            again[0], [*again, "--listener", str(listener.fileno())], dict(ENVIRONMENT) | kept | stack
        )
    for name in _MODULES:
        importlib.import_module(name)
    with suppress(Missing):
        seccomp.program()
    # Its pages stay shared with the forks if the collector leaves them alone.
    gc.collect()
    gc.freeze()
    with suppress(OSError):
        if (threads := len(os.listdir("/proc/self/task"))) > 1:  # noqa: PTH208
            log.warning("an import started %d threads: workers are forked without them", threads - 1)
    adopt_orphans()
    listener.setblocking(False)
    listener.listen(128)
    log.info("listening at %s", listener.getsockname())
    WorkerServer(listener, {int(pid) for pid in given.keepers.split(",") if pid}).serve()


if __name__ == "__main__":
    main()
