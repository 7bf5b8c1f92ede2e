"""A run on a node of a Ray cluster, `python -m dreamlake_pipeline.instance.raydriver VERSION ARGUMENTS`: what the
shell line of `RayJobLauncher` starts.

It does what `dagster api execute_run ARGUMENTS` does, in the version of this package that the run is of, and in no
other: what two versions make of the same file differs. A line that begins with `dreamlake: ` is for people, who are
told it as the reason of the run's failure (rayhead.py).
"""

from __future__ import annotations

import os
import socket
import sys

from dagster import DagsterInstance
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import deserialize_value

from .. import __version__
from .run_server import NO_THREADS, execute
from .watching import HOST_TAG

DIFFERS = 78  # EX_CONFIG of sysexits.h


def main() -> int:
    """Execute the run; its exit code."""
    version, arguments = sys.argv[1:]
    if version != __version__:
        _tell(f"this node has dreamlake-pipeline {__version__}, and the run is of {version}: install that here.")
        return DIFFERS
    os.umask(0o077)  # what runs print and keep is nobody else's business
    os.environ.update(NO_THREADS)
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


def _tell(what: str) -> None:
    sys.stderr.write(f"dreamlake: {what}\n")


if __name__ == "__main__":
    sys.exit(main())
