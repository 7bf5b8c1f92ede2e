"""Cues by time: found as by a look at every cue, once parsed, within bounded memory."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline import webvtt
from dreamlake_pipeline.bss.timelines import Cues, Segments, TimelineCache
from dreamlake_pipeline.errors import Code, DreamlakeError

TIMES = st.integers(0, 100).flatmap(lambda start: st.tuples(st.just(start), st.integers(start, 120)))


def track(times: list[tuple[int, int]]) -> str:
    blocks = [f"{webvtt.format_timing(start, end)}\ncue {n}" for n, (start, end) in enumerate(times)]
    return "\n\n".join(["WEBVTT", "STYLE\n::cue {}", "NOTE none", *blocks]) + "\n"


@given(times=st.lists(TIMES, max_size=30), start=st.integers(0, 110), length=st.integers(1, 20))
def test_a_span_has_every_cue_that_overlaps_it_in_their_order(
    times: list[tuple[int, int]], start: int, length: int
) -> None:
    cues = Cues(track(times), 1000)
    found = [cue.decode().split("\n") for cue in cues.between(start, start + length)]
    assert [text for _, text in found] == [
        f"cue {n}" for n, (first, last) in enumerate(times) if first < start + length and last > start
    ]
    assert [timing for timing, _ in found] == [
        webvtt.format_timing(times[int(text[4:])][0] + 1000, times[int(text[4:])][1] + 1000) for _, text in found
    ]
    assert cues.head == b"STYLE\n::cue {}"


def test_segments_end_where_the_next_one_starts_exactly() -> None:
    playlist = "#EXTM3U\n" + "#EXTINF:5.994,\nx.ts\n" * 5000
    segments = Segments(playlist)
    assert segments.span(0) == (0.0, 5994.0)
    assert segments.span(4999) == (float(Fraction("5994") * 4999), float(Fraction("5994") * 5000))
    assert segments.span(5000) is None and Segments("#EXTM3U\n").span(0) is None


@pytest.mark.parametrize("longest", [1000, 36_000_000], ids=["short cues", "cues as long as the film"])
def test_a_segment_of_a_long_track_does_not_read_the_track_again(longest: int) -> None:
    text = track([(n * 90 % 36_000_000, n * 90 % 36_000_000 + longest) for n in range(40_000)])
    began = time.thread_time()
    cues = Cues(text, 1467)
    parsed = time.thread_time() - began
    began = time.thread_time()
    for n in range(20):
        cues.between(n * 6000, n * 6000 + 6000)
    assert (time.thread_time() - began) / 20 < parsed / 5
    assert cues.size < 3 * len(text)


def test_what_is_kept_is_bounded_in_bytes_and_read_once() -> None:
    text = track([(n, n + 1) for n in range(100)])
    size = Cues(text, 0).size
    cache = TimelineCache(most_bytes=3 * size)
    reads: list[int] = []

    def get(key: int) -> Cues:
        return cache.get(key, lambda: reads.append(key) or Cues(text, 0))

    for key in (1, 2, 3, 1, 2, 3):
        get(key)
    assert reads == [1, 2, 3]
    get(1)
    get(4)  # takes the place of 2, which was asked for longest ago
    get(1)
    get(2)
    assert reads == [1, 2, 3, 4, 2]
    # What is larger than all that may be kept is given, and not kept.
    small = TimelineCache(most_bytes=size // 2)
    assert small.get(1, lambda: Cues(text, 0)).between(0, 1) and not small._kept and small._bytes == 0


def test_many_who_ask_at_once_wait_for_one_who_parses() -> None:
    cache, reads = TimelineCache(), []

    def read() -> Cues:
        reads.append(1)
        time.sleep(0.05)
        return Cues("WEBVTT\n", 0)

    threads = [threading.Thread(target=cache.get, args=("key", read)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1


def test_a_read_that_fails_is_tried_again() -> None:
    cache = TimelineCache()
    with pytest.raises(OSError, match="away"):
        cache.get("key", lambda: (_ for _ in ()).throw(OSError("away")))
    assert cache.get("key", lambda: Cues("WEBVTT\n", 0)).between(0, 1) == []


def test_who_waits_for_a_slow_track_leaves_threads_for_others() -> None:
    cache, go = TimelineCache(), threading.Event()

    def read() -> Cues:
        go.wait(120)
        return Cues("WEBVTT\n", 0)

    refused = []

    def get(n: int) -> None:
        try:
            cache.get(n, read)
        except DreamlakeError as error:
            refused.append(error.code)

    threads = [threading.Thread(target=get, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while len(refused) < 24 and time.monotonic() < deadline:
        time.sleep(0.01)
    go.set()
    for thread in threads:
        thread.join()
    assert refused == [Code.OVERLOADED] * 24
