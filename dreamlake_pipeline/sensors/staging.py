"""The staging sensor: finds what nobody registered, and launches a run for every batch that BSS offers."""

import time
from typing import TYPE_CHECKING

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ..assets.partitions import ATTEMPT_TAG, BATCHES, OWNER_TAG, PROJECT_TAG, batches
from ..assets.run import assets_of
from ..crashpoints import CrashPoint, reached
from ..errors import DreamlakeError
from ..instance.watching import BYTES_TAG, FILES_TAG
from ..resources import BatchPolicy, BssResource, ObjectStoreResource
from ..visible import visible
from .attempts import release_ended

if TYPE_CHECKING:
    from ..api.pipeline import BatchOffer, Build
    from ..processing.staging import Found, Position


def build_staging_sensor(job: UnresolvedAssetJobDefinition, *, interval: int) -> SensorDefinition:
    """The sensor that ticks every `interval` seconds and launches `job`."""

    @sensor(
        job=job,
        minimum_interval_seconds=interval,
        default_status=DefaultSensorStatus.RUNNING,
        description=(
            "Lists the staging prefixes, registers objects that nobody registered within the grace time, and launches "
            "a run for every batch that BSS offers. Before that, it gives back the batches of runs that are over. "
            "A tick waits for a batch, so that a file is processed at once; where one is there, listing can wait. "
            "The cursor is the lister's position; BSS's tables are the truth."
        ),
    )
    def staging_sensor(
        context: SensorEvaluationContext,
        bss: BssResource,
        object_store: ObjectStoreResource,
        batch_policy: BatchPolicy,
    ) -> SensorResult | SkipReason:
        from ..processing.staging import Found, Position

        waits_until = time.monotonic() + batch_policy.sensor_wait
        try:
            attempts = batch_policy.batch_attempts
            for ended in release_ended(context.instance, bss.pipeline, max_attempts=attempts):
                context.log.warning(visible(ended))
        except DreamlakeError:
            pass  # BSS is away: the claim below says so
        position = Position.parse(context.cursor)
        found, trouble = Found(), None
        try:
            # Listing takes seconds while an ingest keeps the disk busy, in which its first files would wait.
            offers = [] if position.is_overdue else bss.pipeline.claim(batch_policy.claim(wait_seconds=0))
            if not offers:
                found, trouble = _walk(context, bss, object_store, position, grace_seconds=batch_policy.staging_grace)
                # What is registered is launched although the walk has failed, in whatever way. A tick that is at work
                # when Dagster looks which sensor is due misses its turn: it waits in what is left of its time.
                left = max(0.0, waits_until - time.monotonic())
                asked = batch_policy.claim(wait_seconds=left, store_answers=found.answered, build=_own_build())
                offers = bss.pipeline.claim(asked)
        except DreamlakeError as error:
            return SkipReason(f"{error} The next tick tries again; nothing is lost.")
        if offers:
            reached(CrashPoint.BATCHES_CLAIMED)
        if trouble and not offers:
            return SkipReason(visible(trouble))
        for reason in filter(None, [trouble, *found.left]):
            context.log.warning(visible(reason))
        for reason in found.ignored:
            context.log.info("ignored: %s", visible(reason))
        if found.registered:
            context.log.info("registered %d objects that nobody had registered", found.registered)

        # A batch that was offered and has no run after a few ticks is offered again, so a crash before these requests
        # are saved loses nothing. Adding a partition costs a query, a known one too: it is new at its first attempt.
        new = [
            offer.partition
            for offer in offers
            if offer.attempt == 1 or not context.instance.has_dynamic_partition(BATCHES, offer.partition)
        ]
        return SensorResult(
            run_requests=[_request(offer) for offer in offers],
            skip_reason=None if offers else f"No batch is due; {found.listed} staged objects looked at.",
            cursor=str(position),
            dynamic_partitions_requests=[batches.build_add_request(new)] if new else [],
        )

    return staging_sensor


def _own_build() -> "Build | None":
    """What runs of this code location make results with: nodes, which have to have the same, hear it from BSS. None
    while ffmpeg can't be asked: runs say why."""
    from ..processing.build import own_build

    try:
        return own_build()
    except DreamlakeError:
        return None


def _walk(
    context: SensorEvaluationContext,
    bss: BssResource,
    object_store: ObjectStoreResource,
    position: "Position",
    *,
    grace_seconds: float,
) -> "tuple[Found, str | None]":
    """Walk on from `position`, which moves; what was found, and why the walk failed if it did."""
    from ..processing.staging import Found, adopt_unregistered

    try:
        return adopt_unregistered(bss.pipeline, object_store.store, position, grace_seconds=grace_seconds), None
    except DreamlakeError as error:
        return Found(), f"{error} The next tick tries again; nothing is lost."
    except Exception as fault:
        context.log.exception("the walk through the staged objects failed")
        return Found(), f"The walk through the staged objects failed ({type(fault).__name__}: {fault})."


def _request(offer: "BatchOffer") -> RunRequest:
    """The run of one attempt at a batch, with the assets of its kinds: each step that has nothing to do takes a tenth
    of a second. Dagster never launches a run_key twice, not even one whose run failed: the attempt is part of it."""
    return RunRequest(
        run_key=f"{offer.partition}#{offer.attempt}",
        partition_key=offer.partition,
        asset_selection=assets_of(offer.kinds),
        tags={
            OWNER_TAG: offer.owner,
            PROJECT_TAG: offer.project,
            ATTEMPT_TAG: str(offer.attempt),
            FILES_TAG: str(offer.files),
            BYTES_TAG: str(offer.bytes),
        },
    )
