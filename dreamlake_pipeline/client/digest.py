"""A local file's content as hashes, and the certainty that it stayed the same meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import Code, DreamlakeError
from .walk import show_path, unreadable

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one state of a file from another without reading it."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, facts: os.stat_result) -> Version:
        return cls(facts.st_size, facts.st_mtime_ns, facts.st_ino)


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 of a file (hex) and, when it has more than one part, of each part of `part_size` bytes."""

    version: Version
    sha256: str
    part_size: int
    parts: tuple[str, ...] = ()


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
    with open_file(path) as descriptor:
        version = Version.of(os.fstat(descriptor))
        whole = hashlib.sha256()
        parts: list[str] = []
        offset = 0
        buffer = memoryview(bytearray(min(_BLOCK, version.size)))
        while offset < version.size:
            part = hashlib.sha256()
            end = min(offset + part_size, version.size)
            while offset < end:
                count = os.preadv(descriptor, [buffer[: end - offset]], offset)
                if count == 0:
                    raise changed(path)
                whole.update(buffer[:count])
                if version.size > part_size:
                    part.update(buffer[:count])
                offset += count
                on_bytes(count)
            parts.append(part.hexdigest())
        require_unchanged(path, descriptor, version)
    return Digest(version, whole.hexdigest(), part_size, tuple(parts) if len(parts) > 1 else ())


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
