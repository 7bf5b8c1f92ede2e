"""Threads for media work, so many at a time, of which files that take long leave one to those that do not."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

_Task = tuple[Future[Any], Callable[[], Any]]


class Lanes(Executor):
    """`count` tasks at a time. Of these, long ones are all but one until `end_short`, and may be all after that.

    The first long task at work is the longest, so that the end does not wait for it; further ones are the shortest
    first. `submit_long` is to be called in ascending order; what comes later is taken for the longest.
    """

    def __init__(self, count: int) -> None:
        """Raises RuntimeError when the system has no thread to give."""
        self._changed = threading.Condition()
        self._short: deque[_Task] = deque()
        self._long: deque[_Task] = deque()
        self._count, self._busy_long = count, 0
        self._is_short_over = self._is_closed = False
        self._threads: list[threading.Thread] = []
        try:
            for number in range(count):
                thread = threading.Thread(target=self._work, name=f"item-{number}", daemon=True)
                thread.start()
                self._threads.append(thread)
        except RuntimeError:
            self.shutdown(wait=False)
            raise

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a short task done."""
        return self._add(self._short, lambda: function(*args, **kwargs))

    def submit_long(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Have a long task done."""
        return self._add(self._long, lambda: function(*args))

    def end_short(self) -> None:
        """No short task comes any more."""
        with self._changed:
            self._is_short_over = True
            self._changed.notify_all()

    def _add(self, tasks: deque[_Task], function: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._changed:
            if self._is_closed:
                raise RuntimeError("no tasks are taken after shutdown")
            tasks.append((future, function))
            self._changed.notify_all()
        return future

    def _work(self) -> None:
        while True:
            with self._changed:
                while (taken := self._take()) is None:
                    if self._is_closed:
                        return
                    self._changed.wait()
            future, function, is_long = taken
            try:
                future.set_result(function())
            except BaseException as fault:
                future.set_exception(fault)
            del future, function, taken
            with self._changed:
                self._busy_long -= is_long
                self._changed.notify_all()

    def _take(self) -> tuple[Future[Any], Callable[[], Any], bool] | None:
        """The task that a free thread does next; None when there is none for it."""
        while True:
            most_long = self._count if self._is_short_over or self._is_closed else self._count - 1
            is_long = bool(self._long) and self._busy_long < most_long
            if not is_long and not self._short:
                return None
            tasks = self._long if is_long else self._short
            takes_longest = is_long and not self._busy_long and self._count > 1
            future, function = tasks.pop() if takes_longest else tasks.popleft()
            if future.set_running_or_notify_cancel():
                self._busy_long += is_long
                return future, function, is_long

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads when all is done; with `cancel_futures`, what has not started never is."""
        with self._changed:
            waiting = [*self._short, *self._long] if cancel_futures else []
            if cancel_futures:
                self._short.clear()
                self._long.clear()
            self._is_closed = True
            self._changed.notify_all()
        for future, _ in waiting:
            future.cancel()
        if wait:
            for thread in self._threads:
                thread.join()
