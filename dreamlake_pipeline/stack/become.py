"""`python -m dreamlake_pipeline.stack.become PROCESS --stack=ID`: turn into one of the stack's processes.

The supervisor calls every process this way, so that its configuration holds no secret, no port and no path
to quote. The state is read at each start, the start is noted for `dreamlake status`, and the process id stays.

Postgres and the worker server are programs that are told no secret. All others are modules of Python that this process
runs itself, sealed and with secrets in an environment that it sets now: the one that a program is started with can be
read by every process of the user for as long as it runs.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from .. import sealed
from . import postgres, processes, state


def become(home: Path, name: str, *arguments: str) -> None:
    """Do the work of the named process of the stack under `home`. `arguments` come after its own."""
    sealed.seal()
    stack = state.load(home)
    if stack is None:
        sys.exit(f"No stack was ever started under {home}.")
    if not arguments:  # with some, it is a process that starts itself again
        with (stack.run / f"{name}.starts").open("a") as starts:
            starts.write(f"{time.time():.3f} {os.getpid()}\n")
    command = [*processes.command(stack, name), *arguments]
    environment = processes.environment(stack, name, os.environ)
    os.chdir(stack.home)
    os.umask(0o077)
    if name == "postgres":
        postgres.drop_privileges(stack)
    if name in processes.PROGRAMS:
        os.execve(command[0], command, environment)  # noqa: S606 - an argument list, no shell
    sealed.run_module(command, environment)


if __name__ == "__main__":
    # The id is there for those who look for the stack's processes (leftovers.py).
    become(Path(os.environ["DREAMLAKE_HOME"]), sys.argv[1], *sys.argv[3:])
