"""Quotes in tables: those that hold values together, apostrophes, and the marks of feet and inches."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.media.labels.dialect import Dialect, split_rows
from dreamlake_pipeline.media.labels.form import judge
from dreamlake_pipeline.media.labels.make import LabelResult, make_label_track
from dreamlake_pipeline.media.labels.quotes import is_torn


def make(folder: Path, content: str) -> LabelResult:
    source = folder / "source"
    source.write_bytes(content.encode())
    return make_label_track(source, folder, filename="labels.csv")


def rows_of(result: LabelResult) -> list[list[object]]:
    return [list(row.values()) for row in pq.read_table(result.path).drop_columns(["_line"]).to_pylist()]


# ruff: noqa: E501 (a file is a line, however long)
# What people and programs write into labels, each with some mark that a reader of CSV may take for another.
NOTES = [
    "dog",
    "turn left",
    "it's",
    "'tis",
    "'90s",
    "the dogs' bed",
    "it's the dogs'",
    "rock 'n' roll",
    "can't, won't",
    "she said 'go, now' and left",
    "5'11\"",
    "6'",
    '12"',
    'say "hi"',
    '"hi", then bye',
    "a;b",
    "left; right",
    "a|b",
    "tab\there",
    "left, then right",
    "two\nlines",
    "'a\nb",
]
DELIMITERS = [",", ";", "\t", "|", " "]


def write(rows: list[list[str]], delimiter: str, quote: str, *, everywhere: bool, blanks: bool, header: bool) -> str:
    """Rows of a number, a note and a number; a note stands in quotes where it must, or everywhere."""
    between = f"{delimiter} " if blanks and delimiter in ",;|" else delimiter
    lines = [between.join(["t", "note", "x"])] if header else []
    for first, note, last in rows:
        needed = note[:1] in "'\"" or any(mark in note for mark in (delimiter, quote, "\n", "\t", " "))
        cell = quote + note.replace(quote, quote * 2) + quote if everywhere or needed else note
        lines.append(between.join([first, cell, last]))
    return "\n".join([*lines, ""])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    notes=st.lists(st.sampled_from(NOTES), min_size=1, max_size=12),
    delimiter=st.sampled_from(DELIMITERS),
    quote=st.sampled_from(["'", '"']),
    everywhere=st.booleans(),
    blanks=st.booleans(),
    header=st.booleans(),
)
def test_a_note_in_quotes_comes_back(
    tmp_path: Path, notes: list[str], delimiter: str, quote: str, everywhere: bool, blanks: bool, header: bool
) -> None:
    """Whatever marks it holds, and in whichever quotes it stands; or the record says that it was a guess."""
    rows = [[f"{n}.5", note, str(-n)] for n, note in enumerate(notes)]
    result = make(tmp_path, write(rows, delimiter, quote, everywhere=everywhere, blanks=blanks, header=header))
    if any("low certainty" in warning for warning in result.warnings):
        return
    assert rows_of(result) == [[n + 0.5, note, -n] for n, note in enumerate(notes)]
    assert result.bad_entries == 0
    assert result.form is not None and (result.form.header_line == 1) is header


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    notes=st.lists(
        st.sampled_from(
            ["dog", "it's", "'tis", "'90s", "the dogs' bed", "the dogs'", "6'", "5'11\"", '12"', "a 'b' c"]
        ),
        min_size=2,
        max_size=12,
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    header=st.booleans(),
)
def test_marks_in_notes_without_quotes_are_kept(tmp_path: Path, notes: list[str], delimiter: str, header: bool) -> None:
    """Apostrophes, feet and inches: they open no quote, wherever another one stands further down."""
    lines = [delimiter.join(["t", "note", "x"])] if header else []
    lines += [delimiter.join([f"{n}.5", note, str(-n)]) for n, note in enumerate(notes)]
    result = make(tmp_path, "\n".join([*lines, ""]))
    if any("low certainty" in warning for warning in result.warnings):
        return
    assert rows_of(result) == [[n + 0.5, note, -n] for n, note in enumerate(notes)]
    assert result.bad_entries == 0


@pytest.mark.parametrize(
    ("content", "delimiter", "quote", "rows"),
    [
        ("0\t'x\tx'\t0\n" * 2, "tab", "'", [[0, "x\tx", 0]] * 2),
        ("0\t'x\tx'\t0\n", "tab", "'", [[0, "x\tx", 0]]),
        ("Key: a value\nKey: a value\n0.5 'x; x' 1.5\n0.5 'x; x' 1.5\n", "blanks", "'", [[0.5, "x; x", 1.5]] * 2),
        ("1,5;'x;x';2\n2,5;'a;b';3\n", ";", "'", [[1.5, "x;x", 2], [2.5, "a;b", 3]]),
        ("0.5|'''tis'|1\n1.5|'it''s'|2\n", "|", "'", [[0.5, "'tis", 1], [1.5, "it's", 2]]),
        ("t;note\n0.5;'90s\n1.5;the dogs'\n", ";", '"', [[0.5, "'90s"], [1.5, "the dogs'"]]),
        ("a b -2.5\n'can''t, won''t' '''tis' -58.5\n", "blanks", "'", [["a", "b", -2.5], ["can't, won't", "'tis", -58.5]]),
        ('5.5 "two  blanks" 1\n6.5 "say ""hi""  now" 2\n', "blanks", '"', [[5.5, "two  blanks", 1], [6.5, 'say "hi"  now', 2]]),
        ('"a\nb";2;3;"c\nd"\n"e";5;6;"f"\n', ";", '"', [["a\nb", 2, 3, "c\nd"], ["e", 5, 6, "f"]]),
    ],
)  # fmt: skip
def test_neighbours(tmp_path: Path, content: str, delimiter: str, quote: str, rows: list[list[object]]) -> None:
    result = make(tmp_path, content)
    assert rows_of(result) == rows
    assert result.form is not None
    assert (result.form.dialect.delimiter_name, result.form.dialect.quote) == (delimiter, quote)
    assert result.bad_entries == 0


@pytest.mark.parametrize("header", ["'t';'x'", '"t";"x"', "'t'; 'x'", '"t"; "x"'])
def test_quotes_of_the_header_alone_are_no_part_of_names(tmp_path: Path, header: str) -> None:
    result = make(tmp_path, f"{header}\n0.5;1\n1.5;2\n")
    assert [field.name for field in result.fields] == ["t", "x"]


def test_a_row_is_torn_where_a_quote_opens_in_one_cell_and_closes_in_another() -> None:
    def torn(line: str, **marks: str) -> bool:
        dialect = Dialect(**marks)
        return is_torn(split_rows([line], dialect)[0], dialect)

    assert torn("1,'left, right',2")
    assert torn('1, "left, right",2')
    assert torn("1,he said 'go, now' and left,2")
    assert not torn("1,'left, right',2", quote="'")
    assert not torn('1,"left, right",2')
    assert not torn("1,it's,the dogs',2")
    assert not torn("1,5',6',2")
    assert not torn('1,"5\'11""","6\'2""",2')


@pytest.mark.parametrize(
    "content",
    [
        "t\n-65,245\n-97,437\n",  # one column with decimal commas, or two?
        "t note label\n18,483 grasp cup\n19,202 open door\n",
    ],
)
def test_a_header_that_does_not_fit_the_values_is_told(content: str) -> None:
    assert judge(content.splitlines(keepends=True)).certainty < 0.5
