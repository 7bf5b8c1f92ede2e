"""Temporary folders of files at work: each is locked by its process, so that those of a killed one are found.

A lock ends with the process that holds it, however that ended (flock(2)); no process id has to be believed, and
machines may share the disk.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..media.run.room import clear

log = logging.getLogger(__name__)

# Nobody else's folders are called so: they are deleted without a question.
_PREFIX = ".dreamlake-scratch-"
_YOUNG_SECONDS = 60  # a folder that was just made may not be locked yet


@contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """A folder below `parent`, or the system's place for temporary files, that is gone at the end.

    What a thread still writes there by then is left to the next run's `sweep`. Raises OSError when there is no room.
    """
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True) as name:
        # A worker may be another user: it comes through to its room, and can list nothing on the way.
        Path(name).chmod(0o711)
        lock = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def sweep(parent: Path | None) -> int:
    """Delete the folders that killed processes left below `parent`; how many there were. Never raises OSError."""
    swept = 0
    try:
        with os.scandir(parent or tempfile.gettempdir()) as entries:
            found = [entry.path for entry in entries if entry.name.startswith(_PREFIX) and _is_old_folder(entry)]
    except OSError as fault:
        log.warning("Temporary folders were not looked through: %s", fault)
        return 0
    for path in found:
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # somebody else's, or gone
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            clear(lock)  # shutil.rmtree calls itself for each folder below, and a worker left as many as it liked
            os.rmdir(path)  # noqa: PTH106
            swept += 1
        except BlockingIOError:
            continue
        except OSError as fault:
            log.warning("A temporary folder of a run that was killed, %s, could not be deleted: %s", path, fault)
        finally:
            os.close(lock)
    return swept


def _is_old_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return (
            entry.is_dir(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
            and time.time() - entry.stat(follow_symlinks=False).st_mtime > _YOUNG_SECONDS
        )
    except OSError:
        return False
