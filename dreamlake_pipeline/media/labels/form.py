"""The form of a CSV file, judged over its first lines: how values are set apart, where the table begins, what names it.

Each reading that the lines allow (delimiter, quotes, comments) is tried on all of them and gets a score: the share of
the lines that agree with each other, times how much their values look like values, times how usual the reading is.
The best is taken. Under it, the rows whose values agree in sort (numbers, times, text) with those further down are the
table, the row above them names the columns if its cells are of another sort, and what lies above that is a preamble.

What is told by `csv_options` is not judged. Pure Python and light: the client uses it too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product, repeat

from ...csv_options import BLANKS, NONE, TAB
from ..text.marks import is_whole
from .body import cells_of, find_body, fit, rows_below
from .dialect import BLANK, NO_DELIMITER, Dialect, Row, Sort, is_value, sort_of, split_rows
from .first_row import names_columns
from .header import Header, find_header
from .marks import column_of_decimals, doubt_commas, find_marks
from .quotes import is_torn, sorts_in, takes_in_rows

SAMPLE_LINES = 300
SAMPLE_CHARS = 256 * 2**10  # the line that goes beyond is the last one

_DELIMITERS = ",;\t|"
_RARE_DELIMITERS = "^~\x1f\x01"  # taken where every line has as many of them
_COMMENTS = ("#", "%", "//")
_HINT = re.compile(r'"?sep=(.)"?[\s,;]*', re.IGNORECASE)

_VALUES = {
    Sort.EMPTY: 0.5,
    Sort.NUMBER: 1.0,
    Sort.TIME: 1.0,
    Sort.BOOL: 1.0,
    Sort.WORD: 0.85,
    Sort.TEXT: 0.6,
    Sort.ODD: 0.2,
    Sort.QUOTED: 0.0,
}
_COLUMN = 0.35  # what a reading as one column is worth
_PLAIN_ROWS = 20  # that tell what the values of a plain table are like
_SURE = 0.75  # a reading whose score is this share of the best one's leaves no doubt about the best one
_SINGLE_QUOTED = re.compile(r"(?<![^\s,;|])'(?:[^']|'')*'(?![^\s,;|])")  # a value in quotes, which may be doubled
COMMENT = "comment"
TEXT_FORMULA = re.compile(r'="([^"]*)"')
_MOST_COLUMNS = 5000  # that are looked at; a label track has no more


@dataclass(frozen=True, slots=True)
class Form:
    """How a CSV file is written. Line numbers are 1-based.

    `names` are those of the header, empty where it has none. Rows may have `padding` more cells, which are empty.
    `repeats` are the cells of the header and of the row of units, which come again where files were joined.
    `numbers` are the columns (from 0) that hold numbers, `formulas` those of spreadsheets' formulas for text
    (`="007"`), `free_text` is the one whose text may hold delimiters; `units` are those of columns. `first_line` is
    the first one behind the header; `skipped` says what the lines before it are. `agreement` is the share of the lines
    that agree with the form, `certainty` how sure it is (0 to 1).
    """

    dialect: Dialect = field(default_factory=Dialect)
    names: tuple[str, ...] = ()
    header_line: int | None = None
    units_line: int | None = None
    units: Mapping[int, str] = field(default_factory=dict)
    padding: int = 0
    first_line: int = 1
    skipped: Mapping[int, str] = field(default_factory=dict)
    repeats: tuple[tuple[str, ...], ...] = ()
    numbers: frozenset[int] = frozenset()
    formulas: frozenset[int] = frozenset()
    free_text: int | None = None
    agreement: float = 0.0
    certainty: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The first lines under a dialect: most rows have `width` cells from `start` on, and are values from `body` on."""

    dialect: Dialect
    rows: list[Row]
    width: int
    padding: int
    start: int
    body: int
    sorts: list[Sort | None]  # of each column: what most of its values are, None for text
    sorts_in: Callable[[Row], list[Sort]]  # what the cells of one of the rows look like
    agreement: float
    score: float


def judge(lines: Sequence[str], options: Mapping[str, str] | None = None) -> Form:
    """The form of a file that begins with these lines; one without names when there is no row."""
    options = options or {}
    skip = int(options.get("skip", 0))
    lines = [line if index >= skip and is_whole(line) else "\n" for index, line in enumerate(lines)]
    hint, hinted = _find_hint(lines)
    if hint is not None:
        lines = [*lines[:hint], "\n", *lines[hint + 1 :]]
    readings: list[_Reading] = []
    best_score = 0.0
    for dialect, prior in _candidates(lines, options, hinted):
        most = _most(lines, dialect, prior)
        if most > _SURE * best_score and not any(_reads_alike(lines, dialect, most, one) for one in readings):
            readings.append(_read(lines, dialect, prior))
            best_score = max(best_score, readings[-1].score)
    readings.sort(key=lambda reading: -reading.score)
    best = readings[0]
    if not best.rows:
        return Form(best.dialect)
    second = max((one.score for one in readings if not _is_alike(one, best)), default=0.0)
    certainty = best.agreement * min(1.0, (1 - second / best.score) / (1 - _SURE)) if best.score else 0.0
    if best.dialect.delimiter == NO_DELIMITER and "delimiter" not in options:
        certainty *= column_of_decimals([line for line in lines if line.strip()]) or 1.0
    return _describe(lines, best, options, hint, skip, certainty)


def _most(lines: Sequence[str], dialect: Dialect, prior: float) -> float:
    """A score that a reading's can't pass: of one column, no reading has much."""
    is_column = dialect.delimiter == NO_DELIMITER and not any(NO_DELIMITER in line for line in lines)
    return _COLUMN * prior if is_column else prior


def _reads_alike(lines: Sequence[str], dialect: Dialect, most: float, read: _Reading) -> bool:
    """Whether a dialect finds the values that a reading with a better score has found, since it differs in quotes
    alone, and these are in the header alone."""
    if most > read.score or replace(dialect, quote=read.dialect.quote, escape=read.dialect.escape) != read.dialect:
        return False
    if not 0 < read.body < len(read.rows):
        return False
    marks = {dialect.quote, dialect.escape, read.dialect.quote, read.dialect.escape} - {None}
    return not any(mark in line for line in lines[read.rows[read.body].line :] for mark in marks if mark)


def _is_alike(one: _Reading, best: _Reading) -> bool:
    """Whether two readings find the same values in the same lines, or differ in what is a comment alone."""
    if replace(one.dialect, comment=best.dialect.comment) == best.dialect:
        return True
    rows = best.rows[best.body : best.body + 50]
    return _values(rows) == _values(one.rows[one.body : one.body + 50])


def _values(rows: Sequence[Row]) -> list[list[str]]:
    return [[cell.strip() for cell in row.cells or ()] for row in rows]


def looks_like_table(lines: Sequence[str]) -> bool:
    """Whether most of the lines are rows of a table of two or more columns."""
    filled = [line for line in lines if line.strip()]
    if len(filled) < 2:
        return False  # one line with a comma is a sentence as well
    if any(_is_plain_table(filled, delimiter) for delimiter in _DELIMITERS):
        return True
    form = judge(lines)
    return form.width > 1 and form.agreement >= 0.6


def _is_plain_table(filled: Sequence[str], delimiter: str) -> bool:
    """Whether there are three names or more, and as many cells in each line below them, half of which are values.

    That reading scores more than any as one column can, and one that scores still more has most lines with it: it is a
    table whichever `judge` takes, with much more work.
    """
    names, *rows = [line.rstrip("\r\n").split(delimiter) for line in filled]
    if len(names) < 3 or any(len(row) != len(names) for row in rows):
        return False
    some = [cell for row in rows[:_PLAIN_ROWS] for cell in row]
    named = all(sort_of(name.strip('"')) is Sort.WORD for name in names)
    return named and 2 * sum(map(is_value, some)) >= len(some)


def _find_hint(lines: Sequence[str]) -> tuple[int | None, str | None]:
    """The index of a line `sep=;`, with which spreadsheets are told the delimiter, and the delimiter."""
    for index, line in enumerate(lines):
        if line.strip():
            found = _HINT.fullmatch(line.rstrip("\r\n"))
            return (index, found[1]) if found else (None, None)
    return None, None


def _candidates(
    lines: Sequence[str], options: Mapping[str, str], hinted: str | None
) -> Iterator[tuple[Dialect, float]]:
    """The dialects that the lines allow, and how usual each is."""
    text = "".join(lines)
    filled = [line for line in lines if line.strip()]
    given = options.get("delimiter")
    delimiters = [{TAB: "\t", BLANKS: BLANK}.get(given, given)] if given else [hinted] if hinted else _likely(filled)
    for delimiter, comment in product(delimiters, _comments(filled, options)):
        if delimiter not in (BLANK, NO_DELIMITER) and _are_wrapped(filled, delimiter):
            yield Dialect(delimiter, '"', None, comment=comment, wrapped=True), 1.0
        if delimiter == "|" and _are_boxed(filled):
            yield Dialect(delimiter, None, None, comment=comment, boxed=True), 1.0
        prior = {"|": 0.95, BLANK: 0.85}.get(delimiter, 1.0) * (1.0 if comment is None else 0.99)
        for quote, escape, weight in _quotes(text, options):
            for skip_blanks in _blanks_behind(text, delimiter, quote):
                yield Dialect(delimiter, quote, escape, skip_blanks, comment), prior * weight


def _likely(filled: Sequence[str]) -> list[str]:
    """The delimiters that a fifth of the lines have; without any, the comma."""
    if column_of_decimals(filled):
        return [NO_DELIMITER]
    enough = max(1, len(filled) / 5)
    found = [one for one in _DELIMITERS if sum(one in line for line in filled) >= enough]
    for one in _RARE_DELIMITERS:
        times = {line.count(one) for line in filled}
        if len(times) == 1 and times != {0}:
            found.append(one)
    if sum((" " in line or "\t" in line) and bool(re.search(r"\S[ \t]+\S", line)) for line in filled) >= enough:
        found.append(BLANK)
    # What is cut by no delimiter is one column.
    return [*found, NO_DELIMITER] if found else [","]


def _are_boxed(filled: Sequence[str]) -> bool:
    """Whether most lines begin and end with a bar, or have blanks around each."""
    barred = [line.strip() for line in filled if "|" in line]
    framed = sum(line[0] == line[-1] == "|" and len(line) > 1 for line in barred)
    spaced = sum(len(re.findall(r"(?<![^ ])\|(?![^ ])", line)) == line.count("|") for line in barred)
    return max(framed, spaced) > 0.8 * len(barred)


def _are_wrapped(filled: Sequence[str], delimiter: str) -> bool:
    """Whether each line is in quotes as a whole, with words and then values inside, and no blanks as in sentences."""
    lines = [line.strip() for line in filled]
    if len(lines) < 2 or any(len(line) < 3 or not line[0] == line[-1] == '"' for line in lines):
        return False
    whole = Dialect(delimiter, wrapped=True)
    rows = split_rows(lines[:20], whole)
    if len(split_rows(lines[:1], Dialect(delimiter))[0].cells or ()) != 1:
        return False
    header, *others = [[cell.strip() for cell in row.cells or ()] for row in rows]
    named = len(header) > 1 and all(sort_of(name.strip('"')) is Sort.WORD for name in header)
    return named and all(len(row) == len(header) and any(map(is_value, row)) for row in others)


def _comments(filled: Sequence[str], options: Mapping[str, str]) -> list[str | None]:
    if given := options.get("comment"):
        return [None if given == NONE else given]
    begun = [mark for mark in _COMMENTS if 0 < sum(line.startswith(mark) for line in filled) < len(filled)]
    return [*begun, None]


def _quotes(text: str, options: Mapping[str, str]) -> Iterator[tuple[str | None, str | None, float]]:
    """Quote, escape mark, and how usual that is."""
    given = options.get("quote")
    if given:
        quote = None if given == NONE else given
        yield quote, "\\" if quote and f"\\{quote}" in text else None, 1.0
        return
    yield '"', None, 1.0
    if '"' in text:
        yield None, None, 0.75
        if '\\"' in text:
            yield '"', "\\", 0.97
    if _SINGLE_QUOTED.search(text):
        yield "'", None, 0.97


def _blanks_behind(text: str, delimiter: str, quote: str | None) -> list[bool]:
    """Whether blanks behind delimiters are to be skipped: where each has one, or where quotes stand behind them."""
    if delimiter in (BLANK, "\t", NO_DELIMITER) or f"{delimiter} " not in text:
        return [False]
    if quote and re.search(rf"{re.escape(delimiter)} +{quote}", text):
        return [False, True]
    behind = text.count(f"{delimiter} ") + len(re.findall(rf"{re.escape(delimiter)}\r?\n", text))
    return [behind > 1 and behind == text.count(delimiter)]


def _read(lines: Sequence[str], dialect: Dialect, prior: float) -> _Reading:
    rows = split_rows(lines, dialect)
    if not rows:
        return _Reading(dialect, rows, 0, 0, 0, 0, [], lambda _: [], 0.0, 0.0)
    late = rows[len(rows) // 2 :]
    widths, overall = (Counter(len(row.cells) for row in some if row.cells) for some in (late, rows))
    width = max(widths, key=lambda one: (widths[one], overall[one], one), default=1)
    padding = _padding(rows, late, width)
    width -= padding
    fits = [fit(row, width) and not is_torn(row, dialect) and not takes_in_rows(row, width, dialect) for row in rows]
    start = _find_start(fits)
    judged = _judged(rows, start, width)
    looked_at = min(width, _MOST_COLUMNS)
    known: dict[int, list[Sort]] = {}

    def sorts_in_row(row: Row) -> list[Sort]:
        if row.line not in known:
            known[row.line] = sorts_in(row, looked_at, dialect)
        return known[row.line]

    columns = zip(*map(sorts_in_row, judged), strict=True) if judged else repeat((), looked_at)
    sorts = [_sort_of_column(column) for column in columns]
    body = find_body(rows, start, width, sorts)
    values = [_VALUES[sort] for row in rows[body:] or judged if fit(row, width) for sort in sorts_in_row(row)]
    agreement = sum(fits[start:]) / len(fits[start:])
    score = prior * agreement**2 * (sum(values) / len(values) if values else 0.0)
    score *= 1 - 0.3 / width if width > 1 else _COLUMN if padding or dialect.delimiter == NO_DELIMITER else 0.25
    score *= 1 - 0.3 * start / len(rows)
    if len(rows) - body < 2 < start or body >= len(rows):
        score *= 0.3  # next to nothing is left of the file
    if body and not fits[body - 1]:
        score *= 0.85  # what should be the header is none
    if dialect.delimiter == BLANK and 2 * sum(sort is not None for sort in sorts) < looked_at:
        quoted = agreement == 1 and any(BLANK in cell for row in rows[body:] for cell in row.cells or ())
        score *= 1 if quoted else 0.3  # words of a sentence
    return _Reading(dialect, rows, width, padding, start, body, sorts, sorts_in_row, agreement, score)


def _judged(rows: Sequence[Row], start: int, width: int) -> list[Row]:
    """The later ones of the rows that fit, which tell what the values are like; no header that comes again."""
    first = len(rows) // 2 if len(rows) >= 30 else min(len(rows) - 1, -(-2 * len(rows) // 3))
    late = [row for row in rows[max(start, first) :] if fit(row, width)]
    times = Counter(tuple(row.cells or ()) for row in rows)
    values = [row for row in late if times[tuple(row.cells or ())] < 2 or any(map(is_value, row.cells or ()))]
    return values or late


def _padding(rows: Sequence[Row], late: Sequence[Row], width: int) -> int:
    """1 where each row ends with a delimiter behind which no column is."""
    if width < 2:
        return 0
    last = [row.cells[-1] for row in late if row.cells and len(row.cells) == width]
    named = any(row.cells and len(row.cells) == width and row.cells[-1].strip() for row in rows)
    return int(not named and not any(map(str.strip, last)))


def _find_start(fits: Sequence[bool]) -> int:
    """The first row from which on most fit."""
    start, fitting = len(fits) - 1, 0
    for index in range(len(fits) - 1, -1, -1):
        fitting += fits[index]
        if fits[index] and fitting >= 0.6 * (len(fits) - index):
            start = index
    return start


def _sort_of_column(sorts: Sequence[Sort]) -> Sort | None:
    counts = Counter(sorts)
    known = sum(counts.values()) - counts[Sort.EMPTY]
    for sort in (Sort.NUMBER, Sort.TIME, Sort.BOOL):
        if known and counts[sort] >= 0.6 * known:
            return sort
    return None


def _describe(
    lines: Sequence[str], best: _Reading, options: Mapping[str, str], hint: int | None, skip: int, certainty: float
) -> Form:
    header = find_header(lines, best.rows, best.dialect, best.width, best.start, best.body, best.sorts, options)
    if _lost_header(best, header, options):
        certainty *= 0.5
    doubt = _doubt_header(best, header, options)
    rows = [row for row in best.rows if row.line + 1 >= header.first_line and fit(row, best.width)]
    body = [row.cells for row in rows if row.cells]
    names, padding = _close(header, best, body)
    dialect, doubts = find_marks(best.dialect, body, options)
    if header.line is None and "delimiter" not in options:
        doubts += doubt_commas(dialect, body)
    columns = [[row[column] for row in body] for column in range(min(len(best.sorts), len(names)))]
    sorts = list(zip(*map(best.sorts_in, rows), strict=True)) or list(repeat((), len(columns)))
    numbers = frozenset(
        column
        for column, cells in enumerate(columns)
        if _sort_of_column(sorts[column]) is Sort.NUMBER or not any(cells)
    )
    skipped = dict.fromkeys(range(1, skip + 1), "asked for (skip)")
    for number, line in enumerate(lines[skip : header.first_line - 1], skip + 1):
        if line.strip() and number not in (header.line, header.units_line):
            behind = header.line is not None and number > header.line
            skipped[number] = COMMENT if dialect.is_comment(line) else "ruled line" if behind else "preamble"
    if hint is not None:
        skipped[hint + 1] = "a hint for spreadsheets (sep=)"
    return Form(
        dialect=dialect,
        names=names,
        header_line=header.line,
        units_line=header.units_line,
        units={
            column: unit for column, cell in enumerate(header.units[: len(names)]) if (unit := cell.strip(" []()<>{}"))
        },
        padding=padding,
        first_line=header.first_line,
        skipped=skipped,
        repeats=header.repeats,
        numbers=numbers,
        agreement=round(best.agreement, 3),
        certainty=round(certainty * (1.0 if header.sure and not doubt else 0.8), 2),
        warnings=(*header.warnings, *doubt, *doubts),
        formulas=frozenset(column for column, cells in enumerate(columns) if _are_formulas(cells)),
        free_text=_find_free_text(columns, best.sorts),
    )


def _lost_header(best: _Reading, header: Header, options: Mapping[str, str]) -> bool:
    """Whether the line right above the values, which should name the columns, has another number of cells."""
    if header.line is not None or "header" in options or not 0 < best.body < len(best.rows):
        return False
    above, first = best.rows[best.body - 1], best.rows[best.body]
    return not fit(above, best.width) and above.line + above.size == first.line


def _doubt_header(best: _Reading, header: Header, options: Mapping[str, str]) -> tuple[str, ...]:
    """What is to be told of a first row that was taken for a header for want of a reason against it."""
    if header.line is None or "header" in options or any(best.sorts) or best.body != best.start + 1:
        return ()
    first = best.rows[best.start]
    cells = cells_of(first, best.width)
    if first.line + 1 != header.line or not cells:
        return ()
    if names_columns(cells, rows_below(best.rows, best.start, best.width)) is not None:
        return ()
    return (
        f"Line {header.line} was read as the names of the columns. Like the rows below it holds text alone, so that "
        "it may be a row: then say --csv header=none.",
    )


def _are_formulas(cells: Sequence[str]) -> bool:
    """Whether cells are formulas that only keep text as it is: `="007"`."""
    given = [cell for cell in cells if cell.strip()]
    return bool(given) and all(map(TEXT_FORMULA.fullmatch, given))


def _find_free_text(columns: Sequence[Sequence[str]], sorts: Sequence[Sort | None]) -> int | None:
    """The column whose text may hold delimiters: the only one of text, or the last, beside others of values."""
    of_text = [at for at, cells in enumerate(columns) if sorts[at] is None and any(map(str.strip, cells))]
    if not of_text or len(of_text) == len(columns):
        return None
    return of_text[0] if len(of_text) == 1 else of_text[-1] if of_text[-1] == len(columns) - 1 else None


def _close(header: Header, best: _Reading, body: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], int]:
    """The names up to the last column that has one, or a value; and how many cells rows have beyond them."""
    names = list(header.names)
    while (
        len(names) > 1
        and not names[-1].strip()
        and not any(row[len(names) - 1].strip() for row in body if len(row) >= len(names))
    ):
        names.pop()
    return tuple(names), max(0, best.width + best.padding - len(names))
