"""A run's hold on a batch: only the run that began it last has it, and nobody else changes anything in it.

A run that was stopped for longer than its lease, or cut off, does not know that another one has its batch by now. So
BSS compares the run with every call that changes something, and the run itself asks before it writes what readers see.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ..api.bss import Record, Status
from ..api.pipeline import BatchItems, ItemResult, Postponement
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..remote.pipeline import PipelineClient

log = logging.getLogger(__name__)

# Of its lease, the part for which a run believes what it was told: the rest is for what it does meanwhile.
_BELIEVED = 1 / 4
_PAUSE = 1.0
# Seconds for which a run waits for BSS: nobody takes its batch while BSS is away, and work may be done over hours.
PATIENCE = 3600.0


class BatchLost(DreamlakeError):
    """Another run has the batch: this one stops, and changes nothing more."""

    def __init__(self, partition: str) -> None:
        super().__init__(
            Code.CONFLICT,
            f"Another run has batch {partition} by now: this one stopped, and wrote nothing more.",
            hint="Nothing is to be done: the other run does what is left.",
        )


@dataclass
class Hold:
    """The hold of the run `run_id` on the batch `partition`; safe to share between threads.

    After `turn_seconds` at the files of the batch, the run makes room for another owner who waits. `force` and `only`
    are what of the batch is to be done again. A run of an `attempt` takes no batch that was offered again since then.
    The first run of a batch fills it up to `max_files` and `max_bytes`, where both are given, or to its share of the
    work for so many `slots`, with files of the `kinds` that it works on.
    """

    pipeline: PipelineClient
    partition: str
    run_id: str
    lease_seconds: float
    turn_seconds: float = math.inf
    force: bool = False
    only: Sequence[str] = ()
    attempt: int | None = None
    max_files: int | None = None
    max_bytes: int | None = None
    slots: int | None = None
    kinds: Collection[Kind] = tuple(Kind)
    _held_at: float = field(default=-math.inf, init=False)  # when BSS last said so
    _asking: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def begin(self, only: Sequence[str] | None = None) -> BatchItems:
        """Take the batch; its items that are to be done, or `only` these. Raises CONFLICT for a later attempt's."""
        asked_at = now()
        force = self.force if only is None else False
        taken = self.pipeline.begin(
            self.partition,
            self.run_id,
            lease_seconds=self.lease_seconds,
            attempt=self.attempt,
            force=force,
            only=self.only if only is None else only,
            max_files=self.max_files,
            max_bytes=self.max_bytes,
            slots=self.slots,
            kinds=self.kinds,
        )
        self._held_at = asked_at
        return taken

    def due_alone(self, items: Sequence[Record]) -> list[Record]:
        """Of these items of the batch, take those that are to be done, for a run that has not taken the whole batch."""
        named = [item for item in items if not self.only or item.id in self.only]
        wanted = [item.id for item in named if self.force or self.only or not _is_done(item)]
        return self.begin(only=wanted).items if wanted else []

    def extend(self) -> bool:
        """Move the end of the lease; whether another owner waits. Raises BatchLost."""
        asked_at = now()
        try:
            held = self.pipeline.heartbeat(self.partition, self.run_id, lease_seconds=self.lease_seconds)
        except DreamlakeError as error:
            if error.code is Code.CONFLICT:
                raise BatchLost(self.partition) from error
            raise
        self._held_at = max(self._held_at, asked_at)
        return held.others_wait

    @property
    def held_for(self) -> float:
        """Seconds since BSS last said that this run has the batch."""
        return now() - self._held_at

    @property
    def is_fresh(self) -> bool:
        """Whether BSS said within the last quarter of a lease that this run has the batch."""
        return self.held_for <= self.lease_seconds * _BELIEVED

    def confirm(self) -> None:
        """Return once BSS has said, not long ago, that this run has the batch: called before something is written.

        Waits while BSS is away. Raises BatchLost, and DreamlakeError when BSS does not come back.
        """
        while not self.is_fresh:
            with self._asking:
                if self.is_fresh:
                    return
                try:
                    self.extend()
                    return
                except DreamlakeError as error:
                    if not self.may_wait(error):
                        raise
            time.sleep(_PAUSE)

    def may_wait(self, error: DreamlakeError) -> bool:
        """Whether an error says that BSS is away, and was not for too long yet."""
        return error.is_passing and self.held_for < PATIENCE

    def give_back(self, items: Sequence[Record]) -> None:
        """Queue items that were not begun: another batch is formed of them when it is their owner's turn again."""
        self.pipeline.give_back(self.partition, self.run_id, [item.id for item in items])

    def postpone(self, items: Sequence[Postponement]) -> None:
        """Queue items that a fault of the machinery kept from being processed, to be tried again after a while."""
        self.pipeline.postpone(self.partition, self.run_id, items)

    def report(self, results: Sequence[ItemResult]) -> list[str]:
        """Record what became of items; the ids of those that have left the batch."""
        return self.pipeline.report(self.partition, self.run_id, results)

    def finish(self, ids: Sequence[str] | None = None) -> None:
        """Items that are in the index are ready: these, or all that have a result."""
        self.pipeline.finish(self.partition, self.run_id, ids)


def _is_done(item: Record) -> bool:
    return (item.status is Status.READY and item.last_error is None) or (
        item.status is Status.PROCESSING and item.reported_at is not None
    )


def now() -> float:
    """Seconds that pass also while the machine sleeps, where the system tells them (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
