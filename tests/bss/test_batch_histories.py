"""Batches under whatever comes in whatever order: runs that die, that wake up late, that give back; leases that end.

Each history is made of steps that pick runs, batches and items without regard for who has what, as zombies do. What BSS
promises has to hold after each of them, and in the end everything is done, with nobody's help but claims and runs.
"""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.pipeline import BeginBatch, ClaimBatches, ItemResult, Postponement, Release
from dreamlake_pipeline.bss import batches, records
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.ids import new_id

ATTEMPTS = 2
RUNS = ["run-0", "run-1", "run-2"]
GOOD, BAD = "good", "bad"
UNREADABLE = ErrorBody(code=str(Code.TEXT_INVALID), message="No cue.")
AWAY = ErrorBody(code=str(Code.STORAGE_FAILED), message="S3 is away.")


class History:
    """Some files of a new owner, and what a model of BSS knows of them."""

    def __init__(self, database: Engine, files: int) -> None:
        self.database = database
        self.owner = f"o{secrets.token_hex(6)}"
        self.ids = [new_id() for _ in range(files)]
        self.good: dict[str, str] = {}  # the latest result that BSS took, by id
        self.asked_again: set[str] = set()
        self.deaths: Counter[str] = Counter()  # of runs, that were told of while the item was not done
        with database.begin() as connection:
            connection.execute(
                text("""
                INSERT INTO records (id, kind, owner, project, name, staging_key, status, size, queued_at)
                SELECT id, 'text-track', :owner, 'lab', '/' || id, :owner || '/' || id, 'queued', 10, now()
                FROM unnest(CAST(:ids AS text[])) id"""),
                {"owner": self.owner, "ids": self.ids},
            )

    # What is there

    def rows(self, connection: Connection) -> dict[str, Any]:
        found = connection.execute(text("SELECT * FROM records WHERE owner = :owner"), {"owner": self.owner})
        return {row.id: row for row in found}

    def partitions(self, connection: Connection) -> list[Any]:
        return list(
            connection.execute(
                text("SELECT * FROM batches WHERE owner = :owner ORDER BY created_at, partition"),
                {"owner": self.owner},
            )
        )

    # Steps

    def claim(self) -> list[str]:
        limits = ClaimBatches(
            max_batches=100,
            max_files=3,
            max_bytes=10**9,
            settle_seconds=0,
            processing_grace_seconds=3600,
            lease_seconds=3600,
            max_attempts=ATTEMPTS,
        )
        with self.database.begin() as connection:
            batches.make_claimable(connection, limits)
        with self.database.begin() as connection:
            return [offer.partition for offer in batches.claim(connection, limits) if offer.owner == self.owner]

    def step(self, name: str, which: int, run: str, chosen: list[int], more: bool) -> None:
        with self.database.begin() as connection:
            known = self.partitions(connection)
        if name == "claim" or not known:
            self.claim()
            return
        batch = known[which % len(known)]
        ids = [self.ids[n % len(self.ids)] for n in chosen]
        getattr(self, name)(batch, run, ids, more)

    def begin(self, batch: Any, run: str, ids: list[str], more: bool) -> None:
        with self.database.begin() as connection:
            asked = BeginBatch(partition=batch.partition, run_id=run, lease_seconds=3600)
            batches.begin(connection, asked)

    def _as_run(self, batch: Any, run: str, call: Any) -> bool:
        """What a run says. Whether BSS took it; it must not, of a run that does not have the batch."""
        try:
            with self.database.begin() as connection:
                call(connection)
        except DreamlakeError:
            return False
        assert batch.run_id == run, "a run that does not have the batch was believed"
        return True

    def report(self, batch: Any, run: str, ids: list[str], more: bool) -> None:
        with self.database.begin() as connection:
            mine = [id for id, row in self.rows(connection).items() if id in ids and row.partition == batch.partition]
            at_work = {id: row.status for id, row in self.rows(connection).items()}
        value = secrets.token_hex(2)
        # A run reports what it was handed, once: what has no result yet.
        mine = [id for id in mine if at_work[id] == Status.PROCESSING]
        results = [
            ItemResult(id=id, metadata={"value": value}, recipe=value) if more else ItemResult(id=id, error=UNREADABLE)
            for id in mine
        ]
        if self._as_run(batch, run, lambda c: batches.report(c, batch.partition, run, results)) and more:
            self.good |= dict.fromkeys(mine, value)
            self.asked_again -= set(mine)
        elif mine and not more and batch.run_id == run and batch.state == "open":
            # The run that has the batch takes its own result back.
            for id in mine:
                self.good.pop(id, None)

    def postpone(self, batch: Any, run: str, ids: list[str], more: bool) -> None:
        items = [Postponement(id=id, reason=AWAY) for id in ids]
        self._as_run(batch, run, lambda c: batches.postpone(c, batch.partition, run, items))

    def give_back(self, batch: Any, run: str, ids: list[str], more: bool) -> None:
        self._as_run(batch, run, lambda c: batches.give_back(c, batch.partition, run, ids))

    def finish(self, batch: Any, run: str, ids: list[str], more: bool) -> None:
        self._as_run(batch, run, lambda c: batches.finish(c, batch.partition, run, ids if more else None))

    def release(self, batch: Any, run: str, ids: list[str], more: bool) -> None:
        told = Release(partition=batch.partition, attempt=batch.attempt, run_id=batch.run_id, died=more, proven=more)
        stale = told.model_copy(update={"run_id": run, "attempt": batch.attempt - 1} if batch.attempt else {})
        with self.database.begin() as connection:
            if batch.attempt:
                assert batches.release(connection, [stale], ATTEMPTS) == []
            undone = [
                id
                for id, row in self.rows(connection).items()
                if row.partition == batch.partition
                and row.reported_at is None
                and row.status in ("queued", "processing")
            ]
            released = batches.release(connection, [told], ATTEMPTS)
        assert released == ([batch.partition] if batch.state == "open" else [])
        if released and more:
            self.deaths.update(undone)

    def lapse(self, batch: Any, run: str, ids: list[str], more: bool) -> None:
        with self.database.begin() as connection:
            connection.execute(
                text("UPDATE batches SET lease_until = now() WHERE partition = :partition"),
                {"partition": batch.partition},
            )
        self.claim()

    def retry(self, batch: Any, run: str, ids: list[str], more: bool) -> None:
        with self.database.begin() as connection:
            asked = records.queue(connection, ids, records.SETTLED if more else records.UNPROCESSED)
        self.asked_again |= asked

    def wait(self, *_: Any) -> None:
        """Backoffs and pauses end."""
        with self.database.begin() as connection:
            connection.execute(
                text("UPDATE records SET waiting_until = now() WHERE owner = :o AND waiting_until IS NOT NULL"),
                {"o": self.owner},
            )
            connection.execute(
                text("UPDATE batches SET lease_until = now() WHERE owner = :o AND run_id IS NULL AND attempt > 0"),
                {"o": self.owner},
            )

    # What holds

    def check(self) -> None:
        with self.database.begin() as connection:
            found, known = self.rows(connection), {row.partition: row for row in self.partitions(connection)}
        assert set(found) == set(self.ids)
        for id, row in found.items():
            batch = known.get(row.partition)
            if row.status == "queued":
                assert batch is None or (batch.state == "open" and row.waiting_until is None)
            elif row.status == "processing":
                assert batch is not None and batch.state == "open", "nobody comes back to it"
            else:
                assert row.waiting_until is None
            if id in self.good:
                assert row.metadata == {"value": self.good[id]}, "a good result was lost"
                assert row.status != "failed" or id in self.asked_again
            if row.status == "failed" and row.error["code"] == Code.CRASHES_WORKER:
                assert self.deaths[id] >= ATTEMPTS

    def drain(self) -> None:
        """Claims and good runs alone bring everything to its end."""
        with self.database.begin() as connection:
            # The runs that hold something are found to be dead, or their leases end.
            connection.execute(
                text("UPDATE batches SET lease_until = now() WHERE owner = :o AND state = 'open'"), {"o": self.owner}
            )
        for _ in range(12):
            self.wait()
            for partition in self.claim():
                run = secrets.token_hex(4)
                with self.database.begin() as connection:
                    begun = batches.begin(connection, BeginBatch(partition=partition, run_id=run, lease_seconds=3600))
                with self.database.begin() as connection:
                    handed = [item.id for item in begun.items]
                    again = [id for id in handed if id in self.good and id not in self.asked_again]
                    assert not again, "what is done, and nobody asked for again, is worked on twice"
                    results = [ItemResult(id=id, metadata={"value": "end"}) for id in handed]
                    batches.report(connection, partition, run, results)
                self.good |= dict.fromkeys(handed, "end")
                with self.database.begin() as connection:
                    assert batches.finish(connection, partition, run).unfinished == 0
            with self.database.begin() as connection:
                if all(row.status in ("ready", "failed") for row in self.rows(connection).values()):
                    break
        with self.database.begin() as connection:
            left = {row.status for row in self.rows(connection).values()} - {"ready", "failed"}
            assert left == set() and all(batch.state == "closed" for batch in self.partitions(connection))


names = st.sampled_from(
    [
        "claim",
        "begin",
        "begin",
        "report",
        "report",
        "postpone",
        "give_back",
        "finish",
        "release",
        "lapse",
        "retry",
        "wait",
    ]
)
steps = st.lists(
    st.tuples(
        names,
        st.integers(0, 5),
        st.sampled_from(RUNS),
        st.lists(st.integers(0, 5), min_size=1, max_size=4),
        st.booleans(),
    ),
    min_size=4,
    max_size=25,
)


@pytest.mark.timeout(240)
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(files=st.integers(1, 6), history=steps)
def test_whatever_happens_to_batches(service: TestClient, files: int, history: list[Any]) -> None:
    world = History(service.app.state.database, files)
    world.claim()
    for step in history:
        world.step(*step)
        world.check()
    world.drain()
    world.check()
