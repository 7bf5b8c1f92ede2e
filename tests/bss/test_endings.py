"""How attempts end: put off by the machinery, released by what is known of runs, and a file that kills its runs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

AWAY = {"code": "storage_failed", "message": "The object store is away.", "hint": None}
FULL = {"code": "storage_full", "message": "The disk is full.", "hint": None}


class Batches:
    """What a run and the sensor say of the batches of this test's owner, and what a record is like then."""

    def __init__(self, pipeline: Any, api: Any, claim: Any, begin: Any) -> None:
        self.pipeline, self.api, self.claim, self.begin = pipeline, api, claim, begin

    def post(self, route: str, **body: Any) -> Any:
        answer = self.pipeline.post(f"/pipeline/batches/{route}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def record(self, record_id: str) -> Any:
        return self.api.get(f"/text-tracks/{record_id}").json()

    def postpone(self, partition: str, reason: Any, *ids: str) -> None:
        items = [{"id": one, "reason": reason} for one in ids]
        self.post("postpone", partition=partition, runId="run-1", items=items)

    def report(self, partition: str, *ids: str) -> None:
        self.post("results", partition=partition, runId="run-1", results=[{"id": one, "metadata": {}} for one in ids])

    def release(self, *offers: Any, died: bool = True, proven: bool = True, run_id: str | None = "run-1") -> list[str]:
        known = {"runId": run_id, "died": died, "proven": proven}
        told = [{"partition": offer["partition"], "attempt": offer["attempt"], **known} for offer in offers]
        return self.post("release", releases=told, maxAttempts=2)["partitions"]

    def clock(self, sql: str, **given: Any) -> None:
        """The clock is Postgres's: what has to have passed is written there."""
        with self.pipeline.app.state.database.begin() as connection:
            connection.execute(text(sql), given)

    def end_waiting(self) -> None:
        self.clock("UPDATE records SET waiting_until = now() WHERE waiting_until IS NOT NULL")

    def forget_deaths(self) -> None:
        self.clock("UPDATE batches SET died_at = now() - interval '1 hour' WHERE died_at IS NOT NULL")


@pytest.fixture
def batches(pipeline: Any, api: Any, claim: Any, begin: Any) -> Batches:
    return Batches(pipeline, api, claim, begin)


def test_what_is_put_off_waits_for_its_time_and_never_fails(batches: Batches, files: Any) -> None:
    record_id, other = files.queued(2)
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    seconds = []
    for tries in range(1, 8):
        batches.postpone(offer["partition"], AWAY, record_id)
        found = batches.record(record_id)
        waiting = found["waiting"]
        assert (found["status"], found["partition"], found["attempts"]) == ("queued", None, 0)
        assert (waiting["code"], waiting["tries"]) == ("storage_failed", tries)
        with batches.pipeline.app.state.database.begin() as connection:
            seconds.append(
                connection.execute(
                    text("SELECT extract(epoch FROM waiting_until - postponed_at) FROM records WHERE id = :id"),
                    {"id": record_id},
                ).scalar_one()
            )
        assert batches.claim() == []
        batches.end_waiting()
        [offer] = batches.claim()
        assert offer["files"] == 1
        [item] = batches.begin(offer["partition"])["items"]
        assert item["waiting"]["tries"] == tries
    assert 4 <= seconds[0] <= 8 and seconds == sorted(seconds)[:1] + seconds[1:] and 48 <= seconds[-1] <= 74
    # Another reason is counted by itself; a result ends it.
    batches.postpone(offer["partition"], FULL, record_id)
    assert batches.record(record_id)["waiting"]["tries"] == 1
    batches.end_waiting()
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    batches.report(offer["partition"], record_id)
    assert "waiting" not in batches.record(record_id) or batches.record(record_id)["waiting"] is None
    assert batches.record(other)["status"] == "processing"


@pytest.mark.parametrize("is_begun", [True, False])
def test_a_pause_is_not_taken_for_an_offer_without_a_run(batches: Batches, files: Any, is_begun: bool) -> None:
    """The sensor releases, every few seconds, offers that came to no run: a pause has to end all the same."""
    files.queued(1)
    for _ in range(5):
        [offer] = batches.claim()
        given = {"partition": offer["partition"]}
        if is_begun:
            batches.begin(offer["partition"])
        batches.clock(
            "UPDATE batches SET offered_at = now() - interval '1 minute' WHERE partition = :partition", **given
        )
        assert batches.release(offer, died=False, run_id="run-1" if is_begun else None) == [offer["partition"]]
        leased = batches.pipeline.get("/pipeline/batches/leased").json()["batches"]
        assert offer["partition"] not in [batch["partition"] for batch in leased]
        batches.clock("UPDATE batches SET lease_until = now() WHERE partition = :partition", **given)


def test_what_has_a_result_is_not_put_off(batches: Batches, files: Any) -> None:
    done, late = files.queued(2)
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    batches.report(offer["partition"], done)
    batches.postpone(offer["partition"], AWAY, done, late, "0" * 24)
    assert batches.record(done)["status"] == "processing"
    assert batches.post("finish", partition=offer["partition"], runId="run-1")["ready"] == 1
    assert batches.record(late)["status"] == "queued"


def test_what_waits_for_the_store_is_due_when_that_answers(batches: Batches, files: Any) -> None:
    store, disk = files.queued(2)
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    batches.postpone(offer["partition"], AWAY, store)
    batches.postpone(offer["partition"], FULL, disk)
    batches.clock("UPDATE records SET waiting_until = now() + interval '100 s' WHERE waiting_until IS NOT NULL")
    assert batches.claim(storeAnswers=True) == []  # it was away a moment ago
    batches.clock("UPDATE records SET postponed_at = now() - interval '6 s' WHERE waiting_until IS NOT NULL")
    assert batches.claim() == []
    [again] = batches.claim(storeAnswers=True)
    assert [item["id"] for item in batches.begin(again["partition"])["items"]] == [store]


def test_whoever_asks_for_it_need_not_wait(batches: Batches, files: Any) -> None:
    [record_id] = files.queued(1)
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    batches.postpone(offer["partition"], AWAY, record_id)
    batches.api.post("/records/requeue", json={"ids": [record_id]})
    assert batches.record(record_id)["waiting"] is None
    assert len(batches.claim()) == 1


def test_a_group_is_ready_while_the_others_are_at_work(batches: Batches, files: Any) -> None:
    first, second, third = files.queued(3)
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    batches.report(offer["partition"], first, second)
    ref = {"partition": offer["partition"], "runId": "run-1"}
    assert batches.post("finish", **ref, ids=[first, third])["ready"] == 1
    assert [batches.record(one)["status"] for one in (first, second, third)] == ["ready", "processing", "processing"]
    batches.report(offer["partition"], third)
    assert batches.post("finish", **ref) == {
        "partition": offer["partition"], "ready": 3, "failed": 0, "unfinished": 0,
    }  # fmt: skip


def test_one_file_that_kills_its_run_fails_alone(batches: Batches, files: Any) -> None:
    """Twelve files, one of which kills every run that has it, after which its neighbours are done by the others."""
    ids = files.queued(12)
    killer, deaths, rounds = ids[5], 0, 0
    while batches.record(killer)["status"] != "failed":
        rounds += 1
        assert rounds < 20
        for offer in batches.claim():
            items = [item["id"] for item in batches.begin(offer["partition"])["items"]]
            if killer in items:
                deaths += 1
                batches.report(offer["partition"], *items[:1] if items[0] != killer else ())
                assert batches.release(offer) == [offer["partition"]]
            else:
                batches.report(offer["partition"], *items)
                assert batches.post("finish", partition=offer["partition"], runId="run-1")["unfinished"] == 0
        batches.end_waiting()
    error = batches.record(killer)["error"]
    assert error["code"] == "crashes_worker" and "2 runs that worked on this file alone" in error["message"]
    assert deaths <= 6  # twelve, with one done in each: in halves, and then twice alone
    statuses = {one: batches.record(one)["status"] for one in ids if one != killer}
    for offer in batches.claim():
        batches.begin(offer["partition"])
        batches.post("finish", partition=offer["partition"], runId="run-1")
    statuses = {batches.record(one)["status"] for one in ids if one != killer}
    assert statuses == {"ready"}
    # Asked for again, it goes by itself.
    batches.api.post("/records/requeue", json={"ids": [killer]})
    files.queued(2)
    assert sorted(offer["files"] for offer in batches.claim()) == [1, 2]


def test_runs_that_die_together_prove_nothing(batches: Batches, files: Any) -> None:
    first, second = files.queued(2)
    for _ in range(4):
        offers = batches.claim(maxFiles=1)
        assert [offer["files"] for offer in offers] == [1, 1]
        for offer in offers:
            batches.begin(offer["partition"])
        assert len(batches.release(*offers)) == 2
        assert {batches.record(one)["status"] for one in (first, second)} == {"queued"}
        batches.end_waiting()
    # One after the other, within a moment: the second death is not counted either.
    offers = batches.claim()
    for offer in offers:
        batches.begin(offer["partition"])
    for offer in offers:
        batches.release(offer)
    assert {batches.record(one)["status"] for one in (first, second)} == {"queued"}


OTHER_CAUSES = {
    "nobody knows how the run ended": {"proven": False},
    "Postgres was started anew": {"begun_at": "pg_postmaster_start_time() - interval '1 second'"},
}


@pytest.mark.parametrize("cause", OTHER_CAUSES)
def test_a_death_that_something_else_explains_fails_no_file_for_long(batches: Batches, files: Any, cause: str) -> None:
    """With two proven deaths that are enough, nineteen others are not; what never ends otherwise ends with the next."""
    [record_id] = files.queued(1)
    how = OTHER_CAUSES[cause]
    for death in range(1, 21):
        assert batches.record(record_id)["status"] == "queued"
        [offer] = batches.claim()
        batches.begin(offer["partition"])
        if "begun_at" in how:
            batches.clock(f"UPDATE batches SET begun_at = {how['begun_at']} WHERE partition = :p", p=offer["partition"])
        assert batches.release(offer, proven=bool(how.get("proven", True))) == [offer["partition"]]
        waiting = batches.record(record_id)["waiting"]
        assert death == 20 or (waiting["code"], waiting["tries"]) == ("run_died", death)
        batches.end_waiting()
    found = batches.record(record_id)
    assert (found["status"], found["error"]["code"]) == ("failed", "crashes_worker")
    assert found["error"]["message"].startswith("20 runs")


def test_a_result_ends_the_count_of_deaths(batches: Batches, files: Any) -> None:
    [record_id] = files.queued(1)
    for proven in (True, False, False):
        [offer] = batches.claim()
        batches.begin(offer["partition"])
        batches.release(offer, proven=proven)
        batches.end_waiting()
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    batches.report(offer["partition"], record_id)
    assert batches.record(record_id)["waiting"] is None
    with batches.pipeline.app.state.database.begin() as connection:
        row = connection.execute(text("SELECT crashes FROM records WHERE id = :id"), {"id": record_id}).one()
    assert row.crashes == 0


def test_a_lease_that_ends_proves_nothing(batches: Batches, files: Any) -> None:
    [record_id] = files.queued(1)
    for _ in range(5):
        [offer] = batches.claim(maxAttempts=1)
        batches.begin(offer["partition"], leaseSeconds=0)
        assert batches.claim(maxAttempts=1) == []
        assert batches.record(record_id)["status"] == "queued"
        batches.end_waiting()


def test_a_plain_failure_halves_and_counts_nothing(batches: Batches, files: Any) -> None:
    files.queued(2)
    [offer] = batches.claim()
    for attempt in range(2, 6):
        batches.begin(offer["partition"])
        assert batches.release(offer, died=False) == [offer["partition"]]
        assert batches.claim() == []
        batches.clock("UPDATE batches SET lease_until = now() WHERE partition = :p", p=offer["partition"])
        [offer] = batches.claim()
        assert (offer["attempt"], offer["files"]) == (attempt, 2)


def test_what_is_known_of_an_earlier_attempt_ends_no_later_one(batches: Batches, files: Any) -> None:
    files.queued(1)
    [offer] = batches.claim()
    assert batches.release(offer) == []  # no run has begun it
    assert batches.release(offer, run_id=None, died=False) == [offer["partition"]]
    assert batches.release(offer, run_id=None, died=False) != []  # not offered anew yet
    [again] = batches.claim()
    assert batches.release(offer, run_id=None, died=False) == []
    batches.begin(again["partition"])
    assert batches.release(again, run_id="run-0") == []
    [leased] = [one for one in batches.pipeline.get("/pipeline/batches/leased").json()["batches"]
                if one["partition"] == offer["partition"]]  # fmt: skip
    assert (leased["attempt"], leased["runId"]) == (again["attempt"], "run-1") and 0 <= leased["age"] < 60
