"""Whether a service can do its work, answered soon, however busy it and whatever it depends on are."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from .errors import Code, DreamlakeError

_ANSWER_SECONDS = 0.7  # in which `/healthz` answers
_GOOD_SECONDS = 15.0  # for which a check that went well counts while the next one has not ended


class Health:
    """Runs `check`, which raises when something is wrong, in a thread of its own: those of requests may all be taken.

    `check` must not share connections with requests either. One check is under way at a time, whoever asks.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._running: Future[None] | None = None
        self._good_at = float("-inf")

    def begin(self) -> Future[None]:
        """The check that is under way, or a new one."""
        if self._running is None or self._running.done():
            self._running = Future()
            # A daemon, since a silent database must not keep the process from ending.
            threading.Thread(target=self._run, args=(self._running,), name="health", daemon=True).start()
        return self._running

    async def ask(self) -> None:
        """Raise what the check raised, or UNREACHABLE when it does not end."""
        running = asyncio.wrap_future(self.begin())
        running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # also when nobody waits
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(running), _ANSWER_SECONDS)
            return
        if time.monotonic() - self._good_at > _GOOD_SECONDS:
            raise DreamlakeError(Code.UNREACHABLE, "What the service depends on does not answer in time.")

    def _run(self, running: Future[None]) -> None:
        try:
            self._check()
        except Exception as fault:
            running.set_exception(fault)
        else:
            self._good_at = time.monotonic()
            running.set_result(None)
