"""Curves, marks and rows of label tracks, held to what a look at every entry says."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record, Status
from dreamlake_pipeline.bss.series import curves, tables
from dreamlake_pipeline.bss.series.track import LargeTrack, Track, open_track
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.labels import series as written
from dreamlake_pipeline.media.labels import writer
from dreamlake_pipeline.media.labels.make import make_label_track
from dreamlake_pipeline.objectstore import ObjectStore

Make = Callable[..., Track]


@pytest.fixture(scope="module")
def make(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A track as the pipeline makes it of a file, opened as BSS does."""

    def made(content: str, filename: str = "a.csv", *, without_series: bool = False) -> Track:
        folder = tmp_path_factory.mktemp("labels")
        source = folder / filename
        source.write_text(content)
        result = make_label_track(source, folder, filename=filename)
        assume(result.time is not None)
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


@pytest.fixture(scope="module")
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
    for time, value in zip(seconds[known], numbers[known], strict=True):
        expected.setdefault(math.floor(time / width) * width, []).append(value)
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
    track = make(csv(times, numbers, states, names="timestamp [s],x,state"))
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


@pytest.mark.usefixtures("_small")
def test_levels(make: Make) -> None:
    track = make(csv([n / 10 for n in range(2000)], [n % 77 for n in range(2000)], names="t,x"))
    assert isinstance(track, LargeTrack) and track.described.levels == 4
    told = curves.answer(track, [], 0, None, 100)
    print(
        {k: v for k, v in told.items() if k not in ("times", "fields")},
        len(told["times"]),
        told["fields"]["x"]["max"][:5],
    )
