"""Reading a label file by blocks gives what reading it by lines gives, whatever is in it and wherever blocks end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.media.labels import blocks as label_blocks
from dreamlake_pipeline.media.labels.delimited import Csv, open_csv
from dreamlake_pipeline.media.labels.dialect import Dialect
from dreamlake_pipeline.media.labels.flat_objects import parse_flat
from dreamlake_pipeline.media.labels.form import Form
from dreamlake_pipeline.media.labels.json_lines import JsonLines
from dreamlake_pipeline.media.labels.make import make_label_track
from dreamlake_pipeline.media.labels.types import FLOAT, INT, Inference, clean_cells, column_of_cells
from dreamlake_pipeline.media.text import file as textfile
from dreamlake_pipeline.media.text.bad_lines import BadLines
from dreamlake_pipeline.media.text.encoding import detect_encoding

CELLS = ["", "a", "1", "-2.5", "ü", '"x"', '"a,b"', '"say ""hi"""', '""', '"two\nlines"', '"', 'a"b', '"a"b', ' "c"']
RARE = ["\r", "\n", "\r\n", "\0", "\u2028", "\x0b", " ", ",,", "\ufeff", "x" * 50, "\udcff"]
LINES = [
    *('{"a": 1}', '{"a": "x", "b": [1, {"c": null}]}', '{"ü": NaN, "a": 1e400}', ' {"a": true}\t', '{"a": 1, "a": 2}'),
    *("", " ", "{}", "[1]", "null", '"text"', "{", '{"a": [{"b": 1}', '{"c": 2}]}', '{"a": 1}, {"b": 2}', '{"a": 1}]'),
    *('[{"a": 1}', "\x0b", '{"a": "\\ud83d"}', '{"a": ' + "9" * 5000 + "}", "\ufeff{}", '{"a": "\udcff"}'),
]
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])
cells = st.sampled_from(CELLS) | st.sampled_from(RARE) | st.text(max_size=5)
plain = st.sampled_from(["", "a", "1", "-2.5", "ü", '"x"', '"a,b"', '"say ""hi"""', '""'])
row = st.lists(plain, min_size=3, max_size=3) | st.lists(cells, max_size=4)
table = st.lists(st.tuples(row.map(",".join), ENDS), max_size=30).map(lambda rows: "".join(map("".join, rows)))
lines = st.lists(st.tuples(st.sampled_from(LINES) | st.text(max_size=5), ENDS), max_size=30)


@pytest.fixture(params=[1, 25, 2**20])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where to write a file that is then read in blocks of so many characters."""
    monkeypatch.setattr(textfile, "BLOCK_CHARS", request.param)
    return tmp_path / "source"


def read(table: Csv | JsonLines, *, fast: bool) -> tuple[list[list[tuple[int, dict[str, Any]]]], BadLines]:
    """Line numbers and rows of each chunk."""
    bad = BadLines()
    found = []
    for chunk in table.read(bad, fast=fast):
        columns = {
            name: list(column) if isinstance(column, list) else column.to_pylist()
            for name, column in chunk.columns.items()
        }
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        found.append(list(zip(chunk.lines.to_pylist(), rows, strict=True)))
    return found, bad


def same(source: Path, content: str, *, csv: bool) -> None:
    source.write_bytes(content.encode("utf-8", "surrogateescape"))
    encoding = detect_encoding(source)
    if encoding is None:
        return
    table = open_csv(source, encoding) if csv else JsonLines(source, encoding)
    (fast, fast_bad), (careful, careful_bad) = read(table, fast=True), read(table, fast=False)
    assert repr(fast) == repr(careful)  # NaN is NaN there
    assert fast_bad == careful_bad


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=table)
@example(content="\ufeff,,\n")
@example(content='a,b\n1,"open\n2,x\n3,"y"\n')
@example(content='a,b\n1,"two\nlines"\n\n2,x\r\n3,"y"')
def test_csv(source: Path, content: str) -> None:
    same(source, "a,b,c\n" + content, csv=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=lines)
@example(content=[('{"a": [{"b": 1}', "\n"), ('{"c": 2}]}', "\n"), ('{"a": 1}, {"b": 2}', "\n")])
def test_json_lines(source: Path, content: list[tuple[str, str]]) -> None:
    same(source, "".join(map("".join, content)), csv=False)


FLAT_VALUES = [
    *("0", "7", "-12", "1.5", "-0.25", "1e3", "1.5e-05", "2E+2", "-0.0", "true", "false", '"x"', '"é"', '"2024-01-01"'),
    *('"a.b"', '" 5e"', '"{"', '""'),
]
UNUSUAL_VALUES = [
    *("-0", "01", "+1", ".5", "5.", "1e400", "1e999", "NaN", "Infinity", "-Infinity", "Inf", "nan", "null", "9" * 15),
    *(
        "9" * 16,
        "9" * 25,
        "0.12345678901234567",
        "[1]",
        '{"a": 1}',
        '"\\u00e9"',
        '"\\ud83d"',
        '"\t"',
        '"\x01"',
        '"a": 1.5',
    ),
    *('"2024-01-01T00:00:00Z"', "1 2", "", "'x'", "1, 2", "True"),
]
_FLAT = st.fixed_dictionaries(
    {name: st.sampled_from(FLAT_VALUES) for name in ("a", "x.y", "é")}
    | {"number": st.sampled_from(["1.5", "2e-5", "7.0", "-0.125"]), "count": st.integers(-(10**14), 10**14).map(str)}
    | {"sentence": st.text("ab .5e:{", max_size=6).map(json.dumps)}
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=_FLAT,
    rows=st.lists(_FLAT, max_size=5),
    odd=st.none()
    | st.tuples(st.integers(0, 5), st.sampled_from(["number", "count", "a"]), st.sampled_from(UNUSUAL_VALUES)),
    space=st.sampled_from(["", " ", "  ", "\t"]),
    end=ENDS,
)
def test_flat_objects(
    source: Path,
    first: dict[str, str],
    rows: list[dict[str, str]],
    odd: tuple[int, str, str] | None,
    space: str,
    end: str,
) -> None:
    """Lines that pyarrow reads at once, and such as are almost like them."""
    # Most rows have values of the kind of those of the first.
    alike = [
        {name: value if name in ("number", "count") else first[name] for name, value in row.items()} for row in rows
    ]
    written = [first, *alike, *rows[:1]]
    if odd:
        written[odd[0] % len(written)][odd[1]] = odd[2]
    content = "".join(
        "{"
        + f",{space}".join(f"{json.dumps(name, ensure_ascii=False)}:{space}{value}" for name, value in row.items())
        + "}"
        + end
        for row in written
    )
    same(source, content, csv=False)


@pytest.mark.parametrize("value", FLAT_VALUES)
def test_flat_objects_are_read_at_once(value: str) -> None:
    block = f'{{"t": 1.0, "n": 1, "x.y": {value}}}\n' * 5
    found = parse_flat(block)
    if "{" in value:
        assert found is None  # it might be an object
        return
    assert found is not None
    rows = [json.loads(line) for line in block.splitlines()]
    assert repr(
        [dict(zip(found, row, strict=True)) for row in zip(*(c.to_pylist() for c in found.values()), strict=True)]
    ) == repr(rows)


@pytest.mark.parametrize(
    "lines",
    [
        ['{"a": 1}', '{"a": 1.5}'],
        ['{"a": 1.5}', '{"a": 1}'],
        ['{"a": 1.5, "s": "x"}', '{"a": 1, "s": "."}'],
        ['{"a": 1.5, "s": " 1e"}', '{"a": 1, "s": "."}'],
        ['{"a": 1.5}', '{"a": null}'],
        ['{"a": 1.5}', "{}"],
        ['{"a": 1, "b": 2}', '{"a": 1}'],
        ['{"a": 1}', '{"a": 1, "b": 2}'],
        ['{"a": 1, "b": 2}', '{"a": 1, "a": 2}'],
        ['{"a": 1.5}', '{"a": NaN}'],
        ['{"a": 1.5}', '{"a": Inf}'],
        ['{"a": 1.5}', '{"a": "2.5"}'],
        ['{"a": "x"}', '{"a": "\x01"}'],
        ['{"a": 1} {"a": 2}', ""],
        ['{"a": 1}}', '{"a": 2}'],
        ['{"a": 1}, "b": 2}', '{"a": 2}'],
        ['{"a": [1.5]}', '{"a": [2.5]}'],
        ['{"a": 1}', "", '{"a": 2}'],
    ],
)
def test_what_is_not_flat_or_of_several_kinds_is_not_read_at_once(lines: list[str]) -> None:
    assert parse_flat("\n".join(lines) + "\n") is None


ONE_OF_MANY = "{" + ", ".join(f'"k{n}": 1' for n in range(5000)) + "}\n"


@pytest.mark.parametrize(
    "block",
    [
        "".join(f'{{"k{n}":1}}\n' for n in range(30_000)),
        "".join(f'{{"k{n % 5000}":1}}\n' for n in range(30_000)),
        ONE_OF_MANY + '{"k1":1}\n' * 30_000,
        ONE_OF_MANY + '{"k1":1,"k2":2}\n' * 15_000,
        '{"a":1}\n' + ONE_OF_MANY * 4,
    ],
    ids=["other names", "other names again", "one of many names", "two of many names", "many after one"],
)
def test_cells_that_lines_lack_take_no_memory(block: str) -> None:
    usual = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counted)
    try:
        assert parse_flat(block) is None
    finally:
        pa.set_memory_pool(usual)
    assert counted.max_memory() < 20 * len(block)


NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "7",
        "007",
        "+5",
        "-12",
        "1.5",
        "+1.5",
        "-.5",
        "1.",
        "00.5",
        "1e3",
        "1e400",
        "nan",
        "-nan",
        "inf",
        "0x10",
    ]
) | st.sampled_from(
    ["", " 1", "NA", "-", "true", "word", "9223372036854775808", "9007199254740993", "2024-01-01", "1_0"]
)
columns = st.lists(
    st.lists(NUMBERS | st.integers().map(str) | st.floats().map(str), min_size=1), min_size=1, max_size=3
)


@settings(max_examples=200, deadline=None)
@given(chunks=columns)
@example(chunks=[["1", "2"], ["1.5"], ["9007199254740993"]])
@example(chunks=[["1.5"], ["0"], ["007"]])
def test_numbers_are_what_the_patterns_say(chunks: list[list[str]]) -> None:
    """Casts, which are fast, say the same of cells as the patterns that define what a number is."""
    fast, careful = Inference(), Inference(plain=False)
    for cells in chunks:
        fast.see_cells(pa.array(cells))
        careful.see_cells(pa.array(cells))
    assert (fast.resolve(), fast.mixture(), fast.exact) == (careful.resolve(), careful.mixture(), careful.exact)
    for cells in chunks:
        if fast.resolve() in (INT, FLOAT):
            known = clean_cells(pa.array(cells)).to_pylist()
            as_read = [
                None if cell in (None, "NA", "-") else fast.resolve().arrow.to_pandas_dtype()(cell) for cell in known
            ]
            assert repr(column_of_cells(pa.array(cells), fast.resolve()).to_pylist()) == repr(
                pa.array(as_read).to_pylist()
            )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=table.map("a,b,c\n{}".format) | lines.map(lambda found: "".join(map("".join, found))))
@example(content="a,b,c\n1,x,2024-01-01\n1,x,2024-01-02\n0.5,,2024-01-02T00:00:00.123456789\n")
@example(content='{"a": null}\n{"a": 1}\n{"b": [1]}\n{"b": [0.5]}\n{"a": "x"}\n')
def test_what_comes_out_does_not_depend_on_where_blocks_end(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Types that hold for the first block and not for a later one are not those of the file.

    Only the warning that a field of text holds numbers too is about those beside its first text.
    """
    source = tmp_path / "source"
    source.write_bytes(content.encode("utf-8", "surrogateescape"))
    made = []
    for size in (1, 2**20):
        monkeypatch.setattr(textfile, "BLOCK_CHARS", size)
        try:
            result = make_label_track(source, tmp_path, filename="labels.csv")
        except DreamlakeError as error:
            made.append(str(error))
        else:
            made.append(repr((replace(result, warnings=()), pq.read_table(result.path).to_pydict())))
    assert made[0] == made[1]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_plain_rows_take_the_fast_way(delimiter: str) -> None:
    block = 'a,"b, ""c"""\r\n\n"",2\n'.replace(",", delimiter)
    found = label_blocks.parse_csv(block, Form(Dialect(delimiter), names=("a", "b")))
    assert found is not None
    assert [column.to_pylist() for column in found.columns] == [["a", ""], [f'b{delimiter} "c"', "2"]]
    assert (found.lines(10).to_pylist(), found.line_count) == ([10, 12], 3)


@pytest.mark.parametrize(
    "block", ['1,"a\nb"\n', '1,"a\n2,b"\n', "1\n", "1,2,3\n", '1,"a"b\n', '1,a"b"\n', "1,\0\n", "1\r2,3\n"]
)
def test_anything_else_does_not(block: str) -> None:
    assert label_blocks.parse_csv(block, Form(names=("a", "b"))) is None


def test_a_line_that_is_longer_than_any_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "BLOCK_CHARS", 30)
    monkeypatch.setattr(textfile, "MAX_LINE_CHARS", 100)
    source = tmp_path / "source"
    for length in (80, 101, 119, 131, 250):
        source.write_text('{"a": 1}\n{"a": "' + "x" * length + '"}\n{"a": 3}\n')
        encoding = detect_encoding(source)
        assert encoding is not None
        found, bad = read(JsonLines(source, encoding), fast=True)
        kept = [1, 2, 3] if length == 80 else [1, 3]
        assert [line for chunk in found for line, _ in chunk] == kept
        assert [line for line, _ in bad.first] == [line for line in (1, 2, 3) if line not in kept]
        assert (found, bad) == read(JsonLines(source, encoding), fast=False)
