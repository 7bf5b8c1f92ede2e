"""/pipeline/…: what the staging sensor and the assets say. Only a token that writes everywhere may."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Depends, Query, Response

from ...admission import MIB, most_bytes, new_router, reads_for_pipeline, writes_for_pipeline
from ...api.bss import Success
from ...api.common import Printable
from ...api.failures import Failures, MovedFiles
from ...api.pipeline import (
    Adopted,
    AdoptObjects,
    BatchItems,
    BatchOffers,
    BatchRef,
    BatchSummary,
    BeginBatch,
    ClaimBatches,
    Deletions,
    FinishBatch,
    ForgetDeletions,
    GiveBack,
    Held,
    KnownBuild,
    KnownResults,
    LeaseChunks,
    LeasedBatches,
    LeasedChunks,
    LookupResults,
    PendingDeletions,
    Postpone,
    ReleaseBatches,
    Released,
    Reported,
    ReportResults,
    StagedKeys,
    StoredChunks,
    UnknownKeys,
)
from ...crashpoints import CrashPoint, reached
from ...kinds import Kind
from .. import batches, build, chunks, deletions, failures, journal, records, staged
from ..context import SOUND, Database, ItsPresence, Store
from ..waking import WAKES, ItsWake

# Seconds between two looks of a claim that waits: each costs a millisecond or two. What this process queues is seen at
# once; another process of BSS may queue something, and what was put off comes due.
_LOOK_AGAIN = 0.3

routes = new_router(prefix="/pipeline", tags=["pipeline"])

_LOOKUP = [Depends(reads_for_pipeline)]
_CHANGE = [Depends(writes_for_pipeline)]


@routes.post(
    "/staged/unknown",
    summary="Staged objects that nobody accounts for",
    dependencies=_LOOKUP,
    openapi_extra=most_bytes(8 * MIB),
)
def unknown(body: StagedKeys, database: Database) -> UnknownKeys:
    with database.connect() as connection:
        return UnknownKeys(keys=staged.unknown(connection, body.keys, body.etags, body.modified))


@routes.post(
    "/staged/adopt",
    summary="Register staged objects, or remember that they are none of ours",
    dependencies=[*_CHANGE, SOUND, WAKES],
    openapi_extra=most_bytes(16 * MIB),
)
def adopt(body: AdoptObjects, database: Database, store: Store) -> Adopted:
    with database.begin() as connection:
        adopted = staged.adopt(connection, body.objects)
    journal.note(database, store, adopted.ids)
    return adopted.told


@routes.post("/batches/claim", summary="Batches to launch", dependencies=_CHANGE)
def claim(body: ClaimBatches, database: Database, presence: ItsPresence, wake: ItsWake) -> BatchOffers:
    deadline = time.monotonic() + body.wait_seconds
    if body.build is not None:
        with database.begin() as connection:
            build.tell(connection, body.build)
    while True:
        times = wake.times
        with database.begin() as connection:
            batches.make_claimable(connection, body)
        all_heard = presence.claimed(body.lease_seconds)
        with database.begin() as connection:
            offers = batches.claim(connection, body, begun_too=all_heard)
            if offers:
                reached(CrashPoint.BATCH_FORMED)
        if offers or time.monotonic() >= deadline:
            return BatchOffers(batches=offers)
        wake.wait(times, min(_LOOK_AGAIN, max(0.0, deadline - time.monotonic())))


@routes.get("/build", summary="What the pipeline makes results with", dependencies=_LOOKUP)
def known_build(database: Database) -> KnownBuild:
    with database.connect() as connection:
        return build.known(connection)


@routes.get("/batches/leased", summary="Batches that are offered or worked on", dependencies=_LOOKUP)
def leased(database: Database) -> LeasedBatches:
    with database.connect() as connection:
        return LeasedBatches(batches=batches.leased(connection))


@routes.post(
    "/batches/release",
    summary="Attempts at batches that are known to be over",
    dependencies=[*_CHANGE, WAKES],
    openapi_extra=most_bytes(4 * MIB),
)
def release(body: ReleaseBatches, database: Database) -> Released:
    with database.begin() as connection:
        return Released(partitions=batches.release(connection, body.releases, body.max_attempts))


@routes.post(
    "/batches/begin",
    summary="A run takes a batch",
    dependencies=_CHANGE,
    openapi_extra=most_bytes(1 * MIB),
    response_model=BatchItems,
)
def begin(body: BeginBatch, database: Database) -> Response:
    # In a transaction of its own: it has locked records, and may wait for no others.
    with database.begin() as connection:
        batches.fill(connection, body)
    with database.begin() as connection:
        return _written(batches.begin(connection, body))


@routes.get(
    "/batches/items",
    summary="Every item of a batch, or those of one kind",
    dependencies=_LOOKUP,
    response_model=BatchItems,
)
def items(database: Database, partition: Annotated[Printable, Query()], kind: Kind | None = None) -> Response:
    with database.connect() as connection:
        return _written(batches.items(connection, partition, kind))


def _written(answer: BatchItems) -> Response:
    """The answer as it is: thousands of records are not to be validated once more on their way out."""
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")


@routes.post("/batches/heartbeat", summary="A run is still at work", dependencies=_CHANGE)
def heartbeat(body: BatchRef, database: Database) -> Held:
    with database.begin() as connection:
        return Held(others_wait=batches.heartbeat(connection, body.partition, body.run_id, body.lease_seconds))


@routes.post("/batches/give-back", summary="Items that the run will not work on", dependencies=[*_CHANGE, WAKES])
def give_back(body: GiveBack, database: Database) -> Success:
    with database.begin() as connection:
        batches.give_back(connection, body.partition, body.run_id, body.ids)
    return Success()


@routes.post(
    "/batches/postpone",
    summary="Items that a fault of the machinery kept from being processed",
    dependencies=_CHANGE,
    openapi_extra=most_bytes(8 * MIB),
)
def postpone(body: Postpone, database: Database) -> Success:
    with database.begin() as connection:
        batches.postpone(connection, body.partition, body.run_id, body.items)
    return Success()


@routes.post(
    "/batches/results", summary="What became of items", dependencies=_CHANGE, openapi_extra=most_bytes(64 * MIB)
)
def results(body: ReportResults, database: Database, store: Store) -> Reported:
    with database.begin() as connection:
        passed_over = batches.report(connection, body.partition, body.run_id, body.results)
        reached(CrashPoint.RESULTS_WRITTEN)
    reached(CrashPoint.RESULTS_COMMITTED)
    # What was made says so itself, by its meta.json.
    journal.note(database, store, [result.id for result in body.results if result.error is not None])
    return Reported(passed_over=passed_over)


@routes.post(
    "/batches/finish",
    summary="Items with results are indexed: they are ready",
    dependencies=[*_CHANGE, WAKES],
    openapi_extra=most_bytes(1 * MIB),
)
def finish(body: FinishBatch, database: Database) -> BatchSummary:
    with database.begin() as connection:
        summary = batches.finish(connection, body.partition, body.run_id, body.ids)
        reached(CrashPoint.READY_WRITTEN)
        return summary


@routes.post(
    "/chunks/lease",
    summary="Announce chunks; which of them must be stored",
    dependencies=_CHANGE,
    openapi_extra=most_bytes(2 * MIB),
)
def lease(body: LeaseChunks, database: Database) -> LeasedChunks:
    with database.begin() as connection:
        missing = chunks.lease(connection, body.chunks, body.lease_seconds)
        hashes = [chunk.sha256 for chunk in body.chunks]
        known = chunks.referred_by(connection, body.owner, hashes) if body.owner and hashes else []
        return LeasedChunks(missing=missing, known=known)


@routes.post(
    "/chunks/stored", summary="Chunks are in the pool now", dependencies=_CHANGE, openapi_extra=most_bytes(2 * MIB)
)
def stored(body: StoredChunks, database: Database) -> Success:
    with database.begin() as connection:
        chunks.mark_stored(connection, body.chunks)
    return Success()


@routes.post(
    "/results/lookup", summary="Results that exist already", dependencies=_LOOKUP, openapi_extra=most_bytes(4 * MIB)
)
def lookup(body: LookupResults, database: Database) -> KnownResults:
    with database.connect() as connection:
        return KnownResults(items=records.known_results(connection, body.owner, body.keys))


@routes.get("/failures", summary="What failed over all batches, the latest first", dependencies=_LOOKUP)
def failed(database: Database, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Failures:
    with database.connect() as connection:
        return failures.latest(connection, limit)


@routes.get("/batches/moved", summary="Files that a batch has had, and has no longer", dependencies=_LOOKUP)
def moved(
    database: Database,
    partition: Annotated[Printable, Query()],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> MovedFiles:
    with database.connect() as connection:
        return failures.moved(connection, partition, limit)


@routes.post("/deletions/pending", summary="Deleted records of which the index was not told", dependencies=_LOOKUP)
def pending_deletions(body: PendingDeletions, database: Database) -> Deletions:
    with database.connect() as connection:
        return Deletions(items=deletions.pending(connection, min_age_seconds=body.min_age_seconds, limit=body.limit))


@routes.post(
    "/deletions/forget",
    summary="The index was told of deletions and restorations",
    dependencies=_CHANGE,
    openapi_extra=most_bytes(1 * MIB),
)
def forget_deletions(body: ForgetDeletions, database: Database, store: Store) -> Success:
    # A crash may have come between a deletion and its line in the journal: then it is written now, at the latest.
    ids = [one.record_id for one in body.deletions]
    journal.note_deleted(database, store, ids)
    journal.note(database, store, ids)
    with database.begin() as connection:
        deletions.forget(connection, body.deletions)
    return Success()
