"""A process that has imported what others need, and forks one of itself for every connection to a unix socket.

It has one thread, since a fork copies no other, and opens no connection but its socket. All talking is done by the
fork: the server accepts, forks, and cleans up behind children that ended. What a child leaves behind when it is killed
becomes the server's child, and is killed too. Code that changed is imported before the next fork: the server replaces
itself, which keeps its socket, its process id and its children. Runs (instance/run_server.py) and workers
(media/run/worker_server.py) are forked so.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import logging
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


class ForkServer:
    """Accepts on `listener` until it is asked to end. `children`: its forks from before it was started anew."""

    log: logging.Logger

    def __init__(self, listener: socket.socket, children: set[int]) -> None:
        self._listener = listener
        self._children = children
        self._loaded = {
            path: _stat(path) for module in self._watched() if (path := getattr(module, "__file__", None)) is not None
        }
        self._is_ending = False

    # What a server of a kind does

    def _watched(self) -> Iterable[ModuleType]:
        """The modules whose files are compared before each fork."""
        return list(sys.modules.values())

    def _may_connect(self, connection: socket.socket) -> bool:
        """Whether the process at the other end gets a fork."""
        return True

    def _do(self, connection: socket.socket) -> int:
        """What a fork does, in a session of its own with signals as they are by default; its exit code."""
        raise NotImplementedError

    def _forked(self, pid: int) -> None:
        """A fork has begun."""

    def _buried(self, pid: int, status: int) -> None:
        """A fork has ended with this wait status (wait(2))."""

    def _kill_orphans(self) -> None:
        """Kill the children that are no forks of this server: what forks left behind."""
        raise NotImplementedError

    def _end_children(self) -> None:
        """End all children, since the server ends."""
        raise NotImplementedError

    def _start_anew(self, *arguments: str) -> NoReturn:
        """Replace this process by a new one with these arguments after its own."""
        raise NotImplementedError

    # What all of them do

    def serve(self) -> None:
        """Fork for every connection; at the end, end the children too."""
        gc.collect()
        gc.freeze()  # its pages stay shared with the forks if the collector leaves them alone
        self._complain_of_threads()
        adopt_orphans()
        self._listener.setblocking(False)
        self._listener.listen(128)
        self.log.info("listening at %s", self._listener.getsockname())
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
        self._end_children()
        self._bury()

    def _end(self, *_: object) -> None:
        self._is_ending = True

    def _complain_of_threads(self) -> None:
        with suppress(OSError):  # not Linux
            if (threads := len(os.listdir("/proc/self/task"))) > 1:  # noqa: PTH208
                self.log.warning("an import started %d threads: it is forked without them", threads - 1)

    def _accept(self) -> None:
        if any(_stat(path) != then for path, then in self._loaded.items()):
            self.log.info("the code changed: starting anew")
            os.set_inheritable(self._listener.fileno(), True)  # who has connected waits
            children = ",".join(map(str, self._children))
            self._start_anew("--listener", str(self._listener.fileno()), "--children", children)
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if not self._may_connect(connection):
            self.log.warning("another user's process was turned away")
            connection.close()
            return
        pid = os.fork()
        if pid == 0:
            self._listener.close()
            self._become_child(connection)
        self._children.add(pid)
        self._forked(pid)
        connection.close()

    def _become_child(self, connection: socket.socket) -> NoReturn:
        def work() -> int:
            # A session of its own: what is sent to the server's group, by a terminal or a supervisor, is not sent here.
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return self._do(connection)

        end_with(work)

    def _bury(self) -> None:
        ended = False
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if pid in self._children:
                    self._children.remove(pid)
                    ended = True
                    self._buried(pid, status)
                    if os.WIFSIGNALED(status):
                        self.log.warning("process %d was killed by signal %d", pid, os.WTERMSIG(status))
        if ended:
            self._kill_orphans()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a server that starts anew tells itself."""
    parser.add_argument("--listener", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--children", type=_numbers, default=set(), help=argparse.SUPPRESS)


def _numbers(text: str) -> set[int]:
    return {int(number) for number in text.split(",") if number}


def listen_at(path: Path, given: int | None) -> socket.socket:
    """The socket `given` by the process that this one was before, else one at `path` that only its owner can open.

    Exits when another server listens there.
    """
    if given is not None:
        return socket.socket(fileno=given)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.connect(str(path))
        sys.exit(f"Another server listens at {path}.")
    path.unlink(missing_ok=True)
    umask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(umask)
    return listener


def log_to_stderr(log: logging.Logger) -> None:
    """What the server itself says; the root logger is left to its forks."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def adopt_orphans() -> None:
    """Processes that a child leaves behind become this one's children, where the system has that (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent(parent: int) -> None:
    """Have this process, which `parent` has just forked, killed when that ends, where the system has that (Linux).

    The kernel does it when the *thread* ends that forked it (PR_SET_PDEATHSIG(2const)): that thread has to wait for it.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)


def end_with(work: Callable[[], int]) -> NoReturn:
    """Do what a fork is made for, with the signals of a new program, and end it with the exit code that comes of it.

    Nothing of the process that it is a copy of is torn down.
    """
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _stat(path: str) -> tuple[int, int] | None:
    """What changes when a file does."""
    try:
        found = os.stat(path)  # noqa: PTH116 - up to 3,000 of them before each fork
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
