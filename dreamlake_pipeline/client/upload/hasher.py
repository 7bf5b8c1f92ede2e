"""Digests of local files: recalled from the cache, or read and then remembered in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..cache import HashCache
from ..digest import Digest, digest_file
from ..selection import LocalFile

# What is expected of BSS until its first plan says otherwise, so that parts are hashed while the file is read.
_PART_SIZE = 8 * 2**20

_REMEMBER_FILES = 500  # digests are written to the cache after so many files,
_REMEMBER_BYTES = 2**30  # or so many bytes read


class Hasher:
    """Digests with parts of `part_size` bytes, which may change on the way. Safe to share between threads."""

    def __init__(self, cache: HashCache, *, rehash: bool, on_bytes: Callable[[int], None]) -> None:
        """With `rehash`, nothing is recalled. `on_bytes` hears of every block that is read."""
        self.part_size = _PART_SIZE
        self._cache = cache
        self._rehash = rehash
        self._on_bytes = on_bytes
        self._unremembered: list[tuple[str, Digest]] = []
        self._unremembered_bytes = 0
        self._lock = threading.Lock()

    def recall(self, files: Sequence[LocalFile]) -> list[Digest | None]:
        """The digest of each file, in order; None where it must be read."""
        if self._rehash:
            return [None] * len(files)
        return self._cache.recall([(file.path, file.version) for file in files])

    def digest(self, file: LocalFile) -> Digest:
        """Read and hash the file, and have the cache remember it. Raises what `digest_file` raises."""
        read = digest_file(file.path, self.part_size, self._on_bytes)
        digest = replace(read, content_kind=file.content_kind)
        with self._lock:
            self._unremembered.append((file.path, digest))
            self._unremembered_bytes += digest.version.size
            is_much = len(self._unremembered) >= _REMEMBER_FILES or self._unremembered_bytes >= _REMEMBER_BYTES
        if is_much:
            self.remember()
        return digest

    def remember(self) -> None:
        """Write to the cache what was hashed since the last time."""
        with self._lock:
            digests, self._unremembered, self._unremembered_bytes = self._unremembered, [], 0
        self._cache.remember(digests)
