"""No digit of a number is lost, no value of a name that comes twice, and nothing grows faster than the file."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.media.labels import json_lines, stats
from dreamlake_pipeline.media.labels.digits import has_odd_number, is_kept, may_not_be_kept, parse_number
from dreamlake_pipeline.media.labels.json_lines import MAX_DEPTH, parse_lines
from dreamlake_pipeline.media.labels.make import LabelResult, make_label_track

Make = Callable[[str], LabelResult]
STAMPS = [f"1712345678.{123456700 + 100 * n}" for n in range(4)]


nine_decimals = st.decimals(allow_nan=False, allow_infinity=False, places=9)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(content: str) -> LabelResult:
        source = tmp_path / "source"
        source.write_text(content)
        name = "labels.jsonl" if content.startswith("{") else "labels.csv"
        return make_label_track(source, tmp_path, filename=name)

    return make


def column(result: LabelResult, name: str) -> list[object]:
    return pq.read_table(result.path)[name].to_pylist()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("0.1", True),
        ("0.30000000000000004", True),  # as Python, JavaScript and others print a float
        ("0.10000000000000000555", True),  # as C's %.20f prints one
        ("1.712345678123456717e+09", True),  # as numpy.savetxt prints one
        ("0.10000000000000001000", True),  # 17 digits, and zeros that fill a field
        ("1712345678.123456", True),
        ("1712345678.123456800", False),
        ("1714564800.123456789", False),
        ("0.33333333333333333333", False),
        ("1e308", True),
        ("1e400", False),
        ("1e-400", False),
        ("1.2345678e-320", False),
        ("0e-400", True),
        ("-0.0", True),
    ],
)
def test_what_a_float_keeps(text: str, kept: bool) -> None:
    assert is_kept(text, float(text)) is kept
    assert parse_number(text) == (float(text) if kept else Decimal(text))


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(16, 30))
def test_what_programs_print_of_floats_is_kept(value: float, digits: int) -> None:
    for text in (repr(value), f"{value:.{digits}e}", f"{value:.{digits}f}"):
        if float(text) == value:
            assert is_kept(text, value)


@given(nine_decimals, nine_decimals)
def test_numbers_of_as_many_digits_that_are_kept_are_different_floats(one: Decimal, other: Decimal) -> None:
    texts = [f"{number:f}" for number in (one, other)]
    if one != other and all(is_kept(text, float(text)) for text in texts):
        assert float(one) != float(other)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_digits_beyond_a_float_are_kept(make: Make, form: str) -> None:
    rows = [f'{{"t": {stamp}, "x": 0.1}}\n' for stamp in STAMPS]
    result = make("".join(rows) if form == "jsonl" else "t,x\n" + "".join(f"{stamp},0.1\n" for stamp in STAMPS))
    assert [field.type for field in result.fields] == ["decimal128(38, 9)", "float64"]
    assert column(result, "t") == [Decimal(stamp) for stamp in STAMPS]
    assert (result.fields[0].min, result.fields[0].max) == (STAMPS[0], STAMPS[3])
    assert result.fields[0].distinct == 4
    assert result.time and result.time.duration == 3e-7
    assert result.time.start == "2024-04-05T19:34:38.1234567Z"


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_digits_are_measured_over_all_of_a_file(make: Make, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one number that needs a decimal comes in a late block; an earlier one has more digits behind the point."""
    monkeypatch.setattr("dreamlake_pipeline.media.text.file.BLOCK_CHARS", 50)
    values = ["0.123456789012345", *["1.5"] * 30, "1714564800.123456789"]
    result = make("".join(f'{{"x": {value}}}\n' for value in values) if form == "jsonl" else "\n".join(["x", *values]))
    assert result.fields[0].type == "decimal128(38, 15)"
    assert column(result, "x") == [Decimal(value) for value in values]


def test_numbers_that_no_decimal_holds_stay_text(make: Make) -> None:
    assert column(make("x,y\n1e400,a\n1.5,b\n"), "x") == ["1e400", "1.5"]
    lines = make('{"x": 1e400, "n": {"a": 1714564800.123456789, "b": [1e400, 0.5]}, "z": -0}\n{"x": 1.5, "z": 1}\n')
    assert column(lines, "x") == ["1E+400", "1.5"]
    assert column(lines, "n") == ['{"a":1714564800.123456789,"b":[1E+400,0.5]}', None]
    assert [str(value) for value in column(lines, "z")] == ["-0.0", "1.0"]
    assert column(make("x,y\n1714564800.123456789,a\nnan,b\n"), "x") == ["1714564800.123456789", "nan"]


def test_a_name_twice_keeps_all_values(make: Make) -> None:
    result = make(
        '{"a": 1, "b": 2}\n{"a": 2, "a": 20, "a_2": 3, "a": 21}\n'
        '{"a": 3, "o": {"x": [{"y": 1, "y": 2}]}}\n{"a": 4, "\\u0061": 5}\n'
    )
    assert column(result, "a") == [1, 2, 3, 4]
    assert column(result, "a_3") == [None, 20, None, None]
    assert column(result, "a_4") == [None, 21, None, None]
    assert column(result, "a_2") == [None, 3, None, 5]
    assert column(result, "o") == [None, None, '{"x":[{"y":1,"y_2":2}]}', None]
    assert any("3 objects have a name twice, the first on line 2 ('a')" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    "line",
    ['{"a": 1, "b": {"c": ":x"}}', '{"a" : 1, "b":2}', '{"a": "\\":", "b": [{"c": {}}]}', '{"a": {"a": {"a": 1}}}'],
)
def test_ordinary_lines_are_parsed_at_once(line: str) -> None:
    assert parse_lines([line] * 3) == [json.loads(line)] * 3


def test_the_careful_reading_of_numbers_is_only_for_those_that_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(json_lines, "parse_number", lambda text: called.append(text) or parse_number(text))
    parse_lines(['{"t": 1714564800.1234, "x": [1.5e+10, -0.25], "day": "2024-05-01", "id": 12345678901234}'] * 100)
    assert not called
    for number in ("1714564800.1234567", "1e400", "1E-320"):
        called.clear()
        parse_lines([f'{{"t": {number}}}'])
        assert called == [number]


@pytest.mark.parametrize("line", ['{"a" : 1, "a" : 2}', '{"b": ":", "a": {"c": 1, "c": 2}}', '{"a": 1, "\\u0061": 2}'])
def test_lines_with_a_name_twice_are_not(line: str) -> None:
    assert parse_lines(['{"a": 1}', line]) is None


def test_nesting_is_bounded(make: Make) -> None:
    def nested(depth: int) -> str:
        return '{"a": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}\n"

    result = make("".join(nested(depth) for depth in (2, MAX_DEPTH, MAX_DEPTH + 1, 900, 1000, 60_000)))
    assert (result.entries, [line for line, _ in result.bad_lines]) == (2, [3, 4, 5, 6])
    assert all("nested deeper than 256 levels" in reason for _, reason in result.bad_lines)


def test_distinct_values_have_one_budget_for_the_file(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "BUDGET", 12)
    result = make("a,b,c,d\n" + "".join(f"{n % 3},{n},{n % 3}.5,word {n % 4}\n" for n in range(100)))
    counted = [(field.distinct, field.distinct_above) for field in result.fields]
    assert counted == [(3, None), (None, 3), (3, None), (None, 3)]


def test_fields_beyond_the_limit_are_told_with_their_place(make: Make) -> None:
    result = make("".join(json.dumps({f"k{row * 3000 + n}": n for n in range(3000)}) + "\n" for row in range(3)))
    assert any("2 entries have more (first on line 2)" in warning for warning in result.warnings)
    others = [json.loads(str(text)) if text else {} for text in column(result, "_other")]
    assert [len(found) for found in others] == [0, 1000, 3000]


SHAPES: dict[str, Callable[[int], str]] = {
    "keys that differ": lambda size: "".join(f'{{"k{n}": {n}}}\n' for n in range(size // 2)),
    "many keys": lambda size: json.dumps({f"k{n}": n for n in range(size)}),
    "one name again and again": lambda size: '{"a": 1' + ', "b": 2' * size + "}",
    "names twice": lambda size: '{"a": 1, "a": 2}\n' * size,
    "brackets": lambda size: ('{"a": ' + "[" * 200 + "]" * 200 + "}\n") * (size // 100),
    "too many brackets": lambda size: '{"a": 1}\n{"a": ' + "[" * size * 10 + "]" * size * 10 + "}",
    "digits": lambda size: "x\n" + "1714564800.123456789\n" * size,
    "one long number": lambda size: "x\n0." + "123456789" * size + "\n",
    "dates": lambda size: "Date,Time\n" + "17/06/2025,08:15:00\n" * size,
    "columns": lambda size: ",".join(f"c{n}" for n in range(size // 10)) + "\n" + ",".join("1" * (size // 10)) + "\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_time_grows_no_faster_than_the_file(make: Make, shape: str) -> None:
    """Four times the file takes four times as long, not sixteen times; 8 is half way between."""

    def seconds(size: int) -> float:
        content = SHAPES[shape](size)
        found = []
        for _ in range(2):
            started = time.process_time()
            make(content)
            found.append(time.process_time() - started)
        return min(found)

    seconds(100)  # imports
    small, large = seconds(1_000), seconds(4_000)
    assert large < 8 * max(small, 0.01)


@settings(deadline=None)
@given(cells=st.lists(st.text("+-012.e", min_size=1, max_size=5), min_size=1, max_size=4))
def test_odd_numbers_are_found_by_their_first_signs(cells: list[str]) -> None:
    expected = any(re.match(r"\+|-?0[0-9]", cell) for cell in cells)
    assert has_odd_number(pa.array(["+", *cells, "+"])[1:-1]) == expected


@settings(deadline=None)
@given(text=st.text("0123456789.eE+- ,}]", max_size=40))
@example(text="1234567890.12345}")
@example(text="1e+100,")
@example(text="-0]")
def test_numbers_that_may_not_be_kept_are_found_by_their_signs(text: str) -> None:
    long = re.search(r"[0-9.]{16}", text)
    assert may_not_be_kept(text.encode()) == bool(long or re.search(r"[0-9.][eE][+-]?[0-9]{3}|-0[ ,\]}]", text))
