"""The run server, `python -m dreamlake_pipeline.instance.run_server MODULE…`: a process that has imported these
modules, and what Dagster needs to execute a run, and forks one of itself for every conversation.

How it forks, and cleans up behind what was forked, is in `forkserver.py`.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import socket
from contextlib import suppress
from typing import NoReturn

import psutil

from .. import forkserver, sealed
from ..forkserver import ForkServer
from .deaths import Deaths
from .wire import Line, is_of_this_user, socket_path
from .worker import Worker

log = logging.getLogger("dreamlake.runs")

# Libraries that would start threads when they are imported, told not to.
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}

_CONVERSATION = 60.0  # seconds that a launcher may be silent
_GRACE = 20.0  # from being asked to end to being killed
_LAST_GRACE = 8.0  # the same when the server itself is asked to end


class RunServer(ForkServer):
    """Forks a process for each conversation about a run."""

    log = log

    def __init__(self, listener: socket.socket, children: set[int]) -> None:
        super().__init__(listener, children)
        self._deaths = Deaths()

    def _may_connect(self, connection: socket.socket) -> bool:
        # A run is code that the caller names: whoever may ask for one may do whatever this user may.
        return is_of_this_user(connection)

    def _do(self, connection: socket.socket) -> int:
        return _converse(Line(connection, _CONVERSATION), self._deaths)

    def _forked(self, pid: int) -> None:
        self._deaths.note_birth(pid)

    def _buried(self, pid: int, status: int) -> None:
        self._deaths.note(pid, status)

    def _kill_orphans(self) -> None:
        for child in psutil.Process().children():
            if child.pid not in self._children:
                _kill(child)

    def _end_children(self) -> None:
        end([psutil.Process(pid) for pid in self._children if psutil.pid_exists(pid)], _LAST_GRACE)

    def _start_anew(self, *arguments: str) -> NoReturn:
        sealed.start_again(*arguments)


def _converse(line: Line, deaths: Deaths) -> int:
    try:
        asked = line.receive()
        if "died" in asked:
            worker = Worker.parse(asked["died"])
            line.send({"killedAlone": worker is not None and deaths.was_killed_alone(worker)})
            return 0
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
    return execute(asked["run"])


def _is_fork(process: psutil.Process) -> bool:
    """Whether this is a fork of a run server, this one's or an earlier one's: which process a run has is said by the
    run's tags, and those are what somebody wrote there."""
    try:
        own = psutil.Process().cmdline()
        if "--listener" in own:  # what a server that starts anew tells itself
            own = own[: own.index("--listener")]
        return (
            process.cmdline()[: len(own)] == own
            and os.getsid(process.pid) == process.pid
            and process.pid != os.getppid()
        )
    except (psutil.Error, OSError):
        return False


def execute(arguments: str) -> int:
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


def main() -> None:
    """Import, listen, serve."""
    parser = argparse.ArgumentParser(prog="python -m dreamlake_pipeline.instance.run_server", description=__doc__)
    parser.add_argument("modules", nargs="*", help="what is imported, before anything is forked")
    forkserver.add_arguments(parser)
    given = parser.parse_args()
    sealed.seal()
    forkserver.log_to_stderr(log)
    # What runs print and keep is nobody else's business.
    os.umask(0o077)
    listener = forkserver.listen_at(socket_path(), given.listener)
    os.environ.update(NO_THREADS)
    for name in ("dagster._cli.api", *given.modules):
        importlib.import_module(name)
    RunServer(listener, given.children).serve()


if __name__ == "__main__":
    main()
