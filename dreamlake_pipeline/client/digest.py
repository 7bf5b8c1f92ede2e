"""A local file's content as hashes, and the certainty that it stayed the same meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import Code, DreamlakeError
from ..kinds import Kind
from .walk import Version, show_path, unreadable

_BLOCK = 2 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 of a file (hex) and, when it has more than one part, of each part of `part_size` bytes.

    `read_at_ns`: when its reading began (ns since 1970); 0 when it was not read but remembered. `content_kind`: whether
    its content is a video or sound, where it was looked at (preflight.py) and that is known.
    """

    version: Version
    sha256: str
    part_size: int
    parts: tuple[str, ...] = ()
    read_at_ns: int = 0
    content_kind: Kind | None = None


@contextmanager
def open_file(path: str) -> Iterator[int]:
    """A descriptor of a regular file with content. Raises FILE_MISSING, FILE_EMPTY, FILE_UNREADABLE."""
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to must not wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as fault:
        raise unreadable(path, fault) from None
    try:
        facts = os.fstat(descriptor)
        if stat.S_ISDIR(facts.st_mode):
            raise DreamlakeError(
                Code.FILE_UNREADABLE, f"{show_path(path)} is a folder.", hint="Use `dreamlake ingest` for folders."
            )
        if not stat.S_ISREG(facts.st_mode):
            raise DreamlakeError(Code.FILE_UNREADABLE, f"{show_path(path)} is no regular file.")
        if facts.st_size == 0:
            raise DreamlakeError(Code.FILE_EMPTY, f"{show_path(path)} is empty (0 bytes).")
        yield descriptor
    except OSError as fault:
        raise unreadable(path, fault) from None
    finally:
        os.close(descriptor)


def digest_file(path: str, part_size: int, on_bytes: Callable[[int], None] = lambda _: None) -> Digest:
    """Read the file once and hash it, whole and by parts; `on_bytes` hears of every block.

    Raises FILE_MISSING, FILE_EMPTY, FILE_UNREADABLE, or FILE_CHANGED when it was written to meanwhile.
    """
    read_at_ns = time.time_ns()
    with open_file(path) as descriptor:
        version = Version.of(os.fstat(descriptor))
        blocks = _blocks(path, descriptor, version.size, min(part_size, _BLOCK), on_bytes)
        parts: tuple[str, ...] = ()
        if version.size > part_size:
            whole, parts = _digest_parts(blocks, part_size)
        else:
            whole = hashlib.sha256()
            for block in blocks:
                whole.update(block)
        require_unchanged(path, descriptor, version)
    return Digest(version, whole.hexdigest(), part_size, parts, read_at_ns)


def _blocks(path: str, descriptor: int, size: int, most: int, on_bytes: Callable[[int], None]) -> Iterator[memoryview]:
    """The file's bytes in turn, up to `most` at a time; each block is valid until the next but one is asked for."""
    buffer, other = (memoryview(bytearray(min(most, size))) for _ in range(2))
    offset = 0
    while offset < size:
        count = os.preadv(descriptor, [buffer[: size - offset]], offset)
        if count == 0:
            raise changed(path)
        on_bytes(count)
        yield buffer[:count]
        buffer, other = other, buffer
        offset += count


def _digest_parts(blocks: Iterable[memoryview], part_size: int) -> tuple[hashlib._Hash, tuple[str, ...]]:
    """The hash of all blocks, and those of the parts: side by side, since either takes one core to itself."""
    whole, parts = hashlib.sha256(), _Parts(part_size)
    added: Future[None] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="dreamlake-parts") as helper:
        for block in blocks:  # read while the block before it is still being added
            if added is not None:
                added.result()
            added = helper.submit(parts.add, block)
            whole.update(block)
    return whole, tuple(part.hexdigest() for part in parts.hashes)


class _Parts:
    """Hashes of parts of `size` bytes, fed with blocks of any size."""

    def __init__(self, size: int) -> None:
        self.hashes = [hashlib.sha256()]
        self._size = size
        self._left = size

    def add(self, block: memoryview) -> None:
        while block:
            if not self._left:
                self.hashes.append(hashlib.sha256())
                self._left = self._size
            taken, block = block[: self._left], block[self._left :]
            self.hashes[-1].update(taken)
            self._left -= len(taken)


def read_whole(path: str, digest: Digest) -> bytes:
    """The bytes of a small file, which are those of `digest`. Raises FILE_CHANGED, and what `open_file` raises."""
    with open_file(path) as descriptor:
        require_unchanged(path, descriptor, digest.version)
        data = os.pread(descriptor, digest.version.size, 0)
    if len(data) != digest.version.size or hashlib.sha256(data).hexdigest() != digest.sha256:
        raise changed(path)
    return data


def require_unchanged(path: str, descriptor: int, version: Version) -> None:
    """Raise FILE_CHANGED unless the open file is still in the state `version`."""
    if Version.of(os.fstat(descriptor)) != version:
        raise changed(path)


def changed(path: str) -> DreamlakeError:
    return DreamlakeError(
        Code.FILE_CHANGED,
        f"{show_path(path)} changed while it was being read.",
        hint="Run the command again when nothing writes to it.",
    )
