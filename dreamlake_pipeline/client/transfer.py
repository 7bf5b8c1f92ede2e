"""Bytes to and from presigned URLs, over one pool of connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import IO, cast
from urllib.parse import urlsplit

import stamina
import urllib3

from ..errors import Code, DreamlakeError
from ..http1 import Connections, Count, Range, Response
from .pace import Pace
from .pools import Pools
from .refusal import BytesDamaged, StoreAway, UrlExpired, refusal
from .stages import Stopped

_BLOCK = 1 << 20
_TIMEOUT = urllib3.Timeout(connect=10, read=120)
_ATTEMPTS = 5


class Transfer:
    """The pool of connections to the object store. Safe to share between threads."""

    def __init__(self, connections: int) -> None:
        """With up to `connections` requests at once, or as many of them as are worth it (see pace.py)."""
        self._pace = Pace(connections)
        self._direct = Connections()
        self._pools = Pools(connections)

    def put_bytes(
        self, url: str, headers: Mapping[str, str], size: int, read: Callable[[], bytes], stopping: threading.Event
    ) -> str:
        """PUT the `size` bytes that `read` gives, which is called when it is their turn; the ETag.

        Raises as `put_range` does, and what `read` raises.
        """
        return self._retried(size, lambda: self._put(url, headers, read()), stopping)

    def put_range(
        self,
        url: str,
        headers: Mapping[str, str],
        descriptor: int,
        offset: int,
        size: int,
        *,
        count: Count,
        stopping: threading.Event,
    ) -> str:
        """PUT a part of an open file; the ETag. `count` hears of every block, and of those taken back by a retry.

        Raises UrlExpired, Stopped when `stopping` is set meanwhile, or DreamlakeError: UPLOAD_EXPIRED,
        FILE_CHANGED when the store finds another checksum each time, STORAGE_FULL, STORAGE_FAILED, StoreAway.
        """

        def attempt() -> str:
            body = Range(descriptor, offset, size, count, partial(_go_on, stopping))
            try:
                return self._put(url, headers, body)
            except BaseException:
                count(-body.sent)
                raise

        return self._retried(size, attempt, stopping)

    def get(self, url: str, *, start: int = 0) -> Iterator[bytes]:
        """The object's bytes from `start` on, in blocks, as they are stored: no Content-Encoding is undone, which any
        uploader may have set. Raises StoreAway when the connection fails or breaks off,
        DreamlakeError(NOT_FOUND, STORAGE_FAILED).
        """
        place = urlsplit(url).netloc
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            response = self._pools.of(url).request(
                "GET", url, headers=headers, retries=False, redirect=False, timeout=_TIMEOUT, preload_content=False
            )
            try:
                if start and response.status == 416:  # nothing is left after `start`
                    return
                if response.status != (206 if start else 200):
                    if response.status == 404:
                        raise DreamlakeError(Code.NOT_FOUND, "The raw file is no longer stored.")
                    raise refusal(response.status, response.read(2000, decode_content=False), place)
                yield from response.stream(_BLOCK, decode_content=False)
            finally:
                response.close()
        except UrlExpired as fault:
            reason = f"The object store at {place} refuses the signed URL ({fault})."
            raise StoreAway(Code.STORAGE_FAILED, reason) from None
        except urllib3.exceptions.HTTPError as fault:
            raise StoreAway(
                Code.UNREACHABLE, f"The object store at {place} does not answer ({type(fault).__name__})."
            ) from fault

    def close(self) -> None:
        self._direct.close()
        self._pools.close()

    def _retried(self, size: int, attempt: Callable[[], str], stopping: threading.Event) -> str:
        def paced() -> str:
            with self._pace.slot(size, partial(_go_on, stopping)):
                try:
                    return attempt()
                except StoreAway:
                    self._pace.overloaded()
                    raise

        try:
            return paced()
        except (StoreAway, BytesDamaged) as fault:
            first: StoreAway | BytesDamaged | None = fault
        # Only now, since a retry_context costs more than the request of a small file.
        for trial in stamina.retry_context(on=_is_passing, attempts=_ATTEMPTS, wait_max=10, timeout=120):
            with trial:
                if first is not None:
                    known, first = first, None
                    raise known
                return paced()
        raise AssertionError("unreachable: retry_context returns or raises")

    def _put(self, url: str, headers: Mapping[str, str], body: bytes | Range) -> str:
        parts = urlsplit(url)
        try:
            if self._pools.proxy_of(parts) is None:
                status, answer, text = self._direct.request("PUT", url, headers, body)
            else:
                status, answer, text = self._put_through_proxy(url, headers, body)
        except EOFError:
            raise DreamlakeError(Code.FILE_CHANGED, "The file became shorter while it was sent.") from None
        except (OSError, urllib3.exceptions.HTTPError) as fault:
            raise StoreAway(
                Code.UNREACHABLE,
                f"The object store at {parts.netloc} does not take the bytes ({type(fault).__name__}).",
                hint="Check the network, then run the command again: what has arrived is not sent again.",
            ) from fault
        if status < 300:
            return answer.get("etag", "").strip('"')
        raise refusal(status, text, parts.netloc)

    def _put_through_proxy(self, url: str, headers: Mapping[str, str], body: bytes | Range) -> Response:
        response = self._pools.of(url).request(
            "PUT",
            url,
            body=cast("IO[bytes]", body),
            headers=dict(headers),
            retries=False,
            redirect=False,
            timeout=_TIMEOUT,
        )
        return Response(
            response.status, {name.lower(): value for name, value in response.headers.items()}, response.data
        )


def _go_on(stopping: threading.Event) -> None:
    """Raise Stopped when the flow was stopped."""
    if stopping.is_set():
        raise Stopped


def _is_passing(fault: Exception) -> bool:
    return isinstance(fault, StoreAway | BytesDamaged)
