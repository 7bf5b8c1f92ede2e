"""Whether a service can do its work, answered soon, however busy it and whatever it depends on are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from .errors import Code, DreamlakeError

_ANSWER_SECONDS = 0.7  # in which `/healthz` answers
_GOOD_SECONDS = 10.0  # for which a check that went well counts while the next one has not ended


class Health:
    """Runs `check`, which raises when something is wrong, in a thread of its own: those of requests may all be taken.

    `check` must not share connections with requests either. One check is under way at a time, whoever asks.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._thread: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None
        self._good_at = float("-inf")

    async def ask(self) -> None:
        """Raise what the check raised, or UNREACHABLE when it does not end."""
        if self._running is None or self._running.done():
            self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="health")
            self._running = self._thread.submit(self._run)
        running = asyncio.wrap_future(self._running)
        running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # also when nobody waits
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(running), _ANSWER_SECONDS)
            return
        if time.monotonic() - self._good_at > _GOOD_SECONDS:
            raise DreamlakeError(Code.UNREACHABLE, "What the service depends on does not answer in time.")

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
        self._thread = self._running = None

    def _run(self) -> None:
        self._check()
        self._good_at = time.monotonic()
