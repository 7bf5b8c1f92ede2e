"""Faults of the machine: what it lacks, or what broke in it, as one of our errors.

A disk that is full, a quota, too many open files: nothing of that says anything about the file at which it shows. The
same file is processed when the machine is well again (processing/faults.py).
"""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

from .errors import Code, DreamlakeError

_FULL = {errno.ENOSPC: "the disk for temporary files is full", errno.EDQUOT: "the quota of its disk is used up"}
# The meanings are those of errno(3).
_BROKEN = {
    errno.EMFILE: "a process may open no more files",
    errno.ENFILE: "all processes together may open no more files",
    errno.ENOMEM: "there is no memory left",
    errno.ENOBUFS: "there is no memory left for connections",
    errno.EAGAIN: "no further process or thread may be started",
    errno.EIO: "a disk can't be read or written",
    errno.EROFS: "the disk for temporary files can only be read",
    errno.ENODEV: "a disk is gone",
    errno.ENXIO: "a disk is gone",
    errno.ESTALE: "a network disk is gone",
}
_LEAST_MEMORY = 128 * 2**20  # bytes; with less than this, whoever asks for memory may be refused it


def fault_of_machine(fault: BaseException) -> DreamlakeError | None:
    """What the machine lacks, where that is what an exception says: STORAGE_FULL or MACHINE_FAILED; None for all else.

    What libav raises is of a file's bytes: it says "Input/output error" and the like of those that make no sense.
    """
    if type(fault).__module__.startswith("av."):
        return None
    if isinstance(fault, MemoryError):
        return failed(_BROKEN[errno.ENOMEM])
    if isinstance(fault, RuntimeError) and "can't start new thread" in str(fault):  # CPython says it no other way
        return failed(_BROKEN[errno.EAGAIN])
    if not isinstance(fault, OSError) or fault.errno is None:
        return None
    if (what := _FULL.get(fault.errno)) is not None:
        return DreamlakeError(Code.STORAGE_FULL, _sentence(what), hint="Make room; the file is tried again by itself.")
    if (what := _BROKEN.get(fault.errno)) is not None:
        return failed(what)
    return None


def failed(what: str) -> DreamlakeError:
    """The error that says `what` the machine lacks: a clause."""
    return DreamlakeError(
        Code.MACHINE_FAILED, _sentence(what), hint="Look after the machine; the file is tried again by itself."
    )


def _sentence(what: str) -> str:
    return f"The machine that processes files is not well: {what}."


def is_short_of_memory() -> bool:
    """Whether the system has next to no memory to give, whoever asks for it (proc_meminfo(5))."""
    with suppress(OSError, ValueError, KeyError):
        lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        found = {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if len(line) > 1}
        if found["MemAvailable"] < _LEAST_MEMORY:
            return True
        is_strict = Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "2"
        return is_strict and found["CommitLimit"] - found["Committed_AS"] < _LEAST_MEMORY
    return False
