"""How many requests are sent at once: as many as make it faster, and no more.

Neither the store nor the network says how much they take. So the number climbs as long as throughput does, steps back
when throughput falls, and is halved when the store says that it is overloaded or cannot be reached.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FIRST = 4
_FEWEST = 2
_WINDOW_SECONDS = 0.5  # of throughput that is compared with the throughput before
_SAME = 0.05  # a difference that is none
_CALM_SECONDS = 5.0  # without climbing, after an overload

# A request costs about as much as so many bytes; so small and large files are measured alike.
_REQUEST_AS_BYTES = 128 * 1024


class Pace:
    """Slots for requests, at most `most` of them and `most_bytes` of bodies at once. Safe to share between threads."""

    def __init__(self, most: int, *, most_bytes: int = 64 * 2**20, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = min(_FIRST, most)
        self._most = most
        self._most_bytes = most_bytes
        self._clock = clock
        self._running = 0
        self._bytes = 0
        self._direction = 1
        self._rate = 0.0
        self._halved_at = -_CALM_SECONDS
        self._changed = threading.Condition()
        self._begin_window()

    @contextmanager
    def slot(self, size: int, check: Callable[[], None]) -> Iterator[None]:
        """Room for one request with a body of `size` bytes; `check` is called while waiting for it and may raise."""
        with self._changed:
            while not self._has_room(size):
                self._was_full = True
                self._changed.wait(0.5)
                check()
            self._running += 1
            self._bytes += size
        is_good = False
        try:
            yield
            is_good = True
        finally:
            with self._changed:
                self._running -= 1
                self._bytes -= size
                if is_good:
                    self._done += 1
                    self._work += size + _REQUEST_AS_BYTES
                    self._adapt()
                # One for the slot that is free now; those that a higher limit lets in as well.
                self._changed.notify(max(1, self.limit - self._running))

    def overloaded(self) -> None:
        """The store could not take a request: half as many from now on."""
        with self._changed:
            now = self._clock()
            if now >= self._halved_at + _WINDOW_SECONDS:  # once for requests that fail together
                self.limit = max(1, self.limit // 2)
                self._halved_at = now
                self._rate = 0.0
                self._begin_window()

    def _has_room(self, size: int) -> bool:
        if not self._running:
            return True
        return self._running < self.limit and self._bytes + size <= self._most_bytes

    def _begin_window(self) -> None:
        self._since = self._clock()
        self._work = self._done = 0
        self._was_full = False

    def _adapt(self) -> None:
        """Compare the throughput of the window that ends with the one before, and take a step."""
        now = self._clock()
        if now - self._since < _WINDOW_SECONDS or self._done < self.limit:
            return
        rate, was_full = self._work / (now - self._since), self._was_full
        self._begin_window()
        if (
            not was_full or now < self._halved_at + _CALM_SECONDS
        ):  # more slots would change nothing, or are not asked for
            return
        if rate < self._rate * (1 - _SAME):
            self._direction = -self._direction or 1
        elif rate < self._rate * (1 + _SAME):
            self._direction = -1 if self._direction > 0 else 0  # no faster: fewer will do, and then it rests
        else:
            self._direction = self._direction or 1
        self._rate = rate
        step = max(1, self.limit // 4) * self._direction
        self.limit = min(self._most, max(_FEWEST, self.limit + step))
