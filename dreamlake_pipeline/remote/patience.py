"""How long a caller waits for a service that is away, and how it is told for whom it waits.

Every request of ours may be sent twice with the same effect as once. So whatever may pass (`away.py`) is tried again:
after a pause that doubles up to `_LONGEST_PAUSE`, with jitter, so that many clients do not come back together; after
what Retry-After says, at least; and at once when another request to the same service succeeds.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from ..errors import DreamlakeError
from .away import Away
from .refusal import UrlExpired

INTERACTIVE_SECONDS = 5.0  # of somebody who looks something up
TRANSFER_SECONDS = 3600.0  # of a transfer, which goes on by itself
FIRST_SECONDS = 20.0  # of a transfer, for a service that nobody answers for and that never has: its URL may be wrong

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_TELL_AFTER = 2.0  # seconds; nobody needs to know of a shorter outage
_TELL_AGAIN = 300.0
_ALONE_SECONDS = 600.0  # for a request that fails all the time while others to the same service succeed
_LOOK_SECONDS = 0.2  # between two looks whether to go on

Result = TypeVar("Result")


class Stopped(Exception):
    """Whoever waits, or works for somebody, is no longer to go on."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A service is waited for since a time, which is `seconds` ago; `is_over`: it answers again.

    `reason` is the rest of a sentence about it.
    """

    service: str
    reason: str
    since: datetime
    seconds: float
    is_over: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "event": "waiting",
            "service": self.service,
            "reason": self.reason,
            "since": self.since.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "seconds": round(self.seconds, 3),
            "over": self.is_over,
        }


@dataclass(slots=True)
class _Outage:
    """A service that did not answer the last request to it."""

    since: datetime
    began: float  # by the monotonic clock
    told_at: float | None = None
    ended: threading.Event = field(default_factory=threading.Event)


class Patience:
    """The patience of one caller for any number of services. Safe to share between threads.

    A call waits `seconds` at the most for a service that is away, and not beyond the time `until` (of the monotonic
    clock); `unheard` seconds while nobody at all has answered at its address, which may be wrong. A single request may
    be silent for `silence` seconds.

    `on_wait` is called, by the thread that waits, when an outage has lasted for two seconds, every five minutes, and
    when it ends; without it, `told` gives the same. Once `stopping` is set, whoever waits gets Stopped.
    """

    def __init__(
        self,
        seconds: float,
        *,
        unheard: float = math.inf,
        until: float = math.inf,
        silence: float = 60.0,
        on_wait: Callable[[Waiting], None] | None = None,
        stopping: threading.Event | None = None,
    ) -> None:
        self._seconds = seconds
        self._unheard = unheard
        self._until = until
        self._heard: set[str] = set()
        self.silence = silence
        self.stopping = stopping or threading.Event()
        self._told: deque[Waiting] = deque(maxlen=1000)
        self._on_wait = on_wait or self._told.append
        self._outages: dict[str, _Outage] = {}
        self._answered_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def call(self, service: str, attempt: Callable[[], Result]) -> Result:
        """What `attempt` returns, which is called until it raises no Away. Raises Away, Stopped, what it raises."""
        try:
            result = attempt()
        except Away as fault:
            away = fault
        else:
            self._answered(service)
            return result
        tries = self._tries(service, attempt, away)
        while True:
            try:
                pause, reason = next(tries)
            except StopIteration as end:
                found: Result = end.value
                return found
            self._sleep(service, pause, reason)

    def told(self) -> Iterator[Waiting]:
        """What is to be told since the last time."""
        while self._told:
            yield self._told.popleft()

    def _tries(
        self, service: str, attempt: Callable[[], Result], fault: Away | None
    ) -> Generator[tuple[float, Away], None, Result]:
        """Before each further attempt, the seconds to wait for it, and why; `fault` is what came of the first one."""
        began, made = time.monotonic(), 0
        while True:
            if fault is not None:
                made += 1
                yield self._pause(service, fault, began, made), fault
            try:
                result = attempt()
            except Away as again:
                fault = again
                continue
            except (DreamlakeError, UrlExpired):
                self._answered(service)
                raise
            self._answered(service)
            return result

    def _pause(self, service: str, fault: Away, began: float, made: int) -> float:
        """How long to wait before the next attempt. Raises `fault` when there shall be none."""
        self._failed(service, fault)
        passed = time.monotonic() - began
        left = min(self._most(service, fault) - passed, self._until - time.monotonic())
        is_alone = passed >= _ALONE_SECONDS and self._answered_at.get(service, -1.0) > began
        if left <= 0 or is_alone:
            raise fault
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(made - 1, 16))
        # The patience that is left bounds both; the last attempt comes at its end.
        pause = max(longest * random.uniform(0.5, 1.0), fault.retry_after * random.uniform(1.0, 1.25))  # noqa: S311
        return min(pause, max(left, 0.01))

    def _most(self, service: str, fault: Away) -> float:
        """The seconds for which a call waits for a service."""
        if fault.is_answer:
            self._heard.add(service)
        is_heard = service in self._heard or service in self._answered_at
        return self._seconds if is_heard else min(self._seconds, self._unheard)

    def _sleep(self, service: str, pause: float, fault: Away) -> None:
        """Wait, and no longer than the outage lasts, unless the service named a time. Raises Stopped."""
        until = time.monotonic() + pause
        outage = self._outages.get(service)
        while (left := until - time.monotonic()) > 0:
            if self.stopping.is_set():
                raise Stopped
            if outage is None or fault.retry_after:
                self.stopping.wait(min(left, _LOOK_SECONDS))
            elif outage.ended.wait(min(left, _LOOK_SECONDS)):
                return
        if self.stopping.is_set():
            raise Stopped

    def _failed(self, service: str, fault: Away) -> None:
        now = time.monotonic()
        with self._lock:
            outage = self._outages.setdefault(service, _Outage(datetime.now(UTC), now))
            is_told = outage.told_at is not None and now - outage.told_at < _TELL_AGAIN
            if is_told or now - outage.began < min(_TELL_AFTER, self._seconds / 2):
                return
            outage.told_at = now
        self._on_wait(Waiting(service, fault.reason, outage.since, now - outage.began))

    def _answered(self, service: str) -> None:
        now = self._answered_at[service] = time.monotonic()
        if service not in self._outages:
            return
        with self._lock:
            outage = self._outages.pop(service, None)
        if outage is not None:
            outage.ended.set()
            if outage.told_at is not None:
                self._on_wait(Waiting(service, "it answers again", outage.since, now - outage.began, is_over=True))
