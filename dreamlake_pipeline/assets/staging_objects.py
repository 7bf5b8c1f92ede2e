"""The raw files of a batch: what was uploaded, as it lies under the staging prefix."""

from dagster import AssetExecutionContext, MaterializeResult, ResourceParam, asset

from .. import layout
from ..crashpoints import CrashPoint, reached
from ..resources import BatchTools, Redo
from . import display
from .partitions import batches
from .run import GROUP, OWNERS, begin_work, hold_of, kinds_of_run, plain_failure


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
    with plain_failure():
        hold = hold_of(context, batch_tools, redo)
        due = hold.begin().items
        reached(CrashPoint.BATCH_TAKEN)
        batch = hold.pipeline.items(context.partition_key)
        kinds = kinds_of_run(context)
        work = begin_work(batch_tools, hold, batch, [item for item in due if item.kind in kinds])
        batch_tools.begin(work, batch.items)
    return MaterializeResult(
        metadata={
            "batch": f"{display.counts(batch.items)}; to be done now: {display.counts(due)}",
            "owner": batch.owner,
            "project": batch.project,
            "attempt": batch.begun,
            "files": len(batch.items),
            "to be done": len(due),
            "bytes": sum(item.size or 0 for item in batch.items),
            "items": display.staged_table(batch.items),
            "dagster/uri": batch_tools.object_store.uri(layout.staging_prefix(batch.owner, batch.project)),
        }
    )
