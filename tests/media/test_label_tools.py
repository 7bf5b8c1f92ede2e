"""Label files as spreadsheets, databases, loggers and scripts write them, each with what a person would read in it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.media.labels.make import LabelResult, make_label_track

Make = Callable[..., LabelResult]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(content: str | bytes, filename: str = "labels.csv") -> LabelResult:
        source = tmp_path / "source"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        return make_label_track(source, tmp_path, filename=filename)

    return make


def rows_of(result: LabelResult) -> list[list[Any]]:
    return [list(row.values())[1:] for row in pq.read_table(result.path).to_pylist()]


TX = [[0, 1], [1, 2], [2, 3]]
TABLES: dict[str, tuple[str, list[str], list[list[Any]], list[str]]] = {
    # name: content, names, rows, what some warning says
    "Markdown": ("| t | x |\n|:--|--:|\n| 0 | 1 |\n| 1 | 2 |\n| 2 | 3 |\n", ["t", "x"], TX, ["ruled line"]),
    "Markdown with short rules": ("|t|x|\n|-:|:-:|\n|0|1|\n|1|2|\n|2|3|\n", ["t", "x"], TX, []),
    "Markdown with text": (
        "| t | name |\n|---|---|\n| 0 | ann b |\n| 1 | |\n| 2 | c |\n",
        ["t", "name"],
        [[0, "ann b"], [1, None], [2, "c"]],
        [],
    ),
    "MySQL": (
        "+---+---+\n| t | x |\n+---+---+\n| 0 | 1 |\n| 1 | 2 |\n| 2 | 3 |\n+---+---+\n",
        ["t", "x"],
        TX,
        ["ruled line: lines 3, 7"],
    ),
    "Postgres": (
        " t | name  | x \n---+-------+---\n 0 | ann b | 1\n 1 |       | 2\n 2 | c     | 3\n",
        ["t", "name", "x"],
        [[0, "ann b", 1], [1, None, 2], [2, "c", 3]],
        [],
    ),
    "carets": ("t^x\n0^1\n1^2\n2^3\n", ["t", "x"], TX, []),
    "tildes": ("t~x\n0~1\n1~2\n2~3\n", ["t", "x"], TX, []),
    "unit separators": ("t\x1fx\n0\x1f1\n1\x1f2\n2\x1f3\n", ["t", "x"], TX, []),
    "lines in quotes": ('"t,""x"""\n"0,""a, b"""\n"1,c"\n', ["t", "x"], [[0, "a, b"], [1, "c"]], []),
    "years as names": (
        "country,2019,2020,2021\nfrance,1,2,3\nspain,4,5,6\n",
        ["country", "2019", "2020", "2021"],
        [["france", 1, 2, 3], ["spain", 4, 5, 6]],
        [],
    ),
    "numbers as names": (
        "t,1,2,3\n0.5,1.5,2.5,3.5\n0.75,1.5,2.5,3.5\n1,1.5,2.5,3.5\n",
        ["t", "1", "2", "3"],
        [[0.5, 1.5, 2.5, 3.5], [0.75, 1.5, 2.5, 3.5], [1, 1.5, 2.5, 3.5]],
        [],
    ),
    "odd values below the names": (
        "t,x\n0,(1.5)\n1,2.5\n2,3.5\n",
        ["t", "x"],
        [[0, "(1.5)"], [1, "2.5"], [2, "3.5"]],
        ["kept as text"],
    ),
    "text with commas": (
        "t,note\n0,hello, world\n1,stop\n2,a, b, c\n3,fine\n4,ok\n",
        ["t", "note"],
        [[0, "hello, world"], [1, "stop"], [2, "a, b, c"], [3, "fine"], [4, "ok"]],
        ["lines 2, 4"],
    ),
    "text with commas between numbers": (
        "t,note,x\n0,hello, world,1\n1,stop,2\n2,go,3\n3,on,4\n",
        ["t", "note", "x"],
        [[0, "hello, world", 1], [1, "stop", 2], [2, "go", 3], [3, "on", 4]],
        ["line 2"],
    ),
    "formulas for text": (
        't,code\n0,="007"\n1,="008"\n2,="019"\n',
        ["t", "code"],
        [[0, "007"], [1, "008"], [2, "019"]],
        [],
    ),
    "thousands in quotes": (
        't,x,y\n0,"1,234",0.5\n1,345,0.5\n2,"10,456",0.5\n',
        ["t", "x", "y"],
        [[0, 1234, 0.5], [1, 345, 0.5], [2, 10456, 0.5]],
        [],
    ),
    "thousands in quotes, or fractions": (
        't,x\n0,"1,234"\n1,"2,345"\n',
        ["t", "x"],
        [[0, 1234], [1, 2345]],
        ["mark of thousands"],
    ),
    "decimal commas in quotes": ('t,x\n"0,5","1,5"\n"1,5","2,5"\n', ["t", "x"], [[0.5, 1.5], [1.5, 2.5]], []),
    "Swiss thousands": ("t;x\n0;1'234.5\n1;2'345.5\n", ["t", "x"], [[0, 1234.5], [1, 2345.5]], []),
    "French thousands": (
        "t;x\n0;1\u202f234,5\n1;2\u202f345,5\n",
        ["t", "x"],
        [[0, 1234.5], [1, 2345.5]],
        [],
    ),
    "a mark in the header": ("t,\ufeffx\n0,1\n1,2\n2,3\n", ["t", "x"], TX, []),
    "Ctrl-Z at the end": ("t,x\r\n0,1\r\n1,2\r\n2,3\r\n\x1a\0\0\0", ["t", "x"], TX, []),
    "Ctrl-Z between": ("t,x\n0,1\n1,2\n\x1at,x\n2,3\n", ["t", "x"], TX, ["repeated header"]),
    "NULs at line ends": ("t,x\0\n0,1\0\n1,2\0\n2,3\0\n", ["t", "x"], TX, ["4 NULs"]),
    "NULs behind line ends": ("t,x\n\x000,1\n\x001,2\n\x002,3\n\x00", ["t", "x"], TX, ["4 NULs"]),
    "single quotes": (
        "0.5,'x,x',1.5\n0.5,'x,x',1.5\n",
        ["column_1", "column_2", "column_3"],
        [[0.5, "x,x", 1.5]] * 2,
        [],
    ),
    "LabChart": (
        "Interval=\t0.01 s\nChannelTitle=\tForce\nRange=\t10 V\n0.0\t1.5\n0.5\t2.5\n1.0\t3.5\n",
        ["column_1", "column_2"],
        [[0.0, 1.5], [0.5, 2.5], [1.0, 3.5]],
        ["preamble: lines 1, 2, 3"],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_read_as_a_person_would(make: Make, name: str) -> None:
    content, names, rows, told = TABLES[name]
    result = make(content)
    assert [field.name for field in result.fields] == names
    assert rows_of(result) == rows
    assert result.bad_entries == 0
    for words in told:
        assert any(words in warning for warning in result.warnings), result.warnings


ORDINARY = [
    "t,x\n0.0,1\n0.1,2\n0.2,3\n",
    "t,x\n0.5,1\n0.75,2\n",
    "name,color\nbob,red\nann,blue\n",
    "label\ndog\ncat\ndog\n",
    "id,label,score\n1,dog,0.5\n2,cat,0.25\n3,dog,1\n",
    "image,width,height,class\na.jpg,640,480,dog\nb.jpg,640,480,cat\n",
    "timestamp,x\n2024-05-01T12:00:00Z,1\n2024-05-01T12:00:01Z,2\n",
    "Zeit;Wert\n0,5;1,5\n1,5;2,5\n",
    "a\tb\tc\n1\t2\tx\n3\t4\ty\n",
    'id,note\n1,"a, b"\n2,"say ""hi"""\n3,\n',
    "start,end,label\n0.0,1.5,a\n1.5,2.0,b\n",
    ",x,y\n0,1.5,2.5\n1,2.5,3.5\n",
    ",".join(f"joint_{n}" for n in range(300)) + "\n" + (",".join(["0.25"] * 300) + "\n") * 3,
    "filename,x1,y1,x2,y2\na.png,1,2,3,4\nb.png,5,6,7,8\n",
    "user,active\nann,true\nbob,false\n",
    "day,count\n2024-05-01,3\n2024-05-02,4\n",
    "key,value\na,1\nb,2\nc,3\n",
    "one,two\r\n1,2\r\n3,4\r\n",
    "x,y\n1,2\n",
    "text\nhello world\ngood bye\n",
]


@pytest.mark.parametrize("content", ORDINARY, ids=range(len(ORDINARY)))
def test_an_ordinary_file_gets_no_warning(make: Make, content: str) -> None:
    result = make(content)
    assert result.warnings == ()
    assert result.bad_entries == 0 and result.form is not None and result.form.header_line == 1


@pytest.mark.parametrize(
    "content",
    ["t,x\n0,0,1,5\n0,1,2,5\n0,2,3,5\n", "t,v\n0,[1, 2, 3]\n1,[4, 5, 6]\n2,[7, 8, 9]\n"],
)
def test_names_that_are_too_few_are_no_preamble(make: Make, content: str) -> None:
    with pytest.raises(DreamlakeError, match="values instead of 2"):
        make(content)


def test_a_header_without_a_name_for_the_row_numbers_is_told(make: Make) -> None:
    result = make("t,x\n1,0.5,5\n2,1.5,6\n3,2.5,7\n")
    assert [field.name for field in result.fields] == ["column_1", "t", "x"]
    assert any("has a name less" in warning for warning in result.warnings)


OBJECTS = ['{"t":0,"x":1}', '{"t":1,"x":2}', '{"t":2,"x":3}']


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("".join(OBJECTS), "share a line"),
        (" ".join(OBJECTS), "share a line"),
        ("\ufeff".join(OBJECTS), "share a line"),
        (OBJECTS[0] + "\n" + OBJECTS[1] + OBJECTS[2] + "\n", "line 2"),
        (",\n".join(OBJECTS), None),
        ("[\n" + ",\n".join(OBJECTS) + "\n]\n", "bracket of a JSON array: lines 1, 5"),
        ("".join(f"\x1e{one}\n" for one in OBJECTS), None),
        ("\n".join(OBJECTS[:1]) + "\n" + "\0" * 40 + "\n".join(OBJECTS[1:]), "40 bytes"),
    ],
)
def test_objects_may_share_lines_and_have_marks_around_them(make: Make, content: str, told: str | None) -> None:
    result = make(content, "labels.jsonl")
    assert rows_of(result) == TX
    assert result.bad_entries == 0
    if told:
        assert any(told in warning for warning in result.warnings), result.warnings


def test_objects_that_share_a_line_keep_their_digits(make: Make) -> None:
    result = make('{"t":1714564800.123456789}{"t":1714564800.123456790}\n', "labels.jsonl")
    assert [row[0] for row in rows_of(result)] == [Decimal("1714564800.123456789"), Decimal("1714564800.123456790")]


def test_a_document_over_several_lines_is_refused(make: Make) -> None:
    document = '{\n  "t": 0,\n  "x": 1\n}\n'
    with pytest.raises(DreamlakeError, match="Line 1: The line is not JSON"):
        make(document * 3, "labels.jsonl")
    with pytest.raises(DreamlakeError, match="4 of 5 lines"):
        make('{"t": 0}\n' + document, "labels.jsonl")


@pytest.mark.parametrize(
    ("content", "start", "duration"),
    [
        ("sec since start,x\n0.0,1\n0.5,2\n1.5,3\n", 0.0, 1.5),
        ("seconds_elapsed,x\n0.5,1\n2.0,2\n", 0.5, 1.5),
        ("time,x\n0001-01-01T00:00:00Z,1\n2024-05-01T12:00:00Z,2\n2024-05-01T12:00:02Z,3\n", "2024-05-01T12:00:00Z", 2),
        ("Datum;Uhrzeit;v\n17.06.25;08:15:00;1\n17.06.25;08:16:30;2\n", "2025-06-17T08:15:00", 90),
        ("Date,Time,x\n2025/06/17,08:15:00:250,1\n2025/06/17,08:16:30:500,2\n", "2025-06-17T08:15:00.25", 90.25),
        ('time,x\n"Jun 17, 2025 08:15:00",1\n"Jun 17, 2025 08:16:30",2\n', "2025-06-17T08:15:00", 90),
        ('time,x\n"Tue, 17 Jun 2025 08:15:00 GMT",1\n"Tue, 17 Jun 2025 08:16:30 GMT",2\n', "2025-06-17T08:15:00Z", 90),
        ("time,x\nTue Jun 17 08:15:00 2025,1\nTue Jun 17 08:16:30 2025,2\n", "2025-06-17T08:15:00", 90),
        ("time,x\n20250617081500,1\n20250617081630,2\n", "2025-06-17T08:15:00", 90),
        ("time,x\n20250617081500250,1\n20250617081630500,2\n", "2025-06-17T08:15:00.25", 90.25),
        ("time,x\n2025:06:17 08:15:00,1\n2025:06:17 08:16:30,2\n", "2025-06-17T08:15:00", 90),
        ("time,x\n2025-06-17_08-15-00,1\n2025-06-17_08-16-30,2\n", "2025-06-17T08:15:00", 90),
        ("time,x\n0:00.0,1\n0:01.5,2\n1:00.0,3\n", 0.0, 60),
        ("time,x\n23:00:00,1\n24:00:00,2\n49:00:00,3\n", 82800.0, 26 * 3600),
        (
            "2024-05-01 12:00:00 INFO start\n2024-05-01 12:00:01 INFO stop\n2024-05-01 12:00:03 ERROR x\n",
            "2024-05-01T12:00:00",
            3,
        ),
    ],
)
def test_times_as_tools_write_them(make: Make, content: str, start: float | str, duration: float) -> None:
    result = make(content)
    assert result.time is not None
    assert (result.time.start, result.time.duration) == (start, duration)
