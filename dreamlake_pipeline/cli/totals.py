"""What is said of many files at once, and how one of them is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .output import plural, show_bytes, show_seconds

if TYPE_CHECKING:
    from ..client.events import FileEvent, Summary

_GROUPS_SHOWN = 12


def show_place(event: FileEvent) -> str:
    """Where a file lies in the project."""
    return f"{event.episode}:{event.name}" if event.episode else event.name or event.path or ""


def show_counts(counts: Mapping[str, int]) -> str:
    """How many files of which extensions, most first."""
    most = Counter(counts).most_common(_GROUPS_SHOWN)
    shown = ", ".join(f"{name} {count:,}" for name, count in most)
    rest = sum(counts.values()) - sum(count for _, count in most)
    return f"{shown}, others {rest:,} (--json has all)" if rest else shown


def show_reason(event: FileEvent) -> str:
    """The file and the reason, without naming the file twice."""
    reason, place = event.reason or "", event.path or show_place(event)
    return reason if place in reason else f"{place}: {reason}"


def show_totals(summary: Summary) -> str:
    """What became of all files, in one line."""
    counts = {
        "uploaded": summary.uploaded,
        "duplicate": summary.duplicate,
        "queued": summary.queued,
        "added to the index": summary.indexed,
        _skipped(summary): summary.skipped,
        "ready": summary.ready,
        _failed(summary): summary.failed - summary.unmatched,
        "gone before they were sent": summary.gone,
        "with a warning": summary.warnings,
    }
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    if summary.uploaded or summary.duplicate:
        parts.append(f"{show_bytes(summary.bytes)} sent")
    what_happened = ", ".join(parts) or "nothing to do"
    return f"{plural(summary.files, 'file')}: {what_happened}, {show_seconds(summary.seconds)}"


def show_failed(summary: Summary) -> str:
    """How many files failed, and patterns that no file matches."""
    parts = []
    if files := summary.failed - summary.unmatched:
        parts.append(f"{plural(files, 'file')} failed")
    if summary.unmatched:
        parts.append(f"{plural(summary.unmatched, 'pattern')} of --include matched nothing")
    return ", ".join(parts)


def _failed(summary: Summary) -> str:
    return f"failed ({summary.passed:,} as before)" if summary.passed else "failed"


def _skipped(summary: Summary) -> str:
    if not summary.system_files:
        return "skipped"
    return f"skipped ({plural(summary.system_files, 'system file')})"
