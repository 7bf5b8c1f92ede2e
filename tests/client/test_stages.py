from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dreamlake_pipeline.client.stages import Flow


def test_everything_passes_through_all_stages() -> None:
    flow = Flow()
    numbers, doubled, texts = (flow.channel(5, writers=n) for n in (1, 3, 2))
    flow.source([range(500), range(500, 1000)], numbers)
    flow.stage("double", lambda items: [2 * item for item in items], numbers, doubled, threads=3)
    flow.stage("text", lambda items: [str(item) for item in items], doubled, texts, threads=2, bulk=7, linger=0.01)
    found = [text for some in flow.results(texts, every=0.1) for text in some]
    assert sorted(found, key=int) == [str(2 * n) for n in range(1000)]


def test_a_slow_reader_holds_the_writers_back() -> None:
    flow = Flow()
    made = []

    def numbers() -> Iterator[int]:
        for n in range(100):
            made.append(n)
            yield n

    channel = flow.channel(4, writers=1)
    flow.source(([n] for n in numbers()), channel)
    results = flow.results(channel, every=1)
    assert len(next(results)) <= 4
    time.sleep(0.2)
    assert len(made) < 20
    results.close()  # type: ignore[attr-defined]


def test_the_fault_of_a_stage_is_raised_to_the_reader_and_ends_all_threads() -> None:
    flow = Flow()
    numbers, out = flow.channel(2, writers=1), flow.channel(2, writers=2)
    flow.source(([0] for _ in iter(int, 1)), numbers)

    def fail(items: list[int]) -> Iterator[int]:
        raise ValueError("no")
        yield 0

    flow.stage("fail", fail, numbers, out, threads=2)
    before = threading.active_count()
    with pytest.raises(ValueError, match="no"):
        list(flow.results(out, every=0.1))
    assert threading.active_count() <= before


def test_leaving_the_results_ends_all_threads() -> None:
    flow = Flow()
    numbers, out = flow.channel(2, writers=1), flow.channel(2, writers=2)
    flow.source(([0] for _ in iter(int, 1)), numbers)
    flow.stage("same", lambda items: items, numbers, out, threads=2)
    before = threading.active_count()
    for _ in flow.results(out, every=0.1):
        break
    assert threading.active_count() == before
