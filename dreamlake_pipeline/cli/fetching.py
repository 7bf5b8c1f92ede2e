"""A download's events for whoever watches."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ERRORS, Code
from .output import complain, note, plural, print_json, say, show_bytes, show_seconds
from .progress import Watcher

if TYPE_CHECKING:
    from ..client.events import FileEvent, Summary

_SKIPPED_SHOWN = 10


class FetchWatcher(Watcher):
    """What is said about files that are fetched. `tell_each`: also of those with which all is well."""

    def __init__(self, *, as_json: bool, tell_each: bool, place: Sequence[str] = ()) -> None:
        super().__init__(as_json=as_json, tell_each=tell_each, place=place)
        self._failed_verb = shlex.join(("dreamlake", "failed", *place))
        self._is_each_told = tell_each
        self._there = 0
        self._left_out = 0

    def file(self, event: FileEvent) -> None:
        statuses = self._statuses
        self._there += event.status in (statuses.DOWNLOADED, statuses.UNCHANGED)
        if event.status is not statuses.SKIPPED:
            super().file(event)
            return
        self._left_out += 1
        if self.as_json:
            print_json(event.as_json())
        if self._left_out <= _SKIPPED_SHOWN:
            self.display.line(f"skipped    {event.reason}")

    def tell_fine(self, event: FileEvent) -> None:
        if self._is_each_told and not self.as_json:
            self.display.line(f"{event.status:<10} {event.path}  {show_bytes(event.size)}  sha256 {event.sha256}")

    def describe_interruption(self) -> str:
        return (
            f"interrupted; {plural(self._there, 'file')} whole so far. "
            "Run the same command again to go on: what has arrived is not fetched again."
        )

    def finish(self, summary: Summary) -> None:
        """The totals, and what to do about what is not well."""
        if self._left_out > _SKIPPED_SHOWN:
            note(f"skipped    {self._left_out:,} in all; --json names all of them")
        if self.as_json:
            print_json(summary.as_json())
        elif not (self._is_each_told and summary.files == 1):
            say(_totals(summary))
        if summary.failed and not self.as_json:
            complain(f"{plural(summary.failed, 'file')} failed, for the reasons above.", self._hint(summary))

    def _hint(self, summary: Summary) -> str | None:
        """What helps against what failed; None where each file says for itself what does."""
        codes = {Code(event.code) for event in summary.failures if event.code and event.code in [*Code]}
        if Code.NOT_READY in codes:
            return (
                f"`{self._failed_verb}` lists what could not be processed; what still is processed comes with the "
                "same command later."
            )
        if any(ERRORS[code].retryable for code in codes):
            return "Run the same command again to go on: what has arrived is not fetched again."
        return None


def _totals(summary: Summary) -> str:
    counts = {
        "downloaded": summary.downloaded,
        "unchanged": summary.unchanged,
        "skipped": summary.skipped,
        "failed": summary.failed,
    }
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    if summary.downloaded:
        parts.append(f"{show_bytes(summary.bytes)} fetched")
    return f"{plural(summary.files, 'file')}: {', '.join(parts)}, {show_seconds(summary.seconds)}"
