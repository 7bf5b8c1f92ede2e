"""Which line of a CSV file names its columns, which has their units, and where the values begin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...csv_options import NONE
from .dialect import BLANK, Dialect, Row, Sort, sort_of, split_rows
from .quotes import unquote

_MOST_HEADER_ROWS = 6
_RULE = re.compile(r"(?::?[-=+]{2,}:?|:-:?|-:)?")

_UNIT = r"(?:%|‰|°|[µμ]?[A-Za-zΩÅ°²³µμ]{1,4}|deg(?:rees?)?|degC|percent|counts?|sec(?:onds?)?|m?sec|[0-9]{1,3})"
_POWER = r"(?:\^?\(?-?[0-9]\)?|²|³)?"
_BARE_UNIT = re.compile(rf"{_UNIT}{_POWER}(?:[ /*·.]{_UNIT}{_POWER}){{0,4}}|-")
_MOST_CHARS_OF_A_UNIT = 32
_BRACKETED = re.compile(r"[\[(<{][^\[\]()<>{}]{0,24}[\])>}]")
_KNOWN_UNITS = frozenset(
    re.findall(
        r"\S+",
        """s ms us µs μs ns sec seconds min h hz khz mhz ghz m mm cm km um µm μm nm in ft g kg mg n kn mn nmm n·m n*m
        v mv µv μv uv kv a ma µa ua ka w mw kw j kj pa hpa kpa mpa bar mbar psi atm °c °f degc degf celsius k ° deg
        degree degrees rad mrad % ‰ percent m/s m/s^2 m/s² m/s2 m/s/s mm/s km/h rad/s deg/s °/s dps rpm g/cm3 l ml db
        dbm ohm ω kω px pixel pixels count counts bit bytes byte µt ut gauss lux lx mol ppm ppb - n/a none au a.u. bpm
        1/s w/m2 m^2 m² m2 m3 m³ int float double string str bool datetime int32 int64 uint8 uint16 uint32 float32
        float64""",
    )
)


@dataclass(frozen=True, slots=True)
class Header:
    """Names of the columns, as they are written, or made up; lines are 1-based.

    `first_line` is the first one behind header and units. `repeats` are the cells of either. `sure`: it is no guess.
    """

    names: Sequence[str]
    line: int | None
    units: Sequence[str]
    units_line: int | None
    first_line: int
    repeats: tuple[tuple[str, ...], ...] = ()
    sure: bool = True
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    line: int  # 0-based
    size: int
    cells: list[str]


def find_header(
    lines: Sequence[str],
    rows: Sequence[Row],
    dialect: Dialect,
    width: int,
    start: int,
    body: int,
    sorts: Sequence[Sort | None],
    options: Mapping[str, str],
) -> Header:
    """The header of rows that mostly have `width` cells from `start` on and are values from `body` on."""
    given, given_units = options.get("header"), options.get("units")
    behind = max((int(one) for one in (given, given_units) if one and one != NONE), default=0)
    if behind:
        body = next((index for index, row in enumerate(rows) if row.line >= behind), len(rows))
    elif given == NONE:
        body = start
    first = rows[body].line if body < len(rows) else len(lines)
    units = _line_at(lines, dialect, given_units)
    if given == NONE:
        return _without_header(width, units, max(first, behind) + 1, told=True)
    if given:
        named = _line_at(lines, dialect, given)
        if named is None:
            return Header([""] * width, int(given), [], None, int(given) + 1)
        after = named.line + named.size
        if units is None and given_units != NONE and not behind > int(given):
            below = next((row for row in rows if row.line >= after), None)
            if below and below.cells and _are_units(below.cells, named.cells, sorts):
                units = _Line(below.line, below.size, below.cells)
        return _from(named, units, [], after)
    block = _rows_above(rows, body, start, width) or _comments_above(lines, dialect, first, width)
    if not block:
        block = _uneven(lines, rows, dialect, body, width)
    if not block:
        return _without_header(
            width, units, first + 1, told=False, values=rows[body].cells if body < len(rows) else None
        )
    if units is None and given_units != NONE and len(block) > 1 and _are_units(block[-1].cells, block[-2].cells, sorts):
        units = block.pop()
    behind = block[-1].line + block[-1].size
    for row in rows:
        if row.line >= behind and row.cells and is_rule(row.cells):
            behind = row.line + row.size
        elif row.line >= behind:
            break
    header = _from(block[-1], units, block[:-1], behind)
    if header.names[:1] == [""] and block[-1].cells != _cells_at(rows, block[-1].line):
        warning = (
            f"The header (line {header.line}) has a name less than the rows have values: the first column, which "
            "counts rows, was taken for the one without a name."
        )
        header = replace(header, warnings=(warning,))
    return header


def _cells_at(rows: Sequence[Row], line: int) -> list[str] | None:
    """The cells of the row that begins in a line (0-based)."""
    return next((row.cells for row in rows if row.line == line), None)


def _from(named: _Line, units: _Line | None, above: Sequence[_Line], behind: int) -> Header:
    """The header whose names end before the line of the index `behind`."""
    cells = [_uncommented(named.cells[0], None), *named.cells[1:]] if named.cells else []
    names = _with_groups([unquote(cell.strip()) for cell in cells], above)
    repeats = [tuple(named.cells)] + ([tuple(units.cells)] if units else [])
    return Header(
        names=names,
        line=named.line + 1,
        units=units.cells if units else (),
        units_line=units.line + 1 if units else None,
        first_line=max(behind, units.line + units.size if units else 0) + 1,
        repeats=tuple(repeats),
    )


def _without_header(
    width: int, units: _Line | None, first_line: int, *, told: bool, values: Sequence[str] | None = None
) -> Header:
    warning: tuple[str, ...] = ()
    if not told:
        numbers = values and all(sort_of(cell) is Sort.NUMBER for cell in values)
        warning = (
            ("The first row is all numbers: it was read as a row, and the columns were numbered.",)
            if numbers
            else ("No line names the columns: the first row holds values, so the columns were numbered.",)
        )
    cells = units.cells if units else ()
    return Header([""] * width, None, cells, units.line + 1 if units else None, first_line, sure=told, warnings=warning)


def _line_at(lines: Sequence[str], dialect: Dialect, number: str | None) -> _Line | None:
    """The cells of the record in the line of this number, be it a comment; None for none."""
    if not number or number == NONE or int(number) > len(lines):
        return None
    index = int(number) - 1
    text = _uncommented(lines[index], dialect.comment)
    rows = split_rows([text, *lines[index + 1 :]], Dialect(dialect.delimiter, dialect.quote, dialect.escape, True))
    if not rows or rows[0].line or rows[0].cells is None:
        return None
    return _Line(index, rows[0].size, rows[0].cells)


def _uncommented(line: str, mark: str | None) -> str:
    """The text of a comment."""
    marks = [mark] if mark else ["#", "%", "//"]
    for one in marks:
        if line.startswith(one):
            text = line.lstrip(one).lstrip(" \t")
            return text if text[:1] not in ",;|" else line  # a column that is called "#"
    return line


def _rows_above(rows: Sequence[Row], body: int, start: int, width: int) -> list[_Line]:
    """The rows of the table's width right above its values."""
    block: list[_Line] = []
    for row in reversed(rows[start:body]):
        if row.cells is None or len(row.cells) < width or any(map(str.strip, row.cells[width:])):
            if block:
                break
            continue  # a bad row between the header and the first good one
        if is_rule(row.cells):
            continue
        if _is_setting(row.cells):
            break
        if len(block) == _MOST_HEADER_ROWS:
            break
        block.insert(0, _Line(row.line, row.size, row.cells))
    return block


def _is_setting(cells: Sequence[str]) -> bool:
    """Whether a row is a setting of a preamble, such as `Range=` and its value, and names no columns."""
    first, *others = (cell.strip() for cell in cells)
    return first.endswith(("=", ":")) and not any(cell.endswith(("=", ":")) for cell in others)


def is_rule(cells: Sequence[str]) -> bool:
    """Whether a row is a line of dashes, as stands below the names in Markdown and what databases print."""
    return all(_RULE.fullmatch(cell.strip()) for cell in cells) and any(map(str.strip, cells))


def _comments_above(lines: Sequence[str], dialect: Dialect, first: int, width: int) -> list[_Line]:
    """The comments above the first row whose text has as many cells as the table, none of them a value."""
    block: list[_Line] = []
    for index in range(min(first, len(lines)) - 1, -1, -1):
        if not dialect.is_comment(lines[index]):
            if lines[index].strip():
                break
            continue
        text = _uncommented(lines[index], dialect.comment)
        cells = next((found for found in _splits(text, dialect) if len(found) == width), None)
        if (
            cells
            and all(sort_of(cell) not in (Sort.NUMBER, Sort.TIME) for cell in cells)
            and (width > 1 or sort_of(cells[0]) is Sort.WORD)
        ):
            block.insert(0, _Line(index, 1, cells))
        elif block:
            break
    return block


def _splits(text: str, dialect: Dialect) -> list[list[str]]:
    """The cells of a header under the dialect, and under others, as comments and aligned columns have them."""
    tried = [dialect.delimiter, ",", ";", "\t", BLANK]
    found = []
    for delimiter in dict.fromkeys(tried):
        rows = split_rows([text], Dialect(delimiter, dialect.quote, dialect.escape, True))
        if rows and rows[0].cells:
            cells = [cell.strip() for cell in rows[0].cells]
            while len(cells) > 1 and not cells[-1]:
                cells.pop()
            found.append(cells)
    words = found[-1] if found else []
    found.append(_join_brackets(words))
    found.append([cell for cell in re.split(r"\t+|[ ]{2,}", text.strip()) if cell])
    return found


def _join_brackets(words: Sequence[str]) -> list[str]:
    """The words with what stands in brackets joined to the word before it: `Time (s)` is one name."""
    joined: list[list[str]] = []
    open_ = 0  # brackets of the last name that are not closed
    for word in words:
        if joined and (open_ > 0 or word[:1] in "(["):
            joined[-1].append(word)
        else:
            joined.append([word])
            open_ = 0
        open_ += word.count("(") + word.count("[") - word.count(")") - word.count("]")
    return [" ".join(name) for name in joined]


def _uneven(lines: Sequence[str], rows: Sequence[Row], dialect: Dialect, body: int, width: int) -> list[_Line]:
    """A header right above the values that has other cells than these: names of several words, or none for an index.

    One that can't be made to fit is a header all the same: the rows are then those that do not.
    """
    if not body or body >= len(rows):
        return []
    above, first = rows[body - 1], rows[body]
    if above.cells is None or above.line + above.size != first.line:
        return []
    cells = [cell.strip() for cell in above.cells]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    if len(cells) < 2 or any(sort_of(cell) in (Sort.NUMBER, Sort.TIME) for cell in cells) or _is_setting(cells):
        return []
    if dialect.delimiter == BLANK:
        for found in _splits(lines[above.line].rstrip("\r\n"), dialect)[-2:]:
            if len(found) == width:
                return [_Line(above.line, above.size, found)]
    if len(cells) == width - 1 and is_index([row.cells[0] for row in rows[body:] if row.cells]):
        return [_Line(above.line, above.size, ["", *cells])]  # as R and pandas name no index
    words = all(sort_of(cell) is Sort.WORD for cell in cells)
    even = dialect.delimiter != BLANK and (words or len(cells) >= width - 1)  # a title has several words in a cell
    return [_Line(above.line, above.size, cells)] if even else []


def is_index(cells: Sequence[str]) -> bool:
    """Whether cells count up from 0 or 1."""
    return any(list(cells) == [str(n) for n in range(first, first + len(cells))] for first in (0, 1))


def _are_units(cells: Sequence[str], names: Sequence[str], sorts: Sequence[Sort | None]) -> bool:
    """Whether a row below names holds units: no number or time, and mostly what is known as a unit."""
    given = [cell.strip() for cell in cells if cell.strip()]
    if not given or max(map(len, given)) > _MOST_CHARS_OF_A_UNIT:
        return False
    if any(sort_of(cell) in (Sort.NUMBER, Sort.TIME) and cell != "1" for cell in given):
        return False
    if not any(map(str.strip, names)) or any(sort_of(name) in (Sort.NUMBER, Sort.TIME) for name in names):
        return False
    if all(_BRACKETED.fullmatch(cell) for cell in given):
        return True
    known = sum(
        cell.strip("[]()<>").strip().lower() in _KNOWN_UNITS or bool(_BRACKETED.fullmatch(cell)) for cell in given
    )
    like = sum(bool(_BARE_UNIT.fullmatch(cell)) or bool(_BRACKETED.fullmatch(cell)) for cell in given)
    return known >= 0.5 * len(given) and like >= 0.6 * len(given) and any(sorts)


def _with_groups(names: list[str], above: Sequence[_Line]) -> list[str]:
    """The names with the group that stands above each, where names come several times: `Wrist X`, `Elbow X`."""
    for row in reversed(above):
        times = Counter(names)
        if len(times) == len(names):
            break
        twice = [cell for cell, name in zip(row.cells, names, strict=False) if times[name] > 1]
        if all(sort_of(cell) in (Sort.NUMBER, Sort.EMPTY) for cell in twice):
            continue
        groups, last = [], ""
        for cell in row.cells:
            last = cell.strip() or last
            groups.append(last)
        joined = [
            f"{group} {name}".strip() if times[name] > 1 else name for group, name in zip(groups, names, strict=False)
        ]
        if len(joined) == len(names) and len(set(joined)) > len(set(names)):
            names = joined
    return names
