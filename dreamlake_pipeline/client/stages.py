"""Stages joined by bounded channels: each stage has threads of its own, and memory stays bounded whatever flows."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ..remote.patience import Stopped

T = TypeVar("T")
Out = TypeVar("Out")


class Channel(Generic[T]):
    """A bounded queue between threads that knows its writers: readers see its end when the last of them closed it."""

    def __init__(self, depth: int, writers: int) -> None:
        self._items: deque[T] = deque()
        self._depth = depth
        self._writers = writers
        self._stopped = False
        # Two conditions, and one thread woken per item: with all of them woken, dozens would wake for each small file.
        self._lock = threading.Lock()
        self._has_room = threading.Condition(self._lock)
        self._has_items = threading.Condition(self._lock)

    def put(self, item: T) -> None:
        """Add an item, when there is room for it. Raises Stopped."""
        self.put_all((item,))

    def put_all(self, items: Sequence[T]) -> None:
        """Add items in order, as there is room for them. Raises Stopped."""
        added = 0
        while added < len(items):
            with self._lock:
                while len(self._items) >= self._depth and not self._stopped:
                    self._has_room.wait()
                if self._stopped:
                    raise Stopped
                some = items[added : added + self._depth - len(self._items)]
                self._items.extend(some)
                added += len(some)
                self._has_items.notify(len(some))

    def take(self, most: int = 1, *, linger: float = 0.0, timeout: float | None = None) -> list[T]:
        """Up to `most` items, at least one; none only at the end, or after `timeout` seconds.

        Less than `most` are waited for during `linger` seconds, so that bulk calls are worth it. Raises Stopped.
        """
        with self._lock:
            if not (self._items or self._stopped or not self._writers):
                self._has_items.wait_for(lambda: self._stopped or self._items or not self._writers, timeout)
            if linger and self._items:
                self._has_items.wait_for(
                    lambda: self._stopped or len(self._items) >= most or not self._writers,
                    linger,
                )
            if self._stopped:
                raise Stopped
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            if taken:
                self._has_room.notify(len(taken))
            return taken

    def drain(self) -> list[T]:
        """What is left, also after a stop."""
        with self._lock:
            left = list(self._items)
            self._items.clear()
            return left

    def close(self) -> None:
        """One writer is done."""
        with self._lock:
            self._writers -= 1
            if not self._writers:
                self._has_items.notify_all()

    @property
    def is_ended(self) -> bool:
        with self._lock:
            return not self._writers and not self._items

    def stop(self) -> None:
        """Wake everybody; whoever puts or takes from now on gets Stopped."""
        with self._lock:
            self._stopped = True
            self._has_items.notify_all()
            self._has_room.notify_all()


class Flow:
    """The threads and channels of one run. The first exception of any stage stops all of them and is raised to the
    reader of `results`."""

    def __init__(self, stopping: threading.Event | None = None) -> None:
        """`stopping` is set when the flow is stopped."""
        self._channels: list[Channel[Any]] = []
        self._threads: list[threading.Thread] = []
        self._fault: BaseException | None = None
        self.stopping = stopping or threading.Event()

    def channel(self, depth: int, *, writers: int) -> Channel[Any]:
        channel: Channel[Any] = Channel(depth, writers)
        self._channels.append(channel)
        return channel

    def source(self, groups: Iterable[Sequence[T]], into: Channel[T], *, also: Sequence[Channel[Any]] = ()) -> None:
        """A thread that puts groups of items into a channel and closes it, and those that it `also` writes to."""

        def run() -> None:
            for group in groups:
                into.put_all(group)

        self._spawn(run, (into, *also), "source")

    def stage(
        self,
        name: str,
        work: Callable[[list[T]], Iterable[Out]],
        source: Channel[T],
        into: Channel[Out],
        *,
        threads: int = 1,
        bulk: int = 1,
        first: int | None = None,
        linger: float = 0.0,
        also: Sequence[Channel[Any]] = (),
    ) -> None:
        """Threads that take up to `bulk` items, do `work`, and put what it yields into the next channel.

        What is taken in bulk is passed on in bulk. With `first`, a thread takes up to so many at first and four times
        as many each time after that, so that the next stage soon has something to do.
        `also` are further channels that `work` itself writes to.
        """

        def run() -> None:
            most = min(bulk, first or bulk)
            while items := source.take(most, linger=linger):
                most = min(bulk, 4 * most)
                if bulk > 1:
                    into.put_all(list(work(items)))
                else:
                    for item in work(items):
                        into.put(item)

        for _ in range(threads):
            self._spawn(run, (into, *also), name)

    def pool(self, name: str, *, threads: int, depth: int) -> Channel[Callable[[], None]]:
        """Threads that call what is put into the channel, until the flow ends; a call must not raise."""
        tasks = self.channel(depth, writers=1)

        def run() -> None:
            while calls := tasks.take():
                for call in calls:
                    call()

        for _ in range(threads):
            self._spawn(run, (), name)
        return tasks

    def _spawn(self, run: Callable[[], None], into: Sequence[Channel[Any]], name: str) -> None:
        def guarded() -> None:
            try:
                run()
            except Stopped:
                pass
            except BaseException as fault:
                if self._fault is None:
                    self._fault = fault
                self.stop()
            finally:
                for channel in into:
                    channel.close()

        self._threads.append(threading.Thread(target=guarded, name=f"dreamlake-{name}", daemon=True))

    def results(self, channel: Channel[T], *, every: float) -> Iterator[list[T]]:
        """Start the threads and give what arrives in `channel`; an empty list when nothing did for `every` seconds.

        Leaving the iteration, by whatever way, stops the flow. Raises what a stage raised.
        """
        try:
            for thread in self._threads:
                thread.start()
            while not channel.is_ended:
                yield channel.take(1000, timeout=every)
        except Stopped:
            yield channel.drain()
        finally:
            self.stop()
            deadline = time.monotonic() + 5
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join(max(0.0, deadline - time.monotonic()))
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        self.stopping.set()
        for channel in self._channels:
            channel.stop()
