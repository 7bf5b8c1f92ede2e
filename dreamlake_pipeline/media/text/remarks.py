"""What was changed in a text or left out of it, counted, with the first place."""

from __future__ import annotations


class Remarks:
    """Counts remarks of one sort each. Lines are those of the source, from 1."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, int] = {}

    def add(self, message: str, line: int, count: int = 1) -> None:
        """`message` says what was done, as a sentence without its full stop."""
        self._counts[message] = self._counts.get(message, 0) + count
        self._first[message] = min(line, self._first.get(message, line))

    @property
    def warnings(self) -> list[str]:
        return [
            f"{message} ({count} times, the first in line {self._first[message]})."
            if count > 1
            else f"{message} (line {self._first[message]})."
            for message, count in self._counts.items()
        ]
