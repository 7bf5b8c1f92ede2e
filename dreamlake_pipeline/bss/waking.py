"""A claim that waits for a batch looks at once when there may be one."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request


class Wake:
    """What claims wait by, in one process of BSS. Another process hears nothing of it: whoever waits looks again after
    a while all the same. Safe to share between threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._times = 0

    @property
    def times(self) -> int:
        """How often it was called so far: what happens after one has looked at this is not missed."""
        return self._times

    def call(self) -> None:
        """Something was queued, or a batch is over."""
        with self._changed:
            self._times += 1
            self._changed.notify_all()

    def wait(self, times: int, seconds: float) -> None:
        """Return once it was called more than so many times, or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._times > times, seconds)


async def _wake(request: Request) -> AsyncIterator[None]:
    yield
    request.app.state.wake.call()


async def _its_wake(request: Request) -> Wake:
    wake: Wake = request.app.state.wake
    return wake


# For routes after which there may be a batch to claim.
WAKES = Depends(_wake)
ItsWake = Annotated[Wake, Depends(_its_wake)]
