"""A batch at work: its items of all kinds side by side, what is short by the bundle, everything else one by one.

Threads, since the work is that of ffmpeg and worker processes, object store and Postgres. What comes out of it is
settled as it comes (settling.py), so that a file is ready when it is made, and a crash loses little.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import NamedTuple

from ..api.bss import Record
from ..api.server import AssetRef
from ..errors import DreamlakeError
from ..kinds import Kind
from ..media.run.workers import Workers
from ..storage import ObjectStore
from .bundle import Pace, bundles, fits, process_bundle
from .faults import is_of_store
from .hold import Hold
from .index import Upsert
from .lanes import Lanes
from .scratch import scratch_folder, sweep
from .settling import Settling
from .work import Outcome, Workshop, outcome_of_fault, process_item

log = logging.getLogger(__name__)

_WIRES = 8
_BUNDLES = 3  # at a time: while one is made, others are fetched and published
_TICK = 0.25
_LONG_BYTES = 32 * 2**20  # of a file that is no video
_LOOK_AGAIN = 5.0  # seconds between two looks at an object store that an item could not reach


class BatchWork:
    """Works on `items` of the batch from when it is made; `until` and `finish` settle what comes of it.

    All is settled by the one thread that waits, for whatever kind; after its first exception it does nothing more. With
    `upsert`, files are indexed and ready as they are made. When another owner waits and this one's turn is over, what
    has not been begun is given back. Close it, or use it as a context: what is not done by then never is.
    """

    def __init__(
        self, hold: Hold, shop: Workshop, items: Sequence[Record], *, workers: int, upsert: Upsert | None = None
    ) -> None:
        self.hold = hold
        self._items = items
        self._settling = Settling(hold, upsert)
        self._turn_ends = time.monotonic() + hold.turn_seconds
        self._done: SimpleQueue[list[Outcome] | _Longer | BaseException] = SimpleQueue()
        self._pending: dict[Future[None], Sequence[Record]] = {}
        self._ended: SimpleQueue[Future[None]] = SimpleQueue()
        self._short: set[Future[None]] = set()
        self._fault: BaseException | None = None
        self._threads: _Threads | None = None
        self._look: _Look | None = None
        self._stack = ExitStack()
        if not items:
            return
        if swept := sweep(shop.scratch):
            log.info("Deleted the temporary folders of %d files whose run was killed.", swept)
        try:
            rooms = self._stack.enter_context(scratch_folder(shop.scratch))
            processes = self._stack.enter_context(Workers(workers, rooms))
            self._threads = _Threads(workers)
        except (OSError, RuntimeError) as fault:  # there is no place to work at, for any of them
            self._done.put([outcome_of_fault(item, fault) for item in items])
            return
        self._stack.callback(self._end, self._threads, processes)
        self._look = _Look(shop.store, self._threads)
        store = shop.store.guarded(hold.confirm)
        self._submit(replace(shop, store=store, workers=processes, before=self._look.check), self._threads)

    def _submit(self, shop: Workshop, threads: _Threads) -> None:
        """Have all done: what is short as it comes, what is long in ascending order."""
        ordered = sorted(self._items, key=shop.sharing_key)
        groups = [list(same) for _, same in groupby(ordered, key=shop.sharing_key)]
        small = [same[0] for same in groups if len(same) == 1 and fits(shop, same[0])]
        others = sorted((same for same in groups if len(same) > 1 or not fits(shop, same[0])), key=_size)

        pace = Pace()

        def bundle(records: list[Record]) -> None:
            for part in pace.parts(records):
                outcomes, longer = process_bundle(shop, part, threads.lanes, threads.wires)
                for record in longer:
                    self._done.put(_Longer([record], alike))
                self._hand_over(outcomes)

        def alike(same: list[Record]) -> None:
            for outcome in _process_alike(shop, same):
                self._hand_over([outcome])

        for records in bundles(small):
            self._pending[threads.bundles.submit(self._told, bundle, records)] = records
        for same in others:
            if not _is_long(same):
                self._pending[threads.lanes.submit(self._told, alike, same)] = same
        self._short = set(self._pending)
        for same in others:
            if _is_long(same):
                self._pending[threads.lanes.submit_long(self._told, alike, same)] = same
        for future in self._pending:
            future.add_done_callback(self._ended.put)
        self._note_ended()

    def _hand_over(self, outcomes: list[Outcome]) -> None:
        """Have outcomes settled. When one could not reach the object store, that is looked at before others try."""
        if self._look is not None and any(one.reason and is_of_store(one.reason) for one in outcomes):
            self._look.begin()
        self._done.put(outcomes)

    def _submit_longer(self, longer: _Longer) -> None:
        """Have items done that left their bundle."""
        assert self._threads is not None
        future = self._threads.lanes.submit_long(self._told, longer.work, longer.records)
        self._pending[future] = longer.records
        future.add_done_callback(self._ended.put)

    def _told(self, work: Callable[[list[Record]], None], records: list[Record]) -> None:
        """Do a task of a pool; what it raises, which is no item's fault, is raised where somebody waits."""
        try:
            work(records)
        except BaseException as fault:
            self._done.put(fault)

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """What became of items, by the ids of their records, as far as it is settled."""
        return self._settling.outcomes

    @property
    def given_back(self) -> Collection[str]:
        """The ids of items that have left the batch without having been begun."""
        return self._settling.given_back

    @property
    def refs(self) -> Mapping[str, AssetRef]:
        """What this work has in the index, by the ids of records."""
        return self._settling.refs

    def until(self, kind: Kind) -> None:
        """Return when every item of a kind is settled, or given back. Raises BatchLost, and DreamlakeError when BSS
        does not come back."""
        self._until([item.id for item in self._items if item.kind is kind])

    def finish(self) -> list[Outcome]:
        """Return when every item is: what became of them, in their order, but for those given back. Raises as `until`
        does."""
        ids = [item.id for item in self._items]
        self._until(ids)
        return [self.outcomes[one] for one in ids if one in self.outcomes]

    def _until(self, ids: list[str]) -> None:
        if self._fault is not None:
            raise self._fault
        try:
            left = self._settling.without(ids)
            unmade, settled = list(left), self._settling.count
            while left:
                while unmade and self._settling.has(unmade[-1]):
                    unmade.pop()
                self._take(_TICK if unmade else 0)
                self._settling.tick(at_once=not unmade)
                if self._settling.count != settled:
                    left, settled = self._settling.without(left), self._settling.count
                if self._settling.others_wait and time.monotonic() > self._turn_ends:
                    self._give_back()
            self._note_ended()
        except BaseException as fault:
            self._fault = fault
            self.close()
            raise

    def _give_back(self) -> None:
        """What has not been begun leaves the batch."""
        for future in [future for future in self._pending if future.cancel()]:
            self._settling.give_back(self._pending.pop(future))
            self._short.discard(future)

    def _take(self, seconds: float) -> None:
        """Take what was done by now; where that is nothing, wait for something so long."""
        try:
            done = self._done.get(timeout=seconds) if seconds else self._done.get_nowait()
            while True:
                if isinstance(done, BaseException):
                    raise done
                if isinstance(done, _Longer):
                    self._submit_longer(done)
                else:
                    self._settling.add(done)
                done = self._done.get_nowait()
        except Empty:
            self._note_ended()

    def _note_ended(self) -> None:
        while not self._ended.empty():
            future = self._ended.get()
            self._pending.pop(future, None)
            self._short.discard(future)
        if not self._short and self._threads is not None:
            self._threads.lanes.end_short()

    def _end(self, threads: _Threads, processes: Workers) -> None:
        is_early = any(not future.done() for future in self._pending)
        if is_early:
            processes.stop()
        threads.shutdown(is_early=is_early)

    def close(self) -> None:
        """End all that is still at work, and delete what it has on the disk."""
        self._stack.close()

    def __enter__(self) -> BatchWork:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Longer(NamedTuple):
    """Items of a bundle that take longer than others of it, and what is to be done with them."""

    records: list[Record]
    work: Callable[[list[Record]], None]


class _Threads:
    """The pools of a batch: `lanes` bound how many files are worked on, `wires` how many requests are under way."""

    def __init__(self, workers: int) -> None:
        self.lanes = Lanes(workers)
        self.wires = ThreadPoolExecutor(_WIRES, thread_name_prefix="wire")
        self.bundles = ThreadPoolExecutor(_BUNDLES, thread_name_prefix="bundle")
        self.aside = ThreadPoolExecutor(1, thread_name_prefix="aside")

    def shutdown(self, *, is_early: bool) -> None:
        """End the pools. When it `is_early`, what has not started never does, and nobody waits for what has."""
        for pool in (self.bundles, self.lanes, self.wires, self.aside):
            pool.shutdown(wait=not is_early, cancel_futures=is_early)


class _Look:
    """Whether the object store answers, once an item could not reach it: if it does not, no further item is begun. Each
    would find out by itself, with the patience that there is for one."""

    def __init__(self, store: ObjectStore, threads: _Threads) -> None:
        self._store, self._threads = store, threads
        self._looking: Future[None] | None = None
        self._looked_at = 0.0
        self._away: DreamlakeError | None = None

    def begin(self) -> None:
        """Look, unless somebody does, or just did."""
        if (self._looking is None or self._looking.done()) and time.monotonic() - self._looked_at > _LOOK_AGAIN:
            self._looking = self._threads.aside.submit(self._look)

    def _look(self) -> None:
        try:
            self._store.impatient().check()  # items fail fast by now: so does this
        except DreamlakeError as error:
            self._away = error
        self._looked_at = time.monotonic()

    def check(self) -> None:
        """Raise what was found out, if the store was away. Who comes while it is looked at waits for what is found."""
        if (looking := self._looking) is not None and not looking.done():
            wait([looking], timeout=_LOOK_AGAIN)
        if self._away is not None:
            raise self._away


def _process_alike(shop: Workshop, same: Sequence[Record]) -> Iterator[Outcome]:
    """Items with the same bytes: the first that succeeds is made, the others are published from it."""
    twin = None
    for record in same:
        outcome = process_item(shop, record, twin)
        yield outcome
        if twin is None and outcome.result is not None and outcome.result.error is None:
            twin = outcome


def _is_long(same: Sequence[Record]) -> bool:
    """Whether these may take as long as many others together, as far as one knows before they are read."""
    return same[0].kind is Kind.VIDEO or _size(same) > _LONG_BYTES


def _size(same: Sequence[Record]) -> int:
    return same[0].size or 0
