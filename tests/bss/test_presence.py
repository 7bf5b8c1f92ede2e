"""BSS was away, and the leases of runs ended meanwhile: those that live are given time to say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from dreamlake_pipeline.bss import presence
from dreamlake_pipeline.bss.presence import Presence

LEASE = 120.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(presence, "time", clock)
    monkeypatch.setattr(presence, "HEARD_WITHIN", 15.0)
    return clock


def claims(there: Presence, clock: Clock, seconds: int, lease: float = LEASE) -> Iterator[bool]:
    """A claim a second."""
    for _ in range(seconds):
        clock.now += 1
        yield there.claimed(lease)


def test_runs_are_heard_some_seconds_after_the_beginning(clock: Clock) -> None:
    assert list(claims(Presence(), clock, 30)) == [False] * 14 + [True] * 16


def test_and_again_after_an_outage_but_not_after_a_slow_tick(clock: Clock) -> None:
    there = Presence()
    assert list(claims(there, clock, 20))[-1]
    clock.now += 50
    assert there.claimed(LEASE)
    clock.now += 70
    assert list(claims(there, clock, 20)) == [False] * 15 + [True] * 5


def test_short_leases_are_waited_for_no_longer_than_they_last(clock: Clock) -> None:
    assert list(claims(Presence(), clock, 10, lease=8.0)) == [False] * 3 + [True] * 7


def test_a_begun_batch_is_offered_again_only_when_its_run_could_be_heard(
    pipeline: Any, files: Any, claim: Any, begin: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.app.state, "presence", Presence())
    offers = {}
    for name in ("never begun", "dead", "alive"):
        files.queued(1)
        [offer] = claim()
        offers[name] = offer["partition"]
    begin(offers["dead"])
    begin(offers["alive"])
    with pipeline.app.state.database.begin() as connection:
        connection.execute(
            text("UPDATE batches SET lease_until = now() WHERE partition = ANY(:all)"), {"all": list(offers.values())}
        )
    clock.now += 2000  # BSS was away for more than half a lease
    assert [offer["partition"] for offer in claim()] == [offers["never begun"]]

    def heartbeat(name: str) -> int:
        body = {"partition": offers[name], "runId": "run-1", "leaseSeconds": LEASE}
        return pipeline.post("/pipeline/batches/heartbeat", json=body).status_code

    assert heartbeat("alive") == 200
    clock.now += 16
    claim()
    assert (heartbeat("alive"), heartbeat("dead")) == (200, 409)
