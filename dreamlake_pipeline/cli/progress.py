"""An upload's events for whoever watches: what is said about files while it goes on, and about all of them at the end.

Progress and remarks go to stderr; stdout carries the result: one line of totals, or the JSON events.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ERRORS, Code, ExitCode
from .display import new_display, show_states
from .output import Interrupted, complain, plural, print_json, say, show_bytes, show_seconds, warn
from .totals import show_counts, show_failed, show_place, show_reason, show_totals

if TYPE_CHECKING:
    from ..client.events import Event, FileEvent, FileStatus, Processing, Progress, Summary, Waiting, Warned
    from ..client.report import Report
    from .options import Meant

_SKIPPED_SHOWN = 10
_FAILED_SHOWN = 50
_STALLED_SECONDS = 120.0


def show_waiting(event: Waiting) -> str:
    """For whom a command waits and since when, and that it goes on."""
    if event.is_over:
        return f"{event.service} answers again, after {show_seconds(event.seconds)}"
    since = event.since.astimezone().strftime("%H:%M:%S")
    return f"for {event.service} since {since}: {event.reason}; this goes on by itself once it answers"


def run_transfer(
    events: Iterator[Event],
    *,
    as_json: bool,
    tell_each: bool,
    strict: bool = False,
    meant: Mapping[str, Meant] | None = None,
    place: Sequence[str] = (),
    report: Path | None = None,
) -> int:
    """Show events as they come; the exit code that they add up to. `tell_each`: also files with which all is well.

    `strict`: what is skipped since its extension is not known counts as failed. `meant` are options that were given for
    files of some kind, of which it is said when there was none; `place` are the words that name where the files are.
    `report` is a file that gets one row for each file, also when the run ends early. Raises Interrupted at Ctrl-C.
    """
    return run(events, Watcher(as_json=as_json, tell_each=tell_each, strict=strict, meant=meant, place=place), report)


def run(events: Iterator[Event], watcher: Watcher, report: Path | None) -> int:
    """Have a watcher show events as they come; see `run_transfer`."""
    with _reported(report) as table:
        return _run(events, watcher, table)


@contextmanager
def _reported(path: Path | None) -> Iterator[Report | None]:
    """The report that is written at the end, by whatever way it comes."""
    if path is None:
        yield None
        return
    from ..client.report import Report

    table = Report(path)
    try:
        yield table
    finally:
        table.close()


def _run(events: Iterator[Event], watcher: Watcher, report: Report | None) -> int:
    from ..client.events import FileEvent, Processing, Progress, Summary, Waiting, Warned

    summary = Summary()
    try:
        for event in events:
            match event:
                case FileEvent():
                    watcher.file(event)
                    if report is not None:
                        report.add(event)
                case Warned():
                    watcher.warned(event)
                case Waiting():
                    watcher.waiting(event)
                case Progress():
                    watcher.progress(event)
                case Processing():
                    watcher.processing(event)
                case Summary():
                    summary = event
    except KeyboardInterrupt:
        watcher.display.close()
        raise Interrupted(watcher.describe_interruption()) from None
    finally:
        watcher.display.close()
    watcher.finish(summary)
    return exit_code(summary, strict=watcher.strict)


def exit_code(summary: Summary, *, strict: bool = False) -> ExitCode:
    """3 when a service could not be reached, 4 when the time ran out, 2 when no failed file is of a kind that is
    stored, else 1."""
    codes = {event.code for event in summary.failures}
    if codes & {Code.UNREACHABLE, Code.OVERLOADED}:
        return ExitCode.UNREACHABLE
    if summary.unfinished:
        return ERRORS[Code.TIMED_OUT].exit_code
    if codes and codes <= {Code.UNKNOWN_KIND, Code.SYSTEM_FILE}:
        return ExitCode.USAGE
    has_failed = codes or (strict and summary.unknown)
    return ExitCode.SOME_FAILED if has_failed else ExitCode.OK


class Watcher:
    """What is said about files, whatever the display."""

    def __init__(
        self,
        *,
        as_json: bool,
        tell_each: bool,
        strict: bool = False,
        meant: Mapping[str, Meant] | None = None,
        place: Sequence[str] = (),
    ) -> None:
        from ..client.events import FileStatus

        self.display = new_display(as_json=as_json)
        self.as_json = as_json
        self.strict = strict
        self._unmet = dict(meant or {})
        self._tree = shlex.join(("dreamlake", "tree", *place))
        self._tell_each = tell_each
        self._skipped_told = 0
        self._counts: Counter[FileStatus] = Counter()
        self._last: Progress | None = None
        self._states: Processing | None = None
        self._failed = 0
        self._warned = 0
        self._stalls_told = 0
        self._statuses = FileStatus

    def file(self, event: FileEvent) -> None:
        for option in [option for option, meant in self._unmet.items() if meant.fits(event)]:
            del self._unmet[option]
        statuses = self._statuses  # an import, even one that was made, is much to do for every file
        self._counts[event.status] += 1
        if self.as_json:
            print_json(event.as_json())
        match event.status:
            case statuses.FAILED:
                self._failed += 1
                if self._failed <= _FAILED_SHOWN:
                    self.display.line(f"failed     {show_reason(event)}")
                elif self._failed == _FAILED_SHOWN + 1:
                    self.display.line("           further failures are counted; --json names all of them")
            case statuses.SKIPPED:
                if event.code != Code.SYSTEM_FILE:
                    self._skipped_told += 1
                    self.tell_skipped(event)
            case _:
                self.tell_fine(event)

    def tell_skipped(self, event: FileEvent) -> None:
        """Name the first few that are no system files; all are counted."""
        if self._skipped_told <= _SKIPPED_SHOWN:
            self.display.line(f"skipped    {show_reason(event)}")
        elif self._skipped_told == _SKIPPED_SHOWN + 1:
            self.display.line("           further skipped files are counted; --json names all of them")

    def tell_fine(self, event: FileEvent) -> None:
        """Name a file with which all is well."""
        if self._tell_each and not self.as_json:
            size = "" if event.status is self._statuses.READY else f"  {show_bytes(event.size)}"
            self.display.line(f"{event.status:<10} {show_place(event)}{size}")

    def warned(self, event: Warned) -> None:
        self._warned += 1
        if self._warned <= _FAILED_SHOWN:
            self.display.line(f"warning    {event.reason}")
        elif self._warned == _FAILED_SHOWN + 1:
            self.display.line("           further warnings are counted; --json names all of them")

    def waiting(self, event: Waiting) -> None:
        """Say for whom the command waits and since when, and that it goes on."""
        if self.as_json:
            print_json(event.as_json())
        self.display.line(f"waiting    {show_waiting(event)}")

    def progress(self, progress: Progress) -> None:
        self._last = progress
        self.display.sending(progress)

    def processing(self, states: Processing) -> None:
        self._states = states
        self.display.processing(states)
        if states.idle_seconds >= _STALLED_SECONDS * (self._stalls_told + 1):
            self._stalls_told += 1
            idle = show_seconds(states.idle_seconds)
            self.display.line(
                f"waiting: nothing has changed for {idle} ({show_states(states)}); "
                "`dreamlake status` shows whether the pipeline runs"
            )
        elif states.idle_seconds < _STALLED_SECONDS:
            self._stalls_told = 0

    def describe_interruption(self) -> str:
        """What Ctrl-C leaves, and how to go on."""
        statuses, counts, last = self._statuses, self._counts, self._last
        goes_on = f"is processed all the same: `{self._tree}` shows how far it is."
        if self._states is not None:
            return f"interrupted while waiting ({show_states(self._states)}). What is not processed yet {goes_on}"
        if queued := counts[statuses.QUEUED]:
            return f"interrupted; {plural(queued, 'file')} queued so far. What is queued {goes_on}"
        if last is None and not counts:
            return "interrupted before anything was done. Run the same command again to go on."
        if counts[statuses.INDEXED]:
            return f"interrupted; {plural(counts[statuses.INDEXED], 'file')} added to the index so far."
        arrived = counts[statuses.UPLOADED] + counts[statuses.DUPLICATE]
        if not arrived:
            sent = f" ({show_bytes(last.bytes_sent)} sent)" if last and last.bytes_sent else ""
            return f"interrupted before any file had arrived{sent}. Run the same command again to go on."
        of_all = f" of {last.files_found - counts[statuses.SKIPPED]:,}{'+' if last.is_walking else ''}" if last else ""
        sent = f" ({show_bytes(last.bytes_sent)} sent)" if last and last.bytes_sent else ""
        return (
            f"interrupted; {arrived:,}{of_all} files have arrived for certain{sent}. What arrived {goes_on} "
            "Run the same command again to go on: nothing that arrived is sent again."
        )

    def finish(self, summary: Summary) -> None:
        """The totals, and what to do about what is not well."""
        if self.as_json:
            print_json(summary.as_json())
        else:
            say(show_totals(summary))
        if summary.unfinished:
            complain(
                f"the time of --timeout ran out before {plural(summary.unfinished, 'file')} "
                f"{'was' if summary.unfinished == 1 else 'were'} processed.",
                f"Processing goes on by itself; `{self._tree}` shows how far it is.",
            )
        if summary.stopped:
            complain(
                f"stopped after {plural(summary.failed - summary.passed, 'failure')}, as --on-errors says.",
                "Run the same command again to go on: it passes what failed now, and sends nothing twice."
                if summary.is_remembered
                else "What failed is not remembered here (DREAMLAKE_CACHE): mend it, --exclude it, or go on with "
                "--on-errors continue.",
            )
        if summary.failed and not self.as_json:
            complain(f"{show_failed(summary)}, for the reasons above.")
        for option, meant in self._unmet.items():
            warn(f"{option} has no effect: {meant.none_said} is among the files.")
        self.tell_unknown(summary)

    def tell_unknown(self, summary: Summary) -> None:
        """Say loudly what was left out since nobody said what it is."""
        if not summary.unknown:
            return
        count = sum(summary.unknown.values())
        of_all = f"{count:,} of {plural(summary.files, 'file')} {'was' if count == 1 else 'were'} skipped"
        most = max(
            (name for name in summary.unknown if name.startswith(".")), key=summary.unknown.__getitem__, default=""
        )
        says = f"--type {most or '.EXT'}=KIND says it, --exclude leaves them out"
        tell = complain if self.strict else warn
        tell(
            f"{of_all}: nothing says what they are ({show_counts(summary.unknown)}).",
            f"{says}." if self.strict else f"{says}; with --strict, the exit code is 1.",
        )
