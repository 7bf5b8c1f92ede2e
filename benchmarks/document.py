"""The table of docs/performance.md, between its markers, made of a run's results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .home import REPOSITORY
from .results import Report, Result
from .rows import ROWS, show

DOCUMENT = REPOSITORY / "docs" / "performance.md"
_BEGIN, _END = "<!-- make bench writes from here -->", "<!-- to here -->"
_COLUMNS = ("#", "work", "yardstick", "target", "median", "least to greatest", "reached")


def table(report: Report) -> str:
    """Machine, rows and curves as Markdown."""
    results = {result.key: result for result in report.results}
    facts = ", ".join(f"{name} {value}" for name, value in report.machine.items() if name != "commit")
    lines = [
        f"Measured {report.started[:10]} at commit {report.machine['commit']}: {facts}.",
        "",
        _line(_COLUMNS),
        _line(["---"] * len(_COLUMNS)),
    ]
    for row in ROWS:
        result = results.get(row.key)
        work = row.work + (result.note if result else "")
        lines.append(_line([row.key, work, row.yardstick, row.limit, *_values(result)]))
    if report.growth:
        lines += ["", "![Cost per file over the number of files](images/growth.png)"]
    if report.ticks:
        lines += ["", "![Longest sensor tick over the number of staged objects](images/ticks.png)"]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _values(result: Result | None) -> list[str]:
    if result is None:
        return ["not measured", "", ""]
    spread, unit = result.spread, result.row.unit
    between = f"{show(spread.least, unit)} to {show(spread.greatest, unit)}"
    return [show(spread.median, unit), between, "yes" if result.is_reached else "**no**"]


def refresh(report: Report, document: Path = DOCUMENT) -> None:
    """Put the table of `report` in the place of the one that is there."""
    text = document.read_text()
    whole = f"{_BEGIN}\n{table(report)}\n{_END}"
    document.write_text(re.sub(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: whole, text, flags=re.DOTALL))
