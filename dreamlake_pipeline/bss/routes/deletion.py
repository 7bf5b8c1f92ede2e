"""/records: records of all kinds at once, to be listed, deleted, restored and renamed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import Query

from ... import names
from ...admission import MIB, Reader, Writer, most_bytes, new_router
from ...api.bss import Deleted, DeletedRecord, Ids, Moved, Moves, RecordRef, Taken, Undelete, Undeleted, Underway
from ...api.common import Listing, Owner, Project, Text
from ...auth import Scope
from ...crashpoints import CrashPoint, reached
from ...longlists import LongList, answer_page
from ...names import EVERY_NAMESPACE
from .. import deletions, journal, moves, places, records, removal, underway
from ..context import Config, Database, Store
from ..places import Place
from ..waking import WAKES

routes = new_router(prefix="/records", tags=["records"])

Episode = Annotated[
    Text | None, Query(description="Absent: all. Empty: the files that belong to no episode.", max_length=255)
]
Path = Annotated[Text | None, Query(description="A file, or a folder with all that is below it.", max_length=1024)]
Cursor = Annotated[str | None, Query(max_length=100)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def _place(owner: str, project: str | None, episode: str | None, path: str | None) -> Place:
    """The place in canonical form. Raises INVALID_NAME."""
    return Place(
        owner,
        project,
        names.check_episode(episode) if episode else episode,
        None if path is None else names.check_folder(path),
    )


@routes.get("", summary="Records of all kinds", response_model=Listing[RecordRef])
def list_records(
    caller: Reader,
    database: Database,
    owner: Owner,
    project: Annotated[Project | None, Query()] = None,
    episode: Episode = None,
    path: Path = None,
    failed: Annotated[
        bool, Query(description="Only those that their names stand for and whose last processing failed.")
    ] = False,
    warned: Annotated[bool, Query(description="Only those whose results have warnings.")] = False,
    partial: Annotated[bool, Query(description="Only those whose results are of a part of the file.")] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Listing[RecordRef] | LongList:
    """Without what was found in their files, oldest first; pass `cursor` back for the next page."""
    caller.require(owner, Scope.READ)
    place = _place(owner, project, episode, path)

    def read(cursor: str | None, limit: int) -> Listing[RecordRef]:
        with database.connect() as connection:
            return places.list_page(
                connection, place, failed=failed, warned=warned, partial=partial, cursor=cursor, limit=limit
            )

    return answer_page(read, cursor=cursor, limit=limit)


@routes.get("/underway", summary="What is under way, by project")
def list_underway(
    caller: Reader,
    database: Database,
    owner: Annotated[Owner | None, Query(description="Absent: all that the token reaches.")] = None,
) -> Underway:
    """Of the namespaces that the token reaches, or of one: how many files are sent, wait and are processed."""
    if owner is not None:
        caller.require(owner, Scope.READ)
        reached: Sequence[str] | None = [owner]
    else:
        caller.require_any(Scope.READ)
        reached = None if EVERY_NAMESPACE in caller.namespaces else caller.namespaces
    with database.connect() as connection:
        return underway.count(connection, reached)


@routes.get("/deleted", summary="Records that can be restored", response_model=Listing[DeletedRecord])
def list_deleted(
    caller: Reader,
    database: Database,
    config: Config,
    owner: Owner,
    project: Annotated[Project | None, Query()] = None,
    episode: Episode = None,
    path: Path = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Listing[DeletedRecord] | LongList:
    """Oldest first; pass `cursor` back for the next page."""
    caller.require(owner, Scope.READ)
    place, kept = _place(owner, project, episode, path), timedelta(days=config.deleted_kept)

    def read(cursor: str | None, limit: int) -> Listing[DeletedRecord]:
        with database.connect() as connection:
            return deletions.list_page(connection, place, kept=kept, cursor=cursor, limit=limit)

    return answer_page(read, cursor=cursor, limit=limit)


@routes.post("/delete", summary="Delete many records")
def delete(body: Ids, caller: Writer, database: Database, store: Store) -> Deleted:
    """As `DELETE R/{id}` does. Those that never were there, or that the token does not reach, are passed over."""
    with database.connect() as connection:
        reachable = records.reachable(connection, body.ids, caller)
    if reachable:
        removal.delete(database, store, reachable, by=caller.sub)
    with database.connect() as connection:
        return Deleted(ids=sorted(deletions.reachable(connection, body.ids, caller)))


@routes.post("/undelete", summary="Restore records that were deleted", dependencies=[WAKES])
def undelete(body: Undelete, caller: Writer, database: Database, store: Store) -> Undeleted:
    """They are as they were; what was not processed is queued. The index hears of it within two minutes; who wants it
    at once registers the files there, too."""
    with database.begin() as connection:
        reachable = deletions.reachable(connection, body.ids, caller)
        restored = deletions.restore(connection, reachable, replace=body.replace)
        there = records.reachable(connection, body.ids, caller)
        reached(CrashPoint.RESTORATION_WRITTEN)
    reached(CrashPoint.RESTORATION_COMMITTED)
    journal.note(database, store, restored.restored)
    return Undeleted(ids=sorted(there), taken=[Taken(id=id, by=by) for id, by in restored.taken.items()])


@routes.post("/move", summary="Give records other names", openapi_extra=most_bytes(8 * MIB))
def move(body: Moves, caller: Writer, database: Database, store: Store) -> Moved:
    """Within their projects. They count as uploaded now under these names; no byte is touched. The index hears of it
    within two minutes; who wants it at once registers the files there under the new names, and deletes the old ones.

    What is being processed is queued anew. Records that never were there, or that the token does not reach, are passed
    over.
    """
    with database.connect() as connection:
        reachable = set(records.reachable(connection, [one.id for one in body.moves], caller))
    asked = {one.id: one for one in body.moves if one.id in reachable}
    if not asked:
        return Moved(ids=[], taken=[])
    return moves.move(database, store, list(asked.values()), replace=body.replace, by=caller.sub)
