"""Items of a batch: one that can't be processed, stored or reported does not stop its neighbours."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record, Status
from dreamlake_pipeline.api.pipeline import Held, ItemResult, Release, StagedObject
from dreamlake_pipeline.api.server import AssetRef, BatchAsset
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.hold import BatchLost, Hold
from dreamlake_pipeline.processing.index import index_batch
from dreamlake_pipeline.processing.settling import Settling
from dreamlake_pipeline.processing.work import Outcome, Workshop, process_item
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

Begin = Callable[[dict[str, bytes]], Hold]


def srt(text: str) -> bytes:
    return f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n".encode()


@pytest.fixture
def shop(pipeline: PipelineClient, object_store: ObjectStore) -> Workshop:
    return Workshop(pipeline, object_store)


def statuses(hold: Hold) -> dict[str, Any]:
    return {item.name: item for item in hold.pipeline.items(hold.partition).items}


def process_items(hold: Hold, shop: Workshop, items: Sequence[Record], *, workers: int) -> list[Outcome]:
    with BatchWork(hold, shop, items, workers=workers) as work:
        return work.finish()


def test_outcomes_come_in_the_order_of_the_items(hold: Begin, shop: Workshop) -> None:
    held = hold({f"/{n}.srt": srt(str(n)) for n in range(20)} | {"/none.srt": b"no cue"})
    items = held.begin().items
    outcomes = process_items(held, shop, items, workers=4)
    assert [outcome.record.id for outcome in outcomes] == [item.id for item in items]
    assert [outcome.record.name for outcome in outcomes if outcome.error] == ["/none.srt"]
    summary = held.pipeline.finish(held.partition, held.run_id)
    assert (summary.ready, summary.failed, summary.unfinished) == (20, 1, 0)


def test_waiting_costs_the_same_for_each_item_however_many_there_are(
    hold: Begin, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All items are gone through once for each group that is settled, and none for each item that is made."""
    looked_at, groups = [], []
    without, report, has = Settling.without, Hold.report, Settling.has
    monkeypatch.setattr(Settling, "without", lambda self, ids: (looked_at.extend(ids), without(self, ids))[1])
    monkeypatch.setattr(Settling, "has", lambda self, one: (looked_at.append(one), has(self, one))[1])
    monkeypatch.setattr(Hold, "report", lambda self, results: (groups.append(results), report(self, results))[1])
    held = hold({f"/{n}.srt": srt(str(n)) for n in range(200)})
    items = held.begin().items
    assert len(process_items(held, shop, items, workers=2)) == 200
    turns = 200 + 200  # of the loop: one for each that is made, or a few more where nothing came for a moment
    assert len(looked_at) <= 200 * (len(groups) + 2) + turns + 200


def settled(hold: Hold, outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    """What is settled of outcomes, by the names of their records."""
    settling = Settling(hold, None)
    settling.add(outcomes)
    deadline = time.monotonic() + 30
    while settling.without([outcome.record.id for outcome in outcomes]) and time.monotonic() < deadline:
        settling.tick(at_once=True)
    return {outcome.record.name: outcome for outcome in settling.outcomes.values()}


def test_the_first_result_is_told_at_once_and_the_next_with_others(
    hold: Begin, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.processing.settling._GROUP_SECONDS", 3600)
    held = hold({"/a.srt": srt("a"), "/b.srt": srt("b")})
    first, second = (process_item(shop, item) for item in held.begin().items)
    settling = Settling(held, None)
    settling.tick()  # a wait in which nothing is made takes nobody's turn
    settling.add([first])
    settling.tick()
    assert list(settling.outcomes) == [first.record.id]
    settling.add([second])
    settling.tick()
    assert list(settling.outcomes) == [first.record.id]
    settling.tick(at_once=True)
    assert list(settling.outcomes) == [first.record.id, second.record.id]


def test_a_result_that_is_refused_fails_alone(hold: Begin, shop: Workshop) -> None:
    held = hold({"/a.srt": srt("a"), "/b.srt": srt("b")})
    good, bad = (process_item(shop, item) for item in held.begin().items)
    assert bad.result is not None
    dangling = replace(bad, result=bad.result.model_copy(update={"chunks": ["0" * 64]}))
    told = settled(held, [dangling, good])
    assert told[good.record.name].error is None and told[bad.record.name].error is not None
    found = statuses(held)
    assert found[good.record.name].reported_at is not None and found[good.record.name].error is None
    assert found[bad.record.name].status is Status.FAILED and "refused" in found[bad.record.name].error.message


def test_a_file_that_left_the_batch_does_not_stop_its_neighbours(hold: Begin, shop: Workshop) -> None:
    held = hold({"/a.srt": srt("a"), "/b.srt": srt("b")})
    gone, here = (process_item(shop, item) for item in held.begin().items)
    held.give_back([gone.record])
    settled(held, [gone, here])
    assert {item.name: item.reported_at is not None for item in held.pipeline.items(held.partition).items} == {
        here.record.name: True
    }


def test_a_run_whose_turn_is_over_makes_room_for_an_owner_who_waits(
    hold: Begin, shop: Workshop, claim: Callable[[], list[str]], owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.processing.settling._MOST_UNTOLD", 0)
    monkeypatch.setattr("dreamlake_pipeline.bss.batches.holding._WHILE", 0)  # the service runs in this process
    held = replace(hold({f"/{n}.srt": srt(str(n)) for n in range(400)}), turn_seconds=0)
    items = held.begin().items
    held.pipeline.adopt([
        StagedObject(key=f"{owner}-b/lab/staging/{'a' * 64}", owner=f"{owner}-b", project="lab", size=9, etag="e",
                     kind=Kind.TEXT_TRACK, name="/waits.srt")
    ])  # fmt: skip
    outcomes = process_items(held, shop, items, workers=1)
    assert 0 < len(outcomes) < 400
    assert held.pipeline.finish(held.partition, held.run_id).unfinished == 0
    [rest] = claim()
    again = held.pipeline.begin(rest, "run-2", lease_seconds=60)
    assert len(again.items) == 400 - len(outcomes)
    assert {item.id for item in again.items}.isdisjoint(outcome.record.id for outcome in outcomes)


class Index:
    """An index that remembers what it was told, and what was ready by then."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.groups: list[set[str]] = []
        self.ready: list[int] = []
        self.is_away = False

    def upsert(self, assets: Sequence[BatchAsset]) -> list[AssetRef]:
        if self.is_away:
            raise DreamlakeError(Code.UNREACHABLE, "The index does not answer.")
        ready = {name for name, item in statuses(self.hold).items() if item.status is Status.READY}
        assert ready <= set().union(*self.groups)  # what is ready is in the index
        self.ready.append(len(ready))
        self.groups.append({asset.name for asset in assets})
        return [
            AssetRef(
                id=new_id(),
                project_id=new_id(),
                episode_id=None,
                node_id=new_id(),
                filename=asset.name.lstrip("/"),
                status=asset.status,
            )
            for asset in assets
        ]


def test_files_are_ready_as_they_are_made(hold: Begin, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamlake_pipeline.processing.settling._GROUP_SECONDS", 0.1)
    held = hold({f"/{n}.srt": srt(str(n)) for n in range(400)})
    index = Index(held)
    with BatchWork(held, shop, held.begin().items, workers=1, upsert=index.upsert) as work:
        work.finish()
    assert len(index.groups) > 2 and 0 < index.ready[1] < 400 and index.ready == sorted(index.ready)
    assert sum(map(len, index.groups)) == len(work.refs) == 400
    assert {item.status for item in statuses(held).values()} == {Status.READY}


def test_results_are_reported_while_the_index_is_away(hold: Begin, shop: Workshop) -> None:
    held = hold({f"/{n}.srt": srt(str(n)) for n in range(9)})
    index = Index(held)
    index.is_away = True
    with BatchWork(held, shop, held.begin().items, workers=1, upsert=index.upsert) as work:
        assert len(work.finish()) == 9
    assert all(item.reported_at and item.status is Status.PROCESSING for item in statuses(held).values())
    index.is_away = False
    indexed = index_batch(held, index.upsert, took_batch=True, known=work.refs)
    assert indexed.ready == 9 and {item.status for item in statuses(held).values()} == {Status.READY}


def test_a_run_whose_batch_was_taken_over_stops(hold: Begin, shop: Workshop) -> None:
    held = hold({f"/{n}.srt": srt(str(n)) for n in range(30)})
    items = held.begin().items
    other = replace(held, run_id="run-2")
    assert len(other.begin().items) == 30
    with BatchWork(held, shop, items, workers=1) as work:
        with pytest.raises(BatchLost, match="Another run has batch"):
            work.until(Kind.TEXT_TRACK)
        with pytest.raises(BatchLost):  # and so do the assets that come after
            work.finish()
    assert not any(item.reported_at for item in statuses(held).values())


def test_a_run_that_may_have_lost_its_batch_publishes_nothing(
    hold: Begin, shop: Workshop, object_store: ObjectStore, owner: str
) -> None:
    held = hold({"/a.srt": srt("a")})
    [item] = held.begin().items
    held.pipeline.begin(held.partition, "run-2", lease_seconds=60)
    fenced = replace(shop, store=object_store.guarded(held.confirm))
    assert process_item(fenced, item).result is not None  # BSS said a moment ago that the run has it
    stored = layout.asset_prefix(owner, "lab", Kind.TEXT_TRACK, item.id)
    object_store.delete([found.key for found in object_store.list_all(stored)])

    stale = replace(held, lease_seconds=0)
    fenced = replace(shop, store=object_store.guarded(stale.confirm))
    with pytest.raises(BatchLost):
        process_item(fenced, item)
    assert list(object_store.list_all(stored)) == []


class Flaky(PipelineClient):
    """BSS as it is to a run while it restarts: so many reports and heartbeats are refused, the next ones arrive."""

    def __init__(self, http: ServiceClient, *, refused: int) -> None:
        super().__init__(http)
        self.refused = refused

    def report(self, partition: str, run_id: str, results: Sequence[ItemResult]) -> list[str]:
        self._refuse()
        return super().report(partition, run_id, results)

    def heartbeat(self, partition: str, run_id: str, *, lease_seconds: float) -> Held:
        self._refuse()
        return super().heartbeat(partition, run_id, lease_seconds=lease_seconds)

    def _refuse(self) -> None:
        if self.refused:
            self.refused -= 1
            raise DreamlakeError(Code.UNREACHABLE, "BSS does not answer.")


def test_a_restart_of_bss_costs_no_work(hold: Begin, shop: Workshop, http: ServiceClient) -> None:
    held = replace(hold({"/a.srt": srt("a")}), pipeline=Flaky(http, refused=2))
    items = held.begin().items
    [outcome] = process_items(held, shop, items, workers=1)
    assert outcome.error is None
    assert statuses(held)["/a.srt"].reported_at is not None and statuses(held)["/a.srt"].attempts == 1


def test_a_bss_that_stays_away_ends_the_run(
    hold: Begin, shop: Workshop, http: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.processing.hold.PATIENCE", 1)
    held = replace(hold({"/a.srt": srt("a")}), pipeline=Flaky(http, refused=1000))
    items = held.begin().items
    with pytest.raises(DreamlakeError, match="BSS does not answer"):
        process_items(held, shop, items, workers=1)


class FarAway(ObjectStore):
    """The real object store behind a slow line. When a download has come, `seen` gets who was offered the batch."""

    def __init__(self, store: ObjectStore, claim: Callable[[], list[str]]) -> None:
        super().__init__(store.client, store.bucket)
        self.claim = claim
        self.seen: list[list[str]] = []

    def download(self, key: str, path: Path) -> str:
        time.sleep(6)
        self.seen.append(self.claim())
        return super().download(key, path)


def test_a_batch_at_work_is_not_offered_again(hold: Begin, shop: Workshop, claim: Callable[[], list[str]]) -> None:
    held = replace(hold({"/a.srt": srt("a")}), lease_seconds=4)
    far = FarAway(shop.store, claim)
    [outcome] = process_items(held, replace(shop, store=far), held.begin().items, workers=1)
    assert outcome.error is None and far.seen == [[]]


def test_a_run_of_an_earlier_attempt_does_not_take_a_later_one(hold: Begin, claim: Callable[[], list[str]]) -> None:
    held = replace(hold({"/a.srt": srt("a")}), lease_seconds=0)
    held.begin()
    held.pipeline.release([Release(partition=held.partition, attempt=1, run_id=held.run_id)], max_attempts=3)
    deadline = time.monotonic() + 60
    while held.partition not in claim():  # which offers it anew, after a pause
        assert time.monotonic() < deadline
        time.sleep(0.2)
    with pytest.raises(DreamlakeError) as caught:
        replace(held, attempt=1).begin()
    assert caught.value.code is Code.CONFLICT and "came too late" in caught.value.message
    assert len(replace(held, attempt=2, run_id="run-2").begin().items) == 1
