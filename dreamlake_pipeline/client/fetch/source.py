"""Bytes from the store: of large files several parts at once, given on in their order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

from ...errors import Code, DreamlakeError
from ..patience import Patience
from ..refusal import StoreAway
from ..stages import Channel, Stopped
from ..transfer import STORE, Transfer

_PART = 8 * 2**20
_AHEAD = 4  # parts of one file that are fetched at once
PARTS = 12  # in memory at once, of all files
_REFUSALS = 3  # of URLs that were signed just before
_LOOK_SECONDS = 0.5

Url = Callable[[int], str]
"""A presigned URL for each further attempt: the first (0) may be the one that was signed long before."""

Take = Callable[[bytes], None]


class Source:
    """Reads objects by presigned URLs, as `transfer` does, and goes on where a connection broke. Safe to share."""

    def __init__(
        self, transfer: Transfer, patience: Patience, parts: Channel[Callable[[], None]] | None = None
    ) -> None:
        """`parts` has threads that call what is put into it; without it, bytes come one after the other."""
        self._transfer = transfer
        self._patience = patience
        self._parts = parts
        self._room = threading.BoundedSemaphore(PARTS)

    def read(self, url: Url, start: int, size: int | None, take: Take, on_bytes: Callable[[int], None]) -> None:
        """Give `take` the object's bytes from `start` on in order; `on_bytes` hears of them as they arrive.

        `size`: the bytes that the whole object has; None where that is not known. What `take` raises ends it.
        Raises NOT_FOUND, STORAGE_FAILED, StoreAway, Stopped; HASH_MISMATCH for an object of another size, whose message
        is the rest of a sentence about it.
        """
        if start == size:
            return
        if self._parts is None or size is None or size - start <= _PART:
            self._stream(url, start, size, take, on_bytes, is_whole=True)
            return
        waiting: deque[Future[list[bytes]]] = deque()
        at = start
        try:
            while at < size or waiting:
                while at < size and len(waiting) < _AHEAD and self._has_room(must_wait=not waiting):
                    waiting.append(self._fetch(self._parts, url, at, min(at + _PART, size), on_bytes))
                    at = min(at + _PART, size)
                part = self._wait(waiting[0])
                waiting.popleft()
                self._room.release()
                for block in part:
                    take(block)
        finally:
            for future in waiting:
                future.add_done_callback(lambda _: self._room.release())

    def _has_room(self, *, must_wait: bool) -> bool:
        """Take room for a part, if there is any; with `must_wait`, there will be. Raises Stopped."""
        while not self._room.acquire(timeout=_LOOK_SECONDS if must_wait else 0):
            if not must_wait:
                return False
            self._go_on()
        return True

    def _go_on(self) -> None:
        if self._patience.stopping.is_set():
            raise Stopped

    def _fetch(
        self,
        parts: Channel[Callable[[], None]],
        url: Url,
        start: int,
        end: int,
        on_bytes: Callable[[int], None],
    ) -> Future[list[bytes]]:
        """The blocks of one part, by another thread."""
        future: Future[list[bytes]] = Future()

        def run() -> None:
            part: list[bytes] = []
            try:
                self._stream(url, start, end, part.append, on_bytes)
            except BaseException as fault:
                future.set_exception(fault)
            else:
                future.set_result(part)

        parts.put(run)
        return future

    def _wait(self, future: Future[list[bytes]]) -> list[bytes]:
        while True:
            try:
                return future.result(_LOOK_SECONDS)
            except NotYet:
                self._go_on()

    def _stream(
        self,
        url: Url,
        start: int,
        end: int | None,
        take: Take,
        on_bytes: Callable[[int], None],
        *,
        is_whole: bool = False,
    ) -> None:
        """The bytes up to `end`, in blocks; `is_whole`: the object ends there."""
        at, attempts, refusals = start, 0, 0

        def attempt() -> bool:
            """Fetch what is left; False when the connection broke after some of it."""
            nonlocal at, attempts, refusals
            before = at
            attempts += 1
            try:
                for block in self._transfer.get(url(attempts - 1), start=at, end=None if is_whole else end):
                    if end is not None and at + len(block) > end:
                        raise DreamlakeError(Code.HASH_MISMATCH, f"has more than its {end:,} bytes")
                    take(block)
                    at += len(block)
                    on_bytes(len(block))
            except StoreAway as away:
                refusals += away.code is Code.STORAGE_FAILED
                if refusals >= _REFUSALS:
                    raise DreamlakeError(away.code, away.message) from None
                if at > before:
                    return False
                raise
            return True

        while not self._patience.call(STORE, attempt):
            pass
        if end is not None and at < end:
            raise DreamlakeError(Code.HASH_MISMATCH, f"has {at:,} bytes, not {end:,}")
