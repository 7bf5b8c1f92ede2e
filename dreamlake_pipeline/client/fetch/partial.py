"""What has arrived of a file, beside the place where it will lie: gone on with later, put there once it is whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import filecmp
import hashlib
import os
from pathlib import Path

from ...errors import Code, DreamlakeError
from ..walk import show_path

_BLOCK = 1 << 20
_LEAST_KEPT = 1 << 20  # bytes; less is fetched again rather than left lying about
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES)


class Partial:
    """The file `.NAME.KEY.part` in the folder of `path`: the beginning of the bytes, and nothing behind it.

    `key` is another one for every content. A context: only one process has it at a time, and at its end, what did not
    become the file is kept if it is worth it. `written` counts its bytes, `digest` is of them. Raises OSError, and
    CONFLICT when another process has it.
    """

    def __init__(self, path: str, key: str) -> None:
        self.path = path
        folder, name = os.path.split(path)
        shown = os.fsdecode(os.fsencode(name)[:100])
        self._beside = str(Path(folder, f".{shown}.{key}.part"))
        self.written = 0
        self.digest = hashlib.sha256()

    def __enter__(self) -> Partial:
        self._descriptor = self._open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor < 0:
            return
        if self.written < _LEAST_KEPT:
            with contextlib.suppress(OSError):
                Path(self._beside).unlink()
        os.close(self._descriptor)

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
        """Go on behind what is there, which is read; what has more than `most` bytes is thrown away."""
        if os.fstat(self._descriptor).st_size > most:
            self.start_anew()
        while block := os.pread(self._descriptor, _BLOCK, self.written):
            self.digest.update(block)
            self.written += len(block)

    def start_anew(self) -> None:
        """Throw away what is there."""
        os.ftruncate(self._descriptor, 0)
        self.written, self.digest = 0, hashlib.sha256()

    def write(self, block: bytes | bytearray) -> None:
        """Add the next bytes."""
        self.digest.update(block)
        rest = memoryview(block)
        while rest:
            count = os.pwrite(self._descriptor, rest, self.written)
            self.written += count
            rest = rest[count:]

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
