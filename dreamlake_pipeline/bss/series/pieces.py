"""The parts of a stored object that a reader needs, fetched side by side, as a file that has nothing else."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ...errors import Code, DreamlakeError
from ...storage import ObjectStore

# Bytes between two parts that are read along: a request costs as much time as these.
_HOLE = 256 * 2**10
_PART = 8 * 2**20
MOST_BYTES = 128 * 2**20  # of one answer

_fetchers = ThreadPoolExecutor(8, thread_name_prefix="series")


class Extent(NamedTuple):
    """Bytes of an object."""

    start: int
    end: int


class Pieces(io.RawIOBase):
    """A file of `size` bytes of which some are at hand; whoever reads others gets OSError."""

    def __init__(self, size: int, pieces: Sequence[tuple[int, bytes]]) -> None:
        super().__init__()
        self._size, self._at = size, 0
        self._pieces = sorted(pieces, key=lambda piece: piece[0])
        self._starts = [start for start, _ in self._pieces]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._at if size < 0 else min(size, self._size - self._at)
        found = bytearray()
        while len(found) < wanted:
            number = bisect_right(self._starts, self._at) - 1
            start, piece = self._pieces[number] if number >= 0 else (0, b"")
            part = piece[self._at - start : self._at - start + wanted - len(found)]
            if not part:
                raise OSError(f"byte {self._at} was not fetched")
            found += part
            self._at += len(part)
        return bytes(found)


def fetch(store: ObjectStore, key: str, size: int, extents: Iterable[Extent]) -> Pieces:
    """These extents of an object of `size` bytes. Raises NOT_FOUND, STORAGE_FAILED, REQUEST_TOO_LARGE."""
    parts = list(_parts(_joined(extents)))
    if sum(end - start for start, end in parts) > MOST_BYTES:
        raise too_large(key, MOST_BYTES)
    reads = [_fetchers.submit(store.read, key, start=start, length=end - start) for start, end in parts[1:]]
    first = [store.read(key, start=start, length=end - start) for start, end in parts[:1]]
    found = [*first, *(read.result() for read in reads)]
    return Pieces(size, [(extent.start, data) for extent, data in zip(parts, found, strict=True)])


def too_large(key: str, most: int) -> DreamlakeError:
    """What to answer when more bytes than `most` of an object would be read."""
    return DreamlakeError(
        Code.REQUEST_TOO_LARGE,
        f"This would read more than {most // 2**20} MiB of {key.rpartition('/')[2]}.",
        hint="Ask for fewer fields at a time, or for a shorter span.",
    )


def _joined(extents: Iterable[Extent]) -> list[Extent]:
    joined: list[Extent] = []
    for start, end in sorted(extents):
        if joined and start - joined[-1].end <= _HOLE:
            joined[-1] = Extent(joined[-1].start, max(joined[-1].end, end))
        else:
            joined.append(Extent(start, end))
    return joined


def _parts(extents: Iterable[Extent]) -> Iterable[Extent]:
    for start, end in extents:
        for begin in range(start, end, _PART):
            yield Extent(begin, min(begin + _PART, end))
