"""series.parquet, level by level, against a look at every entry."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.media.labels import series, writer
from dreamlake_pipeline.media.labels.make import make_label_track
from dreamlake_pipeline.series import form
from dreamlake_pipeline.series.gaps import Distances, after_gaps


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder; a file of some rows has levels, row groups and parts there as one of a million has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "LEAST_ROWS", 1)
        patch.setattr(series, "_ROWS_OF_BUCKET", 2)
        patch.setattr(series, "_TOP_BUCKETS", 2)
        patch.setattr(series, "_GROUP_ROWS", 8)
        patch.setattr(series, "_LEAST_BUCKETS", 2)
        patch.setattr(writer, "_GROUP_CELLS", 60)
        yield tmp_path_factory.mktemp("labels")


def make(folder: Path, lines: list[str], header: str) -> tuple[form.Description, dict[str, list[Any]]]:
    source = folder / "a.csv"
    source.write_text("\n".join([header, *lines]) + "\n")
    result = make_label_track(source, folder, filename="a.csv")
    assert result.series is not None
    table = pq.read_table(result.series)
    described = form.read_description(pq.read_metadata(result.series).metadata)
    assert described is not None and table.schema.equals(form.SCHEMA)
    return described, table.to_pydict()


def stored(columns: dict[str, list[Any]], level: int, field: int) -> dict[int, tuple[int, Any, Any]]:
    """Count, lowest and highest of each bucket of a field, whose parts are joined."""
    found: dict[int, tuple[int, Any, Any]] = {}
    rows = zip(
        *(columns[name] for name in ("level", "field", "bucket", "count", "min", "max", "low", "high")), strict=True
    )
    for at, of, bucket, count, lowest, highest, low, high in rows:
        if (at, of) == (level, field):
            some = (count, low if lowest is None else lowest, high if highest is None else highest)
            before = found.get(bucket)
            found[bucket] = (
                some if before is None else (before[0] + count, min(before[1], some[1]), max(before[2], some[2]))
            )
    return found


numbers = st.one_of(
    st.integers(-9, 9), st.floats(-1e6, 1e6).map(lambda x: round(x, 2)), st.sampled_from(["", "nan", "-inf"])
)
large = st.integers(2**53, 2**60)
steps = st.sampled_from([0.125, 0.125, 0.125, 0.125, 0.0, 0.2, 5.0, -0.5])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(st.tuples(steps, numbers, large), min_size=4, max_size=150))
def test_every_level_has_the_bounds_of_all_values(folder: Path, entries: list[tuple[float, Any, int]]) -> None:
    times = np.round(np.cumsum([step for step, _, _ in entries]) + 100, 6).tolist()
    lines = [f"{time},{x},{n}" for time, (_, x, n) in zip(times, entries, strict=True)]
    described, columns = make(folder, lines, "timestamp [s],x,n")
    seconds = [second for level, second in zip(columns["level"], columns["time"], strict=True) if level == 0]
    assert len(seconds) == described.rows == len(times)
    first = min(time for time, second in zip(times, seconds, strict=True) if second is not None)
    assert [second for second in seconds if second is not None] == [
        round(time - first, 9) for time, second in zip(times, seconds, strict=True) if second is not None
    ]
    names = {one.field.name: number for number, one in enumerate(described.fields, 1)}
    values = {
        "n": [n for _, _, n in entries],
        "x": [float(x) if x not in ("", "nan", "-inf") else None for _, x, _ in entries],
    }
    assert {"n"} <= names.keys() <= values.keys()
    for level in range(1, described.levels + 1):
        width = described.width_of(level)
        assert width == described.width * 8 ** (level - 1) and math.log2(width).is_integer()
        for name, number in names.items():
            expected = defaultdict(list)
            for second, value in zip(seconds, values[name], strict=True):
                if second is not None and value is not None:
                    expected[math.floor(second / width)].append(value)
            assert stored(columns, level, number) == {
                bucket: (len(some), min(some), max(some)) for bucket, some in expected.items()
            }
        entries_of = defaultdict(int)
        for second in seconds:
            if second is not None:
                entries_of[math.floor(second / width)] += 1
        assert {bucket: found[0] for bucket, found in stored(columns, level, form.ENTRIES).items()} == entries_of


def test_runs_go_on_from_part_to_part(folder: Path) -> None:
    states = ["a"] * 30 + ["b"] * 45 + ["a"] * 25
    lines = [f"{n / 10},{state}" for n, state in enumerate(states)]
    described, columns = make(folder, lines, "time_s,state")
    runs = [
        row[1:]
        for row in zip(*(columns[name] for name in ("level", "time", "end", "text", "count")), strict=True)
        if row[0] == form.MARKS
    ]
    assert runs == [(0.0, 3.0, "a", 1), (3.0, 7.5, "b", 1), (7.5, 9.9, "a", 1)]
    assert described.fields[0].exact


def test_runs_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MOST_MARKS", 16)
    described, columns = make(folder, [f"{n / 10},m{n}" for n in range(3000)], "time_s,state")
    counts = [count for level, count in zip(columns["level"], columns["count"], strict=True) if level == form.MARKS]
    assert len(counts) <= 16 and sum(counts) == 3000 and not described.fields[0].exact


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=200))
def test_a_gap_is_ten_times_the_upper_quartile(steps: list[float]) -> None:
    times = np.cumsum([0.0, *steps])
    distances = Distances()
    distances.see(times)
    found = np.diff(times)
    usual = np.quantile(found[found > 0], 0.75, method="inverted_cdf")
    assert distances.gap is not None and 10 * usual * 0.999 <= distances.gap <= 10 * usual * 1.1
    assert after_gaps(times, distances.gap).tolist() == (np.flatnonzero(found > distances.gap) + 1).tolist()


def test_small_tables_with_plain_times_have_no_such_file(tmp_path: Path) -> None:
    def made(header: str, time: str, count: int) -> Path | None:
        source = tmp_path / "a.csv"
        source.write_text(header + "\n" + "".join(f"{time.format(n // 60, n % 60)},{n}\n" for n in range(count)))
        return make_label_track(source, tmp_path, filename="a.csv").series

    assert made("time_s,x", "{0}.{1:02}", 300) is None
    assert made("x,y", "{0}", 5000) is None
    clock = made("time,x", "12:{0:02}:{1:02}", 300)
    assert clock is not None and set(pq.read_table(clock)["level"].to_pylist()) == {0}
