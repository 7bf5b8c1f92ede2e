"""The first run of a batch takes what came since the batch was formed, as far as it belongs there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from .conftest import Files

MIB = 2**20
ROOM = {"maxFiles": 100, "maxBytes": 10**9}


def _ids(items: dict[str, Any]) -> list[str]:
    return sorted(item["id"] for item in items["items"])


@pytest.fixture
def known_as(pipeline: TestClient) -> Callable[..., None]:
    """Sets the size of records, as far as BSS knows, and how many runs died at them."""

    def changed(ids: list[str], size: int, crashes: int = 0) -> None:
        with pipeline.app.state.database.begin() as connection:
            connection.execute(
                text("UPDATE records SET size = :size, crashes = :crashes WHERE id = ANY(:ids)"),
                {"ids": ids, "size": size, "crashes": crashes},
            )

    return changed


def test_a_bulk_ingest_that_goes_on_fills_its_first_batch(files: Files, claim: Any, begin: Any) -> None:
    first = files.queued(2)
    [offer] = claim()
    more = files.queued(3)
    assert _ids(begin(offer["partition"], attempt=1, **ROOM)) == sorted(first + more)
    assert claim() == []
    files.queued(1)
    assert _ids(begin(offer["partition"], "run-2", attempt=1, **ROOM)) == sorted(first + more)


def test_a_batch_is_filled_up_to_its_limits(files: Files, claim: Any, begin: Any, known_as: Any) -> None:
    first = files.queued(2)
    [offer] = claim()
    more = files.queued(5)
    assert _ids(begin(offer["partition"], maxFiles=4, maxBytes=10**9)) == sorted(first + more[:2])
    known_as(more, size=10)
    [offer] = claim(maxFiles=1, maxOpenPerOwner=2)
    assert _ids(begin(offer["partition"], maxFiles=100, maxBytes=25)) == sorted(more[2:4])
    [offer] = claim()
    files.queued(1)
    assert _ids(begin(offer["partition"], maxFiles=1, maxBytes=1)) == more[4:]  # it has as many


def test_only_a_run_that_asks_for_it_fills_a_batch(files: Files, claim: Any, begin: Any) -> None:
    first = files.queued(2)
    [offer] = claim()
    files.queued(1)
    assert _ids(begin(offer["partition"], force=True, **ROOM)) == sorted(first)
    [offer] = claim()
    assert _ids(begin(offer["partition"], only=first, **ROOM)) == []


def test_what_belongs_in_batches_of_its_own_is_left(
    files: Files, api: TestClient, claim: Any, begin: Any, known_as: Any
) -> None:
    quick = files.queued(1)
    [offer] = claim()
    slow, suspect = files.queued(1), files.queued(1)
    known_as(slow, size=300 * MIB)
    known_as(suspect, size=1, crashes=1)
    elsewhere = files.register("/text-tracks", "/a.srt", project="other", stagingHash=_staged_in(files, "other"))
    api.post("/records/requeue", json={"ids": [elsewhere["id"]], "force": True})
    assert _ids(begin(offer["partition"], **ROOM)) == quick

    [slow_one, *_] = [offer for offer in claim() if offer["bytes"] == 300 * MIB]
    known_as(files.queued(1), size=300 * MIB)
    assert _ids(begin(slow_one["partition"], **ROOM)) == slow


def test_the_halves_in_which_a_culprit_is_looked_for_stay_as_they_are(
    files: Files, claim: Any, begin: Any, pipeline: TestClient
) -> None:
    ids = files.queued(2)
    [offer] = claim()
    begin(offer["partition"], "run-1")
    release = {"partition": offer["partition"], "attempt": 1, "runId": "run-1", "died": True, "proven": True}
    answer = pipeline.post("/pipeline/batches/release", json={"releases": [release], "maxAttempts": 3})
    assert answer.json() == {"partitions": [offer["partition"]]}
    halves = claim(maxOpenPerOwner=2)
    files.queued(2)
    assert sorted(_ids(begin(half["partition"], **ROOM)) for half in halves) == sorted([one] for one in ids)


def _staged_in(files: Files, project: str) -> str:
    content_hash = files.stage()
    data = files.store.read(f"{files.owner}/lab/staging/{content_hash}")
    files.store.put(f"{files.owner}/{project}/staging/{content_hash}", data, content_type="application/octet-stream")
    return content_hash


@pytest.fixture
def queued(files: Files) -> Callable[[int, str], list[str]]:
    """Has so many files of a route wait."""

    def made(count: int, route: str) -> list[str]:
        ids = files.queued(count, route)
        files.api.post("/records/requeue", json={"ids": ids}).raise_for_status()
        return ids

    return made


def test_a_run_is_given_files_of_its_kinds_alone_and_no_other_kind_waits_for_it(
    queued: Any, claim: Any, begin: Any
) -> None:
    sounds = queued(2, "/audio")
    [offer] = claim(maxOpenPerOwner=2, settleSeconds=3600)
    assert offer["kinds"] == ["audio"]
    queued(2, "/text-tracks")
    sounds += queued(2, "/audio")
    assert _ids(begin(offer["partition"], kinds=offer["kinds"], **ROOM)) == sorted(sounds)
    [other] = claim(maxOpenPerOwner=2, settleSeconds=3600)
    assert other["kinds"] == ["text-track"] and other["files"] == 2
    # There is a run for each of these kinds now: what comes is for the next one, when the project has settled.
    queued(1, "/audio")
    queued(1, "/text-tracks")
    assert claim(maxOpenPerOwner=3, settleSeconds=3600) == []
    [third] = claim(maxOpenPerOwner=3)
    assert third["kinds"] == ["audio", "text-track"]


def test_a_batch_is_offered_again_with_the_kinds_that_are_left(queued: Any, claim: Any, api: TestClient) -> None:
    [_, text_track] = queued(1, "/audio") + queued(1, "/text-tracks")
    [offer] = claim(leaseSeconds=0)
    assert offer["kinds"] == ["audio", "text-track"]
    api.delete(f"/text-tracks/{text_track}").raise_for_status()
    [again] = claim()
    assert (again["partition"], again["kinds"], again["files"]) == (offer["partition"], ["audio"], 1)
