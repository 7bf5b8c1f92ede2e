"""Which files go together into a batch: slow ones apart from quick ones, suspect ones each by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from .conftest import Files

MIB = 2**20


@pytest.fixture
def sized(files: Files, pipeline: TestClient) -> Callable[..., list[str]]:
    """Queues files of these sizes, as far as BSS knows."""

    def queued(route: str, *sizes: int, crashes: int = 0) -> list[str]:
        ids = [files.register(route, f"{route}-{n}.mp4")["id"] for n in range(len(sizes))]
        files.api.post("/records/requeue", json={"ids": ids, "force": True})
        with pipeline.app.state.database.begin() as connection:
            for record_id, size in zip(ids, sizes, strict=True):
                connection.execute(
                    text("UPDATE records SET size = :size, crashes = :crashes WHERE id = :id"),
                    {"id": record_id, "size": size, "crashes": crashes},
                )
        return ids

    return queued


def test_slow_files_are_batches_of_their_own(sized: Any, claim: Any, begin: Any) -> None:
    videos = sized("/videos", 3 * MIB, 32 * MIB, 500 * MIB, 31 * MIB)
    sounds = sized("/audio", 31 * MIB, 300 * MIB)
    batches = claim()
    assert [batch["files"] for batch in batches] == [3, 3]
    quick, slow = ([item["id"] for item in begin(batch["partition"])["items"]] for batch in batches)
    assert sorted(quick) == sorted([videos[0], videos[3], sounds[0]])
    assert sorted(slow) == sorted([videos[1], videos[2], sounds[1]])


def test_quick_files_go_before_more_slow_ones(sized: Any, claim: Any) -> None:
    sized("/videos", *[40 * MIB] * 4)
    assert [batch["files"] for batch in claim(maxFiles=2, maxOpenPerOwner=1)] == [2]
    sized("/audio", 1, 1)
    # A place of the owner's is left, and other slow files have waited longer.
    assert [batch["bytes"] for batch in claim(maxFiles=2, maxOpenPerOwner=2)] == [2]
    # With nothing else to do, slow ones have all the places.
    assert [batch["bytes"] for batch in claim(maxFiles=2, maxOpenPerOwner=3)] == [80 * MIB]


def test_a_suspect_is_alone(sized: Any, claim: Any) -> None:
    suspects = sized("/videos", 1, 2, crashes=1)
    sized("/audio", 10, 10)
    assert sorted(batch["bytes"] for batch in claim()) == [1, 2, 20]
    assert len(suspects) == 2


def test_a_claim_does_not_read_what_is_put_off(
    files: Files, pipeline: TestClient, claim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand records that wait for the object store cost a claim, several of which come each second,
    nothing."""
    monkeypatch.setattr("dreamlake_pipeline.bss.batches.postponing._MOST", 3600.0)  # a backoff that outlasts the test
    files.queued(1)
    with pipeline.app.state.database.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO records (id, kind, owner, project, name, staging_key, status, size, queued_at, waiting,
                waiting_until, postponed_at)
            SELECT lpad(to_hex(n), 24, '0'), 'text-track', :owner, 'lab', '/' || n || '.srt',
                :owner || '/lab/staging/' || n, 'queued', 1, now(),
                '{"code": "storage_failed", "message": "", "tries": 1}', now() + interval '1 hour',
                now() + interval '1 hour'
            FROM generate_series(1, 100000) n"""),
            {"owner": files.owner},
        )
        connection.execute(text("ANALYZE records"))
        read = _rows_read(connection)
    assert len(claim()) == 1
    for _ in range(10):
        assert claim(storeAnswers=True) == []
    with pipeline.app.state.database.begin() as connection:
        # Statistics come a moment after the transaction that they are of.
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        assert _rows_read(connection) - read < 5000


def _rows_read(connection: Any) -> int:
    """Rows of the table of records that were read so far, by its indexes and in order."""
    return connection.execute(
        text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'records'")
    ).scalar_one()


def test_what_comes_while_a_batch_is_worked_on_is_the_next_one(
    pipeline: Any, files: Any, claim: Any, begin: Any
) -> None:
    """Of an ingest that goes on for long, counts move: it does not have to settle, nor to fill a batch."""
    first = files.queued(2)
    [offer] = claim(settleSeconds=30)
    begin(offer["partition"])
    files.queued(3)
    assert claim(settleSeconds=30) == []
    run = {"partition": offer["partition"], "runId": "run-1"}
    results = [{"id": one, "metadata": {}} for one in first]
    assert pipeline.post("/pipeline/batches/results", json={**run, "results": results}).status_code == 200
    assert pipeline.post("/pipeline/batches/finish", json=run).status_code == 200
    [following] = claim(settleSeconds=30)
    assert following["files"] == 3
