"""Lines that could not be used, or were left out: counted, the first of them by their numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

MAX_BAD_LINES = 100
_NAMED_LINES = 10


class BadLine(NamedTuple):
    """A line (1-based) of the source that could not be used, and why."""

    line: int
    reason: str


@dataclass
class Lines:
    """How many lines something was found in, and the numbers (1-based) of the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.first) < _NAMED_LINES:
            self.first.append(line)

    def clear(self) -> None:
        self.count = 0
        self.first.clear()

    def __str__(self) -> str:
        named = ", ".join(map(str, self.first))
        more = f", … ({self.count:,} in all)" if self.count > len(self.first) else ""
        return f"line{'s' if self.count > 1 else ''} {named}{more}"


@dataclass
class BadLines:
    """Counts what could not be used and keeps the first `MAX_BAD_LINES` of it.

    `passed_over` are the lines that were left out on purpose, by what they are, such as "comment".
    """

    count: int = 0
    first: list[BadLine] = field(default_factory=list)
    passed_over: dict[str, Lines] = field(default_factory=dict)

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < MAX_BAD_LINES:
            self.first.append(BadLine(line, reason))

    def pass_over(self, line: int, what: str) -> None:
        self.passed_over.setdefault(what, Lines()).add(line)
