"""The label files of a batch as Parquet."""

from dagster import AssetExecutionContext, MaterializeResult, ResourceParam, asset

from ..kinds import Kind
from ..resources import BatchTools, Redo
from . import checks
from .partitions import batches
from .run import GROUP, OWNERS, STAGING_OBJECTS, materialized, process_kind, total


@asset(
    partitions_def=batches,
    deps=[STAGING_OBJECTS],
    group_name=GROUP,
    owners=OWNERS,
    config_schema={},
    kinds={"parquet", "s3"},
    check_specs=checks.specs(
        "label_tracks",
        checks.EVERY_FILE_PROCESSED,
        checks.BYTES_MATCH_HASH,
        checks.NOTHING_DROPPED,
    ),
    description=(
        "The label files of the batch (JSONL, CSV) as Parquet with inferred types, and statistics of every field."
    ),
)
def label_tracks(
    context: AssetExecutionContext, batch_tools: BatchTools, redo: ResourceParam[Redo]
) -> MaterializeResult:
    processed = process_kind(context, Kind.LABEL_TRACK, batch_tools, redo)
    return materialized(
        context,
        processed,
        batch_tools.object_store,
        checks=[
            checks.every_file_processed(processed.items),
            checks.bytes_match_hash(processed.items),
            checks.nothing_dropped(processed.items),
        ],
        metadata={"dagster/row_count": total(processed.items, "entries")},
    )
