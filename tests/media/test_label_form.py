"""The form in which label files are written: found out as a person would, told, and never guessed in silence."""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.containers.sniff import sniff_file
from dreamlake_pipeline.media.labels import form
from dreamlake_pipeline.media.labels.dialect import Sort, sort_of
from dreamlake_pipeline.media.labels.form import judge
from dreamlake_pipeline.media.labels.make import LabelResult, make_label_track

Make = Callable[..., LabelResult]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(content: str | bytes, filename: str = "labels.csv", **options: str) -> LabelResult:
        source = tmp_path / "source"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        return make_label_track(source, tmp_path, filename=filename, csv_options=options)

    return make


def table(result: LabelResult) -> tuple[list[str], list[list[Any]]]:
    """Names and rows, without the line numbers."""
    found = pq.read_table(result.path).drop_columns(["_line"])
    return found.column_names, [list(row.values()) for row in found.to_pylist()]


def lines_of(result: LabelResult) -> list[int]:
    return pq.read_table(result.path).column("_line").to_pylist()


TXYZ = (["t", "x", "note"], [[0.0, 1.5, "open"], [0.1, 1.75, "shut"], [0.2, 2.5, "open"]])

# ruff: noqa: E501 (a file is a line, however long)
# What loggers, spreadsheets and programs write, and the table that a person sees in it.
FORMS: dict[str, tuple[str, tuple[list[str], list[list[Any]]]]] = {
    "a hint for Excel": ("sep=;\nt;x;note\n0.0;1.5;open\n0.1;1.75;shut\n0.2;2.5;open\n", TXYZ),
    "a hint in quotes": ('"sep=,"\n"t","x","note"\n0.0,1.5,open\n0.1,1.75,shut\n0.2,2.5,open\n', TXYZ),
    "a hint of a tab": ("sep=\t\r\nt\tx\tnote\r\n0.0\t1.5\topen\r\n0.1\t1.75\tshut\r\n0.2\t2.5\topen\r\n", TXYZ),
    "Excel in German": ("t;x;note\n0,0;1,5;open\n0,1;1,75;shut\n0,2;2,5;open\n", TXYZ),
    "Excel in German, with thousands": (
        "t;x\n0,0;1.234,5\n0,1;12.345,75\n0,2;2,5\n",
        (["t", "x"], [[0.0, 1234.5], [0.1, 12345.75], [0.2, 2.5]]),
    ),
    "thousands in English": ('t,x\n0.0,"1,234.5"\n0.1,"12,345.75"\n', (["t", "x"], [[0.0, 1234.5], [0.1, 12345.75]])),
    "tabs and decimal commas": ("t\tx\tnote\n0,0\t1,5\topen\n0,1\t1,75\tshut\n0,2\t2,5\topen\n", TXYZ),
    "blanks": ("t x note\n0.0 1.5 open\n0.1 1.75 shut\n0.2 2.5 open\n", TXYZ),
    "aligned columns": ("   t     x  note\n 0.0   1.5  open\n 0.1  1.75  shut\n 0.2   2.5  open\n", TXYZ),
    "aligned columns with units in their names": (
        "Time (s)  Force (N)\n    0.00       1.5\n    0.01       1.6\n    0.02       1.7\n",
        (["Time (s)", "Force (N)"], [[0.0, 1.5], [0.01, 1.6], [0.02, 1.7]]),
    ),
    "blanks and quotes": (
        't note\n0.0 "left, then right"\n0.1 stop\n',
        (["t", "note"], [[0.0, "left, then right"], [0.1, "stop"]]),
    ),
    "a TUM trajectory": (
        "# ground truth\n# file: 'a.bag'\n# timestamp tx ty tz\n1.5 0.1 0.2 0.3\n2.5 0.2 0.3 0.4\n",
        (["timestamp", "tx", "ty", "tz"], [[1.5, 0.1, 0.2, 0.3], [2.5, 0.2, 0.3, 0.4]]),
    ),
    "a EuRoC file": (
        "#timestamp [ns],w_x [rad s^-1]\n1403636579758555392,-0.09\n1403636579763555584,-0.08\n",
        (["timestamp [ns]", "w_x [rad s^-1]"], [[1403636579758555392, -0.09], [1403636579763555584, -0.08]]),
    ),
    "comments of MATLAB": ("% made by MATLAB\n% t, x\n0.0, 1.5\n0.1, 1.6\n", (["t", "x"], [[0.0, 1.5], [0.1, 1.6]])),
    "comments on the way": ("t,x\n0.0,1\n# restarted\n0.1,2\n0.2,3\n", (["t", "x"], [[0.0, 1], [0.1, 2], [0.2, 3]])),
    "values that begin with #": (
        "tag,n\n#cat,1\ndog,2\n#cow,4\n",
        (["tag", "n"], [["#cat", 1], ["dog", 2], ["#cow", 4]]),
    ),
    "a column called #": ("#,v\n1,0.5\n2,0.6\n", (["#", "v"], [[1, 0.5], [2, 0.6]])),
    "a preamble": (
        "Logger,Model X\nFirmware,1.2\nSample Rate,100 Hz\n\nt,x,note\n0.0,1.5,open\n0.1,1.75,shut\n0.2,2.5,open\n",
        TXYZ,
    ),
    "a preamble as wide as the table": (
        "Logger,X\nRate,100\n\nt,x\n0.0,1\n0.1,2\n0.2,3\n",
        (["t", "x"], [[0.0, 1], [0.1, 2], [0.2, 3]]),
    ),
    "a title": ("Drop test of 3 May\nt,x,note\n0.0,1.5,open\n0.1,1.75,shut\n0.2,2.5,open\n", TXYZ),
    "what a board prints first": (
        "Starting up...\r\nt x\r\n12 0.5\r\n13 0.6\r\n14 0.7\r\n",
        (["t", "x"], [[12, 0.5], [13, 0.6], [14, 0.7]]),
    ),
    "LabVIEW": (
        "LabVIEW Measurement\t\nSeparator\tTab\nDate\t2024/05/01\n***End_of_Header***\t\n\t\nChannels\t2\n"
        "X_Value\tVoltage\tComment\n0.0\t1.5\t\n0.1\t1.6\t\n0.2\t1.7\t\n",
        (["X_Value", "Voltage", "Comment"], [[0.0, 1.5, None], [0.1, 1.6, None], [0.2, 1.7, None]]),
    ),
    "OpenSim": (
        "Coordinates\nversion=1\nnRows=2\nendheader\ntime\tpelvis_tilt\thip\n0.0\t1.5\t2.5\n0.1\t1.6\t2.6\n",
        (["time", "pelvis_tilt", "hip"], [[0.0, 1.5, 2.5], [0.1, 1.6, 2.6]]),
    ),
    "Xsens": (
        "Packet Counter: 1\nDeviceTag: 00B4\nPacketCounter\tSampleTimeFine\tAcc_X\n1\t100\t0.5\n2\t200\t0.6\n",
        (["PacketCounter", "SampleTimeFine", "Acc_X"], [[1, 100, 0.5], [2, 200, 0.6]]),
    ),
    "Vicon": (
        "Trajectories\n100\n,,Wrist,,Elbow,\nFrame,Sub Frame,X,Y,X,Y\n,,mm,mm,mm,mm\n1,0,1.5,2.5,3,4\n2,0,1.6,2.6,3,4\n",
        (
            ["Frame", "Sub Frame", "Wrist X", "Wrist Y", "Elbow X", "Elbow Y"],
            [[1, 0, 1.5, 2.5, 3, 4], [2, 0, 1.6, 2.6, 3, 4]],
        ),
    ),
    "OptiTrack": (
        "Format Version,1.23,Take Name,Take 1\n\n,Type,Rigid Body,Rigid Body\n,Name,A,B\n,ID,1,2\n,,Position,Position\n"
        "Frame,Time (Seconds),X,X\n0,0.0,1.5,2.5\n1,0.1,1.6,2.6\n2,0.2,1.7,2.7\n",
        (["Frame", "Time (Seconds)", "A X", "B X"], [[0, 0.0, 1.5, 2.5], [1, 0.1, 1.6, 2.6], [2, 0.2, 1.7, 2.7]]),
    ),
    "units": ("time,pressure\ns,hPa\n0.0,1011.5\n0.1,1011.6\n", (["time", "pressure"], [[0.0, 1011.5], [0.1, 1011.6]])),
    "units in brackets": ("time;speed\n[s];[m/s]\n0,0;1,5\n0,1;1,6\n", (["time", "speed"], [[0.0, 1.5], [0.1, 1.6]])),
    "units above one row": ("time,speed\n(s),(m/s)\n0.0,1.5\n", (["time", "speed"], [[0.0, 1.5]])),
    "joined files": ("t,x\ns,m\n0.0,1\n0.1,2\nt,x\ns,m\n0.2,3\n", (["t", "x"], [[0.0, 1], [0.1, 2], [0.2, 3]])),
    "joined files, each with a mark": ("\ufefft,x\n0.0,1\n\ufefft,x\n0.2,3\n", (["t", "x"], [[0.0, 1], [0.2, 3]])),
    "blanks behind commas, and quotes": (
        't, note, x\n0.0, "left, then right", 1\n0.1, "up, then down", 2\n0.2, "stop", 3\n',
        (["t", "note", "x"], [[0.0, "left, then right", 1], [0.1, "up, then down", 2], [0.2, "stop", 3]]),
    ),
    "blanks around bars": ("t | note\n0.1 | left\n0.2 | right\n", (["t", "note"], [[0.1, "left"], [0.2, "right"]])),
    "single quotes": ("t,note\n0.1,'left, right'\n0.2,'up'\n", (["t", "note"], [[0.1, "left, right"], [0.2, "up"]])),
    "apostrophes": ("t,note\n0.1,it's\n0.2,'tis\n", (["t", "note"], [[0.1, "it's"], [0.2, "'tis"]])),
    "quotes behind backslashes": (
        't,note\n0.1,"say \\"hi\\", then"\n0.2,"up"\n',
        (["t", "note"], [[0.1, 'say "hi", then'], [0.2, "up"]]),
    ),
    "quoted numbers": ('"t","x"\n"0.1","5"\n"0.2","6"\n', (["t", "x"], [[0.1, 5], [0.2, 6]])),
    "a comma behind each row": ("t,x\n0.1,5,\n0.2,6,\n", (["t", "x"], [[0.1, 5], [0.2, 6]])),
    "a comma behind each line": ("t,x,\n0.1,5,\n0.2,6,\n", (["t", "x"], [[0.1, 5], [0.2, 6]])),
    "an index of pandas": (",t\n0,0.1\n1,0.2\n", (["column_1", "t"], [[0, 0.1], [1, 0.2]])),
    "an index and numbers of columns": (
        ",0,1\n0,0.1,5\n1,0.2,6\n",
        (["column_1", "0", "1"], [[0, 0.1, 5], [1, 0.2, 6]]),
    ),
    "row names of R": ('"t" "x"\n"1" 0.1 5\n"2" 0.2 6\n', (["column_1", "t", "x"], [[1, 0.1, 5], [2, 0.2, 6]])),
    "one column": ("depth\n0.1\n0.2\n", (["depth"], [[0.1], [0.2]])),
    "one column of sentences": (
        "note\nhello, world\nbye now\nwell, then, so\n",
        (["note"], [["hello, world"], ["bye now"], ["well, then, so"]]),
    ),
    "text alone": ("name,city\nBob,Rome\nEve,Oslo\n", (["name", "city"], [["Bob", "Rome"], ["Eve", "Oslo"]])),
    "one row": ("t,x\n0.1,5\n", (["t", "x"], [[0.1, 5]])),
    "lists in cells": ("t;box\n0;[1,2,3]\n1;[2,3,4]\n", (["t", "box"], [[0, "[1,2,3]"], [1, "[2,3,4]"]])),
    "missing values": (
        "t,a,b\n0.0,1.5,\n0.1,,2.5\n0.2,nan,2.6\n",
        (["t", "a", "b"], [[0.0, 1.5, None], [0.1, None, 2.5], [0.2, "nan", 2.6]]),
    ),
    "an error as the first value": (
        "t,x,y\n0.0,OVER,1\n0.1,2,1\n0.2,3,1\n0.3,3,1\n",
        (["t", "x", "y"], [[0.0, "OVER", 1], [0.1, "2", 1], [0.2, "3", 1], [0.3, "3", 1]]),
    ),
    "a table of Markdown": ("t | x\n--- | ---\n0.1 | 2\n0.2 | 3\n", (["t", "x"], [[0.1, 2], [0.2, 3]])),
    "lines that end as on old Macs": ("t,x\r0.1,2\r0.2,3\r", (["t", "x"], [[0.1, 2], [0.2, 3]])),
    "UTF-16 with tabs": ("t\tx\n0.1\t2\n0.2\t3\n", (["t", "x"], [[0.1, 2], [0.2, 3]])),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_read_as_a_person_would_read_it(make: Make, form: str) -> None:
    content, (names, rows) = FORMS[form]
    result = make(content.encode("utf-16") if "UTF-16" in form else content)
    found_names, found = table(result)
    plain = [["nan" if isinstance(value, float) and math.isnan(value) else value for value in row] for row in found]
    assert (found_names, plain) == (names, rows)
    assert result.bad_entries == 0
    assert not any("low certainty" in warning for warning in result.warnings)
    # Each line of the file is an entry, empty, or named in the record.
    assert result.form is not None
    lines = content.removeprefix("\ufeff").splitlines()
    told = set(lines_of(result)) | {result.form.header_line, result.form.units_line, *result.form.skipped}
    assert all(
        not line.strip() or number in told or any(str(number) in warning for warning in result.warnings)
        for number, line in enumerate(lines, 1)
    )


# Rows that no line names: columns are numbered, and that is told.
@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("2024-05-01T12:00:00Z,0.0\n2024-05-01T12:00:01Z,0.5\n", 2),
        ("1.0e+00 9.0e-12 2.0e-11\n1.0e+00 9.0e-12 2.1e-11\n", 2),
        ("0 0.5 0.5 0.1 0.2\n", 1),
        ("0.1,5,dog\n", 1),
        ("car,0.5,0.3\ndog,0.7,0.1\n", 2),
        ("dog,indoor\ncat,indoor\nbird,outdoor\ndog,outdoor\n", 4),
        ("0.000000\t1.500000\tdog\n0.500000\t2.000000\tcat sits\n", 2),
        ("utt1 1 0.00 0.50 hello\nutt1 1 0.50 0.40 world\n", 2),
        ("#ff0000,1\n#00ff00,2\n#0000ff,3\n", 3),
        ("12:00:00;1,5\n12:00:01;1,6\n", 2),
        ("17.06.2025 08:15:00;1,5\n17.06.2025 08:15:01;1,6\n", 2),
        ("0,1,2\n0.1,0.2,0.3\n0.4,0.5,0.6\n", 3),
    ],
)
def test_a_value_is_never_the_name_of_a_column(make: Make, content: str, rows: int) -> None:
    result = make(content)
    names, found = table(result)
    assert names == [f"column_{n}" for n in range(1, len(names) + 1)] and len(names) > 1
    assert len(found) == rows
    assert any("columns were numbered" in warning for warning in result.warnings)
    assert result.form is not None and result.form.header_line is None


def test_what_was_decided_is_told(make: Make) -> None:
    result = make("Logger;X;Y\n# a comment\n\ntime;p;note\ns;hPa;\n0,0;1,5;'a'\n0,1;1,6;'b'\n# another\n0,2;1,7;'c'\n")
    form = result.form
    assert form is not None
    assert (form.dialect.delimiter, form.dialect.quote, form.dialect.decimal, form.dialect.comment) == (
        ";",
        "'",
        ",",
        "#",
    )
    assert (form.header_line, form.units_line, form.first_line) == (4, 5, 6)
    assert form.skipped == {1: "preamble", 2: "comment"}
    assert result.units == {"time": "s", "p": "hPa"}
    assert form.certainty > 0.7 and form.agreement == 1.0
    assert lines_of(result) == [6, 7, 9]
    warnings = " ".join(result.warnings)
    assert all(told in warnings for told in ("preamble: line 1", "comment: lines 2, 8", "row of units: line 5"))


def test_a_guess_is_told(make: Make) -> None:
    result = make("1,5 2,5\n1,6 2,6\n1,7 2,7\n")
    assert table(result)[1][0] == [1.5, 2.5]
    assert any("low certainty" in warning for warning in result.warnings)
    result = make("lat lon\n47.1, 8.5\n47.2, 8.6\n47.3, 8.7\n")
    assert any("low certainty" in warning and "--csv" in warning for warning in result.warnings)


# What the owner tells


@pytest.mark.parametrize(
    ("content", "options", "names", "first"),
    [
        ("a;b,c;d\n1;2,3;4\n", {"delimiter": ","}, ["a;b", "c;d"], ["1;2", "3;4"]),
        ("a,b\nc,d\n", {"delimiter": "tab"}, ["a,b"], ["c,d"]),
        (
            "t  note\n1  left turn\n",
            {"delimiter": "blanks", "skip": "1", "header": "none"},
            ["column_1", "column_2", "column_3"],
            [1, "left", "turn"],
        ),
        ("a,b\n1,2\n", {"header": "none"}, ["column_1", "column_2"], ["a", "b"]),
        ("1,2\n3,4\n", {"header": "1"}, ["1", "2"], [3, 4]),
        ("x,y\nt,u\n1,2\n3,4\n", {"header": "1"}, ["x", "y"], ["t", "u"]),
        ("x,y\nt,u\n1,2\n3,4\n", {"header": "2"}, ["t", "u"], [1, 2]),
        ("x,y\nt,u\n1,2\n3,4\n", {"header": "1", "units": "2"}, ["x", "y"], [1, 2]),
        ("x,y\ns,m\n1,2\n3,4\n", {"units": "none", "header": "1"}, ["x", "y"], ["s", "m"]),
        ("1,2\n3,4\n5,6\n", {"skip": "1"}, ["column_1", "column_2"], [3, 4]),
        ("t;x\n1.234;5\n2.345;6\n", {"decimal": ","}, ["t", "x"], [1.234, 5]),
        ("t;x\n1,5;5\n2,5;6\n", {"decimal": "."}, ["t", "x"], ["1,5", 5]),
        ("t,x\n#1,5\n2,6\n", {"comment": "#"}, ["t", "x"], [2, 6]),
        ("t,x\n2,6\n# a,b\n3,7\n4,8\n", {"comment": "none"}, ["t", "x"], ["2", "6"]),
        ('t,x\n"1",5\n', {"quote": "none"}, ["t", "x"], ['"1"', 5]),
        ("t,x\n'1',5\n", {"quote": "'"}, ["t", "x"], [1, 5]),
        ("tä,x\n1,2\n".encode("cp437"), {"encoding": "cp437"}, ["tä", "x"], [1, 2]),
    ],
)
def test_what_is_told_is_not_judged(
    make: Make, content: str | bytes, options: dict[str, str], names: list[str], first: list[Any]
) -> None:
    result = make(content, **options)
    found_names, rows = table(result)
    assert (found_names, rows[0]) == (names, first)


# What can't be read is told


@pytest.mark.parametrize(
    "content",
    [
        "t,x\n0.1,2,5\n0.2,3,6\n0.3,4,7\n",  # a name is missing, and no one knows which
        "t,x,y,z\n0.1,2,5\n0.2,3,6\n0.3,4,7\n",
    ],
)
def test_a_file_that_is_mostly_bad_has_been_misread(make: Make, content: str) -> None:
    with pytest.raises(DreamlakeError, match=r"labels\.csv") as caught:
        make(content)
    assert caught.value.code is Code.LABELS_INVALID
    assert "line 1" in caught.value.message and "Line 2" in caught.value.message
    assert "--csv" in (caught.value.hint or "")


def test_some_bad_rows_are_told(make: Make) -> None:
    result = make("t,x,y\n" + "0.1,2,3\n" * 20 + "0.2,3\nTotal: 20\n")
    assert (result.entries, result.bad_entries) == (20, 2)
    assert [line for line, _ in result.bad_lines] == [22, 23]


@pytest.mark.parametrize("end", ['end",2', '"end"', 'x"'])
def test_a_quote_that_is_opened_and_closed_much_later_swallows_no_row(make: Make, end: str) -> None:
    rows = [f"{n},ok,{n}" for n in range(400)]
    rows[20], rows[399] = '20,"open,1', f"399,{end}"
    result = make("t,note,x\n" + "\n".join(rows) + "\n")
    assert result.entries + result.bad_entries == 400
    assert lines_of(result)[:20] == list(range(2, 22))
    assert result.bad_lines[0].line == 22 and "quote" in result.bad_lines[0].reason
    assert result.entries >= 398


def test_text_of_several_lines_in_quotes_is_one_value(make: Make) -> None:
    text = "\n".join(f"line {n}, with a comma" for n in range(30))
    result = make(f't,note,x\n0.1,"{text}",5\n0.2,"b",6\n')
    assert table(result)[1] == [[0.1, text, 5], [0.2, "b", 6]]


# NULs and byte order marks


def test_a_tail_that_was_never_written(make: Make) -> None:
    result = make("t,x\n0.0,1\n0.1,2\n" + "\0" * 4096)
    assert table(result)[1] == [[0.0, 1], [0.1, 2]]
    assert result.bad_entries == 0
    (warning,) = result.warnings
    assert "4,096 bytes were never written" in warning and "line 4" in warning


def test_a_row_that_breaks_off_is_bad(make: Make) -> None:
    result = make("t,x\n0.0,1\n0.1,2\n0.2,3" + "\0" * 512 + "9\n0.4,5\n")
    assert table(result)[1] == [[0.0, 1], [0.1, 2], [0.4, 5]]
    assert [line for line, _ in result.bad_lines] == [4]
    assert "never written" in result.bad_lines[0].reason
    assert any("512 bytes" in warning and "line 4" in warning for warning in result.warnings)


def test_a_block_that_was_never_written(make: Make) -> None:
    result = make("t,x\n0.0,1\n" + "\0" * 512 + "0.1,2\n0.2,3\n")
    assert table(result)[1] == [[0.0, 1], [0.1, 2], [0.2, 3]]
    (warning,) = result.warnings
    assert "512 bytes" in warning and "line 3" in warning


def test_a_nul_is_a_damaged_character(make: Make) -> None:
    result = make("t,note\n0.0,a\0b\n0.1,c\n")
    assert table(result)[1] == [[0.0, "a\ufffdb"], [0.1, "c"]]
    (warning,) = result.warnings
    assert "NUL" in warning and "line 2" in warning


def test_zeros_alone(make: Make) -> None:
    for content in (b"\0" * 5, b"\0" * 3_000_000):
        for name in ("labels.csv", "labels.jsonl"):
            with pytest.raises(DreamlakeError, match="never written") as caught:
                make(content, name)
            assert caught.value.code is Code.LABELS_INVALID


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_json_lines_with_zeros_and_marks(make: Make, codec: str) -> None:
    line = '{"a": %d, "text": "ordinary"}\n'
    result = make((line % 1).encode(codec) + b"\0" * 600 + ("\ufeff" + line % 2 + line % 3).encode(codec), "a.jsonl")
    assert [row[0] for row in table(result)[1]] == [1, 2, 3]
    assert any("600 bytes" in warning for warning in result.warnings)


# Whatever comes


@pytest.mark.parametrize(
    ("cell", "sort"),
    [
        ("1", Sort.NUMBER),
        ("-1.5e-3", Sort.NUMBER),
        ("1,5", Sort.NUMBER),
        ("1.234,5", Sort.NUMBER),
        ("NaN", Sort.NUMBER),
        ("12 %", Sort.TEXT),
        ("0x1F", Sort.NUMBER),
        ("", Sort.EMPTY),
        (" - ", Sort.EMPTY),
        ("true", Sort.BOOL),
        ("2024-05-01", Sort.TIME),
        ("2024-05-01T12:00:00Z", Sort.TIME),
        ("2024-05-01 12:00:00.123+02:00", Sort.TIME),
        ("17.06.2025 08:15:00", Sort.TIME),
        ("5/1/2024 10:00 AM", Sort.TIME),
        ("08:15:00,5", Sort.TIME),
        ("20240501T120000Z", Sort.TIME),
        ("word", Sort.WORD),
        ("two words", Sort.TEXT),
        ("a;b", Sort.ODD),
        ('"a', Sort.QUOTED),
        ("[1,2]", Sort.TEXT),
        ("[1", Sort.ODD),
    ],
)
def test_sorts_of_cells(cell: str, sort: Sort) -> None:
    assert sort_of(cell) is sort


numbers = st.integers(-(10**6), 10**6).map(lambda n: f"{n / 64:.6f}")
words = st.text(st.sampled_from("abcdefghij ,;|\t'\"ü"), min_size=1, max_size=12).map(lambda text: f"x{text}x")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(numbers, words, numbers), min_size=2, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|", " "]),
    quote=st.sampled_from(['"', "'"]),
    blanks=st.booleans(),
    decimal=st.booleans(),
    header=st.booleans(),
    units=st.booleans(),
    preamble=st.integers(0, 4),
    comments=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_table_in_any_form_comes_back(
    make: Make,
    rows: list[tuple[str, str, str]],
    delimiter: str,
    quote: str,
    blanks: bool,
    decimal: bool,
    header: bool,
    units: bool,
    preamble: int,
    comments: bool,
    end: str,
) -> None:
    """Numbers, text in quotes, numbers: read as they were written, or the record says that it was a guess."""
    rows = [
        (first, text if quote == '"' or "'" not in text else text.replace("'", ""), last) for first, text, last in rows
    ]
    comma = decimal and delimiter != ","
    between = f"{delimiter} " if blanks and delimiter in ",;|" else delimiter
    lines = [f"Key {n}: some value" for n in range(preamble)]
    if header:
        lines.append(between.join(["t", "note", "x"]))
        if units:
            lines.append(between.join(["[s]", "[-]", "[mm]"]))
    for n, (first, text, last) in enumerate(rows):
        if comments and n == 1:
            lines.append("# a comment, of some words")
        cells = [first, quote + text.replace(quote, quote * 2) + quote, last]
        if comma:
            cells = [cells[0].replace(".", ","), cells[1], cells[2].replace(".", ",")]
        lines.append(between.join(cells))
    result = make(end.join([*lines, ""]))
    if any("low certainty" in warning for warning in result.warnings):
        return
    names, found = table(result)
    assert found == [[float(first), text, float(last)] for first, text, last in rows]
    assert names == (["t", "note", "x"] if header else ["column_1", "column_2", "column_3"])
    assert result.bad_entries == 0


@settings(max_examples=300, deadline=None)
@given(content=st.text(st.sampled_from(",;\t| \"'#\n\r1.5-:ab[](%\\\ufeff"), max_size=200))
def test_any_lines_have_a_form(content: str) -> None:
    form = judge(content.splitlines(keepends=True))
    assert 0 <= form.certainty <= 1 and 0 <= form.agreement <= 1


SHAPES: dict[str, Callable[[int], str]] = {
    "quotes": lambda size: '"' * size,
    "quotes that open in every line": lambda size: "t,x\n" + '1,"a\n' * (size // 5),
    "quotes that are doubled": lambda size: "t,x\n" + '1,"a""\n' * (size // 7),
    "quotes in rows": lambda size: "t,x\n" + "1,'a','b\n" + '\'x,"y",' * (size // 8) + "\n1,2\n",
    "apostrophes": lambda size: "t x\n1 '" + " ''b" * (size // 4) + "\n1 2\n",
    "columns": lambda size: (
        ",".join("c" for _ in range(size // 20)) + "\n" + ",".join("1" for _ in range(size // 20)) + "\n"
    ),
    "blanks": lambda size: "t x\n" + " " * size + "\n1 2\n",
    "blanks in quotes": lambda size: 't x\n1 "' + '" "' * (size // 3) + "\n1 2\n",
    "brackets": lambda size: "t,x\n1," + "([" * (size // 2) + "\n1,2\n",
    "digits": lambda size: "t,x\n1," + "1" * size + "\n1,2\n",
    "groups of digits": lambda size: "t;x\n1;" + "1.000" * (size // 5) + ",\n1;2,5\n",
    "groups of digits below names": lambda size: "t,x\ns," + "1.000" * (size // 5) + "s\n1,2\n2,3\n3,4\n",
    "bars": lambda size: "|t|x|\n|1|" + " |" * (size // 2) + "\n|1|2|\n",
    "blanks at bars": lambda size: "| t | x |\n| 1 |" + " " * size + "|\n| 1 | 2 |\n",
    "comments": lambda size: "t,x\n1,2\n" + "# no\n" * (size // 5) + "1,2\n",
    "line ends": lambda size: "t,x\n1,2\n" + "\r" * size + "1,2\n",
    "NULs": lambda size: "t,x\n1,2\n" + "a\0" * (size // 2) + "\n1,2\n",
    "byte order marks": lambda size: "\ufeff" * (size // 3) + "t,x\n1,2\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_time_grows_with_the_file_whatever_its_shape(make: Make, shape: str) -> None:
    """Eight times the file takes at most sixteen times as long: the exponent is below 4/3."""

    def seconds(size: int) -> float:
        content = SHAPES[shape](size).encode()
        best = math.inf
        for _ in range(2):
            started = time.process_time()
            with contextlib.suppress(DreamlakeError):
                make(content)
            best = min(best, time.process_time() - started)
        return best

    small = max(seconds(2**14), 0.02)  # below that, what does not grow counts most
    assert seconds(2**17) < 16 * small


@pytest.mark.parametrize("form", [form for form in FORMS if not form.startswith("one column")])
def test_a_client_knows_it_for_a_table(tmp_path: Path, form: str) -> None:
    content = FORMS[form][0]
    (tmp_path / "a").write_bytes(content.encode("utf-16") if "UTF-16" in form else content.encode())
    with (tmp_path / "a").open("rb") as file:
        found = sniff_file(file)
    assert found is not None and found.container == "csv"


def _made_up(chance: random.Random) -> list[str]:
    """A table as somebody may have written it, or nearly one."""
    delimiter = chance.choice([",", ";", "\t", "|", " ", "  "])
    words = [
        "cup",
        "it's",
        "'quoted",
        '"said"',
        "3,5",
        "1.234,5",
        "12:30",
        "2024-01-02",
        "true",
        "nan",
        "a;b",
        "x|y",
        "7",
        "8.25",
        "-0,5",
        "1,000",
        "#c",
        ",",
        "the,house",
    ]
    columns = [chance.choice(["number", "step", "word", "quoted"]) for _ in range(chance.randrange(1, 7))]
    point = chance.choice([".", ".", ","])

    def cell(column: str) -> str:
        if column == "number":
            return f"{chance.gauss(0, 9):.3f}".replace(".", point)
        if column == "step":
            return chance.choice(["go", "stop", "wait"])
        word = chance.choice(words)
        return word if column == "word" else f'"{word.replace(chr(34), 2 * chr(34))}"'

    rows = [[cell(column) for column in columns] for _ in range(chance.choice([1, 3, 10, 40]))]
    if chance.random() < 0.2:
        rows[-1].pop()
    if chance.random() < 0.7:
        quote = chance.choice(["", '"'])
        rows.insert(0, [f"{quote}{column}{at}{quote}" for at, column in enumerate(columns)])
    title = chance.choice([[], [], [], ["# made by x\n"], ["Some title\n"], ["sep=;\n"]])
    return [*title, *(f"{delimiter.join(row)}\n" for row in rows)]


def test_readings_that_are_left_out_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form is that which all readings together would have given; it may be surer of itself, never less sure."""
    texts = [_made_up(random.Random(seed)) for seed in range(400)]
    quick = [form.judge(lines) for lines in texts]
    tables = [form.looks_like_table(lines) for lines in texts]
    monkeypatch.setattr(form, "_most", lambda lines, dialect, prior: math.inf)
    monkeypatch.setattr(form, "_reads_alike", lambda lines, dialect, most, read: False)
    whole = [form.judge(lines) for lines in texts]
    for lines, one, other in zip(texts, quick, whole, strict=True):
        assert replace(one, certainty=other.certainty) == other, lines
        assert one.certainty >= other.certainty, lines
    assert tables == [
        len(lines) > 1 and one.width > 1 and one.agreement >= 0.6 for lines, one in zip(texts, whole, strict=True)
    ]
