"""What the system tells of changes below a folder, gathered: paths, now and then. It may tell too little, never wrong.

Linux's inotify and macOS's FSEvents, by `watchfiles`, which gathers them outside of Python. Network file systems tell
nothing of what other machines write, queues overflow, and a name that is no UTF-8 ends the events of its folder: so
whoever uses this also looks at everything from time to time.
"""

from __future__ import annotations

import contextlib
import os
import time

import psutil
from watchfiles import _rust_notify
from watchfiles._rust_notify import RustNotify

_GATHER_MS = 1000  # changes are told together, after so long at the most
_STEP_MS = 250  # or when there were none for so long; also how often a signal is looked for
_MOST_PATHS = 10_000  # with more of them, everything is looked at

# What other machines write to, so that no event may tell of it. FUSE file systems are named `fuse.` and their own name.
_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afpfs", "webdav", "9p", "ceph", "glusterfs", "lustre", "beegfs"}
    | {"gpfs", "afs", "davfs", "vboxsf", "prl_fs"}
)


def is_remote(folder: str) -> bool:
    """Whether other machines, or a program of its own, may write to the file system of a folder."""
    real = os.path.realpath(folder)
    mounts = [one for one in psutil.disk_partitions(all=True) if _is_below(real, one.mountpoint)]
    kind = max(mounts, key=lambda one: len(one.mountpoint)).fstype.lower() if mounts else ""
    return kind in _REMOTE or kind.startswith(("fuse", "macfuse", "osxfuse"))


class Notices:
    """Changes below a folder. `is_working` is whether all of them are heard of, as far as the system tells any."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.abspath(folder)  # noqa: PTH100 - a link to the folder stays one
        self._notify: RustNotify | None = None
        self._identity: tuple[int, int] | None = None
        self.fault: str | None = None

    @property
    def is_working(self) -> bool:
        return self._notify is not None

    def renew(self) -> None:
        """Begin to listen, when nobody does, or when the folder is another one than before (mounted, made again)."""
        with contextlib.suppress(OSError):
            facts = os.stat(self._folder)  # noqa: PTH116
            identity = (facts.st_dev, facts.st_ino)
            if identity != self._identity:
                self.close()
            self._identity = identity
        if self._notify is not None:
            return
        try:
            self._notify = RustNotify([self._folder], False, False, 0, True, True)
            self.fault = None
        except (OSError, _rust_notify.WatchfilesRustInternalError) as fault:
            # Most often there are more folders than fs.inotify.max_user_watches.
            self.fault = str(fault)

    def wait(self, seconds: float) -> set[str] | None:
        """Paths below the folder where something changed, as soon as anything did; none after so many seconds.

        None when it is not known what changed: too much did, or the system can't tell. Raises KeyboardInterrupt.
        """
        milliseconds = max(1, int(1000 * min(seconds, 3600)))
        if self._notify is None:
            time.sleep(milliseconds / 1000)
            return set()
        try:
            told = self._notify.watch(_GATHER_MS, min(_STEP_MS, milliseconds), milliseconds, None)
        except _rust_notify.WatchfilesRustInternalError as fault:
            self.fault = str(fault)
            self.close()
            return None
        if told == "signal":
            raise KeyboardInterrupt
        if isinstance(told, str):
            return set()
        prefix = self._folder.rstrip("/") + "/"
        paths = {path.removeprefix(prefix) for _, path in told if path.startswith(prefix)}
        return paths if len(paths) <= _MOST_PATHS else None

    def close(self) -> None:
        if self._notify is not None:
            self._notify.close()
        self._notify = None


def _is_below(path: str, mountpoint: str) -> bool:
    return path == mountpoint or path.startswith(mountpoint.rstrip("/") + "/")
