"""Label tracks: types, values, statistics and bad lines of JSONL and CSV files."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.labels.make import LabelField, LabelResult, make_label_track
from dreamlake_pipeline.media.text import file as textfile

Make = Callable[..., LabelResult]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(content: str | bytes, filename: str = "labels.csv") -> LabelResult:
        source = tmp_path / "source"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        return make_label_track(source, tmp_path, filename=filename)

    return make


def rows_of(result: LabelResult) -> list[dict[str, Any]]:
    return pq.read_table(result.path).to_pylist()


def column(result: LabelResult, name: str) -> list[Any]:
    return pq.read_table(result.path).column(name).to_pylist()


def field(result: LabelResult, name: str) -> LabelField:
    return next(field for field in result.fields if field.name == name)


def jsonl(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# Both formats


def test_csv_and_jsonl_of_the_same_entries_agree(make: Make) -> None:
    from_csv = make("id,x,ok,when\n1,0.5,true,2024-01-01T00:00:00Z\n2,,false,2024-01-02T00:00:00Z\n")
    csv_rows = rows_of(from_csv)
    from_jsonl = make(
        jsonl(
            {"id": 1, "x": 0.5, "ok": True, "when": "2024-01-01T00:00:00Z"},
            {"id": 2, "x": None, "ok": False, "when": "2024-01-02T00:00:00Z"},
        ),
        "labels.jsonl",
    )
    assert from_csv.fields == from_jsonl.fields
    assert [row | {"_line": 0} for row in csv_rows] == [row | {"_line": 0} for row in rows_of(from_jsonl)]
    assert [field.type for field in from_csv.fields] == ["int64", "float64", "bool", "timestamp[us, UTC]"]
    assert (from_csv.format, from_jsonl.format) == ("csv", "jsonl")


def test_statistics(make: Make) -> None:
    result = make("n,x,name\n3,1.5,a\n1,nan,b\n3,-inf,\n,2.5,a\n")
    assert result.entries == 4
    assert field(result, "n") == LabelField("n", "int64", nulls=1, distinct=2, min=1, max=3)
    assert field(result, "x") == LabelField("x", "float64", nulls=0, distinct=4, min=1.5, max=2.5)
    assert field(result, "name") == LabelField("name", "string", nulls=1, distinct=2, min=None, max=None)


def test_distinct_values_are_counted_up_to_a_bound(make: Make) -> None:
    result = make("few,many\n" + "".join(f"{n % 10_000},{n}\n" for n in range(10_001)))
    assert (field(result, "few").distinct, field(result, "many").distinct) == (10_000, None)


def test_the_format_is_decided_by_the_content(make: Make) -> None:
    assert make(jsonl({"a": 1}), "labels.csv").format == "jsonl"
    assert make("a,b\n1,2\n", "labels.txt").format == "csv"


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings(make: Make, codec: str) -> None:
    csv = make("name,note\nMüller,grüßt schöne Mädchen\nJosé,año mañana\n".encode(codec))
    assert column(csv, "name") == ["Müller", "José"]
    lines = make('{"name": "Müller läuft über die Brücke"}\n'.encode(codec), "labels.jsonl")
    assert column(lines, "name") == ["Müller läuft über die Brücke"]


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("iso8859_2", "Dziękuję bardzo, gdzie jesteś?"),
        ("cp1251", "Спасибо большое, где ты?"),
        ("cp932", "どこにいるの?わかりません。"),
    ],
)
def test_encodings_of_other_scripts(make: Make, codec: str, text: str) -> None:
    table = make(f"t;said\n1;{text}\n2;{text}\n".encode(codec))
    assert column(table, "said") == [text, text]
    assert any(codec in warning for warning in table.warnings)
    lines = make(jsonl({"t": 1, "said": "-"}).replace("-", text).encode(codec), "labels.jsonl")
    assert column(lines, "said") == [text]


def test_a_line_with_damaged_bytes_is_a_bad_line(make: Make) -> None:
    text = "name\n" + "Привет\n" * 5 + "kaputt\n" + "мир\n"
    result = make(text.encode().replace(b"kaputt", b"ka\xff\xfett"))
    assert column(result, "name") == ["Привет"] * 5 + ["мир"]
    ((line, reason),) = result.bad_lines
    assert line == 7 and "not utf-8" in reason


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b"", "labels.csv"),
        (b"", "labels.jsonl"),
        (b"a,b\n", "labels.csv"),
        (b"\n\n", "labels.csv"),
        (b"nope\n{\n[1]\n", "labels.jsonl"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "labels.csv"),
        (",".join(f"c{n}" for n in range(5001)).encode() + b"\n", "labels.csv"),
    ],
)
def test_no_entry_is_an_error_that_names_the_file(make: Make, content: bytes, filename: str) -> None:
    with pytest.raises(DreamlakeError, match=filename) as caught:
        make(content, filename)
    assert caught.value.code is Code.LABELS_INVALID


# JSONL


def test_bad_json_lines_are_located_and_the_rest_is_kept(make: Make) -> None:
    deep = "[" * 200_000
    content = f'{{"a": 1}}\nnope\n\n[1, 2]\n{{"a": 2\n{deep}\nnull\n{{"a": {"9" * 5000}}}\n{{"a": 3}}\n'
    result = make(content + '{"a": 4}\n', "labels.jsonl")
    assert [(row["_line"], row["a"]) for row in rows_of(result)] == [(1, 1), (9, 3), (10, 4)]
    assert [line for line, _ in result.bad_lines] == [2, 4, 5, 6, 7, 8]
    assert result.bad_entries == 6
    assert "nested deeper than 256 levels" in result.bad_lines[3].reason


def test_integers_keep_every_digit(make: Make) -> None:
    exact = make(jsonl({"a": 2**63 - 1, "b": 2**53 + 1, "c": 10**30}, {"a": 1, "b": 0.5, "c": 1}), "labels.jsonl")
    assert column(exact, "a") == [2**63 - 1, 1]
    assert column(exact, "b") == [str(2**53 + 1), "0.5"]
    assert column(exact, "c") == [str(10**30), "1"]
    assert [field.type for field in exact.fields] == ["int64", "string", "string"]
    assert len(exact.warnings) == 2


def test_mixed_types_become_text_with_a_warning(make: Make) -> None:
    result = make(jsonl({"a": 1}, {"a": "x"}, {"a": True}, {"a": {"b": [1]}}, {"a": None}), "labels.jsonl")
    assert column(result, "a") == ["1", "x", "true", '{"b":[1]}', None]
    assert any("'a'" in warning and "text" in warning for warning in result.warnings)


def test_nested_values(make: Make) -> None:
    result = make(
        jsonl(
            {"box": [1, 2], "pose": [0.5, 1], "meta": {"ü": [1, {"x": None}]}, "tags": ["a"]},
            {"box": [], "pose": None, "meta": [1], "tags": [None]},
        ),
        "labels.jsonl",
    )
    assert [field.type for field in result.fields] == ["list<int64>", "list<float64>", "json", "json"]
    first, second = rows_of(result)
    assert first == {"_line": 1, "box": [1, 2], "pose": [0.5, 1.0], "meta": '{"ü":[1,{"x":null}]}', "tags": '["a"]'}
    assert second == {"_line": 2, "box": [], "pose": None, "meta": "[1]", "tags": "[null]"}


def test_nan_stays_nan_and_null_stays_null(make: Make) -> None:
    values = column(make('{"x": NaN}\n{"x": null}\n{"x": -Infinity}\n', "labels.jsonl"), "x")
    assert math.isnan(values[0]) and values[1:] == [None, -math.inf]


def test_fields_that_come_and_go(make: Make) -> None:
    result = make(jsonl({"a": 1}, {"b": "x"}, {"a": 2, "c": None}), "labels.jsonl")
    assert [(row["a"], row["b"], row["c"]) for row in rows_of(result)] == [
        (1, None, None),
        (None, "x", None),
        (2, None, None),
    ]
    assert [(field.name, field.type, field.nulls) for field in result.fields] == [
        ("a", "int64", 1),
        ("b", "string", 2),
        ("c", "null", 3),
    ]


def test_a_source_field_named_like_ours_is_kept(make: Make) -> None:
    result = make(jsonl({"_line": 7, "": 1}), "labels.jsonl")
    assert rows_of(result) == [{"_line": 1, "_line_2": 7, "unnamed": 1}]


def test_too_many_fields_are_kept_together(make: Make) -> None:
    rows = [{f"k{n}-{m}": m for m in range(1000 if n < 5 else 3)} for n in range(6)]
    result = make(jsonl(*rows), "labels.jsonl")
    assert len(result.fields) == 5001
    last = {name: value for name, value in rows_of(result)[-1].items() if value is not None}
    assert last == {"_line": 6, "_other": '{"k5-0":0,"k5-1":1,"k5-2":2}'}
    assert any("_other" in warning for warning in result.warnings)


def test_half_a_surrogate_pair_is_replaced(make: Make) -> None:
    result = make('{"a": "x\\ud83d", "b": {"c": "\\ud83d"}, "\\ud83d": 1}\n', "labels.jsonl")
    assert rows_of(result) == [{"_line": 1, "a": "x\ufffd", "b": '{"c":"\ufffd"}', "\ufffd": 1}]


# CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_quotes_and_line_numbers(make: Make, delimiter: str) -> None:
    content = 'id,note,x\n1,"two\nlines, ""quoted""",1.5\n\n2,plain,2\n'.replace(",", delimiter)
    result = make(content)
    note = f'two\nlines{delimiter} "quoted"'
    assert [tuple(row.values()) for row in rows_of(result)] == [(2, 1, note, 1.5), (5, 2, "plain", 2.0)]
    assert result.bad_entries == 0


def test_ragged_rows_are_bad_lines(make: Make) -> None:
    result = make("a,b\n1,2\n3\n4,5,6\n7,8,,\n9,10\n")
    assert column(result, "a") == [1, 7, 9]
    assert [line for line, _ in result.bad_lines] == [3, 4]
    assert result.bad_lines[0].reason == "The row has 1 value instead of 2."


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_an_unclosed_quote_costs_its_own_line_only(make: Make, ending: str) -> None:
    rows = ["a,b", "1,x", '2,"open', "3,y", '4,"closed"', "5,z"]
    result = make(ending.join(rows) + ending)
    assert column(result, "a") == [1, 3, 4, 5]
    assert column(result, "_line") == [2, 4, 5, 6]
    assert [line for line, _ in result.bad_lines] == [3]


def test_an_unclosed_quote_in_a_large_file(make: Make) -> None:
    rows = 40_000
    content = 'a,b\n0,"open\n' + "".join(f"{n},{'some words to fill ' * 6}\n" for n in range(1, rows))
    assert len(content) > textfile.BLOCK_CHARS
    result = make(content)
    assert (result.entries, result.bad_entries) == (rows - 1, 1)
    assert result.bad_lines[0].line == 2


@pytest.mark.parametrize(
    ("cells", "type_", "values"),
    [
        (["1", "-2", ""], "int64", [1, -2, None]),
        ([" 1", "2 ", "NA"], "int64", [1, 2, None]),
        (["1", "2.5", "1e-3"], "float64", [1.0, 2.5, 0.001]),
        (["True", "FALSE", "true"], "bool", [True, False, True]),
        (["007", "1", "2"], "string", ["007", "1", "2"]),
        (["+4915112", "1", "2"], "string", ["+4915112", "1", "2"]),
        (["NA", "n/a", "x"], "string", ["NA", "n/a", "x"]),
        (["NA", "NA", ""], "string", ["NA", "NA", None]),
        (["", "", ""], "null", [None, None, None]),
        (["9223372036854775807", "0", "1"], "int64", [2**63 - 1, 0, 1]),
        (["9223372036854775808", "0", "1"], "string", ["9223372036854775808", "0", "1"]),
        (["9007199254740993", "0.5", "1"], "string", ["9007199254740993", "0.5", "1"]),
        (["2024-02-30", "2024-01-01", "2024-01-02"], "string", ["2024-02-30", "2024-01-01", "2024-01-02"]),
        (["  padded ", "x", "y"], "string", ["  padded ", "x", "y"]),
    ],
)
def test_types_of_cells(make: Make, cells: list[str], type_: str, values: list[Any]) -> None:
    result = make("k,v\n" + "".join(f"k,{cell}\n" for cell in cells))
    assert (field(result, "v").type, column(result, "v")) == (type_, values)


def test_headers(make: Make) -> None:
    twice = make("a,a,,b\n1,2,3,4\n")
    assert [field.name for field in twice.fields] == ["a", "a_2", "column_3", "b"]
    none = make("0.5,1\n0.6,2\n")
    assert [field.name for field in none.fields] == ["column_1", "column_2"]
    assert none.entries == 2 and none.warnings
    assert make("only\nx\ny\n").entries == 2


def test_types_hold_over_all_chunks_of_a_file(make: Make) -> None:
    rows = 70_000
    result = make("a,b\n" + "".join(f"{n},{n}\n" for n in range(rows)) + "0.5,word\n")
    assert [field.type for field in result.fields] == ["float64", "string"]
    assert (result.entries, field(result, "a").max) == (rows + 1, rows - 1)
    assert column(result, "b")[-2:] == [str(rows - 1), "word"]
    assert column(result, "_line")[-1] == rows + 2


# Time


@pytest.mark.parametrize(
    ("header", "cells", "span"),
    [
        ("t", ["0.5", "2.25"], (0.5, 2.25, 1.75)),
        ("captureTimeMs", ["500", "2250"], (0.5, 2.25, 1.75)),
        ("timestamp", ["1700000000", "1700000010"], ("2023-11-14T22:13:20", "2023-11-14T22:13:30", 10)),
        (
            "stamp_ns",
            ["1700000000000000000", "1700000010000000000"],
            ("2023-11-14T22:13:20", "2023-11-14T22:13:30", 10),
        ),
        ("ts", ["1700000000000", "1700000010000"], ("2023-11-14T22:13:20", "2023-11-14T22:13:30", 10)),
        (
            "seen",
            ["2024-01-01T00:00:00+01:00", "2024-01-01T00:00:01Z"],
            ("2023-12-31T23:00:00", "2024-01-01T00:00:01", 3601),
        ),
        ("frame", ["1", "2"], None),
        ("time", ["noon", "evening"], None),
    ],
)
def test_time_field(make: Make, header: str, cells: list[str], span: tuple[Any, Any, float] | None) -> None:
    result = make(f"label,{header}\n" + "".join(f"x,{cell}\n" for cell in cells))
    if span is None:
        assert result.time is None
        return
    start, end, duration = span
    assert result.time and result.time.column == header
    assert result.time.duration == pytest.approx(duration)
    if isinstance(start, str):
        assert isinstance(result.time.start, str) and result.time.start.removesuffix("Z") == start
        assert isinstance(result.time.end, str) and result.time.end.removesuffix("Z") == end
    else:
        assert (result.time.start, result.time.end) == (pytest.approx(start), pytest.approx(end))


def test_nanoseconds_are_kept(make: Make) -> None:
    result = make("t\n2024-01-01T00:00:00.123456789Z\n2024-01-01T00:00:01Z\n")
    assert field(result, "t").type == "timestamp[ns, UTC]"
    assert result.time and result.time.start == "2024-01-01T00:00:00.123456789Z"


# The plot


def pixels(picture: Path) -> np.ndarray:
    """The PNG as RGBA."""
    with av.open(str(picture)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgba")


@pytest.mark.parametrize(
    "time",
    [
        lambda n: f"{n / 10}",
        lambda n: f"{1_700_000_000 + n / 10:.1f}",
        lambda n: f"{1_700_000_000_000_000_000 + n * 10**8}",
        lambda n: f"2024-01-01T00:{n // 600:02}:{n // 10 % 60:02}.{n % 10}Z",
    ],
    ids=["seconds", "unix", "nanoseconds", "dates"],
)
def test_the_plot_has_a_bar_where_there_are_entries(make: Make, time: Callable[[int], str]) -> None:
    """Entries in the first and the last tenth of the time, half as many in the last."""
    moments = [n for n in range(1000) if n < 100 or (n >= 900 and n % 2)]
    result = make("t,label\n" + "".join(f"{time(n)},x\n" for n in moments))
    assert result.plot is not None and result.plot.name == "plot.png"
    picture = pixels(result.plot)
    assert picture.shape == (160, 1200, 4)
    bars = (picture[:, :, 3] > 200).sum(axis=0)[3::8]  # in the middle of each
    assert len(bars) == 150
    assert bars[:14].min() > 100 and bars[15:134].max() == 0 and 40 < bars[136:].mean() < 110


def test_a_plot_of_one_moment(make: Make) -> None:
    result = make("t,x\n5,1\n5,2\n,3\nnan,4\n")
    assert result.plot and (pixels(result.plot)[:, :, 3] > 200).any()


@pytest.mark.parametrize("times", [("-1e308", "1e308"), ("-9223372036854775808", "9223372036854775807")])
def test_a_plot_of_the_widest_span(make: Make, times: tuple[str, str]) -> None:
    result = make("t,x\n" + "".join(f"{time},1\n" for time in times))
    assert result.plot
    bars = (pixels(result.plot)[:, :, 3] > 200).sum(axis=0)[3::8]
    assert bars[0] > 100 and bars[-1] > 100


def test_without_a_time_field_there_is_no_plot(make: Make) -> None:
    assert make("a,b\n1,2\n").plot is None


# Whatever comes

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
entries = st.lists(
    st.dictionaries(st.text(max_size=3), scalars | st.lists(scalars, max_size=3), min_size=1), min_size=1
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=entries)
def test_any_json_entries_are_all_kept(make: Make, rows: list[dict[str, Any]]) -> None:
    result = make(jsonl(*rows), "labels.jsonl")
    assert (result.entries, result.bad_entries) == (len(rows), 0)
    assert column(result, "_line") == list(range(1, len(rows) + 1))
    nulls = sum(found.nulls for found in result.fields)
    assert sum(value is not None for row in rows for value in row.values()) == len(rows) * len(result.fields) - nulls


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), filename=st.sampled_from(["labels.csv", "labels.jsonl"]))
def test_any_bytes_give_entries_or_our_error(make: Make, content: bytes, filename: str) -> None:
    result = None
    with contextlib.suppress(DreamlakeError):
        result = make(content, filename)
    if result:
        assert pq.read_metadata(result.path).num_rows == result.entries > 0


@pytest.mark.parametrize("extension", ["csv", "jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, extension: str) -> None:
    """Five times the file takes as much memory, but for less than half of what the rest of it weighs.

    Blocks and row groups are a sixteenth of their size, so that a small file has many of them: what memory holds of
    each is there from the first five on.
    """
    script = (
        "import re, sys; from pathlib import Path; from dreamlake_pipeline.media.labels import make, writer\n"
        "from dreamlake_pipeline.media.text import file\n"
        "file.BLOCK_CHARS, writer._GROUP_BYTES = 2**18, 2**20\n"
        "result = make.make_label_track(Path(sys.argv[1]), Path(sys.argv[1]).parent, filename=sys.argv[1])\n"
        "print(result.entries, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    peaks = []  # in KiB
    for blocks in (5, 25):
        source = tmp_path / f"labels.{extension}"
        with source.open("w") as file:
            if extension == "csv":
                file.write("t,name,x\n")
            for block in range(blocks):
                rows = ((f"{block}.{n}", f"{n} " * 100, n) for n in range(1000, 2000))
                if extension == "csv":
                    file.writelines(f"{time},{text},{n}\n" * 5 for time, text, n in rows)
                else:
                    file.writelines(f'{{"t": {time}, "name": "{text}", "x": {n}}}\n' * 5 for time, text, n in rows)
        ran = subprocess.run([sys.executable, "-c", script, source], capture_output=True, text=True, check=True)
        entries, peak = map(int, ran.stdout.split())
        assert entries == blocks * 5000
        peaks.append(peak)
    assert peaks[0] < 300 * 1024
    assert peaks[1] - peaks[0] < 0.5 * 0.8 * source.stat().st_size / 1024
