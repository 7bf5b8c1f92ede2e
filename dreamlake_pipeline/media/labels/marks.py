"""The marks in the numbers of a CSV: of decimals, and of thousands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .dialect import Dialect

_DECIMAL_COMMA = re.compile(r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)?,[0-9]+(?:[eE][+-]?[0-9]+)?")
_DECIMAL_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?")
_GROUPED_COMMA = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+")
_GROUPED_POINT = re.compile(r"[+-]?[0-9]{1,3}(?:(?:,[0-9]{3})+\.[0-9]+|(?:,[0-9]{3}){2,})")
_THOUSAND = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+")
# Marks of thousands that are no mark of fractions: Switzerland's, and blanks at which lines do not break.
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(['’\u00a0\u202f])[0-9]{3}(?:\1[0-9]{3})*(?:[.,][0-9]+)?")


def find_marks(
    dialect: Dialect, body: Sequence[Sequence[str]], options: Mapping[str, str]
) -> tuple[Dialect, tuple[str, ...]]:
    """The dialect with its decimal mark, and that of thousands where a number shows it; and what is to be told."""
    cells = [cell.strip() for row in body for cell in row]
    given = options.get("decimal")
    marks = Counter(found[1] for cell in cells if (found := _GROUPED.fullmatch(cell)))
    if marks:
        thousands = max(marks, key=marks.__getitem__)
        cells = [cell.replace(thousands, "") for cell in cells]
        comma = any(map(_DECIMAL_COMMA.fullmatch, cells)) and not any(map(_DECIMAL_POINT.fullmatch, cells))
        return replace(dialect, decimal=given or ("," if comma else "."), thousands=thousands), ()
    commas = [cell for cell in cells if "," in cell and _DECIMAL_COMMA.fullmatch(cell)]
    grouped = any(map(_GROUPED_POINT.fullmatch, cells))
    points = sum(bool(_DECIMAL_POINT.fullmatch(cell)) for cell in cells if "." in cell)
    if given == "," or (not given and commas and not grouped and points < len(commas)):
        thousands_only = dialect.delimiter == "," and all(map(_THOUSAND.fullmatch, commas))
        if given or not thousands_only:
            points_group = any(map(_GROUPED_COMMA.fullmatch, cells))
            return replace(dialect, decimal=",", thousands="." if points_group else None), ()
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
