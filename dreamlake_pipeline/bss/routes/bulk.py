"""Many files in one call."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from ...admission import MIB, Reader, Writer, most_bytes, new_router
from ...api.bss import (
    ChangedRecords,
    CompareFiles,
    Differences,
    FileLogs,
    FinishedUploads,
    FinishUploads,
    Ids,
    KnownRecords,
    LogsOf,
    PlannedUploads,
    PlanUploads,
    Record,
    Records,
    Requeue,
)
from ...auth import Principal, Scope
from ...longlists import LongList, answer_items
from .. import bulk, journal, records
from ..compare import compare
from ..context import SOUND, Config, Database, Store
from ..waking import WAKES

routes = new_router(tags=["bulk"])

_LONG = most_bytes(8 * MIB)  # 1,000 of the longest names, every character of them escaped


@routes.post("/uploads/compare", summary="What of many files is new", openapi_extra=_LONG)
def compare_files(body: CompareFiles, caller: Reader, database: Database) -> Differences:
    """For each file: new, changed, unchanged, or stored under another name. Has no effect."""
    caller.require(body.owner, Scope.READ)
    with database.connect() as connection:
        return compare(connection, body)


@routes.post(
    "/uploads/plan",
    summary="How to upload many files",
    openapi_extra=_LONG,
    response_model_exclude_none=True,
    dependencies=[SOUND],
)
def plan(body: PlanUploads, caller: Writer, database: Database, store: Store, config: Config) -> PlannedUploads:
    """For each file: its bytes are there already (`staged`), one PUT, or a multipart upload with checksums."""
    caller.require(body.owner, Scope.WRITE)
    return PlannedUploads(
        files=bulk.plan(database, store, body, part_size=config.part_size, expires=caller.seconds_left(config.url_ttl))
    )


@routes.post(
    "/uploads/finish",
    summary="Complete, verify, register and queue",
    openapi_extra=most_bytes(32 * MIB),
    response_model_exclude_none=True,
    dependencies=[SOUND, WAKES],
)
def finish(body: FinishUploads, caller: Writer, database: Database, store: Store) -> FinishedUploads:
    """Each file has its own outcome. Ready files stay ready; failed ones are queued again."""
    caller.require(body.owner, Scope.WRITE)
    return FinishedUploads(files=bulk.finish(database, store, body))


@routes.post("/records/query", summary="Many records by id", response_model=Records)
def query(body: Ids, caller: Reader, database: Database) -> LongList:
    """Those that exist and that the caller may read, in the order of the ids."""
    return _answer(body.ids, caller, database)


@routes.post("/records/changed", summary="Which of many records were updated", openapi_extra=most_bytes(MIB))
def changed(body: KnownRecords, caller: Reader, database: Database) -> ChangedRecords:
    """Whoever waits for many files asks for these alone, and for nothing of those that are as they were."""
    with database.connect() as connection:
        return records.changed(connection, {one.id: one.updated_at for one in body.known}, caller)


@routes.post("/records/logs", summary="What was logged of files that failed")
def logs(body: LogsOf, caller: Reader, database: Database) -> FileLogs:
    """A few lines of each, without secrets, in the order of the ids. What failed without a line of its own, as where
    its run was killed, is left out."""
    with database.connect() as connection:
        return FileLogs(items=records.logged(connection, body.ids, caller))


@routes.post("/records/requeue", summary="Process again", response_model=Records, dependencies=[WAKES])
def requeue(body: Requeue, caller: Writer, database: Database, store: Store) -> LongList:
    """What failed or was never processed; with `force`, also what is ready. The records as they are then."""
    with database.begin() as connection:
        reachable = records.reachable(connection, body.ids, caller)
        queued = records.queue(connection, reachable, records.SETTLED if body.force else records.UNPROCESSED)
        if body.playback is not None:
            records.add_playback(connection, queued, body.playback)
    journal.note(database, store, sorted(queued))
    return _answer(reachable, caller, database)


def _answer(ids: Sequence[str], caller: Principal, database: Engine) -> LongList:
    def read(some: Sequence[str]) -> list[Record]:
        with database.connect() as connection:
            return records.get_many(connection, some, caller)

    return answer_items(read, list(dict.fromkeys(ids)))
