"""The embedded S3 server's application, as each of its worker processes makes it: `uvicorn --factory …:create_app`.

nanio waits for the disk in the one thread that answers requests, so a second process serves while the first one waits.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware

from ... import sealed
from .. import state
from .operations import Operations
from .storage import Storage, sweep
from .wall import Wall

_PR_SET_PDEATHSIG = 1  # prctl(2)

# Of an object, what is read for one reader at a time: one who stalls makes the server keep twice as much.
_CHUNK_BYTES = 256 << 10


def create_app() -> Any:
    """The application of the stack under `DREAMLAKE_HOME`.

    It reads its keys from there: uvicorn starts workers as new programs, and what is in the environment of a new
    program can be read by every process of the same user before the program has its first say.
    """
    from nanio.app import build_app
    from nanio.auth.credentials import StaticCredentialResolver
    from nanio.config import Settings

    sealed.seal()
    _end_with_parent()
    stack = state.load(Path(os.environ["DREAMLAKE_HOME"]))
    if stack is None:
        sys.exit("No stack was ever started here.")
    keys = StaticCredentialResolver({stack.credentials.s3_access_key: stack.credentials.s3_secret_key})
    nanio = build_app(Settings(data_dir=stack.objects, region=state.REGION, credentials=keys, chunk_size=_CHUNK_BYTES))
    threading.Thread(target=sweep, args=[stack.objects], daemon=True).start()
    nanio.state.storage = Storage(stack.objects, chunk_size=_CHUNK_BYTES)
    nanio.user_middleware.append(Middleware(Operations, objects=stack.objects))  # behind nanio's own, which verifies
    return Wall(nanio)


def _end_with_parent() -> None:
    """Have the system end this process with the one that started it. A worker that outlived it would keep the port,
    and the server that the supervisor starts in its place could not listen."""
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it ended meanwhile
        sys.exit(1)
