"""Bytes from the store, given on as they arrive: of large files several parts at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

from ...errors import Code, DreamlakeError
from ...remote.patience import Patience, Stopped
from ...remote.refusal import StoreAway
from ..stages import Channel
from ..transfer import STORE, Transfer
from .block import OwnBlock

_PART = 8 * 2**20
_AHEAD = 4  # parts of one file that are fetched at once
PARTS = 12  # that are fetched at once, of all files
_REFUSALS = 3  # of URLs that were signed just before
_LOOK_SECONDS = 0.5

Url = Callable[[int], str]
"""A presigned URL for each further attempt: the first (0) may be the one that was signed long before."""

Arrived = Callable[[int, memoryview], None]
"""Called with each block, which is gone afterwards, and its offset in the object."""

Reached = Callable[[int], None]
"""Called with an offset before which all bytes have arrived."""


class Source:
    """Reads objects by presigned URLs, as `transfer` does, and goes on where a connection broke. Safe to share."""

    def __init__(
        self, transfer: Transfer, patience: Patience, parts: Channel[Callable[[], None]] | None = None
    ) -> None:
        """`parts` has threads that call what is put into it; without it, bytes come one after the other."""
        self._transfer = transfer
        self._patience = patience
        self._parts = parts
        self._own = OwnBlock()

    def read(self, url: Url, start: int, size: int | None, arrived: Arrived, reached: Reached = lambda _: None) -> None:
        """Give the object's bytes from `start` on to `arrived`: where there are `parts`, in any order and by several
        threads at once. The calling thread tells `reached` how far they came without a gap.

        `size`: the bytes that the whole object has; None where that is not known. What `arrived` and `reached` raise
        ends it. Then, `arrived` may be called once more by each thread, and ends what it does by raising Stopped.
        Raises NOT_FOUND, STORAGE_FAILED, StoreAway, Stopped; HASH_MISMATCH for an object of another size, whose message
        is the rest of a sentence about it.
        """
        if start == size:
            return
        if self._parts is None or size is None or size - start <= _PART:
            self._stream(url, start, size, arrived, reached, is_whole=True)
            return
        waiting: deque[tuple[int, Future[None]]] = deque()
        at = start
        while at < size or waiting:
            while at < size and len(waiting) < _AHEAD:
                end = min(at + _PART, size)
                waiting.append((end, self._fetch(self._parts, url, at, end, arrived)))
                at = end
            end, part = waiting.popleft()
            self._wait(part)
            reached(end)

    def _fetch(
        self, parts: Channel[Callable[[], None]], url: Url, start: int, end: int, arrived: Arrived
    ) -> Future[None]:
        """One part, by another thread."""
        future: Future[None] = Future()

        def run() -> None:
            try:
                self._stream(url, start, end, arrived)
            except BaseException as fault:
                future.set_exception(fault)
            else:
                future.set_result(None)

        parts.put(run)
        return future

    def _wait(self, future: Future[None]) -> None:
        while True:
            try:
                return future.result(_LOOK_SECONDS)
            except NotYet:
                if self._patience.stopping.is_set():
                    raise Stopped from None

    def _stream(
        self,
        url: Url,
        start: int,
        end: int | None,
        arrived: Arrived,
        reached: Reached = lambda _: None,
        *,
        is_whole: bool = False,
    ) -> None:
        """The bytes up to `end`, in their order; `is_whole`: the object ends there."""
        at, attempts, refusals = start, 0, 0

        def attempt() -> bool:
            """Fetch what is left; False when the connection broke after some of it."""
            nonlocal at, attempts, refusals
            before = at
            attempts += 1
            try:
                room = self._own.memory
                until = None if is_whole else end
                for count in self._transfer.get_into(room, url(attempts - 1), start=at, end=until):
                    if end is not None and at + count > end:
                        raise DreamlakeError(Code.HASH_MISMATCH, f"has more than its {end:,} bytes")
                    arrived(at, room[:count])
                    at += count
                    reached(at)
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
