"""What has arrived of a file, beside the place where it will lie: gone on with later, put there once it is whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import filecmp
import hashlib
import os
import threading
from pathlib import Path

from ...errors import Code, DreamlakeError
from ...remote.patience import Stopped
from ..walk import show_path
from .block import OwnBlock

_GRAIN = 1 << 20  # bytes; no file system has larger blocks
_LEAST_KEPT = 1 << 20  # bytes; less is fetched again rather than left lying about
_own = OwnBlock()
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES)


class Partial:
    """The file `.NAME.KEY.part` in the folder of `path`: the beginning of the bytes, and blocks further on.

    Blocks are placed in any order; the hash follows over what the file has. `written` counts the bytes that it came
    over, `digest` is of them. `key` is another one for every content. A context: only one process has it at a time, and
    at its end, what did not become the file is cut to `written` bytes, and kept if that is worth it. Raises OSError,
    and CONFLICT when another process has it.
    """

    def __init__(self, path: str, key: str) -> None:
        self.path = path
        folder, name = os.path.split(path)
        shown = os.fsdecode(os.fsencode(name)[:100])
        self._beside = str(Path(folder, f".{shown}.{key}.part"))
        self.written = 0
        self.digest = hashlib.sha256()
        self._descriptor = -1
        self._placing = threading.Lock()  # so that nothing is written once it is closed

    def __enter__(self) -> Partial:
        self._descriptor = self._open()
        return self

    def __exit__(self, *_: object) -> None:
        with self._placing, contextlib.suppress(OSError):
            if self._descriptor < 0:
                return
            if self.written < _LEAST_KEPT:
                Path(self._beside).unlink()
            else:
                os.ftruncate(self._descriptor, self.written)
        self._close()

    def _open(self) -> int:
        while True:
            descriptor = os.open(self._beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            try:
                _lock(descriptor, self.path)
                # Whoever had it before may have put it in its place meanwhile.
                if os.fstat(descriptor).st_nlink and os.path.samestat(os.fstat(descriptor), Path(self._beside).stat()):
                    return descriptor
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def recover(self, most: int) -> None:
        """Go on behind the beginning that is there, which is read; what has more than `most` bytes is thrown away."""
        if os.fstat(self._descriptor).st_size > most:
            self.start_anew()
        beginning = self._beginning()
        os.ftruncate(self._descriptor, beginning)
        self.follow(beginning)

    def _beginning(self) -> int:
        """How many bytes are before the first gap, as a process leaves one that is killed while several parts arrive.

        A gap is a hole in the file (lseek(2), SEEK_HOLE), which begins behind the file system's block in which the
        bytes end. A file system that does not tell of holes has the whole file count, and its hash decides.
        """
        size = os.fstat(self._descriptor).st_size
        hole = os.lseek(self._descriptor, 0, os.SEEK_HOLE) if size else 0
        return size if hole >= size else max(0, hole - 1) // _GRAIN * _GRAIN

    def start_anew(self) -> None:
        """Throw away what is there."""
        os.ftruncate(self._descriptor, 0)
        self.written, self.digest = 0, hashlib.sha256()

    def place(self, at: int, block: bytes | memoryview) -> None:
        """Write bytes that begin at the offset `at`. Safe to call from several threads. Raises Stopped once it is
        closed."""
        rest = memoryview(block)
        with self._placing:
            if self._descriptor < 0:
                raise Stopped
            while rest:
                count = os.pwrite(self._descriptor, rest, at)
                at += count
                rest = rest[count:]

    def follow(self, end: int) -> None:
        """Hash what the file has up to the offset `end`. Raises OSError where it has less."""
        while self.written < end:
            room = _own.memory[: end - self.written]
            count = os.preadv(self._descriptor, [room], self.written)
            if not count:
                raise OSError(errno.EIO, "it was cut off by somebody else")
            self.digest.update(room[:count])
            self.written += count

    def put_in_place(self, *, replace: bool) -> bool:
        """It becomes the file. Without `replace`, only where there is none: False when one of the same content is.

        Raises CONFLICT when one of another content is there.
        """
        path, beside = Path(self.path), Path(self._beside)
        if path.is_dir():
            raise DreamlakeError(Code.CONFLICT, f"{show_path(self.path)} is a folder.")
        os.fsync(self._descriptor)
        if replace:
            beside.replace(path)
        elif not self._link():
            if not filecmp.cmp(beside, path, shallow=False):
                raise exists(self.path)
            beside.unlink()
            self._close()
            return False
        self._close()
        return True

    def _link(self) -> bool:
        """Give it its name if nobody has it."""
        path, beside = Path(self.path), Path(self._beside)
        try:
            path.hardlink_to(beside)
        except FileExistsError:
            return False
        except OSError as fault:
            if fault.errno not in _NO_LINKS:
                raise
            if os.path.lexists(path):
                return False
            beside.replace(path)  # a file system without hard links
        else:
            beside.unlink()
        return True

    def discard(self) -> None:
        """It is of no use."""
        Path(self._beside).unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        with self._placing:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1


def exists(path: str) -> DreamlakeError:
    """The error for a local file of another content than what is fetched."""
    return DreamlakeError(
        Code.CONFLICT, f"{show_path(path)} exists, with other content.", hint="Pass --force to replace it, or -o."
    )


def _lock(descriptor: int, path: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DreamlakeError(Code.CONFLICT, f"Another process downloads {show_path(path)} at this moment.") from None
    except OSError:
        pass  # a file system without locks: two at once waste time, and the hash decides in the end
