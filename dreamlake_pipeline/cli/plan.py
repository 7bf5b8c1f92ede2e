"""What an ingest would do, for whoever asks before it is done: a table by kind, or JSON events for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import TextWrapper
from typing import TYPE_CHECKING

from ..errors import Code, DreamlakeError
from .output import plural, print_columns, print_json, say, show_bytes, show_files
from .progress import Watcher, run
from .totals import show_counts, show_failed, show_place

if TYPE_CHECKING:
    from ..api.bss import Difference
    from ..client import Selection
    from ..client.events import Amount, Event, FileEvent, Progress, Summary
    from ..filetypes import Types

_FILES_SHOWN = 20  # with more of them, a table says more than a list
_REMARK = TextWrapper(width=80, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False)


def plan_transfer(
    selection: Selection, *, types: Types, rehash: bool, as_json: bool, strict: bool, report: Path | None
) -> int:
    """Show what storing a selection would do; the exit code. Needs no service, but tells more when there is one."""
    watcher = _PlanWatcher(as_json=as_json, tell_each=False, strict=strict)
    return run(_plan(selection, types, rehash), watcher, report)


def _plan(selection: Selection, types: Types, rehash: bool) -> Iterator[Event]:
    from ..client.plan import plan
    from .connection import connect

    try:
        lake = connect()
    except DreamlakeError as error:
        if error.code is not Code.UNREACHABLE:
            raise
        yield from plan(selection, selection.target, types=types)
    else:
        with lake:
            yield from lake.plan_events(selection, selection.target, types=types, rehash=rehash)


class _PlanWatcher(Watcher):
    """The table comes at the end; files that would fail, and what is odd about others, are named as they are found."""

    def __init__(self, *, as_json: bool, tell_each: bool, strict: bool) -> None:
        super().__init__(as_json=as_json, tell_each=tell_each, strict=strict)
        self._first: list[FileEvent] = []

    def tell_skipped(self, event: FileEvent) -> None:
        """They are counted."""

    def tell_fine(self, event: FileEvent) -> None:
        """They are listed at the end, when they are few."""
        if len(self._first) <= _FILES_SHOWN:
            self._first.append(event)

    def progress(self, progress: Progress) -> None:
        self.display.planning(progress)

    def describe_interruption(self) -> str:
        return "interrupted; nothing was sent."

    def finish(self, summary: Summary) -> None:
        if self.as_json:
            print_json(summary.as_json())
            self.tell_unknown(summary)
            return
        if 0 < len(self._first) <= _FILES_SHOWN:
            for event in self._first:
                say(_show_file(event))
            say()
        elif self._first:
            say(f"More than {_FILES_SHOWN} files, in numbers; --json and --report name all of them.")
            say()
        if summary.plan:
            print_columns(_table(summary))
            say()
        for name, what in self._remarks(summary):
            for line in _REMARK.wrap(f"{name:<10} {what}"):
                say(line)
        self.tell_unknown(summary)

    def _remarks(self, summary: Summary) -> Iterator[tuple[str, str]]:
        """The lines below the table: what there is to do, and what is left out."""
        from ..api.bss import Difference

        amounts = {difference: _total(summary, difference) for difference in (*Difference, None)}
        certain = amounts[Difference.NEW] + amounts[Difference.CHANGED]
        files = certain.files + amounts[None].files
        if summary.unread or amounts[None].files:
            yield "to send", f"at most {show_files(files, summary.bytes)}"
        else:
            yield "to send", show_files(files, summary.bytes) if files else "nothing"
        if summary.unread and not summary.unasked:
            yield (
                "at most",
                f"{plural(summary.unread, 'file')} of these may be stored under other names: they were never read here",
            )
        if summary.unasked:
            yield "new", f"is not known: {summary.unasked}"
        if (unread := amounts[Difference.SAME_SIZE]).files:
            yield "to compare", f"{show_files(unread.files, unread.bytes)}: same name and size as what is stored"
        if (stored := amounts[Difference.STORED]).files:
            yield (
                "stored",
                f"{plural(stored.files, 'file')}, under other or earlier names: only the names are registered",
            )
        if again := amounts[Difference.FAILED_BEFORE].files:
            yield "again", f"{plural(again, 'file')}: failed before, will be tried again"
        if summary.skipped:
            yield "skipped", f"{plural(summary.skipped, 'file')}: {show_counts(_skipped(summary))}"
        if summary.warnings:
            yield "warnings", f"{plural(summary.warnings, 'file')}, named above; sent all the same"
        if summary.failed:
            yield "failed", f"{show_failed(summary)}, for the reasons above"


def _show_file(event: FileEvent) -> str:
    from ..api.bss import Difference

    is_again = event.plan is Difference.FAILED_BEFORE
    told = f"{'again' if is_again else event.plan or event.status:<10} {show_place(event)}  {show_bytes(event.size)}"
    return f"{told}  failed before, will be tried again" if is_again else told


def _skipped(summary: Summary) -> dict[str, int]:
    """How many files are left out, by extension or what else they are."""
    links = summary.skipped - summary.system_files - sum(summary.unknown.values())
    counts = {"system files": summary.system_files, **summary.unknown, "links and devices": links}
    return {name: count for name, count in counts.items() if count}


def _table(summary: Summary) -> list[list[str]]:
    """Files and bytes by kind, and files by how they differ from what is stored; a last row for all kinds."""
    from ..api.bss import Difference
    from ..client.events import Amount
    from ..kinds import Kind

    differences = {
        "new": Difference.NEW,
        "changed": Difference.CHANGED,
        "unchanged": Difference.UNCHANGED,
        "stored": Difference.STORED,
        "to compare": Difference.SAME_SIZE,
        "again": Difference.FAILED_BEFORE,
    }
    seldom = (Difference.STORED, Difference.SAME_SIZE, Difference.FAILED_BEFORE)
    columns = {
        name: difference
        for name, difference in differences.items()
        if _total(summary, difference).files or not (summary.unasked or difference in seldom)
    }

    def row(name: str, amounts: dict[Difference | None, Amount]) -> list[str]:
        every = sum(amounts.values(), Amount())
        counts = [amounts.get(difference, Amount()).files for difference in columns.values()]
        return [
            name,
            f"{every.files:,}",
            show_bytes(every.bytes),
            *(f"{count:,}" if count else "-" for count in counts),
        ]

    rows = [row(kind, summary.plan[kind]) for kind in Kind if kind in summary.plan]
    if len(rows) > 1:
        rows.append(row("all", {difference: _total(summary, difference) for difference in (*Difference, None)}))
    rows.insert(0, ["kind", "files", "bytes", *columns])
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        [cells[0], *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))] for cells in rows
    ]


def _total(summary: Summary, difference: Difference | None) -> Amount:
    """The files of all kinds that differ in this way."""
    from ..client.events import Amount

    return sum((amounts.get(difference, Amount()) for amounts in summary.plan.values()), Amount())
