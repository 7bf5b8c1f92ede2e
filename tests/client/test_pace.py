"""The number of requests at once, against a store whose throughput is a function of it, on a clock of its own."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from dreamlake_pipeline.client.pace import Pace

MIB = 2**20


def go_on() -> None:
    pass


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def send(pace: Pace, clock: Clock, rate: Callable[[int], float], *, requests: int, size: int) -> list[int]:
    """Send one request after the other, as if `limit` of them ran, at `rate(limit)` bytes a second; the limits."""
    limits = []
    for _ in range(requests):
        pace._was_full = True  # somebody always waits
        with pace.slot(size, go_on):
            clock.now += size / rate(pace.limit)
        limits.append(pace.limit)
    return limits


@pytest.mark.parametrize("size", [10_000, 8 * MIB])
@pytest.mark.parametrize("best", [3, 12, 40])
def test_it_climbs_to_where_more_is_no_faster(best: int, size: int) -> None:
    clock = Clock()
    pace = Pace(64, clock=clock)

    def rate(limit: int) -> float:
        return 50 * size * min(limit, best)

    limits = send(pace, clock, rate, requests=200_000 // (10 if size > MIB else 1), size=size)
    settled = limits[len(limits) // 2 :]
    assert best * 0.6 <= sum(settled) / len(settled) <= best * 1.6 + 1


def test_it_comes_back_from_where_more_is_slower() -> None:
    clock = Clock()
    pace = Pace(64, clock=clock)
    limits = send(
        pace, clock, lambda limit: MIB * (limit if limit <= 10 else 100 / limit), requests=50_000, size=10_000
    )
    settled = limits[len(limits) // 2 :]
    assert 5 <= sum(settled) / len(settled) <= 15


def test_an_overload_halves_it_once_and_it_stays_low_for_a_while() -> None:
    clock = Clock()
    pace = Pace(64, clock=clock)
    send(pace, clock, lambda limit: MIB * limit, requests=20_000, size=10_000)
    before = pace.limit
    assert before > 30
    for _ in range(10):
        pace.overloaded()
    assert pace.limit == before // 2
    began = clock.now
    for _ in itertools.takewhile(lambda _: clock.now < began + 4, itertools.count()):
        send(pace, clock, lambda limit: MIB * limit, requests=10, size=10_000)
    assert pace.limit == before // 2
    send(pace, clock, lambda limit: MIB * limit, requests=20_000, size=10_000)
    assert pace.limit > before // 2


def test_it_never_exceeds_what_was_allowed() -> None:
    clock = Clock()
    pace = Pace(6, clock=clock)
    assert max(send(pace, clock, lambda limit: MIB * limit, requests=5_000, size=10_000)) == 6
    alone = Pace(1, clock=clock)
    assert set(send(alone, clock, lambda limit: MIB * limit, requests=1_000, size=10_000)) == {1}


def test_bodies_are_bounded_together_and_one_of_any_size_may_go_alone() -> None:
    pace = Pace(8, most_bytes=10)
    with pace.slot(1000, go_on):
        pass
    with ExitStack() as held:
        held.enter_context(pace.slot(6, go_on))
        held.enter_context(pace.slot(4, go_on))
        entered = threading.Event()

        def third() -> None:
            with pace.slot(1, go_on):
                entered.set()

        thread = threading.Thread(target=third)
        thread.start()
        assert not entered.wait(0.1)
    assert entered.wait(60)
    thread.join()


def test_waiting_ends_when_it_is_called_off() -> None:
    class CalledOff(Exception):
        pass

    def call_off() -> None:
        raise CalledOff

    pace = Pace(1)
    with pace.slot(1, go_on), pytest.raises(CalledOff), pace.slot(1, call_off):
        pass
    with pace.slot(1, go_on):
        pass
