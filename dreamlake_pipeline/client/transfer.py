"""Bytes to and from presigned URLs, over one pool of connections."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import stamina
import urllib3

from ..errors import Code, DreamlakeError
from .stages import Stopped

_BLOCK = 1 << 20
_TIMEOUT = urllib3.Timeout(connect=10, read=120)
_ATTEMPTS = 5

Count = Callable[[int], None]


class UrlExpired(Exception):
    """The store no longer accepts this presigned URL: ask for another one."""


class StoreAway(DreamlakeError):
    """The object store cannot be reached, or takes nothing at the moment, after several attempts."""


class Range:
    """A part of an open file as a request body: read in blocks, so that no part is ever whole in memory."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self.descriptor = descriptor
        self.offset = offset
        self.size = size

    def body(self, count: Count, stopping: threading.Event) -> _Body:
        return _Body(self, count, stopping)


class _Body:
    """One attempt at sending a range; urllib3 reads it."""

    def __init__(self, source: Range, count: Count, stopping: threading.Event) -> None:
        self.source = source
        self.sent = 0
        self._count = count
        self._stopping = stopping

    def read(self, size: int = -1) -> bytes:
        if self._stopping.is_set():
            raise Stopped
        left = self.source.size - self.sent
        wanted = left if size < 0 else min(size, left)
        block = os.pread(self.source.descriptor, wanted, self.source.offset + self.sent)
        self.sent += len(block)
        self._count(len(block))
        return block


class Transfer:
    """The pool of connections to the object store. Safe to share between threads."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._proxies = getproxies()
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def put_bytes(self, url: str, headers: Mapping[str, str], data: bytes, *, count: Count) -> str:
        """PUT `data`; the ETag. `count` hears of the bytes when they have arrived. Raises as `put_range` does."""
        etag = self._retried(lambda: self._put(url, headers, data))
        count(len(data))
        return etag

    def put_range(
        self, url: str, headers: Mapping[str, str], source: Range, *, count: Count, stopping: threading.Event
    ) -> str:
        """PUT a part of a file; the ETag. `count` hears of every block, and of those taken back by a retry.

        Raises UrlExpired, Stopped when `stopping` is set meanwhile, or DreamlakeError: UPLOAD_EXPIRED,
        FILE_CHANGED when the store finds another checksum, STORAGE_FULL, STORAGE_FAILED, StoreAway.
        """

        def attempt() -> str:
            body = source.body(count, stopping)
            try:
                return self._put(url, headers, body)
            except BaseException:
                count(-body.sent)
                raise

        return self._retried(attempt)

    def get(self, url: str, *, start: int = 0) -> Iterator[bytes]:
        """The object's bytes from `start` on, in blocks. Raises StoreAway when the connection fails or breaks off,
        DreamlakeError(NOT_FOUND, STORAGE_FAILED).
        """
        place = urlsplit(url).netloc
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            response = self._pool(url).request(
                "GET", url, headers=headers, retries=False, redirect=False, timeout=_TIMEOUT, preload_content=False
            )
            try:
                if start and response.status == 416:  # nothing is left after `start`
                    return
                if response.status != (206 if start else 200):
                    if response.status == 404:
                        raise DreamlakeError(Code.NOT_FOUND, "The raw file is no longer stored.")
                    raise _error_of(response.status, response.read(2000), place)
                yield from response.stream(_BLOCK)
            finally:
                response.close()
        except UrlExpired:
            raise StoreAway(Code.STORAGE_FAILED, f"The object store at {place} refuses the signed URL.") from None
        except urllib3.exceptions.HTTPError as fault:
            raise StoreAway(
                Code.UNREACHABLE, f"The object store at {place} does not answer ({type(fault).__name__})."
            ) from fault

    def close(self) -> None:
        for pool in self._pools.values():
            pool.clear()

    def _retried(self, attempt: Callable[[], str]) -> str:
        for trial in stamina.retry_context(on=_is_passing, attempts=_ATTEMPTS, wait_max=10, timeout=120):
            with trial:
                return attempt()
        raise AssertionError("unreachable: retry_context returns or raises")

    def _put(self, url: str, headers: Mapping[str, str], body: bytes | _Body) -> str:
        place = urlsplit(url).netloc
        try:
            response = self._pool(url).request(
                "PUT",
                url,
                body=cast("IO[bytes]", body),
                headers=dict(headers),
                retries=False,
                redirect=False,
                timeout=_TIMEOUT,
            )
        except urllib3.exceptions.HTTPError as fault:
            raise StoreAway(
                Code.UNREACHABLE,
                f"The object store at {place} does not take the bytes ({type(fault).__name__}).",
                hint="Check the network, then run the command again: what has arrived is not sent again.",
            ) from fault
        if response.status < 300:
            return response.headers.get("ETag", "").strip('"')
        raise _error_of(response.status, response.data, place)

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The pool for this URL: direct, or through the proxy that the environment names for it."""
        parts = urlsplit(url)
        proxy = self._proxies.get(parts.scheme) or self._proxies.get("all")
        if proxy and (_is_loopback(parts.hostname) or proxy_bypass(parts.netloc)):
            proxy = None
        with self._lock:
            if proxy not in self._pools:
                options = {"maxsize": self._connections, "num_pools": 4, "block": True, "blocksize": _BLOCK}
                self._pools[proxy] = (
                    urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)  # type: ignore[arg-type]
                )
            return self._pools[proxy]


def _is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or (host or "").startswith("127.")


def _is_passing(fault: Exception) -> bool:
    return isinstance(fault, StoreAway)


def _error_of(status: int, body: bytes, place: str) -> Exception:
    """What a refusal of the store means. Its body is an XML error with a code (S3 API, "Error responses")."""
    text = body[:2000].decode("utf-8", "replace")
    code = text.partition("<Code>")[2].partition("</Code>")[0]
    if code in ("BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest"):
        return DreamlakeError(Code.FILE_CHANGED, "The bytes that arrived are not those that were announced.")
    if code == "NoSuchUpload" or status == 404:
        return DreamlakeError(Code.UPLOAD_EXPIRED, "The multipart upload is gone.")
    if status == 403:
        return UrlExpired()
    if status == 507 or code in ("StorageFull", "XMinioStorageFull"):
        return DreamlakeError(
            Code.STORAGE_FULL, f"The object store at {place} is full.", hint="Make room, then run the command again."
        )
    if status in (429, 500, 502, 503, 504):
        return StoreAway(Code.OVERLOADED, f"The object store at {place} is overloaded ({status} {code}).")
    return DreamlakeError(Code.STORAGE_FAILED, f"The object store at {place} refused the bytes ({status} {code}).")
