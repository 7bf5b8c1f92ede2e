"""The videos of a batch as HLS."""

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
    kinds={"ffmpeg", "s3"},
    check_specs=checks.specs(
        "hls_streams",
        checks.EVERY_FILE_PROCESSED,
        checks.BYTES_MATCH_HASH,
        checks.HLS_CONFORMANCE,
        checks.DURATIONS_AGREE,
    ),
    description=(
        "The videos of the batch as HLS: stream-copied where that is right, else re-encoded, with the reason. "
        "Segments are in the chunk pool; playlists, poster and meta.json under the video's own prefix."
    ),
)
def hls_streams(
    context: AssetExecutionContext, batch_tools: BatchTools, redo: ResourceParam[Redo]
) -> MaterializeResult:
    processed = process_kind(context, Kind.VIDEO, batch_tools, redo)
    return materialized(
        context,
        processed,
        batch_tools.object_store,
        checks=[
            checks.every_file_processed(processed.items),
            checks.bytes_match_hash(processed.items),
            checks.hls_conformance(processed.items),
            checks.durations_agree(processed.items),
        ],
        metadata={"duration (s)": total(processed.items, "durationSec"), "frames": total(processed.items, "length")},
    )
