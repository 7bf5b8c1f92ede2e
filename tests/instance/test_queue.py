"""A run for which there is room is started when it is submitted; every other waits for the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import DagsterRunStatus
from dagster._core.run_coordinator import SubmitRunContext

OWNER = "dreamlake/owner"
QUEUED = DagsterRunStatus.QUEUED


@pytest.fixture(autouse=True)
def empty(runs: Any) -> Iterator[None]:
    """What a test left in the queue is in nobody's way."""
    yield
    for run in runs.instance.get_runs():
        if run.status is QUEUED:
            assert runs.instance.run_coordinator.cancel_run(run.run_id)


def test_a_run_for_which_there_is_room_starts_at_once(runs: Any) -> None:
    assert runs.submit("succeeds", tags={OWNER: "ann"}).status is not QUEUED
    run = runs.submit("succeeds", tags={OWNER: "bob"})
    assert runs.wait(run.run_id) is DagsterRunStatus.SUCCESS


def test_a_run_waits_while_its_owner_has_as_many_as_one_may(runs: Any) -> None:
    first = runs.submit("takes_long", tags={OWNER: "ann"})
    runs.wait_for_child(first.run_id)
    assert runs.submit("succeeds", tags={OWNER: "ann"}).status is QUEUED


def test_a_run_waits_while_there_is_no_room_for_anybody(runs: Any) -> None:
    for owner in ("ann", "bob"):
        runs.wait_for_child(runs.submit("takes_long", tags={OWNER: owner}).run_id)
    assert runs.submit("succeeds", tags={OWNER: "cid"}).status is QUEUED


def test_nobody_goes_before_one_that_waits(runs: Any) -> None:
    runs.wait_for_child(runs.submit("takes_long", tags={OWNER: "ann"}).run_id)
    assert runs.submit("succeeds", tags={OWNER: "ann"}).status is QUEUED
    assert runs.submit("succeeds", tags={OWNER: "bob"}).status is QUEUED


def test_a_run_that_cannot_be_started_has_failed_and_says_why(runs: Any) -> None:
    run = runs.submit("succeeds", job_code_origin=None)
    assert run.status is DagsterRunStatus.FAILURE
    events = runs.instance.all_logs(run.run_id)
    said = [event.dagster_event.message or "" for event in events if event.dagster_event]
    assert any("does not say where its code is" in message for message in said), said


def test_a_run_waits_while_the_run_server_does_not_listen(runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as away:
        away.setenv("DREAMLAKE_RUN_SOCKET", "nobody.sock")
        assert runs.submit("succeeds").status is QUEUED


def test_a_run_that_was_submitted_before_is_left_alone(runs: Any) -> None:
    run = runs.submit("succeeds")
    assert runs.wait(run.run_id) is DagsterRunStatus.SUCCESS
    ended = runs.get(run.run_id)
    again = runs.instance.run_coordinator.submit_run(SubmitRunContext(ended, workspace=None))
    assert again.status is DagsterRunStatus.SUCCESS
