"""Reading objects that may be damaged.

A disk that lost some of an object's bytes shows in this: the store answers, and the bytes break off before the end that
it announced. Once, that is a connection that failed; again and again, while the store goes on answering, it is the
object, which no waiting mends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from ..errors import Code, DreamlakeError
from ..storage import ObjectStore, was_answered

_READS = 3

Result = TypeVar("Result")


def sha256_of(store: ObjectStore, key: str) -> str | None:
    """The SHA-256 of an object's bytes, read in small blocks; None when they break off each time.

    Raises NOT_FOUND, and STORAGE_FAILED while the store is away.
    """

    def read() -> str:
        digest = hashlib.sha256()
        _, blocks = store.open(key)
        for block in blocks:
            digest.update(block)
        return digest.hexdigest()

    return _read(store, key, read)


def read_small(store: ObjectStore, key: str, most: int) -> bytes | None:
    """The bytes of an object; None when they are more than `most`, or break off each time.

    Raises NOT_FOUND, and STORAGE_FAILED while the store is away.
    """
    return _read(store, key, lambda: store.read_small(key, most))


def _read(store: ObjectStore, key: str, read: Callable[[], Result]) -> Result | None:
    for _ in range(_READS):
        try:
            return read()
        except DreamlakeError as error:
            if not error.is_passing:
                raise
            store.head(key)  # raises while the store is away
    return None


def is_refused(store: ObjectStore, key: str, error: DreamlakeError) -> bool:
    """Whether `error` is the store's refusal to give this object alone, as for a key of encryption that is gone.

    Raises STORAGE_FAILED while the store is away, and when it refuses everything: that says nothing of an object.
    """
    if error.is_passing or error.code is Code.NOT_FOUND or not was_answered(error):
        return False
    store.list_page(f"{key.rpartition('/')[0]}/", limit=1)
    return True
