"""What the list of runs says of a run: as tags, since a run in which files failed has succeeded.

A failed file is data: it fails no run, and has no run tried again. `dreamlake/outcome` is one of few words, by which
runs are looked for; `dreamlake/failed` says how many of how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote

from dagster import AssetExecutionContext

from ..api.bss import Record
from . import display

if TYPE_CHECKING:
    from ..api.failures import MovedFiles

OUTCOME_TAG = "dreamlake/outcome"
FAILED_TAG = "dreamlake/failed"
MOVED_TAG = "dreamlake/moved"


class Outcome(StrEnum):
    """What came of a run; of several that hold, the first."""

    FAILURES = "failures"  # files of its batch have failed, in this run or before
    UNFINISHED = "unfinished"  # files of its batch are left for another run
    MOVED = "moved"  # its batch is empty by now: its files are in other batches
    READY = "ready"


def forget_inherited(context: AssetExecutionContext) -> None:
    """A run that was made from another one has that one's tags, and is not at its end yet."""
    inherited = [tag for tag in (OUTCOME_TAG, FAILED_TAG, MOVED_TAG) if tag in context.run.tags]
    if inherited:
        context.instance.add_run_tags(context.run.run_id, dict.fromkeys(inherited, "-"))


def tell_moved(context: AssetExecutionContext, moved: MovedFiles) -> None:
    """The run's batch has lost files to others: a tag and a line of the log say so, and where they are."""
    batches = sorted({file.partition for file in moved.items if file.partition})
    where = ", ".join(batches[:3]) + (f" and {len(batches) - 3} more" if len(batches) > 3 else "")
    told = f"{moved.count} {'file' if moved.count == 1 else 'files'}, " + (
        f"to {where}" if where else "to no batch yet"
    )
    context.instance.add_run_tags(context.run.run_id, {MOVED_TAG: told})
    context.log.warning(
        "This batch has lost %s. They were asked for again (`dreamlake retry`), or were put off: look there for what "
        "became of them, not here. See `moved` of staging_objects.",
        told,
    )


def tell_outcome(context: AssetExecutionContext, items: Sequence[Record], *, moved: int = 0) -> str:
    """Tag the run with what came of it; how many of how many failed, such as `2 of 22 failed`. `moved`: how many files
    the batch has lost to others."""
    failed = sum(display.fault_of(item) is not None for item in items)
    if failed:
        outcome = Outcome.FAILURES
    elif any(not item.status.is_final for item in items):
        outcome = Outcome.UNFINISHED
    else:
        outcome = Outcome.MOVED if moved and not items else Outcome.READY
    told = display.failed_of(failed, len(items))
    context.instance.add_run_tags(context.run.run_id, {OUTCOME_TAG: str(outcome), FAILED_TAG: told})
    return told


def runs_with_failures() -> str:
    """Where Dagster's UI lists the runs in whose batches files failed."""
    return "/runs?q%5B0%5D=" + quote(f"tag:{OUTCOME_TAG}={Outcome.FAILURES}", safe="")


def batch_page(partition: str) -> str:
    """Where Dagster's UI shows the latest of a batch."""
    return f"/assets/dreamlake_index?view=partitions&partition={quote(partition, safe='')}"


def run_page(run_id: str) -> str:
    """Where Dagster's UI shows a run."""
    return f"/runs/{run_id}"
