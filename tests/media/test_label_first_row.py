"""Tables whose first row may name the columns or be one of them, and numbers whose commas may part or be decimal ones:
what can be decided is, and the rest is told."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.media.labels.form import Form, judge


def form_of(text: str) -> Form:
    return judge(text.splitlines(keepends=True))


PAIRS = "left,open\nright,shut\n"

NAMED = {
    "usual names": "name,city\nBob,Rome\nEve,Oslo\n",
    "one usual name": "file\ncup\npan\n",
    "usual names of several words": "objectId,hand side\ncup,left\npan,right\n",
    "usual names above one row": "verb,object\npick,cup\n",
    "other words than those that come again": f"wrist,claw\n{PAIRS * 6}",
    "words in another language": f"Hand;Griff\n{PAIRS.replace(',', ';') * 6}",
    "words above what is numbered": "bild,was\nimg_01.png,cup\nimg_02.png,plate\n",
    "a few words above sentences": "clip,aufgabe\na1.mp4,pick up the cup\nb2.mp4,put down the red plate now\n",
    "small letters above capitals": "side,claw\nLEFT,OPEN\nRIGHT,SHUT\n",
    "numbers of columns above words": "0,1,2\na,b,c\nd,e,f\n",
    "joined files": "bild,was\nx1,cup\nx2,pan\nx3,pot\nx4,lid\nbild,was\nx5,cap\nx6,bag\nx7,bin\n",
    "a comment": "# verb,object\npick,cup\nplace,plate\npush,box\n",
    "an index without a name": ",bild\n0,pick\n1,place\n2,push\n",
    "values that are missing in the first row": "name,x\npick,\nplace,1.5\npush,2.5\npull,3.5\n",
    "values that are missing in the first rows": "name,x\npick,\nplace,\npush,2.5\npull,3.5\n",
    "a time that is missing in the first row": "t,name,x\n,pick,\n0.1,place,1.5\n0.2,push,2.5\n",
}
UNNAMED = {
    "words that come again": "pick,cup\nplace,plate\npush,cup\npick,box\n",
    "rows that come again": PAIRS * 6,
    "a word twice": "open,open\nshut,open\nopen,shut\nfoo,bar\n",
    "what is numbered": "img_00.png,pan\nimg_01.png,cup\nimg_02.png,plate\n",
    "codes": "a1,b1\na2,b2\na3,b3\n",
    "ids": "3f2a-11,open\n4b1c-22,shut\n5c3d-99,open\n",
    "sentences": "c.mp4,open the big drawer\na.mp4,pick up the cup\nb.mp4,put down the red plate now\n",
    "one column of words that come again": "cat\ndog\nbird\ncat\n",
    "values that are missing in the first row": "pick,\nplace,1.5\npush,2.5\npull,3.5\n",
    "values that are missing in the first rows": "pick,\nplace,\npush,2.5\npull,3.5\n",
}
UNTOLD = {
    "words": "pick,cup\nplace,plate\npush,box\n",
    "names of people": "Bob,Rome\nEve,Oslo\nAnn,Paris\n",
    "one column": "cat\ndog\nbird\n",
    "two rows": "pick,cup\nplace,plate\n",
}


@pytest.mark.parametrize("text", NAMED.values(), ids=NAMED)
def test_a_header_is_one(text: str) -> None:
    form = form_of(text)
    assert (form.header_line, form.first_line, form.warnings) == (1, 2, ())


@pytest.mark.parametrize("text", UNNAMED.values(), ids=UNNAMED)
def test_a_row_is_none(text: str) -> None:
    form = form_of(text)
    assert (form.header_line, form.first_line) == (None, 1)
    assert "No line names the columns" in form.warnings[0]


@pytest.mark.parametrize("text", UNTOLD.values(), ids=UNTOLD)
def test_what_nothing_tells_is_told(text: str) -> None:
    form = form_of(text)
    assert (form.header_line, form.first_line) == (1, 2)
    (warning,) = form.warnings
    assert "--csv header=none" in warning and form.certainty < 1
    told = judge(text.splitlines(keepends=True), {"header": "none"})
    assert (told.header_line, told.first_line, told.warnings) == (None, 1, ())
    assert judge(text.splitlines(keepends=True), {"header": "1"}).warnings == ()


FIRST_CELLS = ["", "0", "12:00:0{}", "2024-05-01 12:00:00,{}23", "pick"]


@pytest.mark.parametrize(
    ("delimiter", "first"),
    [(one, first) for one in (";", "\t", "|", " ") for first in FIRST_CELLS if one not in first],
)
@pytest.mark.parametrize("rows", [1, 2, 20])
def test_decimal_commas_without_a_header(delimiter: str, first: str, rows: int) -> None:
    lines = []
    for n in range(rows):
        cells = [first.format(n % 10)] if first else []
        lines.append(delimiter.join([*cells, f"{n},5", f"-{n},25"]) + "\n")
    form = judge(lines)
    assert (form.dialect.delimiter, form.dialect.decimal) == (delimiter, ",")
    assert (form.header_line, form.first_line, form.width) == (None, 1, 2 + bool(first))
    assert form.warnings and form.agreement == 1


@pytest.mark.parametrize(
    ("text", "is_sure"),
    [
        ("1,5\n2\n3,75\n", True),
        ("1,5\n-0,5\n3,75\n", True),
        ("1,05\n2,5\n3,75\n", True),
        ("speed\n1,5\n2\n3,75\n", True),
        ("speed\n1,5\n2,5\n3,75\n", False),
    ],
)
def test_one_column_of_decimal_commas(text: str, is_sure: bool) -> None:
    form = form_of(text)
    assert (form.width, form.dialect.decimal, form.numbers) == (1, ",", {0})
    assert (form.certainty >= 0.5) is is_sure


@pytest.mark.parametrize(("text", "width"), [("1,5\n2,6\n3,75\n", 2), ("1,5\n", 2), ("1,5, 2,5\n3,5, 4,5\n", 4)])
def test_commas_that_may_be_decimal_ones_are_told(text: str, width: int) -> None:
    form = form_of(text)
    assert (form.width, form.dialect.decimal) == (width, ".")
    assert any("decimal marks" in warning for warning in form.warnings)
    if width == 2:
        told = judge(text.splitlines(keepends=True), {"delimiter": ";", "decimal": ","})
        assert (told.width, told.dialect.decimal, told.numbers) == (1, ",", {0})


@pytest.mark.parametrize("text", ["1,5,6\n2,6,6\n", "1,5,6,7\n2,6,6,7\n", "a,b\n1,5\n2,6\n", "1, 5\n2, 6\n", "1,-5\n"])
def test_commas_that_part_are_not_doubted(text: str) -> None:
    assert not any("decimal marks" in warning for warning in form_of(text).warnings)


def test_a_number_below_one_has_no_thousands() -> None:
    form = form_of('a,b\n"0,123",x\n"1,234",y\n')
    assert (form.dialect.decimal, form.warnings) == (",", ())
    form = form_of("count\n1,234\n12,345\n")
    assert form.dialect.decimal == "," and "--csv decimal=." in form.warnings[0]
