"""The clock of Postgres's machine is set back by an hour, while files wait: none waits for an hour.

That is the same as if every time that was written before were an hour later, which is how it comes about here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from .conftest import Files
from .test_endings import AWAY, FULL, Batches


@pytest.fixture(autouse=True)
def nothing(pipeline: TestClient) -> None:
    """No other test has left anything that waits."""
    with pipeline.app.state.database.begin() as connection:
        connection.execute(text("TRUNCATE records, batches CASCADE"))


@pytest.fixture
def batches(pipeline: TestClient, api: TestClient, claim: Any, begin: Any) -> Batches:
    return Batches(pipeline, api, claim, begin)


@pytest.fixture
def set_back(pipeline: TestClient) -> Callable[[], None]:
    """Move all times in the database an hour on."""

    def moved() -> None:
        with pipeline.app.state.database.begin() as connection:
            columns = connection.execute(
                text("""
                SELECT table_name, string_agg(format('%1$I = %1$I + interval ''1 hour''', column_name), ', ') AS moves
                FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
                WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
                    AND data_type = 'timestamp with time zone' AND is_generated = 'NEVER'
                GROUP BY table_name""")
            ).all()
            assert {"records", "batches"} <= {table for table, _ in columns}
            for table, moves in columns:
                connection.execute(text(f"UPDATE {table} SET {moves}"))

    return moved


@pytest.mark.parametrize("reason", [AWAY, FULL], ids=lambda reason: reason["code"])
def test_what_was_put_off_is_due(batches: Batches, files: Files, set_back: Callable[[], None], reason: Any) -> None:
    [record_id] = files.queued(1)
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    batches.postpone(offer["partition"], reason, record_id)
    assert batches.claim() == []
    set_back()
    assert [offer["files"] for offer in batches.claim()] == [1]


def test_an_offer_is_made_again(batches: Batches, files: Files, set_back: Callable[[], None]) -> None:
    """Also where all places are taken by such offers."""
    files.queued(1)
    [offer] = batches.claim()
    assert batches.claim() == []
    set_back()
    [again] = batches.claim(maxOpen=1, maxOpenPerOwner=1)
    assert (again["partition"], again["attempt"]) == (offer["partition"], 2)
    assert batches.claim() == []


def test_a_pause_ends(batches: Batches, files: Files, set_back: Callable[[], None]) -> None:
    files.queued(2)
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    assert batches.release(offer, died=False) == [offer["partition"]]
    assert batches.claim() == []
    set_back()
    assert [one["partition"] for one in batches.claim()] == [offer["partition"]]


def test_a_run_that_lives_keeps_its_batch_and_one_that_died_loses_it(
    batches: Batches, files: Files, set_back: Callable[[], None]
) -> None:
    files.queued(1)
    [offer] = batches.claim()
    batches.begin(offer["partition"])
    set_back()
    assert batches.claim() == []
    batches.post("heartbeat", partition=offer["partition"], runId="run-1", leaseSeconds=60)
    assert batches.claim() == []
    assert batches.release(offer, died=False) == [offer["partition"]]
    batches.clock("UPDATE batches SET lease_until = now(), offered_at = now()")  # the pause is over
    assert len(batches.claim()) == 1


def test_what_nobody_asked_for_is_processed(batches: Batches, files: Files, set_back: Callable[[], None]) -> None:
    files.register("/videos", "/forgotten.mp4")
    assert batches.claim() == []
    set_back()
    assert [offer["files"] for offer in batches.claim()] == [1]
