"""Bytes to and from presigned URLs, over one pool of connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, NamedTuple, NoReturn, cast
from urllib.parse import urlsplit

import urllib3

from .. import tls
from ..errors import Code, DreamlakeError
from ..remote.away import breaks_off, describe, seconds_of
from ..remote.http1 import Connections, Count, Range, Response
from ..remote.patience import TRANSFER_SECONDS, Patience, Stopped
from ..remote.pools import Pools
from ..remote.refusal import BytesDamaged, BytesWithheld, StoreAway, UrlExpired, refusal
from .pace import Pace

STORE = "the object store"  # whom a transfer waits for

_BLOCK = 1 << 20
_TIMEOUT = urllib3.Timeout(connect=10, read=120)
_SENDS = 5  # of bytes that arrive damaged


class _Answer(NamedTuple):
    """What the store said; `read` gives up to so many bytes of the body, none at its end; `read_into` fills memory with
    them and says with how many."""

    status: int
    headers: Mapping[str, str]
    read: Callable[[int], bytes]
    read_into: Callable[[memoryview], int]


class Transfer:
    """The pool of connections to the object store. Safe to share between threads."""

    def __init__(self, connections: int, patience: Patience | None = None) -> None:
        """With up to `connections` requests at once, or as many of them as are worth it (see pace.py)."""
        self._patience = patience or Patience(TRANSFER_SECONDS)
        self._pace = Pace(connections)
        self._direct = Connections()
        self._pools = Pools(connections)

    def put_bytes(self, url: str, headers: Mapping[str, str], size: int, read: Callable[[], bytes]) -> str:
        """PUT the `size` bytes that `read` gives, which is called when it is their turn; the ETag.

        Raises as `put_range` does, and what `read` raises.
        """
        return self._send(size, lambda: self._put(url, headers, read()))

    def put_range(
        self,
        url: str,
        headers: Mapping[str, str],
        descriptor: int,
        offset: int,
        size: int,
        *,
        count: Count,
    ) -> str:
        """PUT a part of an open file; the ETag. `count` hears of every block, and of those taken back by a retry.

        Raises UrlExpired, Stopped when the patience is stopped meanwhile, or DreamlakeError: UPLOAD_EXPIRED,
        FILE_CHANGED when the store finds another checksum each time, STORAGE_FULL, STORAGE_FAILED, and StoreAway when
        the patience is over.
        """

        def attempt() -> str:
            body = Range(descriptor, offset, size, count, self._go_on)
            try:
                return self._put(url, headers, body)
            except BaseException:
                count(-body.sent)
                raise

        return self._send(size, attempt)

    def get(self, url: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The object's bytes from `start` on, or up to `end`, in blocks, as they are stored: no Content-Encoding is
        undone, which any uploader may have set. Raises, without another attempt, StoreAway when the connection fails,
        BytesWithheld when it breaks off; Stopped when the patience is stopped meanwhile; DreamlakeError(NOT_FOUND,
        STORAGE_FAILED).
        """
        with self._get(url, start, end) as answer:
            while block := answer.read(_BLOCK):
                yield block
                self._go_on()

    def get_into(self, memory: memoryview, url: str, *, start: int = 0, end: int | None = None) -> Iterator[int]:
        """The same, with each block at the beginning of `memory`; how many bytes it has."""
        with self._get(url, start, end) as answer:
            while count := answer.read_into(memory):
                yield count
                self._go_on()

    @contextmanager
    def _get(self, url: str, start: int, end: int | None) -> Iterator[_Answer]:
        """The answer to a GET of bytes that are there, whose body is still to be read. Raises as `get` does."""
        place = urlsplit(url).netloc
        is_part = bool(start) or end is not None
        headers = {"Accept-Encoding": "identity"}
        if is_part:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        is_answered = False
        try:
            room = _BLOCK if end is None else end - start
            with self._pace.slot(room, self._go_on), self._open(url, headers) as answer:
                is_answered = True
                if start and answer.status == 416:  # nothing is left after `start`
                    yield _Answer(416, {}, lambda _: b"", lambda _: 0)
                    return
                if answer.status != (206 if is_part else 200):
                    if answer.status == 404:
                        raise DreamlakeError(Code.NOT_FOUND, "The file is no longer stored.")
                    text, retry_after = answer.read(2000), seconds_of(answer.headers)
                    refused = refusal(answer.status, text, place, retry_after=retry_after)
                    if answer.status == 500 and isinstance(refused, StoreAway):
                        raise BytesWithheld(refused.code, refused.message, hint=refused.hint, reason=refused.reason)
                    raise refused
                yield answer
        except UrlExpired as fault:
            reason = f"The object store at {place} refuses the signed URL ({fault})."
            raise BytesWithheld(Code.STORAGE_FAILED, reason) from None
        except (OSError, urllib3.exceptions.HTTPError) as fault:
            if is_answered or breaks_off(fault):
                _raise_away(fault, url, "does not give all bytes", BytesWithheld)
            _raise_away(fault, url, "does not answer")

    def close(self) -> None:
        self._direct.close()
        self._pools.close()

    def _send(self, size: int, attempt: Callable[[], str]) -> str:
        def paced() -> str:
            with self._pace.slot(size, self._go_on):
                try:
                    return attempt()
                except StoreAway:
                    self._pace.overloaded()
                    raise

        for _ in range(_SENDS - 1):
            try:
                return self._patience.call(STORE, paced)
            except BytesDamaged:
                continue
        return self._patience.call(STORE, paced)

    def _go_on(self) -> None:
        """Raise Stopped when the flow was stopped."""
        if self._patience.stopping.is_set():
            raise Stopped

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
            _raise_away(fault, url, "does not take the bytes")
        if status < 300:
            return answer.get("etag", "").strip('"')
        raise refusal(status, text, parts.netloc, retry_after=seconds_of(answer))

    @contextmanager
    def _open(self, url: str, headers: Mapping[str, str]) -> Iterator[_Answer]:
        """The answer to a GET, whose body is still to be read."""
        if self._pools.proxy_of(urlsplit(url)) is None:
            with self._direct.open("GET", url, headers) as answer:
                yield _Answer(answer.status, answer.headers, answer.read, answer.read_into)
            return
        response = self._pools.of(url).request(
            "GET", url, headers=dict(headers), retries=False, redirect=False, timeout=_TIMEOUT, preload_content=False
        )
        try:
            fields = {name.lower(): value for name, value in response.headers.items()}

            def read_into(memory: memoryview) -> int:
                block = response.read(len(memory), decode_content=False)
                memory[: len(block)] = block
                return len(block)

            yield _Answer(response.status, fields, lambda size: response.read(size, decode_content=False), read_into)
        finally:
            response.close()

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


def _raise_away(fault: Exception, url: str, what: str, kind: type[StoreAway] = StoreAway) -> NoReturn:
    """Raise what a connection to the store that failed means."""
    place = urlsplit(url).netloc
    if problem := tls.explain(fault, url):
        raise DreamlakeError(
            Code.UNREACHABLE, f"The object store at {place} {problem.what}.", hint=problem.hint
        ) from fault
    reason = describe(fault)
    raise kind(
        Code.UNREACHABLE,
        f"The object store at {place} {what}: {reason}.",
        hint="Check the network, then run the command again: what has arrived is not sent again.",
        reason=f"{reason} ({place})",
    ) from fault
