"""Reading a label file by blocks gives what reading it by lines gives, whatever is in it and wherever blocks end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.media import label_blocks, textfile
from dreamlake_pipeline.media.label_rows import Csv, JsonLines, open_csv
from dreamlake_pipeline.media.textfile import BadLines, detect_encoding

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
    assert json.dumps(fast) == json.dumps(careful)  # NaN is NaN there
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


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_plain_rows_take_the_fast_way(delimiter: str) -> None:
    block = 'a,"b, ""c"""\r\n\n"",2\n'.replace(",", delimiter)
    found = label_blocks.parse_csv(block, delimiter, 2)
    assert found is not None
    assert [column.to_pylist() for column in found.columns] == [["a", ""], [f'b{delimiter} "c"', "2"]]
    assert (found.lines(10).to_pylist(), found.line_count) == ([10, 12], 3)


@pytest.mark.parametrize(
    "block", ['1,"a\nb"\n', '1,"a\n2,b"\n', "1\n", "1,2,3\n", '1,"a"b\n', '1,a"b"\n', "1,\0\n", "1\r2,3\n"]
)
def test_anything_else_does_not(block: str) -> None:
    assert label_blocks.parse_csv(block, ",", 2) is None


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
