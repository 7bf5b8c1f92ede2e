"""What a person may say about how CSV files are written, in the place of what the reader would find out.

Options are pairs of a key and a text, as `--csv KEY=VALUE` gives them and JSON carries them. Wherever they may be given
(a file, a project), None says nothing and leaves it to the next wider one; no options at all (`{}`, written `auto`)
say that everything is found out.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Mapping

from .errors import Code, DreamlakeError

AUTO = "auto"
NONE = "none"
BLANKS = "blanks"
TAB = "tab"

_DELIMITER_WORDS = {
    "comma": ",",
    "semicolon": ";",
    "bar": "|",
    "pipe": "|",
    "\t": TAB,
    r"\t": TAB,
    " ": BLANKS,
    "blank": BLANKS,
    "space": BLANKS,
    "spaces": BLANKS,
}
_QUOTE_WORDS = {"double": '"', "single": "'"}
_DECIMAL_WORDS = {"point": ".", "comma": ","}
_MOST_LINES = 10**6


def parse_csv_options(words: Iterable[str]) -> dict[str, str]:
    """`["delimiter=;", "header=4"]` as options; `["auto"]` is {}. Raises DreamlakeError(USAGE)."""
    words = list(words)
    if [word.strip().lower() for word in words] == [AUTO]:
        return {}
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        key = key.strip().lower()
        if not equals:
            raise _wrong(f"{word!r} is no KEY=VALUE")
        if key in given:
            raise _wrong(f"{key} is given twice")
        given[key] = value
    return check_csv_options(given)


def check_csv_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options in the one way in which each is written, sorted by key. Raises DreamlakeError(USAGE)."""
    checked = {}
    for key, value in sorted(options.items()):
        if key not in _RULES:
            raise _wrong(f"there is no {key!r}")
        check, allowed = _RULES[key]
        found = check(value)
        if found is None:
            raise _wrong(f"{key} is {allowed}, not {value!r}")
        checked[key] = found
    if checked.get("delimiter") == checked.get("decimal") is not None:
        raise _wrong("delimiter and decimal are the same")
    return checked


def show_csv_options(options: Mapping[str, str]) -> str:
    """The options as people write them behind `--csv`."""
    return " ".join(f"{key}={value}" for key, value in options.items()) or AUTO


def _delimiter(text: str) -> str | None:
    text = _DELIMITER_WORDS.get(text.lower(), text)
    if text in (TAB, BLANKS):
        return text
    return text if re.fullmatch(r"[^\w\s\"'.+-]", text) else None


def _quote(text: str) -> str | None:
    text = _QUOTE_WORDS.get(text.lower(), text)
    return NONE if text.lower() == NONE else text if text in ('"', "'") else None


def _decimal(text: str) -> str | None:
    text = _DECIMAL_WORDS.get(text.lower(), text)
    return text if text in (".", ",") else None


def _comment(text: str) -> str | None:
    return NONE if text.lower() == NONE else text if re.fullmatch(r"[^\w\s\"'+-]{1,3}", text) else None


def _count(text: str) -> str | None:
    return str(int(text)) if re.fullmatch(r"[0-9]{1,7}", text) and int(text) <= _MOST_LINES else None


def _line(text: str) -> str | None:
    return NONE if text.lower() == NONE else None if _count(text) == "0" else _count(text)


def _encoding(text: str) -> str | None:
    try:
        "".encode(text)  # refuses codecs that are none of text
        return codecs.lookup(text).name
    except (LookupError, ValueError):
        return None


_Rule = tuple[Callable[[str], str | None], str]
_RULES: dict[str, _Rule] = {
    "comment": (_comment, "what a comment line begins with, such as # or //, or none"),
    "decimal": (_decimal, "'.' or ','"),
    "delimiter": (_delimiter, "one character such as , ; or |, or tab, or blanks"),
    "encoding": (_encoding, "a character encoding such as utf-8, cp1252 or utf-16"),
    "header": (_line, "the number of the line that names the columns, or none"),
    "quote": (_quote, "double, single or none"),
    "skip": (_count, "how many lines come before the table"),
    "units": (_line, "the number of the line that has the units, or none"),
}
KEYS = tuple(_RULES)


def _wrong(what: str) -> DreamlakeError:
    return DreamlakeError(
        Code.USAGE,
        f"{what}. A CSV option is KEY=VALUE with one of the keys {', '.join(KEYS)}; {AUTO} alone finds out everything.",
    )
