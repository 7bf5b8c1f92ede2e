"""The items of one kind of a batch, side by side: small sounds by the bundle, everything else one by one.

Threads, since the work is that of ffmpeg and worker processes, object store and Postgres. Results are reported in
small groups as they come, so that a crash loses little; the batch's lease is extended all the while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
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
from .bundle import bundles, is_small, process_bundle
from .scratch import scratch_folder, sweep
from .work import PASSING, Outcome, Workshop, process_item

log = logging.getLogger(__name__)

_WIRES = 8
_BUNDLES = 3  # at a time: while one is made, others are fetched and published
_GROUP = 50
_GROUP_SECONDS = 2.0
_TICK = 0.5
_MOST_PREVIEWS = 8  # pictures are for people, and stay in memory


@dataclass(frozen=True, slots=True)
class Hold:
    """A run's hold on a batch: only the run that began it last has it."""

    pipeline: PipelineClient
    partition: str
    run_id: str
    lease_seconds: float
    force: bool = False
    only: Sequence[str] = ()

    def begin(self) -> BatchItems:
        """Take the batch; its items that are to be done."""
        return self.pipeline.begin(
            self.partition, self.run_id, lease_seconds=self.lease_seconds, force=self.force, only=self.only
        )

    def extend(self) -> None:
        """Move the end of the lease. Raises CONFLICT when another run has the batch."""
        self.pipeline.heartbeat(self.partition, self.run_id, lease_seconds=self.lease_seconds)

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


def process_items(hold: Hold, shop: Workshop, items: Sequence[Record], *, workers: int) -> list[Outcome]:
    """Process items, report what became of each, and return that in their order.

    Raises DreamlakeError when BSS can't be told, or says that another run has the batch.
    """
    if items and (swept := sweep(shop.scratch)):
        log.info("Deleted the temporary folders of %d files whose run was killed.", swept)
    ordered = sorted(items, key=shop.sharing_key)
    groups = [list(same) for _, same in groupby(ordered, key=shop.sharing_key)]
    small = [record for record, *others in groups if not others and is_small(record)]
    alone = [same for same in groups if len(same) > 1 or not is_small(same[0])]
    reporter = _Reporter(hold)
    with (
        scratch_folder(shop.scratch) as rooms,
        Workers(workers, rooms) as processes,
        _Threads(workers) as threads,
    ):
        shop = replace(shop, workers=processes)
        pending: set[Future[list[Outcome]]] = {
            *(
                threads.bundles.submit(process_bundle, shop, bundle, threads.media, threads.wires)
                for bundle in bundles(small)
            ),
            *(threads.media.submit(_process_same, shop, same) for same in alone),
        }
        while pending:
            done, pending = wait(pending, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in done:
                reporter.add(future.result())
            reporter.tick()
        while reporter.waiting:
            reporter.tick(at_once=True)
    return [reporter.outcomes[item.id] for item in items]


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

    def __init__(self, hold: Hold) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.waiting: list[Outcome] = []
        self._hold = hold
        self._reported_at = self._held_at = time.monotonic()
        self._pictures = 0

    def add(self, outcomes: Sequence[Outcome]) -> None:
        self.waiting += outcomes

    def tick(self, *, at_once: bool = False) -> None:
        """Report and extend the lease where it is time to. Raises DreamlakeError when the batch is lost."""
        now = time.monotonic()
        try:
            if self.waiting and (at_once or len(self.waiting) >= _GROUP or now - self._reported_at > _GROUP_SECONDS):
                self._report()
            if now - self._held_at > self._hold.lease_seconds / 4:
                self._hold.extend()
                self._held_at = now
        except DreamlakeError as error:
            if error.code not in PASSING or now - self._held_at > self._hold.lease_seconds:
                raise
            log.warning("%s The work goes on, and is reported later.", error.message)
            time.sleep(_TICK)

    def _report(self) -> None:
        for outcome in report(self._hold, self.waiting):
            self._pictures += outcome.preview is not None
            kept = outcome if self._pictures <= _MOST_PREVIEWS else replace(outcome, preview=None)
            self.outcomes[outcome.record.id] = kept
        self.waiting = []
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
            hold.pipeline.report(hold.partition, results)
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
            hold.pipeline.report(hold.partition, [outcome.result])
            yield outcome
        except DreamlakeError as error:
            if error.code in PASSING:
                raise
            body = ErrorBody(
                code=str(Code.INTERNAL), message=f"The result of {outcome.record.name} was refused: {error.message}"
            )
            failed = ItemResult(id=outcome.record.id, error=body)
            hold.pipeline.report(hold.partition, [failed])
            yield Outcome(outcome.record, failed)
