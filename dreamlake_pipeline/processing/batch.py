"""The items of one kind of a batch, side by side: small sounds by the bundle, everything else one by one.

Threads, since the work is that of ffmpeg and worker processes, object store and Postgres. Results are reported in
small groups as they come, so that a crash loses little; the batch's lease is extended all the while.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import groupby

from ..api.bss import Record, Status
from ..api.common import ErrorBody
from ..api.pipeline import BatchItems, ItemResult
from ..client.pipeline import PipelineClient
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..media.run.workers import Workers
from . import told
from .bundle import bundles, is_small, process_bundle
from .scratch import scratch_folder, sweep
from .work import PASSING, Outcome, Workshop, process_item

log = logging.getLogger(__name__)

_WIRES = 8
_BUNDLES = 3  # at a time: while one is made, others are fetched and published
_GROUP = 50
_GROUP_SECONDS = 2.0
_TICK = 0.5
_SETTLE_SECONDS = 20.0  # each time costs a look at every item of the batch
_MOST_UNTOLD = 15.0  # seconds until a run hears that another owner waits
_MOST_PREVIEWS = 8  # pictures are for people, and stay in memory


@dataclass(frozen=True, slots=True)
class Hold:
    """A run's hold on a batch: only the run that began it last has it.

    After `turn_seconds` at the files of one kind, it makes room for another owner who waits.
    """

    pipeline: PipelineClient
    partition: str
    run_id: str
    lease_seconds: float
    turn_seconds: float = math.inf
    force: bool = False
    only: Sequence[str] = ()

    def begin(self) -> BatchItems:
        """Take the batch; its items that are to be done."""
        return self.pipeline.begin(
            self.partition, self.run_id, lease_seconds=self.lease_seconds, force=self.force, only=self.only
        )

    def extend(self) -> bool:
        """Move the end of the lease; whether another owner waits. Raises CONFLICT when another run has the batch."""
        held = self.pipeline.heartbeat(self.partition, self.run_id, lease_seconds=self.lease_seconds)
        return held.others_wait

    def give_back(self, items: Sequence[Record]) -> None:
        """Queue items that were not begun: another batch is formed of them when it is their owner's turn again."""
        self.pipeline.give_back(self.partition, self.run_id, [item.id for item in items])

    def due(self, kind: Kind, *, took_batch: bool) -> Due:
        """The items of `kind`, and which of them are to be done now.

        `took_batch`: this run took the whole batch before. Else (a run of one asset) it takes those that are due alone.
        """
        batch = self.pipeline.items(self.partition, kind)
        mine = batch.items
        if took_batch:
            self.extend()
            due = [item for item in mine if item.status is Status.PROCESSING and item.reported_at is None]
            return Due(batch.begun, batch.ladder, batch.csv, mine, due)
        named = [item for item in mine if not self.only or item.id in self.only]
        wanted = [item.id for item in named if self.force or self.only or not _is_done(item)]
        if not wanted:
            return Due(batch.begun, batch.ladder, batch.csv, mine, [])
        taken = self.pipeline.begin(self.partition, self.run_id, lease_seconds=self.lease_seconds, only=wanted)
        return Due(taken.begun, taken.ladder, taken.csv, mine, taken.items)


@dataclass(frozen=True, slots=True)
class Due:
    """The items of one kind of a batch: all of them, and those to be done now.

    `runs`: how many began the batch so far. `ladder`, `csv`: the project's, None when it says nothing of it.
    """

    runs: int
    ladder: tuple[int, ...] | None
    csv: dict[str, str] | None
    items: list[Record]
    due: list[Record]


def _is_done(item: Record) -> bool:
    return (item.status is Status.READY and item.last_error is None) or (
        item.status is Status.PROCESSING and item.reported_at is not None
    )


def process_items(
    hold: Hold, shop: Workshop, items: Sequence[Record], *, workers: int, settle: Callable[[], None] | None = None
) -> list[Outcome]:
    """Process items, report what became of each, and return that in their order.

    `settle` is called now and then while slow items are still at work: it makes ready what was reported until then.
    When another owner waits and this one's turn is over, what has not been begun is given back, and has no outcome.
    Raises DreamlakeError when BSS can't be told, or says that another run has the batch.
    """
    turn_ends = time.monotonic() + hold.turn_seconds
    if items and (swept := sweep(shop.scratch)):
        log.info("Deleted the temporary folders of %d files whose run was killed.", swept)
    ordered = sorted(items, key=shop.sharing_key)
    groups = [list(same) for _, same in groupby(ordered, key=shop.sharing_key)]
    small = [record for record, *others in groups if not others and is_small(record)]
    alone = [same for same in groups if len(same) > 1 or not is_small(same[0])]
    reporter = _Reporter(hold, settle)
    with (
        scratch_folder(shop.scratch) as rooms,
        Workers(workers, rooms) as processes,
        _Threads(workers) as threads,
    ):
        shop = replace(shop, workers=processes)
        pending: dict[Future[list[Outcome]], Sequence[Record]] = {
            **{
                threads.bundles.submit(process_bundle, shop, bundle, threads.media, threads.wires): bundle
                for bundle in bundles(small)
            },
            **{threads.media.submit(_process_same, shop, same): same for same in alone},
        }
        given_back: list[Record] = []
        while pending:
            for future in wait(pending, timeout=_TICK, return_when=FIRST_COMPLETED).done:
                reporter.add(future.result())
                del pending[future]
            reporter.tick()
            if reporter.others_wait and time.monotonic() > turn_ends:
                for future in [future for future in pending if future.cancel()]:
                    given_back += pending.pop(future)
        while reporter.waiting:
            reporter.tick(at_once=True)
    if given_back:
        hold.give_back(given_back)
        log.info("%d files are given back to the queue: another owner waits.", len(given_back))
    return [reporter.outcomes[item.id] for item in items if item.id in reporter.outcomes]


class _Threads:
    """The pools of a batch: `media` bounds how many files are worked on, `wires` how many requests are under way.

    When its block ends by an exception, what has not started never does.
    """

    def __init__(self, workers: int) -> None:
        self.media = ThreadPoolExecutor(workers, thread_name_prefix="item")
        self.wires = ThreadPoolExecutor(_WIRES, thread_name_prefix="wire")
        self.bundles = ThreadPoolExecutor(_BUNDLES, thread_name_prefix="bundle")

    def __enter__(self) -> _Threads:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for pool in (self.bundles, self.media, self.wires):
            pool.shutdown(wait=kind is None, cancel_futures=kind is not None)


class _Reporter:
    """Reports outcomes in small groups and keeps the batch.

    BSS may be away for as long as the lease lasts: only then may another run have been given the batch.
    """

    def __init__(self, hold: Hold, settle: Callable[[], None] | None) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.waiting: list[Outcome] = []
        self.others_wait = False
        self._hold = hold
        self._settle = settle
        self._is_settled = True
        self._reported_at = self._held_at = self._settled_at = time.monotonic()
        self._pictures = 0

    def add(self, outcomes: Sequence[Outcome]) -> None:
        self.waiting += outcomes

    def tick(self, *, at_once: bool = False) -> None:
        """Report and extend the lease where it is time to. Raises DreamlakeError when the batch is lost."""
        now = time.monotonic()
        try:
            if self.waiting and (at_once or len(self.waiting) >= _GROUP or now - self._reported_at > _GROUP_SECONDS):
                self._report()
            if now - self._held_at > min(self._hold.lease_seconds / 4, _MOST_UNTOLD):
                self.others_wait = self._hold.extend()
                self._held_at = now
            if self._settle and not self._is_settled and now - self._settled_at > _SETTLE_SECONDS:
                self._settle()
                self._settled_at, self._is_settled = now, True
        except DreamlakeError as error:
            if error.code not in PASSING or now - self._held_at > self._hold.lease_seconds:
                raise
            log.warning("%s The work goes on, and is reported later.", error.message)
            time.sleep(_TICK)

    def _report(self) -> None:
        reported = report(self._hold, self.waiting)
        told.tell(self._hold.run_id, self._hold.partition, reported)
        for outcome in reported:
            self._pictures += outcome.preview is not None
            kept = outcome if self._pictures <= _MOST_PREVIEWS else replace(outcome, preview=None)
            self.outcomes[outcome.record.id] = kept
        self.waiting = []
        self._is_settled = False
        self._reported_at = time.monotonic()


def _process_same(shop: Workshop, same: Sequence[Record]) -> list[Outcome]:
    """Items with the same bytes: the first that succeeds is made, the others are published from it."""
    outcomes: list[Outcome] = []
    twin = None
    for record in same:
        outcome = process_item(shop, record, twin)
        outcomes.append(outcome)
        if twin is None and outcome.result is not None and outcome.result.error is None:
            twin = outcome
    return outcomes


def report(hold: Hold, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Tell BSS what became of items; what became of them for good.

    When BSS refuses a group, each result is reported by itself, so that a result which it can't store fails alone.
    """
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    try:
        if results:
            hold.pipeline.report(hold.partition, hold.run_id, results)
        return list(outcomes)
    except DreamlakeError as error:
        if error.code in PASSING:
            raise
        hold.extend()  # raises when the group was refused because another run has the batch
        log.warning("BSS refused a group of %d results (%s); each is reported alone.", len(results), error)
    return list(_report_each(hold, outcomes))


def _report_each(hold: Hold, outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    for outcome in outcomes:
        if outcome.result is None:
            yield outcome
            continue
        try:
            hold.pipeline.report(hold.partition, hold.run_id, [outcome.result])
            yield outcome
        except DreamlakeError as error:
            if error.code in PASSING:
                raise
            body = ErrorBody(
                code=str(Code.INTERNAL), message=f"The result of {outcome.record.name} was refused: {error.message}"
            )
            failed = ItemResult(id=outcome.record.id, error=body)
            hold.pipeline.report(hold.partition, hold.run_id, [failed])
            yield Outcome(outcome.record, failed)
