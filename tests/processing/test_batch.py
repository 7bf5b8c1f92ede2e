"""Items of a batch: one that can't be processed, stored or reported does not stop its neighbours."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.api.pipeline import ItemResult, StagedObject
from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.client.http import ServiceClient
from dreamlake_pipeline.client.pipeline import PipelineClient
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.objectstore import ObjectStore
from dreamlake_pipeline.processing.batch import Hold, process_items, report
from dreamlake_pipeline.processing.index import index_reported
from dreamlake_pipeline.processing.work import Workshop, process_item

Begin = Callable[[dict[str, bytes]], Hold]


def srt(text: str) -> bytes:
    return f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n".encode()


@pytest.fixture
def shop(pipeline: PipelineClient, object_store: ObjectStore) -> Workshop:
    return Workshop(pipeline, object_store)


def statuses(hold: Hold) -> dict[str, Any]:
    return {item.name: item for item in hold.pipeline.items(hold.partition).items}


def test_outcomes_come_in_the_order_of_the_items(hold: Begin, shop: Workshop) -> None:
    held = hold({f"/{n}.srt": srt(str(n)) for n in range(20)} | {"/none.srt": b"no cue"})
    items = held.begin().items
    outcomes = process_items(held, shop, items, workers=4)
    assert [outcome.record.id for outcome in outcomes] == [item.id for item in items]
    assert [outcome.record.name for outcome in outcomes if outcome.error] == ["/none.srt"]
    summary = held.pipeline.finish(held.partition, held.run_id)
    assert (summary.ready, summary.failed, summary.unfinished) == (20, 1, 0)


def test_a_result_that_is_refused_fails_alone(hold: Begin, shop: Workshop) -> None:
    held = hold({"/a.srt": srt("a"), "/b.srt": srt("b")})
    good, bad = (process_item(shop, item) for item in held.begin().items)
    assert bad.result is not None
    dangling = replace(bad, result=bad.result.model_copy(update={"chunks": ["0" * 64]}))
    reported = report(held, [dangling, good])
    assert [outcome.error is None for outcome in reported] == [False, True]
    found = statuses(held)
    assert found[good.record.name].reported_at is not None and found[good.record.name].error is None
    assert found[bad.record.name].status is Status.FAILED and "refused" in found[bad.record.name].error.message


def test_a_passing_fault_leaves_the_item_to_the_next_attempt(
    hold: Begin, pipeline: PipelineClient, object_store: ObjectStore
) -> None:
    held = hold({"/a.srt": srt("a")})
    broken = Workshop(pipeline, ObjectStore(object_store.client, "no-such-bucket"))
    [item] = held.begin().items
    [outcome] = process_items(held, broken, [item], workers=1)
    assert outcome.result is None and outcome.error is not None and outcome.error.code == Code.STORAGE_FAILED
    assert statuses(held)["/a.srt"].status is Status.PROCESSING
    assert pipeline.finish(held.partition, held.run_id).unfinished == 1

    [last] = process_items(held, replace(broken, last_attempt=True), [item], workers=1)
    assert last.result is not None
    assert statuses(held)["/a.srt"].error.code == Code.STORAGE_FAILED


def test_a_run_whose_turn_is_over_makes_room_for_an_owner_who_waits(
    hold: Begin, shop: Workshop, claim: Callable[[], list[str]], owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.processing.batch._MOST_UNTOLD", 0)
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


def test_files_are_ready_while_slower_ones_of_their_batch_are_at_work(
    hold: Begin, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.processing.batch._SETTLE_SECONDS", 0)
    monkeypatch.setattr("dreamlake_pipeline.processing.batch._GROUP_SECONDS", 0)
    held = hold({f"/{n}.srt": srt(str(n)) for n in range(400)})
    indexed: list[BatchAsset] = []
    ready: list[int] = []

    def settle() -> None:
        index_reported(held, lambda assets: indexed.extend(assets) or [])
        ready.append(sum(item.status is Status.READY for item in held.pipeline.items(held.partition).items))
        assert ready[-1] <= len({asset.name for asset in indexed})  # what is ready is in the index

    process_items(held, shop, held.begin().items, workers=1, settle=settle)
    assert 0 < ready[0] < 400 and ready == sorted(ready)


def test_a_run_whose_batch_was_taken_over_stops(hold: Begin) -> None:
    held = hold({"/a.srt": srt("a")})
    held.begin()
    other = replace(held, run_id="run-2")
    other.begin()
    with pytest.raises(DreamlakeError) as caught:
        held.due(Kind.TEXT_TRACK, took_batch=True)
    assert caught.value.code is Code.CONFLICT
    assert len(other.due(Kind.TEXT_TRACK, took_batch=True).due) == 1


class Flaky(PipelineClient):
    """BSS as it is to a run while it restarts: so many reports and heartbeats are refused, the next ones arrive."""

    def __init__(self, http: ServiceClient, *, refused: int) -> None:
        super().__init__(http)
        self.refused = refused

    def report(self, partition: str, run_id: str, results: Sequence[ItemResult]) -> None:
        self._refuse()
        super().report(partition, run_id, results)

    def heartbeat(self, partition: str, run_id: str, *, lease_seconds: float) -> None:
        self._refuse()
        super().heartbeat(partition, run_id, lease_seconds=lease_seconds)

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


def test_a_bss_that_stays_away_ends_the_run_when_the_lease_does(
    hold: Begin, shop: Workshop, http: ServiceClient
) -> None:
    held = replace(hold({"/a.srt": srt("a")}), pipeline=Flaky(http, refused=1000), lease_seconds=1)
    items = held.begin().items
    with pytest.raises(DreamlakeError, match="BSS does not answer"):
        process_items(held, shop, items, workers=1)


class FarAway(ObjectStore):
    """The real object store behind a slow line. When a download has come, `seen` says who was offered the batch."""

    def __init__(self, store: ObjectStore, claim: Callable[[], list[str]]) -> None:
        super().__init__(store.client, store.bucket)
        self.claim = claim
        self.seen: list[str] | None = None

    def download(self, key: str, path: Path) -> str:
        time.sleep(3)
        self.seen = self.claim()
        return super().download(key, path)


def test_a_batch_at_work_is_not_offered_again(hold: Begin, shop: Workshop, claim: Callable[[], list[str]]) -> None:
    held = replace(hold({"/a.srt": srt("a")}), lease_seconds=2)
    far = FarAway(shop.store, claim)
    [outcome] = process_items(held, replace(shop, store=far), held.begin().items, workers=1)
    assert outcome.error is None and far.seen == []
