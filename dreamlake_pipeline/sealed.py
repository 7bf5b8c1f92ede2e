"""A process that keeps its secrets to itself: `python -m dreamlake_pipeline.sealed MODULE [ARGUMENTS]`.

What a process was given as its environment when its program started stays readable in `/proc/<pid>/environ`, to every
process of the same user, and so is its memory. A sealed process is one that the kernel does not let others of its
user look into (`PR_SET_DUMPABLE`, prctl(2)): neither its environment nor its memory, no debugger, no core dump. The
administrator still can. A fork stays sealed; a program that is started by it is not, and is to be given no secret.

macOS has nothing of the kind but core limits.
"""

from __future__ import annotations

import ctypes
import os
import resource
import runpy
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

from .visible import make_logs_visible

_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4

# The environment that this process was started with: what it may start itself with again.
_first_environment: Mapping[str, str] = dict(os.environ)


def seal() -> None:
    """Shut this process to others of its user, as far as the system can."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(AttributeError):  # no prctl: not Linux
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def is_sealed() -> bool:
    """Whether the kernel keeps others of the user out of this process."""
    try:
        return int(ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)) == 0
    except AttributeError:
        return False


def run_module(arguments: list[str], environment: Mapping[str, str]) -> None:
    """Do what `python -m` does with these arguments, in this process, sealed, and with this environment."""
    seal()
    make_logs_visible()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def start_again(*arguments: str) -> NoReturn:
    """Replace this process by a new one that was called as it was, with these arguments after its own.

    It is given the environment that this one was started with, not the one that it has now. Arguments from an
    earlier call, which begin with the same word, are left out.
    """
    own = sys.orig_argv[1:]
    if arguments and arguments[0] in own:
        own = own[: own.index(arguments[0])]
    os.execve(sys.executable, [sys.executable, *own, *arguments], dict(_first_environment))  # noqa: S606


def _main() -> Any:
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.executable} -m dreamlake_pipeline.sealed MODULE [ARGUMENTS]")
    run_module(sys.argv[1:], dict(os.environ))


if __name__ == "__main__":
    _main()
