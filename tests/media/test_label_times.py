"""The time of entries: which fields tell it, in which unit, and the span, whatever way a logger writes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.media.labels.make import LabelResult, make_label_track
from dreamlake_pipeline.media.labels.stats import Statistics
from dreamlake_pipeline.media.labels.time_names import parse_name
from dreamlake_pipeline.media.labels.times import LabelTime, find_time
from dreamlake_pipeline.media.labels.types import INT

NOON = 1_714_564_800  # 2024-05-01T12:00:00Z
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def make(folder: Path, header: str, *rows: str) -> LabelResult:
    """A label track of a CSV whose first column is of no interest."""
    source = folder / "source"
    source.write_text(f"x,{header}\n" + "".join(f"{number},{row}\n" for number, row in enumerate(rows)))
    return make_label_track(source, folder, filename="labels.csv")


def make_json(folder: Path, *rows: Any) -> LabelResult:
    source = folder / "source"
    source.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return make_label_track(source, folder, filename="labels.jsonl")


def time_of(result: LabelResult) -> LabelTime:
    assert result.time is not None
    return result.time


def said(result: LabelResult, *words: str) -> bool:
    """Whether one warning has all of the words."""
    return any(all(word in warning for word in words) for warning in result.warnings)


@pytest.mark.parametrize(
    ("header", "rows", "unit", "origin", "start", "seconds"),
    [
        ("time (s)", ["0.5", "2.5"], "s", "relative", 0.5, 2),
        ("Time [ms]", ["500", "2500"], "ms", "relative", 0.5, 2),
        ("time (min)", ["0", "1.5"], "min", "relative", 0, 90),
        ("elapsed_ms", ["0", "1500"], "ms", "relative", 0, 1.5),
        ("TimeUS", ["123456789", "123476789"], "us", "relative", 123.456789, 0.02),
        ("#timestamp [ns]", [f"{NOON}000000000", f"{NOON}500000000"], "ns", "unix", "2024-05-01T12:00:00Z", 0.5),
        ("%time", [f"{NOON}000000000", f"{NOON}500000000"], "ns", "unix", "2024-05-01T12:00:00Z", 0.5),
        ("epoch_ms", [f"{NOON}000", f"{NOON}250"], "ms", "unix", "2024-05-01T12:00:00Z", 0.25),
        ("t_ns", ["5000000000000", "5000010000000"], "ns", "relative", 5000, 0.01),  # since the machine started
        ("timestamp (s)", [f"{NOON}000000000", f"{NOON}500000000"], "ns", "unix", "2024-05-01T12:00:00Z", 0.5),
        ("Time", ["23:59:50", "23:59:59.5", "00:00:10"], None, "midnight", 86390, 20),
        ("time", ["8:15:00 AM", "12:15:00 PM"], None, "midnight", 29700, 4 * 3600),
        ("timestamp", ["2024-05-01T12:00:00+02:00", "2024-05-01T10:00:01Z"], None, "date", "2024-05-01T10:00:00Z", 1),
        (
            "timestamp",
            ['"2024-05-01 12:00:00,123"', '"2024-05-01 12:00:01,123"'],
            None,
            "date",
            "2024-05-01T12:00:00.123",
            1,
        ),
        ("timestamp", ["20240501T120000Z", "20240501T120001Z"], None, "date", "2024-05-01T12:00:00Z", 1),
        ("timestamp", ["2024/05/01 12:00:00", "2024/05/01 12:00:01"], None, "date", "2024-05-01T12:00:00", 1),
        ("timestamp", ["17/06/2025 08:15:00", "17/06/2025 08:15:01.25"], None, "date", "2025-06-17T08:15:00", 1.25),
        ("date", ["20250617", "20250618"], None, "date", "2025-06-17T00:00:00", 86400),
    ],
)
def test_one_field(
    folder: Path, header: str, rows: list[str], unit: str | None, origin: str, start: Any, seconds: float
) -> None:
    time = time_of(make(folder, header, *rows))
    assert (time.fields, time.column, time.unit, time.origin) == ((header,), header, unit, origin)
    assert time.start == (pytest.approx(start) if not isinstance(start, str) else start)
    assert time.duration == pytest.approx(seconds, abs=1e-9)
    assert repr(header) in time.why


@pytest.mark.parametrize(
    ("header", "rows", "origin", "start", "seconds"),
    [
        ("Date,Time", ["2025-06-17,08:15:00.000", "2025-06-17,08:16:30.500"], "date", "2025-06-17T08:15:00", 90.5),
        ("Date,Time", ["17/06/2025,23:59:59.5", "18/06/2025,00:00:01"], "date", "2025-06-17T23:59:59.5", 1.5),
        ("Date,Time", ["06/17/2025,11:59:59 PM", "06/18/2025,12:00:01 AM"], "date", "2025-06-17T23:59:59", 2),
        ("Date,Time", ["02.03.2025,08:15", "02.03.2025,08:16"], "date", "2025-03-02T08:15:00", 60),
        ("Date,Time", ["20250617,081500", "20250617,101630"], "date", "2025-06-17T08:15:00", 7290),
        ("utc_date,utc_time", ["17 Jun 2025,08:15:00Z", "17 Jun 2025,08:15:01Z"], "date", "2025-06-17T08:15:00Z", 1),
        ("stamp.sec,stamp.nanosec", [f"{NOON},5", f"{NOON + 1},4"], "unix", "2024-05-01T12:00:00.000000005Z", 1 - 1e-9),
        ("secs,nsecs", ["10,0", "11,500000000"], "relative", 10, 1.5),
        ("tv_sec,tv_usec", [f"{NOON},999999", f"{NOON + 1},1"], "unix", "2024-05-01T12:00:00.999999Z", 2e-6),
        ("GPS Week,GPS TOW", ["2300,1000.5", "2300,1001.5"], "gps", "2024-02-04T00:16:22.5Z", 1),
    ],
)  # fmt: skip
def test_two_fields(folder: Path, header: str, rows: list[str], origin: str, start: Any, seconds: float) -> None:
    time = time_of(make(folder, header, *rows))
    assert (time.fields, time.origin) == (tuple(header.split(",")), origin)
    assert time.start == (pytest.approx(start) if not isinstance(start, str) else start)
    assert time.duration == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    ("row", "later", "fields"),
    [
        ({"h": {"s": {"sec": 9, "nanosec": 5}}}, {"h": {"s": {"sec": 10, "nanosec": 5}}}, ("h.s.sec", "h.s.nanosec")),
        ({"stamp": {"secs": 9, "nsecs": 5}}, {"stamp": {"secs": 10, "nsecs": 5}}, ("stamp.secs", "stamp.nsecs")),
        ({"stamp.sec": 9, "stamp.nanosec": 5}, {"stamp.sec": 10, "stamp.nanosec": 5}, ("stamp.sec", "stamp.nanosec")),
        ({"meta": {"time": "2024-05-01T12:00:00Z"}}, {"meta": {"time": "2024-05-01T12:00:01Z"}}, ("meta.time",)),
        ({"t": f"{NOON}.5"}, {"t": f"{NOON + 1}.5"}, ("t",)),
        ({"stamp": f"{NOON}000000000"}, {"stamp": f"{NOON + 1}000000000"}, ("stamp",)),
    ],
)  # fmt: skip
def test_json(folder: Path, row: Any, later: Any, fields: tuple[str, ...]) -> None:
    time = time_of(make_json(folder, row, later))
    assert (time.fields, time.duration) == (fields, 1)
    assert time.column in (fields[0], fields[0].split(".")[0])


def test_dates_that_may_have_the_day_or_the_month_first_are_not_guessed(folder: Path) -> None:
    both = make(folder, "Date,Time", "05/06/2025,08:15:00", "05/06/2025,08:16:00")
    assert (time_of(both).origin, time_of(both).duration) == ("midnight", 60)
    assert said(both, "'Date'", "day or the month first")
    alone = make(folder, "date", "05/06/2025", "06/06/2025")
    assert alone.time is None and said(alone, "'date'", "day or the month first")


def test_unset_and_far_times_do_not_count(folder: Path) -> None:
    unset = make(folder, "stamp", "0", *(str(NOON * 10**9 + n * 5 * 10**8) for n in range(5)))
    assert (unset.entries, time_of(unset).unit, time_of(unset).duration, time_of(unset).left_out) == (6, "ns", 2, 1)
    assert said(unset, "unset (0) in 1 of 6 entries", "line 2")
    far = make(folder, "stamp", *(str(NOON + n) for n in range(5)), str(9 * 10**17), "")
    assert (time_of(far).duration, time_of(far).left_out) == (4, 2)
    assert said(far, "far from all others", "line 7") and said(far, "No time can be read", "line 8")
    dates = make(folder, "stamp", "1970-01-01T00:00:00Z", "2024-05-01T12:00:00Z", "2024-05-01T12:00:01Z")
    assert time_of(dates).duration == 1
    clock = make(folder, "t", "0", *(str(5000 + n / 10) for n in range(5)))
    assert time_of(clock).start == 5000 and said(clock, "unset (0)", "line 2")


def test_a_start_at_zero_is_a_time(folder: Path) -> None:
    assert time_of(make(folder, "t", "0", "10", "10.1", "10.2")).start == 0


def test_times_that_go_back_are_located(folder: Path) -> None:
    result = make(folder, "t", "1", "3", "2", "4", "0")
    assert (time_of(result).goes_back, time_of(result).duration) == (2, 4)
    assert said(result, "goes back 2 times", "line 4")


@pytest.mark.parametrize("rows", [["5"], ["5", "5"], ["5", "nan"]])
def test_a_single_time_has_no_duration(folder: Path, rows: list[str]) -> None:
    result = make(folder, "t", *rows)
    assert (time_of(result).start, time_of(result).end, time_of(result).duration) == (5, 5, None)
    assert said(result, "no duration")


def test_a_guessed_unit_is_said_to_be_one(folder: Path) -> None:
    clock = make(folder, "timestamp", *(str(5 * 10**12 + n * 33_333_333) for n in range(3)))
    assert (time_of(clock).unit, time_of(clock).origin) == ("ns", "relative")
    assert said(clock, "Nothing says what the times of 'timestamp' count")
    seconds = make(folder, "t", "0", "33", "66")
    assert time_of(seconds).unit == "s" and said(seconds, "read as seconds")
    other = make(folder, "timestamp (s)", f"{NOON}000000000", f"{NOON}500000000")
    assert said(other, "its name says", "ns since 1970")


@pytest.mark.parametrize(
    "header", ["exposure_time", "response time (ms)", "lap_time", "time_zone", "frame", "duration"]
)
def test_lengths_of_time_are_no_time(folder: Path, header: str) -> None:
    assert make(folder, header, "1", "2").time is None


def test_a_row_of_units_tells_the_unit(folder: Path) -> None:
    result = make(folder, "time", "500", "2500")
    found, _ = find_time(result.path, _statistics(result), {"time": "ms", "x": "mA"})
    assert found and (found.time.unit, found.time.duration) == ("ms", 2) and "row of units" in found.time.why


def _statistics(result: LabelResult) -> dict[str, Statistics]:
    table = pq.read_table(result.path)
    gathered = {}
    for name in ("x", "time"):
        gathered[name] = Statistics(INT)
        gathered[name].see(table[name].combine_chunks())
    return gathered


@pytest.mark.parametrize(
    ("name", "words", "unit"),
    [
        ("captureTimeNs", ("capture", "time"), "ns"),
        ("#timestamp [ns]", ("timestamp",), "ns"),
        ("/imu/header/stamp", ("imu", "header", "stamp"), None),
        ("t/ms", ("t",), "ms"),
        ("Time (UTC)", ("time",), None),
        ("time_min", ("time", "min"), None),  # the least time
    ],
)
def test_names(name: str, words: tuple[str, ...], unit: str | None) -> None:
    assert (parse_name(name).words, parse_name(name).unit) == (words, unit)


FORMS = [*PER_SECOND, "text", "parts", "clock", "zone", "day"]
moments = st.integers(7 * 10**17, 31 * 10**17)  # nanoseconds since 1970: 1992 to 2068
steps = st.lists(st.integers(1, 10**5), min_size=1, max_size=10)  # milliseconds


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(begin=moments, steps=steps, form=st.sampled_from(FORMS))
def test_times_of_any_form_come_back_with_their_span(folder: Path, begin: int, steps: list[int], form: str) -> None:
    begin -= begin % 10**6
    times = [begin]
    for step in steps:
        times.append(times[-1] + step * 10**6)
    span = (times[-1] - times[0]) / 1e9
    if form in PER_SECOND:
        digits = {"s": 9, "ms": 6, "us": 3, "ns": 0}[form]
        rows = [f"{time // 10**digits}" + (f".{time % 10**digits:0{digits}}" if form == "s" else "") for time in times]
        result = make(folder, "stamp", *rows)
        assert time_of(result).unit == form
    elif form == "text":
        result = make_json(folder, *({"stamp": str(time)} for time in times))
    elif form == "parts":
        result = make(folder, "sec,nanosec", *(f"{time // 10**9},{time % 10**9}" for time in times))
    else:
        dates = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time // 10**6) for time in times]
        if form == "clock":
            rows = [f"{date:%Y-%m-%d},{date:%H:%M:%S}.{date.microsecond // 1000:03}" for date in dates]
            result = make(folder, "Date,Time", *rows)
        elif form == "zone":
            zone = timezone(timedelta(hours=-7))
            result = make(folder, "seen", *(date.astimezone(zone).isoformat() for date in dates))
        else:
            rows = [f"{date:%d.%m.%Y %H:%M:%S},{date.microsecond // 1000:03}" for date in dates]
            result = make(folder, "time", *(f'"{row}"' for row in rows))
    found = time_of(result)
    assert found.duration == pytest.approx(span, abs=1e-9)
    assert datetime.fromisoformat(str(found.start)).replace(tzinfo=UTC).timestamp() == pytest.approx(
        times[0] / 1e9, abs=2e-6
    )
    assert not any("Nothing says" in warning for warning in result.warnings)
