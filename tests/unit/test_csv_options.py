"""What may be said of how a CSV file is written, and how it is refused."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.csv_options import KEYS, check_csv_options, parse_csv_options, show_csv_options
from dreamlake_pipeline.errors import Code, DreamlakeError


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["delimiter=;"], {"delimiter": ";"}),
        (["Delimiter=semicolon", "decimal=comma"], {"delimiter": ";", "decimal": ","}),
        (["delimiter=\t"], {"delimiter": "tab"}),
        ([r"delimiter=\t"], {"delimiter": "tab"}),
        (["delimiter= "], {"delimiter": "blanks"}),
        (["delimiter=blanks", "quote=none", "header=none"], {"delimiter": "blanks", "quote": "none", "header": "none"}),
        (["quote=single", "comment=//", "skip=03"], {"quote": "'", "comment": "//", "skip": "3"}),
        (["header=4", "units=5", "encoding=latin-1"], {"header": "4", "units": "5", "encoding": "iso8859-1"}),
        (["auto"], {}),
    ],
)
def test_what_may_be_said(words: list[str], options: dict[str, str]) -> None:
    assert parse_csv_options(words) == options == check_csv_options(options)
    assert parse_csv_options(show_csv_options(options).split(" ")) == options


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["delimiter"], "'delimiter' is no KEY=VALUE"),
        (["delimiter="], "delimiter is one character"),
        (["delimiter=ab"], "delimiter is one character"),
        (["delimiter=a"], "delimiter is one character"),
        (["delimiter=."], "delimiter is one character"),
        (['delimiter="'], "delimiter is one character"),
        (["seperator=,"], "there is no 'seperator'"),
        (["header=0"], "header is the number of the line"),
        (["header=first"], "header is the number of the line"),
        (["skip=-1"], "skip is how many lines"),
        (["skip=99999999999"], "skip is how many lines"),
        (["encoding=klingon"], "encoding is a character encoding"),
        (["encoding=base64"], "encoding is a character encoding"),
        (["quote=x"], "quote is double, single or none"),
        (["decimal=;"], "decimal is '.' or ','"),
        (["comment=rem"], "comment is what a comment line begins with"),
        (["delimiter=,", "decimal=,"], "delimiter and decimal are the same"),
        (["skip=1", "skip=2"], "skip is given twice"),
        (["auto", "skip=2"], "'auto' is no KEY=VALUE"),
    ],
)
def test_what_may_not(words: list[str], problem: str) -> None:
    with pytest.raises(DreamlakeError, match="CSV option") as caught:
        parse_csv_options(words)
    assert caught.value.code is Code.USAGE
    assert problem in caught.value.message
    assert all(key in caught.value.message for key in KEYS)
