"""What the assets of a batch have in common: which items they work on, and what they show of them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckResult, AssetExecutionContext, AssetKey, DagsterRun, Failure, MaterializeResult
from dagster._core.storage.tags import RUN_KEY_TAG

from .. import layout
from ..errors import Code, DreamlakeError
from ..instance.watching import MOST_BYTES_TAG, MOST_FILES_TAG
from ..kinds import Kind
from ..playback import PlaybackMode
from ..resources import BatchTools, ObjectStoreResource, Redo
from ..settings import Settings
from . import display
from .outcome import tell_outcome
from .partitions import ATTEMPT_TAG

if TYPE_CHECKING:
    from ..api.bss import Record
    from ..api.failures import MovedFiles
    from ..api.pipeline import BatchItems
    from ..processing.batch import BatchWork
    from ..processing.hold import Hold
    from ..processing.work import Outcome

GROUP = "batches"
OWNERS = ["team:dreamlake"]
_MOST_LOGGED = 20
STAGING_OBJECTS = AssetKey("staging_objects")
_INDEX = AssetKey("dreamlake_index")
_ASSETS = {
    Kind.VIDEO: AssetKey("hls_streams"),
    Kind.AUDIO: AssetKey("audio_renditions"),
    Kind.TEXT_TRACK: AssetKey("text_tracks"),
    Kind.LABEL_TRACK: AssetKey("label_tracks"),
}


@contextmanager
def plain_failure() -> Iterator[None]:
    """A DreamlakeError in this block fails the step with its message and hint. Dagster does not try the step again: BSS
    offers the batch again when its lease has ended."""
    try:
        yield
    except DreamlakeError as error:
        raise Failure(
            description=error.message,
            metadata={"code": str(error.code), "what to do": error.hint or "The batch is offered again by itself."},
            allow_retries=False,
        ) from error


def hold_of(context: AssetExecutionContext, batch_tools: BatchTools, redo: Redo) -> Hold:
    """This run's hold on the batch that its partition is. Raises DreamlakeError(INVALID_REQUEST) when the partition can
    be no batch, or `redo` names what can be no record: people add partitions, and write the config of runs."""
    from pydantic import ValidationError

    from ..api.pipeline import BeginBatch
    from ..problems import problem_of
    from ..processing.hold import Hold

    partition, run_id = context.partition_key, context.run.run_id
    policy = batch_tools.batch_policy
    lease_seconds = policy.batch_lease
    try:
        BeginBatch(partition=partition, run_id=run_id, lease_seconds=lease_seconds, only=list(redo.only))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise DreamlakeError(
            Code.INVALID_REQUEST,
            f"The run's `{problem['loc'][0]}` is none that BSS knows: {problem_of(problem)}.",
            hint="Run a partition that the staging sensor added; `only` takes ids of records.",
        ) from None
    return Hold(
        batch_tools.bss.pipeline,
        partition,
        run_id,
        lease_seconds=lease_seconds,
        turn_seconds=policy.batch_turn,
        force=redo.force,
        only=redo.only,
        attempt=_attempt_of(context.run),
        max_files=_at_most(context.run, MOST_FILES_TAG, policy.batch_files),
        max_bytes=_at_most(context.run, MOST_BYTES_TAG, policy.batch_bytes),
        slots=policy.slots,
        kinds=kinds_of_run(context),
    )


def _attempt_of(run: DagsterRun) -> int | None:
    """Which offer of its batch the sensor launched this run for; None for a run that a person started, or started
    again: it takes the batch whatever was offered since."""
    tag = run.tags.get(ATTEMPT_TAG, "")
    is_sensors = run.parent_run_id is None and run.tags.get(RUN_KEY_TAG) is not None
    return int(tag) if is_sensors and tag.isascii() and tag.isdigit() and len(tag) < 9 else None


def _at_most(run: DagsterRun, tag: str, bound: int) -> int:
    """A bound of batches, or the lower one that a launcher set for this run (instance/composite.py)."""
    told = run.tags.get(tag, "")
    return max(1, min(bound, int(told))) if told.isascii() and told.isdigit() and len(told) < 19 else bound


def moved_of(hold: Hold) -> MovedFiles | None:
    """Where files are that the batch of a run has had, and has no longer; None for the sensor's first offer of a batch,
    which nothing can have left."""
    return None if hold.attempt == 1 else hold.pipeline.moved(hold.partition)


def assets_of(kinds: Collection[Kind]) -> list[AssetKey] | None:
    """The assets of a run that works on files of these kinds; None when that is all of them. The others have no
    materialization of the batch: nothing of it is theirs."""
    if len(kinds) == len(_ASSETS):
        return None
    return [STAGING_OBJECTS, *(asset for kind, asset in _ASSETS.items() if kind in kinds), _INDEX]


def takes_whole_batch(context: AssetExecutionContext) -> bool:
    """Whether `staging_objects` is part of this run: it takes the batch for all assets after it."""
    return _is_executed(context, STAGING_OBJECTS)


def kinds_of_run(context: AssetExecutionContext) -> set[Kind]:
    """The kinds whose assets are part of this run."""
    return {kind for kind, asset in _ASSETS.items() if _is_executed(context, asset)}


def _is_executed(context: AssetExecutionContext, asset: AssetKey) -> bool:
    run = context.run
    return (not run.asset_selection or asset in run.asset_selection) and (
        not run.step_keys_to_execute or asset.to_python_identifier() in run.step_keys_to_execute
    )


def begin_work(batch_tools: BatchTools, hold: Hold, batch: BatchItems, due: Sequence[Record]) -> BatchWork:
    """Have the items of `batch` that are `due` worked on."""
    from ..processing.batch import BatchWork
    from ..processing.index import upsert_living
    from ..processing.work import Workshop

    media_tools = batch_tools.media_tools
    shop = Workshop(
        hold.pipeline,
        batch_tools.object_store.store,
        scratch=media_tools.scratch_folder,
        ladder=tuple(media_tools.ladder) if batch.ladder is None else batch.ladder,
        playback=batch.playback or PlaybackMode.EVERYWHERE,
        csv=batch.csv or {},
        share=not hold.force,
    )
    tree = batch_tools.folder_tree
    upsert = upsert_living(hold.pipeline, tree.upsert, tree.remove)
    return BatchWork(hold, shop, due, workers=media_tools.workers, upsert=upsert)


@dataclass(frozen=True, slots=True)
class Processed:
    """The items of one kind: `items` is every one in the batch as it stands now, `outcomes` what this run did.
    `given_back`: how many left the batch, since another owner's turn had come."""

    items: list[Record]
    outcomes: list[Outcome]
    given_back: int
    seconds: float


def process_kind(context: AssetExecutionContext, kind: Kind, batch_tools: BatchTools, redo: Redo) -> Processed:
    """Wait until what is due of one kind in the run's batch is processed. In a run without `staging_objects`, it is
    begun here."""
    from ..processing.work import standing

    started = time.monotonic()
    with plain_failure():
        if batch_tools.work is not None:
            work = batch_tools.work
            work.until(kind)
            items = [item for item in batch_tools.items if item.kind is kind]
        else:
            hold = hold_of(context, batch_tools, redo)
            batch = hold.pipeline.items(hold.partition, kind)
            items, due = batch.items, hold.due_alone(batch.items)
            with begin_work(batch_tools, hold, batch, due) as work:
                work.finish()
    outcomes = [work.outcomes[item.id] for item in items if item.id in work.outcomes]
    problems = [f"{display.place(outcome.record)}: {outcome.error.message}" for outcome in outcomes if outcome.error]
    if problems:
        # One event, however many there are: the checks and the table name them too.
        context.log.warning("\n".join([f"{len(problems)} files have no result:", *problems[:_MOST_LOGGED]]))
    left = [item for item in standing(items, outcomes) if item.id not in work.given_back]
    return Processed(left, outcomes, len(items) - len(left), time.monotonic() - started)


def materialized(
    context: AssetExecutionContext,
    processed: Processed,
    object_store: ObjectStoreResource,
    *,
    checks: Sequence[AssetCheckResult],
    metadata: Mapping[str, Any] | None = None,
) -> MaterializeResult:
    """The materialization of one kind of a batch: its table, its pictures, where the results lie, its checks. Where the
    run does not come to the index, which tells the outcome of the batch, it has that of this kind."""
    items = processed.items
    if not _is_executed(context, _INDEX):
        tell_outcome(context, items)
    failed = [item for item in items if display.fault_of(item)]
    shown: dict[str, Any] = {
        "outcome": display.failed_of(len(failed), len(items)),
        "files": len(items),
        "processed now": len(processed.outcomes),
        "failed": len(failed),
        **({"given back, since another owner waits": processed.given_back} if processed.given_back else {}),
        "seconds": round(processed.seconds, 2),
    }
    if items:
        shown |= display.pages(items, Settings().viewer_url)
        shown["items"] = display.item_table(items)
        one = items[0]
        folder = f"{layout.project_prefix(one.owner, one.project)}{one.kind.spec.route}/"
        shown["dagster/uri"] = object_store.uri(folder)
    previews = ((display.place(one.record), one.preview) for one in processed.outcomes if one.preview)
    if (pictures := display.pictures(previews)) is not None:
        shown["pictures"] = pictures
    return MaterializeResult(metadata=shown | dict(metadata or {}), check_results=list(checks))


def total(items: Sequence[Record], field: str) -> float:
    """The sum of a numeric metadata field over the items that have a result."""
    return round(sum((item.metadata or {}).get(field) or 0 for item in items if item.error is None), 3)
