"""Curves, marks and rows of label tracks, held to what a look at every entry says."""

from __future__ import annotations

import contextlib
import json
import math
import secrets
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record, Status
from dreamlake_pipeline.bss.routes import series
from dreamlake_pipeline.bss.series import curves, rows, tables
from dreamlake_pipeline.bss.series.track import LargeTrack, SmallTrack, Track, open_track
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.labels import series as written
from dreamlake_pipeline.media.labels import writer
from dreamlake_pipeline.media.labels.make import make_label_track
from dreamlake_pipeline.series.fields import Field, Sort, Values
from dreamlake_pipeline.storage import ObjectStore

Make = Callable[..., Track]


@pytest.fixture(scope="module")
def make(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A track as the pipeline makes it of a file, opened as BSS does."""

    def made(content: str, filename: str = "a.csv", *, without_series: bool = False) -> Track:
        folder = tmp_path_factory.mktemp("labels")
        source = folder / filename
        source.write_text(content)
        result = make_label_track(source, folder, filename=filename)
        time = result.time
        now = datetime.now(UTC)
        record = Record(
            id=secrets.token_hex(12),
            kind=Kind.LABEL_TRACK,
            owner="o",
            project="lab",
            episode=None,
            name=f"/{filename}",
            staging_hash=None,
            staging_key="k",
            size=1,
            content_type=None,
            status=Status.READY,
            created_at=now,
            updated_at=now,
            metadata={
                "seriesUrl": "/series" if result.series and not without_series else None,
                "time": time and {"fields": list(time.fields), "unit": time.unit},
                "start": time and time.start,
                "end": time and time.end,
            },
        )
        for path in (result.path, None if without_series else result.series):
            if path is not None:
                key = layout.result_key("o", "lab", Kind.LABEL_TRACK, record.id, path.name)
                object_store.upload(key, path, content_type="application/vnd.apache.parquet")
        return open_track(object_store, tables.Footers(), record)

    return made


@pytest.fixture
def _small() -> Iterator[None]:
    """A file of some rows has levels, row groups and parts as one of a million has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, "LEAST_ROWS", 1)
        patch.setattr(written, "_ROWS_OF_BUCKET", 2)
        patch.setattr(written, "_TOP_BUCKETS", 2)
        patch.setattr(written, "_GROUP_ROWS", 16)
        patch.setattr(written, "_LEAST_BUCKETS", 4)
        patch.setattr(writer, "_GROUP_CELLS", 100)
        yield


def csv(*columns: list[Any], names: str) -> str:
    return (
        "\n".join(
            [
                names,
                *(",".join("" if cell is None else str(cell) for cell in row) for row in zip(*columns, strict=True)),
            ]
        )
        + "\n"
    )


# Times in steps, some of them back, none, or far away; and values of which some are no numbers.
steps = st.sampled_from([0.25, 0.25, 0.25, 0.25, 0.3, 0.0, 100.0, -1.0])
values = st.one_of(
    st.integers(-50, 50), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), st.sampled_from([None, "nan", "inf"])
)


@st.composite
def tracks(draw: st.DrawFn) -> tuple[list[float | None], list[Any], list[str | None]]:
    moves = draw(st.lists(steps, min_size=3, max_size=120))
    times: list[float | None] = [round(5 + float(time), 6) for time in np.cumsum([0.25, *moves])]
    for gone in draw(st.sets(st.integers(2, len(times) - 1), max_size=5)):
        times[gone] = None
    count = len(times)
    numbers = draw(st.lists(values, min_size=count, max_size=count))
    states = draw(st.lists(st.sampled_from(["reach", "grasp", None]), min_size=count, max_size=count))
    return times, numbers, states


def _number(value: Any) -> float:
    return math.nan if value in (None, "nan", "inf") else float(value)


def _check(track: Track, told: dict[str, Any], name: str, seconds: np.ndarray, numbers: np.ndarray) -> None:
    """Every value of the span is in its bucket, or is told itself."""
    start, end = told["from"], told["to"]
    times = np.array(told["times"])
    assert (np.diff(times) > 0).all() or (told["raw"] and (np.diff(times) >= 0).all())
    known = np.isfinite(numbers) & ~np.isnan(seconds)
    inside = ~np.isnan(seconds) & (seconds >= start) & (seconds <= end)
    if told["raw"]:
        assert told["entries"] == inside.sum()
        shown = sorted(
            (time, value)
            for time, value in zip(told["times"], told["fields"][name]["values"], strict=True)
            if value is not None and start <= time <= end
        )
        here = known & inside
        assert shown == sorted(zip(seconds[here].tolist(), numbers[here].tolist(), strict=True))
        return
    low, high = told["fields"][name]["min"], told["fields"][name]["max"]
    width = told["bucketSec"]
    expected: dict[float, list[float]] = {}
    for at, value in zip(seconds[known], numbers[known], strict=True):
        expected.setdefault(math.floor(at / width) * width, []).append(value)
    first, last = math.floor(start / width) * width, end
    expected = {time: some for time, some in expected.items() if first <= time <= last}
    shown = {time: (a, b) for time, a, b in zip(told["times"], low, high, strict=True) if a is not None}
    assert shown == {time: (min(some), max(some)) for time, some in expected.items()}


@pytest.mark.usefixtures("_small")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_=tracks(), part=st.tuples(st.floats(0, 1), st.floats(0, 1)), width=st.sampled_from([1, 3, 8, 40, 500]))
def test_a_series_is_what_all_entries_say(
    make: Make, given_: tuple[list[Any], list[Any], list[Any]], part: tuple[float, float], width: int
) -> None:
    times, numbers, states = given_
    track = None
    with contextlib.suppress(DreamlakeError):
        track = make(csv(times, numbers, states, names="timestamp [s],x,state"))
    assume(track is not None)  # of so few entries, some are found to have no times
    assert track is not None
    seconds = track.seconds_of(0, len(times))
    first = min(time for time, second in zip(times, seconds, strict=True) if not math.isnan(second))
    told_times = [math.nan if time is None else round(time - first, 9) for time in times]
    # What is far from all others is no time.
    assert all(math.isnan(second) or second == time for second, time in zip(seconds, told_times, strict=True))
    start, end = sorted(one * track.duration for one in part)
    fields = [field.name for field in track.fields]
    told = curves.answer(track, [name for name in ("x", "state") if name in fields], start, end, width)
    assert len(told["times"]) <= (2 * width + 2 if told["raw"] else max(width, 2))
    if "x" in told["fields"]:
        _check(track, told, "x", seconds, np.array([_number(value) for value in numbers]))


def test_marks_gaps_and_edges_of_a_span(make: Make) -> None:
    # 10 Hz with a pause; states in blocks, with none in the pause; a field that every fifth entry has.
    times = [n / 10 for n in range(100)] + [60 + n / 10 for n in range(100)]
    states = ["reach"] * 50 + ["grasp"] * 50 + [None] * 20 + ["grasp"] * 80
    slow = [n if n % 5 == 0 else None for n in range(200)]
    on = ["true"] * 30 + ["false"] * 170
    track = make(csv(times, range(200), slow, states, on, names="time_s,x,slow,state,on"))
    told = curves.answer(track, ["x", "slow", "state", "on"], 0, None, 1000)
    assert isinstance(track, SmallTrack) and told["raw"] and told["entries"] == 200
    # Between the pause's two sides, a time without values.
    assert told["times"][99:102] == [9.9, 34.95, 60.0] and told["fields"]["x"]["values"][99:102] == [99, None, 100]
    # What is null at other entries' times is no gap of a slower field.
    assert told["gaps"] == {"x": [[9.9, 60.0]], "slow": [[9.5, 60.0]]}
    assert [value for value in told["fields"]["slow"]["values"] if value is not None] == list(range(0, 200, 5))
    assert told["marks"]["state"] == [
        {"start": 0.0, "end": 5.0, "text": "reach"},
        {"start": 5.0, "end": 9.9, "text": "grasp"},
        {"start": 62.0, "end": 69.9, "text": "grasp"},
    ]
    assert told["marks"]["on"][0] == {"start": 0.0, "end": 3.0, "text": "true"}

    # A line goes to the nearest entry outside of the span; between two entries, there are those two.
    near = curves.answer(track, ["x", "state"], 5.02, 5.08, 100)
    assert near["times"] == [5.0, 5.1] and near["entries"] == 0
    assert near["marks"]["state"] == [{"start": 5.0, "end": 9.9, "text": "grasp"}]
    assert curves.answer(track, ["x"], 20, 21, 100)["times"] == []

    # In few pixels, marks are made one, and say of how many.
    few = curves.answer(track, ["state"], 0, None, 1)["marks"]["state"]
    assert few == [{"start": 0.0, "end": 69.9, "text": "reach", "count": 3}]


@pytest.mark.usefixtures("_small")
def test_a_large_track_says_the_same_of_gaps_and_marks(make: Make) -> None:
    times = [n / 10 for n in range(1000)] + [600 + n / 10 for n in range(1000)]
    states = ["reach"] * 500 + ["grasp"] * 1000 + [None] * 200 + ["place"] * 300
    track = make(csv(times, [n % 77 for n in range(2000)], states, names="time_s,x,state"))
    assert isinstance(track, LargeTrack) and track.described.levels > 2
    for width in (50, 200, 700):
        told = curves.answer(track, ["x", "state"], 0, None, width)
        assert not told["raw"] and len(told["times"]) <= width and told["entries"] == 2000
        [[start, end]] = told["gaps"]["x"]
        assert 99.9 <= start < end <= 600 and end - start > 500 - 2 * told["bucketSec"]
        empty = [
            time
            for time, low, high in zip(
                told["times"], told["fields"]["x"]["min"], told["fields"]["x"]["max"], strict=True
            )
            if low is None and high is None
        ]
        assert len(empty) == 1 and 99.9 < empty[0] < 600
        assert told["marks"]["state"] == [
            {"start": 0.0, "end": 50.0, "text": "reach"},
            {"start": 50.0, "end": 99.9, "text": "grasp"},
            {"start": 600.0, "end": 649.9, "text": "grasp"},
            {"start": 670.0, "end": 699.9, "text": "place"},
        ]


def test_integers_keep_all_their_digits(make: Make) -> None:
    large = 2**53 + 1
    track = make(csv([n / 100 for n in range(5000)], [large + n for n in range(5000)], names="time_s,count"))
    assert isinstance(track, LargeTrack)
    told = curves.answer(track, [], 0, None, 50)
    assert told["fields"]["count"]["min"][0] == large and told["fields"]["count"]["max"][-1] == large + 4999
    assert curves.answer(track, [], 0, 0.02, 50)["fields"]["count"]["values"] == [
        large,
        large + 1,
        large + 2,
        large + 3,
    ]


@pytest.mark.parametrize("count", [50, 5000])
def test_lists_objects_and_names_with_dots(make: Make, count: int) -> None:
    def entry(n: int) -> str:
        pose = {"x": n, "position": [n * 2, -n], "frame": "map" if n < count // 2 else "odom", "ok": True}
        return json.dumps(
            {"t": n / 10, "q": [n / 2, n, n * 3][: 2 + n % 2], "pose": pose, "a": n, "a.b": -n, "a.min": 7}
        )

    track = make("\n".join(map(entry, range(count))) + "\n", "a.jsonl")
    assert isinstance(track, LargeTrack if count > 4096 else SmallTrack)
    names = [field.name for field in track.fields]
    assert names == [
        *("q[0]", "q[1]", "q[2]", "pose.x", "pose.position[0]", "pose.position[1]", "pose.frame", "pose.ok"),
        *("a", "a.b", "a.min"),
    ]
    for width in (20, 2 * count):
        told = curves.answer(track, ["q", "pose", "a", "a.b"], 0, None, width)
        assert told["raw"] == (2 * width >= count)
        shown = told["fields"]
        low = {name: next(v for v in one.get("values", one.get("min")) if v is not None) for name, one in shown.items()}
        assert {name: low[name] for name in ("q[0]", "q[1]", "pose.x", "a")} == dict.fromkeys(
            ("q[0]", "q[1]", "pose.x", "a"), 0
        )
        last = {
            name: [v for v in one.get("values", one.get("max")) if v is not None][-1] for name, one in shown.items()
        }
        assert (last["q[0]"], last["pose.position[0]"]) == ((count - 1) / 2, (count - 1) * 2)
        if told["raw"]:
            assert shown["q[2]"]["values"] == [n * 3 if n % 2 else None for n in range(count)]
            assert shown["a.b"]["values"] == [-n for n in range(count)]
        assert [(mark["text"], mark["start"]) for mark in told["marks"]["pose.frame"]] == [
            ("map", 0.0),
            ("odom", count // 2 / 10),
        ]


def test_a_thousand_fields(make: Make) -> None:
    count, fields = 5000, 1000
    rng = np.random.default_rng(1)
    table = rng.integers(0, 1000, (count, fields))
    lines = [f"{n / 100}," + ",".join(map(str, row)) for n, row in enumerate(table.tolist())]
    track = make("time_s," + ",".join(f"f{n}" for n in range(fields)) + "\n" + "\n".join(lines) + "\n")
    told = curves.answer(track, [], 0, None, 40)
    assert list(told["fields"]) == [f"f{n}" for n in range(20)]
    some = curves.answer(track, ["f999", "f7"], 10, 20, 40)
    width = some["bucketSec"]
    for name, column in (("f999", 999), ("f7", 7)):
        number = np.floor(np.arange(count) / 100 / width)
        expected = [table[number == round(time / width), column].max() for time in some["times"]]
        assert some["fields"][name]["max"] == expected


@pytest.mark.parametrize(
    ("content", "is_plain"),
    [
        (csv([1714564800 + n / 4 for n in range(99)], range(99), names="time,x"), True),
        (csv([1714564800_000_000_000 + n * 250_000_000 for n in range(99)], range(99), names="stamp_ns,x"), True),
        (csv([f"2024-05-01T12:00:{n / 4:06.3f}Z" for n in range(99)], range(99), names="time,x"), True),
        (csv([f"12:00:{n / 4:06.3f}" for n in range(99)], range(99), names="time,x"), False),
        (
            csv(
                [9 + n // 4 for n in range(99)],
                [n % 4 * 250_000_000 for n in range(99)],
                range(99),
                names="sec,nanosec,x",
            ),
            False,
        ),
        (
            csv(
                [f"{1714564800 + n // 4}.{n % 4 * 250_000_000 + 123:09}" for n in range(99)], range(99), names="time,x"
            ),
            False,
        ),
        (csv([f"2024-05-01T12:00:{n / 4:06.3f}" for n in range(50)], range(50), names="date,x"), True),
    ],
)
def test_small_tracks_of_every_sort_of_time(make: Make, content: str, is_plain: bool) -> None:
    track = make(content)
    assert isinstance(track, SmallTrack)
    told = curves.answer(track, ["x"], 0, None, 1000)
    count = len(told["times"])
    assert np.allclose(told["times"], np.arange(count) / 4, atol=1e-6, rtol=0)
    assert told["fields"]["x"]["values"] == list(range(count))
    if is_plain:  # a record of an earlier version has no other file, and needs none
        assert curves.answer(make(content, without_series=True), ["x"], 0, None, 1000) == told
    else:
        with pytest.raises(DreamlakeError) as raised:
            make(content, without_series=True)
        assert raised.value.code is Code.NOT_READY and "retry --all" in (raised.value.hint or "")


def test_times_that_are_none_or_go_back(make: Make) -> None:
    times = [0, 1, None, 3, 2, 2, 4]
    track = make(csv(times, range(7), names="time_s,x"))
    told = curves.answer(track, [], 0, None, 100)
    assert told["times"] == [0, 1, 2, 2, 3, 4] and told["fields"]["x"]["values"] == [0, 1, 4, 5, 3, 6]
    table = rows.answer(track.table, track, [], 2.5, None, 3)
    assert table["first"] == 4 and table["times"] == [2, 2, 4]
    assert rows.answer(track.table, track, [], None, 1, 2)["times"] == [1, None]


def test_one_time_and_one_entry(make: Make) -> None:
    for content in (csv([5, 5, 5], [1, 2, 3], names="time_s,x"), csv([5], [1], names="time_s,x")):
        told = curves.answer(make(content), [], 0, None, 100)
        assert told["durationSec"] == 0 and set(told["times"]) == {0}
        assert curves.answer(make(content), [], 0, None, 1)["entries"] == told["entries"]


@pytest.mark.parametrize("count", [50, 5000])
def test_rows_around_a_time(make: Make, count: int) -> None:
    values = ["nan", "-inf", "1.5"]
    track = make(
        csv(
            [n / 10 for n in range(count)],
            [values[n % 3] for n in range(count)],
            [f"x{n}" * 500 for n in range(count)],
            [f"2024-05-01T00:00:00.{n:06}Z" for n in range(count)],
            [f"1.{n:030}" for n in range(count)],
            names="time_s,x,text,when_was_it,digits",
        )
    )
    told = rows.answer(track.table, track, [], 2.05, None, 4)
    assert told["first"] == 18 and told["times"] == [1.8, 1.9, 2.0, 2.1] and told["total"] == count
    assert told["fields"] == ["_line", "time_s", "x", "text", "when_was_it", "digits"]
    line, time, x, text, when, digits = told["rows"][2]
    assert (line, time, x) == (22, 2.0, 1.5) and text.startswith("x20x20") and len(text) <= 1000
    assert when == "2024-05-01T00:00:00.000020Z" and digits == f"1.{20:030}"
    assert [row[2] for row in told["rows"][:2]] == ["NaN", "-Infinity"]
    assert rows.answer(track.table, track, ["x"], 1e9, None, 4)["first"] == count - 4
    assert rows.answer(track.table, track, ["x"], None, count - 1, 4)["rows"] == [["-Infinity"]]
    assert rows.answer(track.table, track, ["x"], None, count + 5, 4)["rows"] == []


def test_what_is_no_field_is_refused(make: Make) -> None:
    track = make(csv(range(9), range(9), names="time_s,x"))
    for names in (["y"], ["time_s"], ["_line"]):
        with pytest.raises(DreamlakeError) as raised:
            curves.answer(track, names, 0, None, 10)
        assert raised.value.code is Code.INVALID_REQUEST and repr(names[0]) in raised.value.message
    with pytest.raises(DreamlakeError) as raised:
        rows.answer(track.table, track, ["y"], 0, None, 10)
    assert raised.value.code is Code.INVALID_REQUEST


def test_many_texts_are_told_apart_when_they_are_near(make: Make) -> None:
    count = 12_000
    track = make(csv([n / 100 for n in range(count)], [f"m{n}" for n in range(count)], names="time_s,message"))
    told = curves.answer(track, ["message"], 0, None, 500)["marks"]["message"]
    assert len(told) == 500 and sum(mark.get("count", 1) for mark in told) == count
    near = curves.answer(track, ["message"], 50, 51, 500)["marks"]["message"]
    assert [mark["text"] for mark in near if 50 <= mark["start"] <= 51] == [f"m{n}" for n in range(5000, 5101)]


def test_of_long_lists_only_what_is_shown_is_kept(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes of a Parquet file may stand for any number of values."""
    zeros = json.dumps([0] * 5000)
    track = make("".join(f'{{"t": {n / 10}, "q": {zeros}}}\n' for n in range(200)), "a.jsonl")
    monkeypatch.setattr(tables, "_MOST_MEMORY", 2**20)
    assert len(track.fields) == 64
    told = curves.answer(track, ["q"], 0, None, 1000)
    assert told["fields"]["q[63]"]["values"] == [0] * 200
    with pytest.raises(DreamlakeError) as refused:
        rows.answer(track.table, track, ["q"], None, 0, 200)
    assert refused.value.code is Code.REQUEST_TOO_LARGE
    assert len(rows.answer(track.table, track, ["t"], None, 0, 200)["rows"]) == 200


def test_of_json_no_more_is_parsed_at_a_time_than_a_little() -> None:
    """What it says takes many times the bytes of its text."""
    text = json.dumps({"a": [{"x": n} for n in range(100)], "s": "t"})
    column = pa.array([text] * 3000, pa.json_())
    fields = [Field("o.a[0].x", "o", Sort.NUMBER, ("a", 0, "x")), Field("o.s", "o", Sort.MARK, ("s",))]
    values = Values(pa.table({"o": column}), fields)
    tracemalloc.start()
    try:
        numbers, _ = values.numbers(fields[0])
        texts = values.texts(fields[1])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert numbers.tolist() == [0] * 3000 and texts.to_pylist() == ["t"] * 3000
    assert peak < 10 * 2**20, peak / 2**20


def test_no_tenant_takes_all_places_of_those_who_read_curves() -> None:
    readers, started, go_on = series._Readers(), threading.Semaphore(0), threading.Event()

    def read(tenant: str) -> bool:
        with contextlib.suppress(DreamlakeError), readers.enter(tenant):
            started.release()
            return go_on.wait(60)
        return False

    with ThreadPoolExecutor(40) as pool:
        greedy = [pool.submit(read, "greedy") for _ in range(30)]
        for _ in range(3):
            assert started.acquire(timeout=60)
        while sum(one.done() for one in greedy) < 15:  # they are refused
            time.sleep(0.01)
        other = pool.submit(read, "other")
        assert started.acquire(timeout=60), "another one reads at once"
        assert not started.acquire(blocking=False)
        go_on.set()
        assert other.result() and sum(one.result() for one in greedy) == 15
    with readers.enter("greedy"):
        pass
