"""The run server, `python -m dreamlake_pipeline.instance.run_server MODULE…`: a process that has imported these
modules, and what Dagster needs to execute a run, and forks one of itself for every conversation.

It has one thread, since a fork copies no other, and opens no connection but its socket. All talking is done by the
fork: the server accepts, forks, and cleans up behind children that ended. What a run leaves behind when it is
killed (ffmpeg) becomes the server's child, and is killed too.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import logging
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil

from .. import sealed
from .wire import Line, is_of_this_user, socket_path
from .worker import Worker

log = logging.getLogger("dreamlake.runs")

# Libraries that would start threads when they are imported, told not to.
_NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}

_CONVERSATION = 60.0  # seconds that a launcher may be silent
_GRACE = 20.0  # from being asked to end to being killed
_LAST_GRACE = 8.0  # the same when the server itself is asked to end

_PR_SET_CHILD_SUBREAPER = 36


class RunServer:
    """Accepts on `listener` until it is asked to end. `children`: its forks from before it was started anew."""

    def __init__(self, listener: socket.socket, children: set[int]) -> None:
        self._listener = listener
        self._children = children
        self._loaded = {
            path: _stat(path) for module in list(sys.modules.values()) if (path := getattr(module, "__file__", None))
        }
        self._is_ending = False

    def serve(self) -> None:
        """Fork for every connection; at the end, end the runs too."""
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(awake, False)
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
                self._reap()
        self._listener.close()
        end([psutil.Process(pid) for pid in self._children if psutil.pid_exists(pid)], _LAST_GRACE)
        self._reap()

    def _end(self, *_: object) -> None:
        self._is_ending = True

    def _accept(self) -> None:
        if any(_stat(path) != then for path, then in self._loaded.items()):
            self._start_anew()
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        # A run is code that the caller names: whoever may ask for one may do whatever this user may.
        if not is_of_this_user(connection):
            log.warning("another user's process was turned away")
            connection.close()
            return
        pid = os.fork()
        if pid == 0:
            self._listener.close()
            _become_child(connection)
        self._children.add(pid)
        connection.close()

    def _start_anew(self) -> None:
        """Import everything again: code changed. Who has connected waits, and children stay children."""
        log.info("the code changed: starting anew")
        os.set_inheritable(self._listener.fileno(), True)
        children = ",".join(map(str, self._children))
        sealed.start_again("--listener", str(self._listener.fileno()), "--children", children)

    def _reap(self) -> None:
        ended = False
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if pid in self._children:
                    self._children.remove(pid)
                    ended = True
                    if os.WIFSIGNALED(status):
                        log.warning("process %d was killed by signal %d", pid, os.WTERMSIG(status))
        if ended:
            for child in psutil.Process().children():
                if child.pid not in self._children:
                    _kill(child)


def _become_child(connection: socket.socket) -> NoReturn:
    """What the fork does: hold one conversation, and execute what was asked for."""
    code = 1
    try:
        # A session of its own: what is sent to the server's group, by a terminal or a supervisor, is not sent to runs.
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = _converse(Line(connection, _CONVERSATION))
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        # Nothing of the server is to be torn down in its copy.
        os._exit(code)


def _converse(line: Line) -> int:
    try:
        asked = line.receive()
        if "stop" in asked:
            worker = Worker.parse(asked["stop"])
            process = worker.process() if worker else None
            if process is not None and not _is_fork(process):
                process = None
            line.send({"stopping": process is not None})
            line.close()
            end([process] if process else [], _GRACE)
            return 0
        line.send({"worker": str(Worker.of(os.getpid()))})
        line.receive()
    except OSError:
        return 0  # the launcher is gone, or only looked whether somebody is here: nothing was started
    finally:
        line.close()
    return _execute(asked["run"])


def _is_fork(process: psutil.Process) -> bool:
    """Whether this is a fork of a run server, this one's or an earlier one's: which process a run has is said by the
    run's tags, and those are what somebody wrote there."""
    try:
        return (
            "dreamlake_pipeline.instance.run_server" in process.cmdline()
            and os.getsid(process.pid) == process.pid
            and process.pid != os.getppid()
        )
    except (psutil.Error, OSError):
        return False


def _execute(arguments: str) -> int:
    """Execute a run as `dagster api execute_run` does; its exit code."""
    from dagster._cli.api import execute_run_command

    try:
        execute_run_command.main([arguments], prog_name="dagster api execute_run", standalone_mode=False)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def end(processes: list[psutil.Process], grace: float) -> None:
    """Interrupt processes; kill those that live after `grace` seconds."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=grace)
    for process in alive:
        for one in [process, *process.children(recursive=True)]:
            _kill(one)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _stat(path: str) -> tuple[int, int] | None:
    """What changes when a file does."""
    try:
        found = os.stat(path)  # noqa: PTH116 - some 3,000 of them before each run
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _bind(path: Path) -> socket.socket:
    """A socket that only its owner can open; exits when another server listens at it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.connect(str(path))
        sys.exit(f"Another run server listens at {path}.")
    path.unlink(missing_ok=True)
    umask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(umask)
    return listener


def _adopt_orphans() -> None:
    """Processes that a run leaves behind become this one's children, where the system has that (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _log_to_stderr() -> None:
    """What the server itself says; the root logger is left to the runs."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def main() -> None:
    """Import, listen, serve."""
    parser = argparse.ArgumentParser(prog="python -m dreamlake_pipeline.instance.run_server", description=__doc__)
    parser.add_argument("modules", nargs="*", help="what is imported, before anything is forked")
    parser.add_argument("--listener", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--children", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sealed.seal()
    _log_to_stderr()
    # What runs print and keep is nobody else's business.
    os.umask(0o077)
    listener = _bind(socket_path()) if given.listener is None else socket.socket(fileno=given.listener)
    os.environ.update(_NO_THREADS)
    for name in ("dagster._cli.api", *given.modules):
        importlib.import_module(name)
    # Its pages stay shared with the forks if the collector leaves them alone.
    gc.collect()
    gc.freeze()
    if (threads := psutil.Process().num_threads()) > 1:
        log.warning("an import started %d threads: runs are forked without them", threads - 1)
    _adopt_orphans()
    listener.setblocking(False)
    listener.listen(128)
    log.info("listening at %s", listener.getsockname())
    RunServer(listener, {int(pid) for pid in given.children.split(",") if pid}).serve()


if __name__ == "__main__":
    main()
