"""`python -m dreamlake_pipeline.instance.webserver --port 3000 --workspace $DAGSTER_HOME/workspace.yaml`."""

from __future__ import annotations

import argparse
import os
import sys

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.log import configure_loggers
from dagster_webserver.version import __version__

from ...connections import Connection
from ...errors import DreamlakeError
from ...settings import Settings
from .app import create_app

# As dagster-webserver has them: milliseconds of a statement, seconds of a connection, connections beyond the pool's.
_STATEMENT_TIMEOUT, _POOL_RECYCLE, _POOL_OVERFLOW = 15_000, 3600, 20

_MOST_MESSAGE_BYTES = 2**20  # of a WebSocket message: a subscription


def main() -> None:
    """Serve until the process is told to end."""
    parser = argparse.ArgumentParser(prog="python -m dreamlake_pipeline.instance.webserver", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=3000, help="port to listen at")
    parser.add_argument("--workspace", required=True, help="workspace.yaml, which says where the code location is")
    given = parser.parse_args()
    os.umask(0o077)
    configure_loggers()
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(_STATEMENT_TIMEOUT, _POOL_RECYCLE, _POOL_OVERFLOW)
        with WorkspaceProcessContext(
            instance, workspace_load_target=WorkspaceFileTarget([given.workspace]), version=__version__
        ) as process_context:
            uvicorn.run(
                create_app(process_context, given.port, Settings()),
                host=given.host,
                port=given.port,
                log_level="warning",
                # Addresses are logged nowhere: the one of the login has the secret in it.
                access_log=False,
                server_header=False,
                http=Connection,
                ws_max_size=_MOST_MESSAGE_BYTES,
            )


if __name__ == "__main__":
    try:
        main()
    except DreamlakeError as error:
        sys.exit(f"{error.message} {error.hint or ''}".rstrip())
