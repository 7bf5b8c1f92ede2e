"""`python -m dreamlake_pipeline.stack.become PROCESS`: turn into one of the stack's processes.

The supervisor calls every process this way, so that its configuration holds no secret, no port and no path
to quote. The state is read at each start, the start is noted for `dreamlake status`, and the process id stays.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from . import postgres, processes, state


def become(home: Path, name: str) -> None:
    """Replace this process by the named one of the stack under `home`."""
    stack = state.load(home)
    if stack is None:
        sys.exit(f"No stack was ever started under {home}.")
    with (stack.run / f"{name}.starts").open("a") as starts:
        starts.write(f"{time.time():.3f} {os.getpid()}\n")
    command = processes.command(stack, name)
    environment = processes.environment(stack, name, os.environ)
    os.chdir(stack.home)
    os.umask(0o077)
    if name == "postgres":
        postgres.drop_privileges(stack)
    os.execve(command[0], command, environment)  # noqa: S606 - an argument list, no shell


if __name__ == "__main__":
    become(Path(os.environ["DREAMLAKE_HOME"]), sys.argv[1])
