"""The marks in the numbers of a CSV: of decimals, and of thousands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .dialect import NO_DELIMITER, Dialect

_DECIMAL_COMMA = re.compile(r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)?,[0-9]+(?:[eE][+-]?[0-9]+)?")
_DECIMAL_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?")
_GROUPED_COMMA = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+")
_GROUPED_POINT = re.compile(r"[+-]?[0-9]{1,3}(?:(?:,[0-9]{3})+\.[0-9]+|(?:,[0-9]{3}){2,})")
_THOUSAND = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")  # `0,123` has no thousands
GUESSED = 0.45  # how sure a guess is: less than a half is told
_WITH_COMMA = re.compile(r"\s*([+-]?[0-9]+)(?:,([0-9]+))?\s*")
# Marks of thousands that are no mark of fractions: Switzerland's, and blanks at which lines do not break.
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(['’\u00a0\u202f])[0-9]{3}(?:\1[0-9]{3})*(?:[.,][0-9]+)?")


def column_of_decimals(filled: Sequence[str]) -> float:
    """How sure it is that lines that are not blank are one column of numbers, many with a decimal comma, and not two of
    integers; 0 where nothing speaks for that.

    It is sure where some have no comma, or what is beside one is no integer (`-0,5`, `1,05`), and a guess where one
    name stands above them.
    """
    begin = int(not _WITH_COMMA.fullmatch(filled[0])) if filled else 0
    found = [one for line in filled[begin:] if (one := _WITH_COMMA.fullmatch(line))]
    fractions = [one[2] for one in found if one[2]]
    is_named = begin and not any(mark in filled[0] for mark in ",;\t|")
    if begin + len(found) < len(filled) or 2 * len(fractions) < max(1, len(found)) or (begin and not is_named):
        return 0.0
    if len(fractions) < len(found) or any(one[1] == "-0" or re.match("0[0-9]", one[2]) for one in found):
        return 1.0
    return GUESSED if is_named else 0.0


def doubt_commas(dialect: Dialect, body: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What is to be told of rows of integers without a header, whose delimiters may as well be decimal commas."""
    if dialect.delimiter != "," or dialect.skip_blanks or not body or any(len(row) % 2 for row in body):
        return ()
    if not all(cell.strip(" +-").isdecimal() for row in body for cell in row):
        return ()
    fractions = [cell for row in body for cell in row[1::2]]
    pairs = len(body[0]) // 2
    if pairs > 1 and not all(cell[:1] == " " for row in body for cell in row[2::2]):
        return ()
    if not all(map(str.isdecimal, fractions)):
        return ()
    example = ",".join(body[0]).strip()
    advice = "--csv delimiter=';' --csv decimal=','" if pairs == 1 else "other delimiters than commas are needed"
    return (
        f"The commas of {example[:40]!r} were read as delimiters of whole numbers. If they are decimal marks, "
        f"{'say ' if pairs == 1 else ''}{advice}.",
    )


def find_marks(
    dialect: Dialect, body: Sequence[Sequence[str]], options: Mapping[str, str]
) -> tuple[Dialect, tuple[str, ...]]:
    """The dialect with its decimal mark, and that of thousands where a number shows it; and what is to be told."""
    cells = [cell.strip() for row in body for cell in row]
    given = options.get("decimal")
    marked = [cell for cell in cells if "'" in cell or not cell.isascii()]
    marks = Counter(found[1] for cell in marked if (found := _GROUPED.fullmatch(cell)))
    if marks:
        thousands = max(marks, key=marks.__getitem__)
        cells = [cell.replace(thousands, "") for cell in cells]
        comma = any(map(_DECIMAL_COMMA.fullmatch, cells)) and not any(map(_DECIMAL_POINT.fullmatch, cells))
        return replace(dialect, decimal=given or ("," if comma else "."), thousands=thousands), ()
    with_commas = [cell for cell in cells if "," in cell]
    commas = list(filter(_DECIMAL_COMMA.fullmatch, with_commas))
    grouped = any(map(_GROUPED_POINT.fullmatch, with_commas))
    points = sum(bool(_DECIMAL_POINT.fullmatch(cell)) for cell in cells if "." in cell) if commas else 0
    if given == "," or (not given and commas and not grouped and points < len(commas)):
        thousands_only = dialect.delimiter == "," and all(map(_THOUSAND.fullmatch, commas))
        if given or not thousands_only:
            points_group = any(map(_GROUPED_COMMA.fullmatch, with_commas))
            doubt: tuple[str, ...] = ()
            if not given and dialect.delimiter == NO_DELIMITER and all(map(_THOUSAND.fullmatch, commas)):
                doubt = (
                    f"The comma in {commas[0]!r} was read as the decimal mark. If it is the mark of thousands, say "
                    "--csv decimal=.",
                )
            return replace(dialect, decimal=",", thousands="." if points_group else None), doubt
    # In quotes, where the comma is the delimiter, a comma before three digits is the mark of thousands.
    in_quotes = dialect.delimiter == "," and any(map(_THOUSAND.fullmatch, commas))
    warnings: tuple[str, ...] = ()
    if in_quotes and not grouped and not points and not given:
        example = next(filter(_THOUSAND.fullmatch, commas))
        warnings = (
            f"The comma in {example!r} was read as the mark of thousands. If it is the decimal mark, say "
            "--csv decimal=',' (of the whole file).",
        )
    return replace(dialect, thousands="," if grouped or in_quotes else None), warnings
