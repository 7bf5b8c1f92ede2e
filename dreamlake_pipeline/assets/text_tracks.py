"""The text tracks of a batch as clean WebVTT."""

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
    kinds={"webvtt", "s3"},
    check_specs=checks.specs(
        "text_tracks",
        checks.EVERY_FILE_PROCESSED,
        checks.BYTES_MATCH_HASH,
        checks.NOTHING_DROPPED,
    ),
    description=("The subtitles and transcripts of the batch as clean UTF-8 WebVTT, from VTT or SRT in any encoding."),
)
def text_tracks(
    context: AssetExecutionContext, batch_tools: BatchTools, redo: ResourceParam[Redo]
) -> MaterializeResult:
    processed = process_kind(context, Kind.TEXT_TRACK, batch_tools, redo)
    return materialized(
        context,
        processed,
        batch_tools.object_store,
        checks=[
            checks.every_file_processed(processed.items),
            checks.bytes_match_hash(processed.items),
            checks.nothing_dropped(processed.items),
        ],
        metadata={"dagster/row_count": total(processed.items, "cues")},
    )
