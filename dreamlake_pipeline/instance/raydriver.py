"""A run on a node of a Ray cluster, `python -m dreamlake_pipeline.instance.raydriver VERSION ARGUMENTS`: what the
shell line of `RayJobLauncher` starts.

It does what `dagster api execute_run ARGUMENTS` does, in the version of this package that the run is of, and in no
other: what two versions make of the same file differs. The run is a fork of this process, which only waits for it, and
leaves nothing of it behind: there is no run server on a node that would. A line that begins with `dreamlake: ` is for
people, who are told it as the reason of the run's failure (rayhead.py).
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import NoReturn

import psutil
from dagster import DagsterInstance
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import deserialize_value

from .. import __version__
from ..forkserver import adopt_orphans, end_with, end_with_parent
from .run_server import NO_THREADS, execute
from .watching import HOST_TAG

DIFFERS = 78  # EX_CONFIG of sysexits.h
_PATIENCE = 5.0  # seconds that what is killed may take to be gone


def main() -> int:
    """Have the run executed; its exit code."""
    version, arguments = sys.argv[1:]
    if version != __version__:
        _tell(f"this node has dreamlake-pipeline {__version__}, and the run is of {version}: install that here.")
        return DIFFERS
    os.umask(0o077)  # what runs print and keep is nobody else's business
    os.environ.update(NO_THREADS)
    adopt_orphans()
    # Ray interrupts every process of a job by itself: the run ends as it sees fit, and this one after it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    keeper, run = os.getpid(), os.fork()
    if run == 0:
        _be_run(keeper, arguments)
    _, status = os.waitpid(run, 0)
    _end_orphans()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _end_by(-code)
    return code


def _end_by(number: int) -> NoReturn:
    """End as the run has ended, so that Ray is told how."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # a signal that is no end


def _be_run(keeper: int, arguments: str) -> NoReturn:
    end_with_parent(keeper)  # whose one thread waits for this
    end_with(lambda: _execute(arguments))


def _execute(arguments: str) -> int:
    given = deserialize_value(arguments, ExecuteRunArgs)
    try:
        with DagsterInstance.from_ref(given.instance_ref) if given.instance_ref else DagsterInstance.get() as instance:
            instance.add_run_tags(given.run_id, {HOST_TAG: socket.gethostname()})
    except Exception as fault:
        # The text of a fault may hold what the node's environment has.
        _tell(
            f"Dagster's instance can't be opened here ({type(fault).__name__}): the node lacks a variable that "
            "dagster.yaml names, or does not reach Dagster's Postgres."
        )
        return DIFFERS
    return execute(arguments)


def _end_orphans() -> None:
    """Kill and bury what the run has left behind, in whatever session: all of it has become this process's."""
    deadline = time.monotonic() + _PATIENCE
    while (left := psutil.Process().children(recursive=True)) and time.monotonic() < deadline:
        for one in left:
            with suppress(psutil.Error):
                one.kill()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def _tell(what: str) -> None:
    sys.stderr.write(f"dreamlake: {what}\n")


if __name__ == "__main__":
    sys.exit(main())
