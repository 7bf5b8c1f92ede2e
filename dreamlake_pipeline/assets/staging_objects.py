"""The raw files of a batch: what was uploaded, as it lies under the staging prefix."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue, ResourceParam, asset

from .. import layout
from ..crashpoints import CrashPoint, reached
from ..resources import BatchTools, Redo
from . import display, outcome
from .outcome import forget_inherited, tell_moved
from .partitions import batches
from .run import GROUP, OWNERS, begin_work, hold_of, kinds_of_run, moved_of, plain_failure

if TYPE_CHECKING:
    from ..api.failures import MovedFiles

_MOST_LINKS = 20


@asset(
    partitions_def=batches,
    group_name=GROUP,
    owners=OWNERS,
    config_schema={},
    kinds={"s3"},
    description=(
        "The raw files of one batch in S3, kept for ever: everything else can be made again from them. "
        "Materializing it takes the batch for this run, says what is to be done, and begins that, of all kinds at once."
    ),
)
def staging_objects(
    context: AssetExecutionContext, batch_tools: BatchTools, redo: ResourceParam[Redo]
) -> MaterializeResult:
    forget_inherited(context)
    with plain_failure():
        hold = hold_of(context, batch_tools, redo)
        taken = hold.begin()
        due = taken.items
        reached(CrashPoint.BATCH_TAKEN)
        kinds = kinds_of_run(context)
        work = begin_work(batch_tools, hold, taken, [item for item in due if item.kind in kinds])
        batch_tools.begin(work)
        # Nothing is told of the work before the next asset waits for it: these are the items as they were.
        batch = taken if taken.is_whole else hold.pipeline.items(context.partition_key)
        batch_tools.show(batch.items)
        moved = moved_of(hold)
    if moved is not None and moved.count:
        tell_moved(context, moved)
    return MaterializeResult(
        metadata={
            "batch": f"{display.counts(batch.items)}; to be done now: {display.counts(due)}",
            **(_moved(moved) if moved is not None and moved.count else {}),
            "namespace": batch.owner,
            "project": batch.project,
            "attempt": batch.begun,
            "files": len(batch.items),
            "to be done": len(due),
            "bytes": sum(item.size or 0 for item in batch.items),
            "items": display.staged_table(batch.items),
            "dagster/uri": batch_tools.object_store.uri(layout.staging_prefix(batch.owner, batch.project)),
        }
    )


def _moved(moved: "MovedFiles") -> dict[str, Any]:
    """Which files the batch has lost, and links to where they are."""
    runs = {file.partition: file.run_id for file in moved.items if file.partition}
    count = Counter(file.partition for file in moved.items)
    lines = [
        f"- [{partition}]({outcome.batch_page(partition)}): {count[partition]} of them"
        + (f", [its latest run]({outcome.run_page(run_id)})" if run_id else "")
        for partition, run_id in list(runs.items())[:_MOST_LINKS]
    ]
    if count[None]:
        lines.append(f"- {count[None]} wait for a batch")
    return {
        "files that moved": moved.count,
        "moved to": MetadataValue.md("\n".join(lines)),
        "moved": display.moved_table(moved.items),
    }
