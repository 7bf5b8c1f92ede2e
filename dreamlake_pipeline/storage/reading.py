"""What is stored under a key: looked at, read, downloaded."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol

from ..errors import Code, DreamlakeError
from .bucket import Bucket
from .failures import is_bad_range, translated
from .objects import METADATA_PREFIX, SMALL, ObjectInfo

_BLOCK = 1 << 20
_BLOCKS_AHEAD = 8
_PIECE = 128 << 10


class Reading(Bucket):
    def head(self, key: str) -> ObjectInfo | None:
        """What is stored under `key`; None when nothing is."""
        try:
            with translated("look at", key):
                answer = self._signed.send("HEAD", key)
                if answer is None:
                    found = self.client.head_object(Bucket=self.bucket, Key=key)
                    return _object_info(key, found["ResponseMetadata"]["HTTPHeaders"])
        except DreamlakeError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        return None if answer.status == 404 else _object_info(key, answer.headers)

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or `length` of them from `start` (fewer at its end, none behind it). Raises NOT_FOUND."""
        if not start and length is None:
            return self._read(key)
        end = "" if length is None else start + length - 1
        try:
            return self._read(key, f"bytes={start}-{end}")
        except DreamlakeError as error:
            if not is_bad_range(error):
                raise
        # A range must start inside the object (RFC 9110, 14.1.2), and some servers also want it to end there.
        found = self.head(key)
        if found is None or start >= found.size:
            return b""
        return self._read(key, f"bytes={start}-{found.size - 1}")

    def read_small(self, key: str, most: int) -> bytes | None:
        """The object's bytes; None when they are more than `most`. Raises NOT_FOUND."""
        with translated("read", key):
            size, body = self._get(key)
            with closing(body):
                return body.read(size) if size <= most else None

    def _read(self, key: str, range_: str | None = None) -> bytes:
        with translated("read", key):
            size, body = self._get(key, range_)
            with closing(body):
                return body.read(size)

    def _get(self, key: str, range_: str | None = None) -> tuple[int, _Body]:
        """How many bytes come, and the body that they come from, to be closed; it raises when fewer come."""
        wanted: Any = {"Range": range_} if range_ else {}
        answer = self._signed.open(key, headers=wanted)
        if answer is not None:
            length, body = answer.headers.get("content-length", ""), answer
        else:
            found = self.client.get_object(Bucket=self.bucket, Key=key, **wanted)
            length, body = str(found.get("ContentLength", "")), found["Body"]
        if not length.isdecimal():  # where a body ends that says nothing of it, nobody knows whether it is whole
            body.close()
            raise DreamlakeError(Code.STORAGE_FAILED, f"The object store does not say how long {key!r} is.")
        return int(length), body

    def open(self, key: str) -> tuple[int, Iterator[bytes]]:
        """The object's size, and its bytes in small blocks as they come: there may be as many readers as there are
        players, some of which stall. Raises NOT_FOUND; the blocks raise STORAGE_FAILED when they break off."""
        with translated("read", key):
            size, body = self._get(key)
        return size, _blocks(body, key)

    def download(self, key: str, path: Path) -> str:
        """Write the object to `path` and return the SHA-256 (hex) of what was written. Raises NOT_FOUND."""
        digest = hashlib.sha256()
        with translated("download", key), path.open("wb") as out:
            size, body = self._get(key)
            with closing(body):
                if size <= SMALL:
                    data = body.read(size)
                    out.write(data)
                    return hashlib.sha256(data).hexdigest()
                # Hashing takes as long as receiving: one does not wait for the other.
                with ThreadPoolExecutor(1, thread_name_prefix="hash") as hasher:
                    hashing: deque[Future[None]] = deque()
                    while block := body.read(_BLOCK):
                        hashing.append(hasher.submit(digest.update, block))
                        out.write(block)
                        if len(hashing) > _BLOCKS_AHEAD:
                            hashing.popleft().result()
        return digest.hexdigest()


class _Body(Protocol):
    """`read` gives up to so many bytes, fewer only at the end, and raises when that comes too early."""

    def read(self, size: int) -> bytes: ...
    def close(self) -> None: ...


def _blocks(body: _Body, key: str) -> Iterator[bytes]:
    with closing(body):
        while True:
            with translated("read", key):
                block = body.read(_PIECE)
            if not block:
                return
            yield block


def _object_info(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    return ObjectInfo(
        key,
        int(headers["content-length"]),
        headers["etag"].strip('"'),
        parsedate_to_datetime(headers["last-modified"]),
        headers.get("content-type"),
        {
            name.lower().removeprefix(METADATA_PREFIX): value
            for name, value in headers.items()
            if name.lower().startswith(METADATA_PREFIX)
        },
    )
