"""The folder of a worker: what it may read (`in`) and where it may write (`out`), and nothing that is believed unseen.

A worker may be in the hands of a file. What it names as its result is taken by stepping down from `out` without
following any link, and only as a regular file, which gets a second name in a folder that the worker can't reach.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...machine import fault_of_machine

_PREFIX = "dreamlake-room-"
_DEEPEST = 8  # folders below `out` that a result may lie in
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class Untaken(Exception):
    """What a worker named is no regular file of its own."""


class TooMuchTaken(Exception):
    """What a worker named as its results is more than its call may give."""


class Room:
    """A room below `parent`, or the system's place for temporary files.

    `path` has `in` and `out`; others than its worker may pass through it, but list nothing.
    """

    def __init__(self, parent: Path | None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self.path.chmod(0o711)
        self.inputs, self.outputs = self.path / "in", self.path / "out"
        self._root = self.path / "root"  # where the worker's own root directory is put
        for folder, mode in ((self.inputs, 0o755), (self.outputs, 0o700), (self._root, 0o755)):
            folder.mkdir()
            folder.chmod(mode)
        self._in, self._out = (os.open(folder, _FOLDER) for folder in (self.inputs, self.outputs))

    def lay(self, source: Path) -> Path:
        """A file under another name in `in`, where the worker may read it; a copy where the disks are two."""
        place = self.inputs / "source"
        try:
            os.link(source, place)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copyfile(source, place)
        mode = place.stat().st_mode
        if not mode & stat.S_IROTH:  # the worker may be another user
            place.chmod(mode | stat.S_IROTH)
        return place

    def used(self, most_bytes: int, most_files: int) -> bool:
        """Whether there is more in `out` than this."""
        folders = [str(self.outputs)]
        size = count = 0
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        count += 1
                        with suppress(FileNotFoundError):
                            if entry.is_dir(follow_symlinks=False):
                                folders.append(entry.path)
                            else:
                                found = entry.stat(follow_symlinks=False)
                                size += min(found.st_size, found.st_blocks * 512)
                        if size > most_bytes or count > most_files:
                            return True
            except FileNotFoundError:  # what is no longer needed is deleted
                continue
            except OSError:  # so deep that it has no path, or closed to us: no maker's work
                return True
        return False

    def clear(self) -> None:
        """Delete everything in it, however it was left."""
        for folder in (self._in, self._out):
            clear(folder)

    def close(self) -> None:
        """Delete it; no process may be at work in it."""
        self.clear()
        for folder in (self._in, self._out):
            os.close(folder)
        for path in (self.inputs, self.outputs, self._root, self.path):
            path.rmdir()

    def takings(self, below: Path, into: Path, most_bytes: int, most_files: int) -> Takings:
        return Takings(self._out, below.relative_to(self.outputs).parts, below, into, most_bytes, most_files)


class Takings:
    """Takes the results of one call, in `below`, out of a room and `into` a folder, each file once.

    What is taken stays when the worker deletes it, and so it is counted here: by the sizes of files, since a sparse one
    takes no room here but all of its size in the object store.
    """

    def __init__(
        self, outputs: int, steps: tuple[str, ...], below: Path, into: Path, most_bytes: int, most_files: int
    ) -> None:
        self._outputs, self._steps, self._below, self._into = outputs, steps, below, into
        self._bytes_left, self._files_left = most_bytes, most_files
        self._taken: dict[tuple[str, ...], Path] = {}

    def take(self, text: str) -> Path:
        """The file that the worker calls `text`, as a file of ours.

        Raises Untaken when it is none of the worker's, TooMuchTaken when all of them are more than they may be, and
        OSError for what the machine lacks.
        """
        steps = self._steps_of(text)
        if steps not in self._taken:
            self._taken[steps] = self._take(steps)
        return self._taken[steps]

    def _steps_of(self, text: str) -> tuple[str, ...]:
        try:
            steps = Path(text).relative_to(self._below).parts
        except ValueError:
            raise Untaken from None
        if not 1 <= len(steps) <= _DEEPEST or ".." in steps or "\0" in text:
            raise Untaken
        return steps

    def _take(self, steps: tuple[str, ...]) -> Path:
        if len(self._taken) >= self._files_left:
            raise TooMuchTaken
        place = self._into / f"{len(self._taken):05d}"
        try:
            with _stepped(self._outputs, (*self._steps, *steps[:-1])) as folder:
                self._bytes_left -= _take_file(folder, steps[-1], place, self._bytes_left)
        except (OSError, ValueError) as fault:
            if fault_of_machine(fault) is not None:
                raise
            raise Untaken from None
        return place


@contextmanager
def _stepped(folder: int, steps: tuple[str, ...]) -> Iterator[int]:
    """The folder that one comes to by `steps`, none of which may be a link."""
    here = os.dup(folder)
    try:
        for step in steps:
            following = os.open(step, _FOLDER, dir_fd=here)
            os.close(here)
            here = following
        yield here
    finally:
        os.close(here)


def _take_file(folder: int, name: str, place: Path, most: int) -> int:
    """Give a regular file of at most so many bytes another name, or copy it where that can't be; its size. Raises
    OSError for anything else, TooMuchTaken."""
    try:
        # A link to what is a link itself would be one, too: what came out is looked at, and nothing else.
        os.link(name, place, src_dir_fd=folder, follow_symlinks=False)
        found = place.lstat()
        if not stat.S_ISREG(found.st_mode):
            place.unlink()
            raise FileNotFoundError(errno.ENOENT, "no regular file")
        if found.st_size > most:
            raise TooMuchTaken
        return found.st_size
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # O_NONBLOCK: nobody need be at the other end of a FIFO.
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileNotFoundError(errno.ENOENT, "no regular file") from None
            with place.open("xb") as copy:
                while block := file.read(1 << 20):
                    if copy.tell() + len(block) > most:  # it may grow while it is read
                        raise TooMuchTaken from None
                    copy.write(block)
                return copy.tell()


def clear(top: int) -> None:
    """Empty an open folder. What lies deep is moved up first, so that neither depth nor permissions stop it."""
    names = itertools.count()
    while entries := _entries(top):
        for name, is_folder in entries:
            if not is_folder:
                os.unlink(name, dir_fd=top)
                continue
            with suppress(OSError):
                os.rmdir(name, dir_fd=top)
                continue
            _open_up(name, top)
            folder = os.open(name, _FOLDER, dir_fd=top)
            try:
                for below, is_folder_too in _entries(folder):
                    if is_folder_too:
                        _open_up(below, folder)
                        os.rename(below, f".{next(names)}.cleared", src_dir_fd=folder, dst_dir_fd=top)
                    else:
                        os.unlink(below, dir_fd=folder)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)


def _entries(folder: int) -> list[tuple[str, bool]]:
    with os.scandir(folder) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]


def _open_up(name: str, folder: int) -> None:
    """Make a folder one that can be read and changed, whatever permissions it was given."""
    if not hasattr(os, "O_PATH"):
        os.chmod(name, 0o700, dir_fd=folder, follow_symlinks=False)
        return
    place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=folder)
    try:
        Path(f"/proc/self/fd/{place}").chmod(0o700)
    finally:
        os.close(place)
