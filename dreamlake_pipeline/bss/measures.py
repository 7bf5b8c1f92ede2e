"""What BSS counts as it happens: what becomes of files, how long they took, what was put off, which runs died.

Each process counts what it was told itself, and from its start: sum over all replicas (`sum(rate(…))`). What is counted
in a transaction that is then rolled back, and told again, counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from ..api.garbage import Amount, Garbage

_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)

FILES = Counter(
    "dreamlake_files",
    "Files that became ready, or whose processing failed (`code` says why).",
    ["kind", "outcome", "code"],
    registry=None,
)
FILE_SECONDS = Histogram(
    "dreamlake_file_seconds",
    "How long files that became ready took: `queued` until a run had their batch, `processing` until their result was "
    "stored, `indexing` until they were in the index; `made`, a part of processing, is the work at the file itself.",
    ["kind", "stage"],
    buckets=_SECONDS,
    registry=None,
)
POSTPONED = Counter(
    "dreamlake_files_postponed",
    "How often files were put off by a fault of the machinery.",
    ["kind", "code"],
    registry=None,
)
DIED = Counter("dreamlake_runs_died", "Runs that were killed or crashed with a batch in hand.", registry=None)

FREED = Counter("dreamlake_freed", "Things that garbage collection freed.", ["kind"], registry=None)
FREED_BYTES = Counter("dreamlake_freed_bytes", "Their bytes, where these are known.", ["kind"], registry=None)

_ALL = (FILES, FILE_SECONDS, POSTPONED, DIED, FREED, FREED_BYTES)

# SQL: the seconds of each stage of a record `r` that becomes ready in batch `b`, by the names of stages.
STAGES = """
    extract(epoch FROM b.begun_at - r.queued_at) AS queued,
    extract(epoch FROM r.reported_at - b.begun_at) AS processing,
    extract(epoch FROM now() - r.reported_at) AS indexing,
    r.metadata->'processing'->'seconds' AS made"""
_STAGES = ("queued", "processing", "indexing", "made")


def register(registry: CollectorRegistry) -> None:
    """Have a service's `/metrics` show these."""
    for metric in _ALL:
        registry.register(metric)


def freed(amounts: Mapping[Garbage, Amount]) -> None:
    """Count what a step of a collection freed."""
    for kind, amount in amounts.items():
        FREED.labels(kind).inc(amount.count)
        FREED_BYTES.labels(kind).inc(amount.bytes)


def ready(rows: Iterable[Any]) -> None:
    """Count files that became ready: rows of their `kind` and `STAGES`. A stage that is not known is left out."""
    for row in rows:
        FILES.labels(row.kind, "ready", "").inc()
        for stage in _STAGES:
            if (seconds := getattr(row, stage)) is not None:
                FILE_SECONDS.labels(row.kind, stage).observe(max(0.0, float(seconds)))


def failed(rows: Iterable[Any]) -> None:
    """Count files whose processing failed: rows of their `kind` and the error's `code`."""
    for row in rows:
        FILES.labels(row.kind, "failed", row.code).inc()


def postponed(rows: Iterable[Any]) -> None:
    """Count files that were put off: rows of their `kind` and the reason's `code`."""
    for row in rows:
        POSTPONED.labels(row.kind, row.code).inc()
