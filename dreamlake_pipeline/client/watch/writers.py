"""Who has a file open to write into it, where the system tells: on Linux, of the processes that one may look into.

That is all of them for root, one's own for others. A file that is mapped into memory and closed is not seen.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

_PROC = "/proc"


def writers(paths: Collection[str]) -> dict[str, str]:
    """Of these files, those that a process has open for writing, and its name and id."""
    found: dict[str, str] = {}
    wanted = {os.path.basename(os.path.realpath(path)) for path in paths}  # noqa: PTH119
    by_identity: dict[tuple[int, int], str] | None = None
    for pid in _processes():
        for descriptor, name in _files_of(pid):
            # A process in a container has other folders, not other names: what has one of the names is looked at.
            if name not in wanted or not _is_writable(pid, descriptor):
                continue
            if by_identity is None:
                by_identity = dict(_identities(paths))
            with contextlib.suppress(OSError):
                facts = os.stat(f"{_PROC}/{pid}/fd/{descriptor}")  # noqa: PTH116
                if path := by_identity.get((facts.st_dev, facts.st_ino)):
                    found.setdefault(path, f"{_name_of(pid)} (process {pid})")
    return found


def _processes() -> list[str]:
    try:
        return [name for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208
    except OSError:
        return []


def _files_of(pid: str) -> list[tuple[str, str]]:
    """The open files of a process, each as its number and the last part of its name."""
    folder, files = f"{_PROC}/{pid}/fd", []
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(folder):  # noqa: PTH208
            with contextlib.suppress(OSError):
                files.append((descriptor, os.readlink(f"{folder}/{descriptor}").rpartition("/")[2]))  # noqa: PTH115
    return files


def _is_writable(pid: str, descriptor: str) -> bool:
    """Whether a descriptor is open for writing (proc_pid_fdinfo(5): `flags` is octal)."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"{_PROC}/{pid}/fdinfo/{descriptor}").read_text().splitlines():
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _identities(paths: Collection[str]) -> list[tuple[tuple[int, int], str]]:
    identities = []
    for path in paths:
        with contextlib.suppress(OSError):
            facts = os.stat(path)  # noqa: PTH116
            identities.append(((facts.st_dev, facts.st_ino), path))
    return identities


def _name_of(pid: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"{_PROC}/{pid}/comm").read_text().strip()
    return "a process"
