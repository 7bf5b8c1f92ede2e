"""Limits of a worker (setrlimit(2)) that hold for each of its processes, whatever it is asked to do.

What a call may take is less (bounds.py) and set by the worker for itself; what all processes together have in memory
is watched by their keeper.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress

from ..bounds import MEMORY, OPEN_FILES
from .layer import LIMITS, Layer, Missing

_PROCESSES = 256 + 16 * (os.cpu_count() or 1)  # and threads: ffmpeg has some for each stream, and filters for each core


def enter(*, counted_alone: bool) -> Layer:
    """Set them. `counted_alone`: the worker's processes are no other's too, so that they can be counted. Raises Missing
    when there is no bound on processes."""
    _set("RLIMIT_CORE", 0)
    _set("RLIMIT_AS", MEMORY)
    _set("RLIMIT_NOFILE", OPEN_FILES)
    _set("RLIMIT_MEMLOCK", 0)
    _set("RLIMIT_MSGQUEUE", 0)
    if not counted_alone:
        raise Missing("how many processes there are is not bounded: this user has others, or is root")
    _set("RLIMIT_NPROC", _PROCESSES)
    return Layer(
        LIMITS, True, f"{MEMORY // 2**30} GiB of addresses and {OPEN_FILES} files a process, {_PROCESSES} threads"
    )


def _set(name: str, value: int) -> None:
    limit = getattr(resource, name, None)
    if limit is not None:
        with suppress(ValueError, OSError):  # the system has a lower one
            resource.setrlimit(limit, (value, value))
