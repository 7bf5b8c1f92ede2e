"""The embedded S3 server's application, as each of its worker processes makes it.

nanio waits for the disk in the one thread that answers requests, so a second process serves while the first one waits.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1  # prctl(2)


def create_app() -> Any:
    """nanio's application, configured by its environment variables."""
    from nanio.app import build_app

    _end_with_parent()
    return build_app()


def _end_with_parent() -> None:
    """Have the system end this process with the one that started it. A worker that outlived it would keep the port,
    and the server that the supervisor starts in its place could not listen."""
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it ended meanwhile
        sys.exit(1)
