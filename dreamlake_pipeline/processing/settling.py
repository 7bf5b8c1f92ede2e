"""What became of items, told in groups as it comes: to BSS, to the index, and then they are ready.

In this order, since what is ready is in the index. The first is told at once, the others in groups of about a second; a
step that can't be taken at the moment is taken with a later group, and the others go on.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace

from ..api.bss import Record
from ..api.common import ErrorBody
from ..api.pipeline import ItemResult, Postponement
from ..api.server import AssetRef
from ..errors import Code, DreamlakeError
from . import told
from .faults import is_refusal, judge
from .hold import BatchLost, Hold
from .index import Upsert, asset_of
from .work import Outcome, standing

log = logging.getLogger(__name__)

_GROUP_SECONDS = 1.0
_MOST = 500  # items of a group
_MOST_UNTOLD = 15.0  # seconds until a run hears that another owner waits
_AGAIN_SECONDS = 5.0  # between two attempts at an index that is away
_MOST_PREVIEWS = 8  # pictures are for people, and stay in memory


class Settling:
    """Settles the outcomes of a batch's items, and keeps the batch meanwhile. Of one thread.

    `outcomes` are those that BSS knows, by the ids of their records; `refs` what is in the index of them, `given_back`
    which items left the batch, and `others_wait` whether another owner waits for a place. Without `upsert`, nothing is
    indexed, and nothing ready.
    """

    def __init__(self, hold: Hold, upsert: Upsert | None) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.refs: dict[str, AssetRef] = {}
        self.given_back: set[str] = set()
        self.others_wait = False
        self._hold, self._upsert = hold, upsert
        self._made: deque[Outcome] = deque()
        self._told: deque[Outcome] = deque()
        self._indexed: deque[str] = deque()
        self._made_ids: set[str] = set()
        self._gone: set[str] = set()  # items that were deleted or moved: what is known of them here is of the past
        self._not_begun: list[Record] = []
        self._settled_at, self._index_at = 0.0, 0.0
        self._pictures = 0

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes that are new."""
        self._made += outcomes
        self._made_ids.update(outcome.record.id for outcome in outcomes)

    def give_back(self, items: Sequence[Record]) -> None:
        """Have items that were not begun leave the batch."""
        self._not_begun += items
        self._made_ids.update(item.id for item in items)

    def without(self, ids: Collection[str]) -> list[str]:
        """Those of the items that are not settled."""
        return [one for one in ids if one not in self.outcomes and one not in self.given_back]

    @property
    def count(self) -> int:
        """How many items are settled."""
        return len(self.outcomes) + len(self.given_back)

    def has(self, record_id: str) -> bool:
        """Whether an item has been given here, settled or not."""
        return record_id in self._made_ids

    def tick(self, *, at_once: bool = False) -> None:
        """Keep the batch, and settle a group where it is time to.

        While BSS is away, waits a moment. Raises BatchLost, and DreamlakeError when BSS does not come back.
        """
        now = time.monotonic()
        try:
            if self._hold.held_for > min(self._hold.lease_seconds / 6, _MOST_UNTOLD):
                self.others_wait = self._hold.extend()
            is_any = self._not_begun or self._made or self._told or self._indexed
            if is_any and (at_once or len(self._made) >= _MOST or now - self._settled_at > _GROUP_SECONDS):
                self._settled_at = now
                self._leave()
                self._tell()
                self._index(now)
                self._make_ready()
        except DreamlakeError as error:
            if isinstance(error, BatchLost) or not self._hold.may_wait(error):
                raise
            log.warning("%s The work goes on, and is reported later.", error.message)
            time.sleep(0.5)

    def _leave(self) -> None:
        if self._not_begun:
            self._hold.give_back(self._not_begun)
            log.info("%d files are given back to the queue: another owner waits.", len(self._not_begun))
            self.given_back.update(item.id for item in self._not_begun)
            self._not_begun = []

    def _tell(self) -> None:
        """Tell BSS what was made, and what is put off."""
        while group := [self._made[n] for n in range(min(_MOST, len(self._made)))]:
            results = [outcome.result for outcome in group if outcome.result is not None]
            put_off = [
                Postponement(id=outcome.record.id, reason=outcome.reason)
                for outcome in group
                if outcome.result is None and outcome.reason is not None
            ]
            if results:
                try:
                    self._gone.update(self._hold.report(results))
                except DreamlakeError as error:
                    if self._hold.may_wait(error):
                        raise
                    self._hold.extend()  # raises when the group was refused because another run has the batch
                    log.warning("BSS refused a group of %d results (%s); each is told alone.", len(results), error)
                    self._tell_one_by_one()
                    continue
            if put_off:
                self._hold.postpone(put_off)
            for outcome in group:
                self._made.popleft()
                self._keep(outcome)

    def _tell_one_by_one(self) -> None:
        """So that a result which BSS can't store is the only one that is not."""
        while self._made:
            outcome = self._made[0]
            if outcome.result is not None:
                outcome = self._told_alone(outcome)
            if outcome.result is None and outcome.reason is not None:
                self._hold.postpone([Postponement(id=outcome.record.id, reason=outcome.reason)])
            self._made.popleft()
            self._keep(outcome)

    def _told_alone(self, outcome: Outcome) -> Outcome:
        """What becomes of a result that is told by itself. Only what BSS itself says of it counts against the file."""
        assert outcome.result is not None
        try:
            self._gone.update(self._hold.report([outcome.result]))
            return outcome
        except DreamlakeError as error:
            if self._hold.may_wait(error):
                raise
            self._hold.extend()
            if not is_refusal(error):
                verdict = judge(outcome.record, error)
                if not verdict.is_final:
                    return Outcome(outcome.record, None, reason=verdict.reason)
            refused = ErrorBody(
                code=str(Code.INTERNAL), message=f"The result of {outcome.record.name} was refused: {error.message}"
            )
        failed = ItemResult(id=outcome.record.id, error=refused)
        try:
            self._hold.report([failed])
        except DreamlakeError as error:
            if not is_refusal(error):
                raise
            log.warning("%s has left the batch: nothing is told of it.", outcome.record.name)
        return Outcome(outcome.record, failed)

    def _keep(self, outcome: Outcome) -> None:
        told.tell(self._hold.run_id, self._hold.partition, outcome)
        self._pictures += outcome.preview is not None
        if outcome.preview is not None and self._pictures > _MOST_PREVIEWS:
            outcome = replace(outcome, preview=None)
        self.outcomes[outcome.record.id] = outcome
        # Of one that failed, or whose earlier result stands, the last step of the batch tells the index what holds;
        # when this run does not come so far, the sensor of deleted records does (bss/deletions.py).
        if outcome.result is not None and outcome.result.error is None and outcome.record.id not in self._gone:
            self._told.append(outcome)

    def _index(self, now: float) -> None:
        """Write what BSS was told into the index. While that is away, all else goes on."""
        if self._upsert is None or not self._told or now < self._index_at:
            return
        group = list(self._told)
        records = standing([outcome.record for outcome in group], group)
        try:
            self._hold.confirm()
            refs = self._upsert([asset_of(record) for record in records])
        except BatchLost:
            raise
        except DreamlakeError as error:
            log.warning("%s %d files are ready once they are in the index.", error.message, len(group))
            self._index_at = now + _AGAIN_SECONDS
            return
        for record, ref in zip(records, refs, strict=True):
            if ref is not None:
                self.refs[record.id] = ref
                self._indexed.append(record.id)
        self._told.clear()

    def _make_ready(self) -> None:
        while self._indexed:
            ids = [self._indexed[n] for n in range(min(_MOST, len(self._indexed)))]
            self._hold.finish(ids)
            for _ in ids:
                self._indexed.popleft()
