"""The batch in DreamLake Server's folder tree: the step after which its files are ready."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dagster import AssetExecutionContext, MaterializeResult, ResourceParam, asset

from ..kinds import Kind
from ..resources import BatchTools, Redo
from ..settings import Settings
from . import checks, display
from .audio_renditions import audio_renditions
from .hls_streams import hls_streams
from .label_tracks import label_tracks
from .outcome import tell_outcome
from .partitions import batches
from .run import GROUP, OWNERS, hold_of, moved_of, plain_failure, takes_whole_batch
from .text_tracks import text_tracks

if TYPE_CHECKING:
    from ..api.bss import Record

_MOST_COMMANDS = 8


@asset(
    partitions_def=batches,
    deps=[hls_streams, audio_renditions, text_tracks, label_tracks],
    group_name=GROUP,
    owners=OWNERS,
    config_schema={},
    kinds={"postgres"},
    check_specs=checks.specs("dreamlake_index", checks.EVERY_FILE_PROCESSED, checks.INDEX_COMPLETE),
    metadata={"dagster/table_name": "dreamlake.assets"},
    description=(
        "The files of the batch in the folder tree, with status and metadata, and then, not before, ready in BSS: "
        "whoever sees `ready` finds everything in its place. Most are there as soon as they are made, in groups of "
        "about a second; this adds what is left, checks all of them, and closes the batch."
    ),
)
def dreamlake_index(
    context: AssetExecutionContext, batch_tools: BatchTools, redo: ResourceParam[Redo]
) -> MaterializeResult:
    from ..processing.index import index_batch, upsert_living

    folder_tree = batch_tools.folder_tree
    with plain_failure():
        work = batch_tools.work
        if work is not None:
            work.finish()
        hold = work.hold if work is not None else hold_of(context, batch_tools, redo)
        known = work.refs if work is not None else {}
        upsert = upsert_living(hold.pipeline, folder_tree.upsert, folder_tree.remove)
        indexed = index_batch(hold, upsert, took_batch=takes_whole_batch(context), known=known)
        found = folder_tree.statuses([ref.id for ref in indexed.refs])
        moved = files.count if (files := moved_of(hold)) is not None else 0
    return MaterializeResult(
        metadata={
            "outcome": tell_outcome(context, indexed.items, moved=moved),
            "batch": display.counts(indexed.items),
            "ready": indexed.ready,
            "failed": indexed.failed,
            "left for the next attempt": indexed.unfinished,
            "dagster/row_count": len(found),
            **_ways_to_look(indexed.items),
            **display.pages(indexed.items, Settings().viewer_url),
            "items": display.index_table(indexed.items),
            **_ways_to_play(indexed.items),
        },
        check_results=[
            checks.every_file_processed(indexed.items, moved=moved),
            checks.index_complete(indexed.indexed, indexed.refs, found),
        ],
    )


def _ways_to_look(items: Sequence["Record"]) -> dict[str, Any]:
    """The commands that say all that is known of the first few files that failed."""
    failed = [item for item in items if display.fault_of(item)]
    ways = [(display.place(item), f"dreamlake show {item.id}") for item in failed[:_MOST_COMMANDS]]
    return {"to see why": display.commands(ways)} if ways else {}


def _ways_to_play(items: Sequence["Record"]) -> dict[str, Any]:
    """The commands that play the first few files of the batch. A URL that plays is a key to the file: it would stay in
    the run's events for ever, before everybody who looks at them."""
    playable = [item for item in items if item.status == "ready" and item.kind in (Kind.VIDEO, Kind.AUDIO)]
    ways = [(display.place(item), f"dreamlake play {item.id} --open") for item in playable[:_MOST_COMMANDS]]
    return {"to play": display.commands(ways)} if ways else {}
