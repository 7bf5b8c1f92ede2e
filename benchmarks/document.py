"""The table of docs/performance.md, between its markers, made of a run's results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from .home import REPOSITORY
from .results import Report, Result
from .rows import ROWS, Row, show

DOCUMENT = REPOSITORY / "docs" / "performance.md"
_BEGIN, _END = "<!-- make bench writes from here -->", "<!-- to here -->"
_COLUMNS = (
    *("#", "work", "yardstick", "target", "median", "least to greatest", "reached"),
    *("times its floor", "cores idle", "measured"),
)
_TOLD = 4  # columns that say what a row is


def table(report: Report, kept: dict[str, list[str]]) -> str:
    """Machine, rows and curves as Markdown. `kept` has the cells of an earlier table by the rows' keys: those of rows
    that this run did not measure stay."""
    results = {result.key: result for result in report.results}
    facts = ", ".join(f"{name} {value}" for name, value in report.machine.items() if name != "commit")
    lines = [f"The machine of the last run: {facts}.", "", _line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    for row in ROWS:
        if result := results.get(row.key):
            lines.append(_line([row.key, row.work + result.note, *_facts(row), *_values(result, report)]))
        else:
            lines.append(_line(_unmeasured(row, kept.get(row.key))))
    lines += ["", "![Cost per file over the number of files](images/growth.png)"]
    lines += ["", "![Longest sensor tick over the number of staged objects](images/ticks.png)"]
    return "\n".join(lines)


def rows_of(text: str) -> dict[str, list[str]]:
    """The cells of the lines of a table, by their first ones."""
    lines = (line for line in text.splitlines() if line.startswith("| "))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row for row in cells if len(row) == len(_COLUMNS)}


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _facts(row: Row) -> list[str]:
    return [row.yardstick, row.limit]


def _values(result: Result, report: Report) -> list[str]:
    spread, unit = result.spread, result.row.unit
    return [
        show(spread.median, unit),
        f"{show(spread.least, unit)} to {show(spread.greatest, unit)}",
        "yes" if result.is_reached else "**no**",
        f"{median(result.times_floor):.1f}" if result.times_floor else "",
        f"{result.idle:.0%}" if result.idle is not None else "",
        f"{report.started[:10]} {report.machine['commit']}",
    ]


def _unmeasured(row: Row, kept: list[str] | None) -> list[str]:
    """What an earlier run measured of the same work; whether a target of today is reached by that is not said."""
    if kept is None or kept[_TOLD] == "not measured":
        return [row.key, row.work, *_facts(row), "not measured", *[""] * (len(_COLUMNS) - _TOLD - 1)]
    reached = _COLUMNS.index("reached")
    if kept[_TOLD - 1] != row.limit:
        kept = [*kept[:reached], "", *kept[reached + 1 :]]
    return [row.key, kept[1], *_facts(row), *kept[_TOLD:]]


def refresh(report: Report, document: Path = DOCUMENT) -> None:
    """Put the results of `report` into the table that is there."""
    text = document.read_text()
    found = re.search(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", text, flags=re.DOTALL)
    if found is None:
        raise ValueError(f"{document} has no markers of the table")
    whole = f"{_BEGIN}\n{table(report, rows_of(found[0]))}\n{_END}"
    document.write_text(text[: found.start()] + whole + text[found.end() :])
