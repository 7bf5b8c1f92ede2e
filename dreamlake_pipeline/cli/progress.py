"""An upload's events for whoever watches: bars on a terminal, plain lines elsewhere, JSON for programs.

Bars and remarks go to stderr; stdout carries the result: one line of totals, or the JSON events.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Protocol

import typer

from ..errors import Code, ExitCode
from .output import Interrupted, complain, note, plural, print_json, show_bytes, show_seconds

if TYPE_CHECKING:
    from ..client.events import Event, FileEvent, Processing, Progress, Summary, Warned
    from ..client.report import Report

_PLAIN_SECONDS = 5.0  # between two lines of progress off a terminal
_SKIPPED_SHOWN = 10
_FAILED_SHOWN = 50
_STALLED_SECONDS = 120.0


class Display(Protocol):
    """How progress is shown."""

    def line(self, text: str) -> None: ...
    def sending(self, progress: Progress) -> None: ...
    def processing(self, states: Processing) -> None: ...
    def close(self) -> None: ...


def run_transfer(events: Iterator[Event], *, as_json: bool, tell_each: bool, report: Path | None = None) -> int:
    """Show events as they come; the exit code that they add up to. `tell_each`: also files with which all is well.

    `report` is a file that gets one row for each file, also when the run ends early. Raises Interrupted at Ctrl-C.
    """
    with _reported(report) as table:
        return _run(events, table, as_json=as_json, tell_each=tell_each)


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


def _run(events: Iterator[Event], report: Report | None, *, as_json: bool, tell_each: bool) -> int:
    from ..client.events import FileEvent, Processing, Progress, Summary, Warned

    watcher = _Watcher(_new_display(), as_json=as_json, tell_each=tell_each)
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
                case Progress():
                    watcher.display.sending(event)
                case Processing():
                    watcher.processing(event)
                case Summary():
                    summary = event
    except KeyboardInterrupt:
        watcher.display.close()
        raise Interrupted(
            f"interrupted; {plural(watcher.stored, 'file')} stored so far. "
            "Run the same command again to go on: what has arrived is not sent again."
        ) from None
    finally:
        watcher.display.close()
    watcher.finish(summary)
    return exit_code(summary)


def exit_code(summary: Summary) -> ExitCode:
    """3 when a service could not be reached, 2 when all that failed is of no known kind, 1 for other failures."""
    codes = {event.code for event in summary.failures}
    if codes & {Code.UNREACHABLE, Code.OVERLOADED}:
        return ExitCode.UNREACHABLE
    if codes == {Code.UNKNOWN_KIND}:
        return ExitCode.USAGE
    return ExitCode.SOME_FAILED if codes or summary.unfinished else ExitCode.OK


class _Watcher:
    """What is said about files, whatever the display."""

    def __init__(self, display: Display, *, as_json: bool, tell_each: bool) -> None:
        from ..client.events import FileStatus

        self.display = display
        self.as_json = as_json
        self.tell_each = tell_each
        self.stored = 0
        self._skipped: Counter[str] = Counter()
        self._failed = 0
        self._warned = 0
        self._stalls_told = 0
        self._statuses = FileStatus

    def file(self, event: FileEvent) -> None:
        statuses = self._statuses  # an import, even one that was made, is much to do for every file
        if event.status in (statuses.UPLOADED, statuses.DUPLICATE):
            self.stored += 1
        if self.as_json:
            print_json(event.as_json())
        match event.status:
            case statuses.FAILED:
                self._failed += 1
                if self._failed <= _FAILED_SHOWN:
                    self.display.line(f"failed     {_where(event)}")
                elif self._failed == _FAILED_SHOWN + 1:
                    self.display.line("           further failures are counted; --json names all of them")
            case statuses.SKIPPED:
                self._skipped[PurePath(event.path).suffix or PurePath(event.path).name] += 1
                if self._skipped.total() <= _SKIPPED_SHOWN:
                    self.display.line(f"skipped    {_where(event)}")
            case _ if self.tell_each and not self.as_json:
                size = "" if event.status is statuses.READY else f"  {show_bytes(event.size)}"
                episode = f"{event.episode}:" if event.episode else ""
                self.display.line(f"{event.status:<10} {episode}{event.name}{size}")

    def warned(self, event: Warned) -> None:
        self._warned += 1
        if self._warned <= _FAILED_SHOWN:
            self.display.line(f"warning    {event.reason}")

    def processing(self, states: Processing) -> None:
        self.display.processing(states)
        if states.idle_seconds >= _STALLED_SECONDS * (self._stalls_told + 1):
            self._stalls_told += 1
            idle = show_seconds(states.idle_seconds)
            self.display.line(
                f"waiting: nothing has changed for {idle} ({_show_states(states.states)}); "
                "`dreamlake status` shows whether the pipeline runs"
            )
        elif states.idle_seconds < _STALLED_SECONDS:
            self._stalls_told = 0

    def finish(self, summary: Summary) -> None:
        """The totals, and what to do about what is not well."""
        if self._skipped.total() > _SKIPPED_SHOWN:
            kinds = ", ".join(f"{name} {count:,}" for name, count in self._skipped.most_common(12))
            note(f"skipped    {self._skipped.total():,} in all: {kinds}")
        if self.as_json:
            print_json(summary.as_json())
        else:
            typer.echo(_totals(summary))
        if summary.unfinished:
            complain(
                f"gave up waiting for {plural(summary.unfinished, 'file')}.",
                "Processing goes on by itself; `dreamlake tree` shows how far it is.",
            )
        if summary.stopped:
            complain(
                f"stopped after {plural(summary.failed, 'failure')}, as --on-errors says.",
                "Run the same command again to go on: what has arrived is not sent again.",
            )
        if summary.failed and not self.as_json:
            complain(f"{plural(summary.failed, 'file')} failed, for the reasons above.")


def _where(event: FileEvent) -> str:
    """The file and the reason, without naming the file twice."""
    reason = event.reason or ""
    return reason if event.path in reason else f"{event.path}: {reason}"


def _totals(summary: Summary) -> str:
    counts = {
        "to send": summary.planned,
        "uploaded": summary.uploaded,
        "duplicate": summary.duplicate,
        "queued": summary.queued,
        "added to the index": summary.indexed,
        "skipped": summary.skipped,
        "ready": summary.ready,
        "failed": summary.failed,
        "with a warning": summary.warnings,
    }
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    if summary.planned or summary.uploaded or summary.duplicate:
        parts.append(f"{show_bytes(summary.bytes)} {'to send' if summary.planned else 'sent'}")
    what_happened = ", ".join(parts) or "nothing to do"
    return f"{plural(summary.files, 'file')}: {what_happened}, {show_seconds(summary.seconds)}"


def _show_states(states: dict[str, int]) -> str:
    order = ("registered", "queued", "processing", "ready", "failed")
    return ", ".join(f"{states[state]:,} {state}" for state in order if states.get(state))


def _new_display() -> Display:
    return _Bars() if sys.stderr.isatty() else _Lines()


class _Lines:
    """Off a terminal: plain lines, and now and then how far it is."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()
        self._said = ""

    def line(self, text: str) -> None:
        note(text)

    def sending(self, progress: Progress) -> None:
        of = f"{progress.files_found:,}{'+' if progress.is_walking else ''}"
        self._now_and_then(f"{progress.files_done:,} of {of} files, {show_bytes(progress.bytes_sent)} sent")

    def processing(self, states: Processing) -> None:
        self._now_and_then(_show_states(states.states))

    def close(self) -> None:
        pass

    def _now_and_then(self, text: str) -> None:
        now = time.monotonic()
        if text != self._said and now - self._said_at >= _PLAIN_SECONDS:
            note(text)
            self._said_at, self._said = now, text


class _Bars:
    """On a terminal: a bar of bytes while sending, then one of files while they are processed."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=32),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False),
            transient=True,
        )
        self._sending = self._bars.add_task("sending", total=None, detail="", start=True)
        self._processing = self._bars.add_task("processing", total=None, detail="", visible=False, start=False)
        self._speed = _Speed()
        self._bars.start()

    def line(self, text: str) -> None:
        from rich.text import Text

        color = {"failed": "red", "skipped": "yellow", "warning": "yellow", "ready": "green"}.get(
            text.split(" ", 1)[0], ""
        )
        self._bars.console.print(Text(text, style=color), soft_wrap=True)

    def sending(self, progress: Progress) -> None:
        speed = self._speed.of(progress.bytes_sent)
        found = f"{progress.files_found:,}{'+' if progress.is_walking else ''}"
        left = (progress.bytes_found - progress.bytes_done) / speed if speed else None
        parts = [
            f"{progress.files_done:,}/{found} files",
            f"{show_bytes(progress.bytes_sent)} sent",
            f"{show_bytes(speed)}/s" if speed else f"{show_bytes(progress.bytes_read)} read",
            f"{show_seconds(left)} left" if left and not progress.is_walking else "",
        ]
        self._bars.update(
            self._sending,
            description="sending" if progress.bytes_done or not progress.bytes_read else "reading",
            total=progress.bytes_found or None,
            completed=progress.bytes_done,
            detail=" · ".join(part for part in parts if part),
        )

    def processing(self, states: Processing) -> None:
        task = self._bars.tasks[self._processing]
        if not task.visible:
            self._bars.start_task(self._processing)
            self._bars.stop_task(self._sending)
        done = states.states.get("ready", 0) + states.states.get("failed", 0)
        self._bars.update(
            self._processing,
            total=sum(states.states.values()) or None,
            completed=done,
            detail=_show_states(states.states),
            visible=True,
        )

    def close(self) -> None:
        self._bars.stop()


class _Speed:
    """Bytes a second over the last few seconds, from the first byte on."""

    def __init__(self) -> None:
        self._points: list[tuple[float, int]] = []

    def of(self, total: int) -> float:
        now = time.monotonic()
        self._points = [point for point in self._points if now - point[0] < 5 and point[1]] + [(now, total)]
        (since, before), (now, after) = self._points[0], self._points[-1]
        return (after - before) / (now - since) if now - since > 0.5 else 0.0
