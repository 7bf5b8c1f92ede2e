"""R: registration, lists, one record, its metadata and raw bytes, deletion."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse

from ... import layout
from ...admission import Reader, Writer, new_router
from ...api.bss import Record, Register, Registered, Status
from ...api.common import Episode, Listing, Owner, Project
from ...auth import Scope
from ...errors import Code, DreamlakeError
from ...kinds import Kind, KindSpec, content_type_of
from ...longlists import LongList, answer_page
from ...names import EVERY_NAMESPACE
from .. import access, condemned, journal, records, removal, staged
from ..context import SOUND, Config, Database, RecordId, Store
from ..downloads import raw_url
from ..records import NewRecord


def router(spec: KindSpec) -> APIRouter:
    """The record routes of one kind."""
    routes = new_router(prefix=f"/{spec.route}", tags=[spec.label])
    _add_registration(routes, spec)
    _add_list(routes, spec)
    _add_reading(routes, spec)
    _add_deletion(routes, spec)
    return routes


def _add_registration(routes: APIRouter, spec: KindSpec) -> None:
    @routes.post("", summary="Register an uploaded file", response_model_exclude_none=True, dependencies=[SOUND])
    def register(body: Register, caller: Writer, database: Database, store: Store) -> Registered:
        """The same file under the same name again is the same record. Its bytes must have arrived.

        Another ladder, other browsers, and other options of a CSV, hold for its next processing, which is asked for by
        itself.
        """
        caller.require(body.owner, Scope.WRITE)
        if body.ladder is not None and spec.kind is not Kind.VIDEO:
            raise DreamlakeError(Code.INVALID_REQUEST, "ladder: only a video has one.")
        if body.playback is not None and spec.kind is not Kind.VIDEO:
            raise DreamlakeError(Code.INVALID_REQUEST, "playback: only a video has it.")
        if body.csv is not None and spec.kind is not Kind.LABEL_TRACK:
            raise DreamlakeError(Code.INVALID_REQUEST, "csv: only a label file has it.")
        key = layout.staging_key(body.owner, body.project, body.staging_hash)
        found = staged.require(store, key, size=body.size)
        with database.begin() as connection:
            if condemned.hold(connection, store, [key]):
                raise staged.missing(key)
            [inserted] = records.insert(
                connection,
                [
                    NewRecord(
                        kind=spec.kind,
                        owner=body.owner,
                        project=body.project,
                        episode=body.episode,
                        name=body.name,
                        staging_key=key,
                        staging_hash=body.staging_hash,
                        size=found.size,
                        content_type=body.content_type or content_type_of(body.name),
                        queue=not spec.asks,
                        ladder=body.ladder,
                        playback=body.playback,
                        csv=body.csv,
                    )
                ],
            )
            record = inserted.record
            if body.ladder not in (None, record.ladder):
                records.change_ladders(connection, {record.id: body.ladder})
            if body.playback is not None and body.playback is not record.playback:
                records.change_playback(connection, {record.id: body.playback})
            if body.csv not in (None, record.csv):
                records.change_csv_options(connection, {record.id: body.csv})
        journal.note(database, store, [record.id])
        return Registered.model_validate(
            {"id": record.id, "status": record.status, "uploaded_at": record.uploaded_at, spec.id_field: record.id}
        )


def _add_list(routes: APIRouter, spec: KindSpec) -> None:
    @routes.get("", summary=f"List {spec.label}", response_model=Listing[Record])
    def list_records(
        caller: Reader,
        database: Database,
        owner: Annotated[Owner | None, Query(description="Needed unless the token reaches every namespace.")] = None,
        project: Annotated[Project | None, Query()] = None,
        status: Annotated[Status | None, Query()] = None,
        episode: Annotated[Episode | None, Query()] = None,
        cursor: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Listing[Record] | LongList:
        """Oldest first; pass `cursor` back for the next page."""
        if owner is not None:
            caller.require(owner, Scope.READ)
        elif EVERY_NAMESPACE in caller.namespaces:
            caller.require(EVERY_NAMESPACE, Scope.READ)
        else:
            raise DreamlakeError(Code.INVALID_REQUEST, "owner: say whose records to list.")

        def read(cursor: str | None, limit: int) -> Listing[Record]:
            with database.connect() as connection:
                return records.list_page(
                    connection,
                    spec.kind,
                    owner=owner,
                    project=project,
                    status=status,
                    episode=episode,
                    cursor=cursor,
                    limit=limit,
                )

        return answer_page(read, cursor=cursor, limit=limit)


def _add_reading(routes: APIRouter, spec: KindSpec) -> None:
    @routes.get("/{id}", summary="One record")
    def get(id: RecordId, caller: Reader, database: Database) -> Record:
        return access.find(database, caller, spec.kind, id, Scope.READ)

    @routes.get("/{id}/metadata", summary="What is known of its content")
    def metadata(id: RecordId, caller: Reader, database: Database) -> dict[str, Any]:
        """409 `not_ready` until it has been processed."""
        record = access.find(database, caller, spec.kind, id, Scope.READ)
        if record.metadata is None:
            raise access.not_ready(record)
        return record.metadata

    @routes.get("/{id}/raw", summary="The file as it was uploaded", status_code=302, response_class=RedirectResponse)
    def raw(id: RecordId, caller: Reader, database: Database, store: Store, config: Config) -> str:
        """A redirect to a URL that gives the bytes, as a download of the file's own name: no browser shows them."""
        record = access.find(database, caller, spec.kind, id, Scope.READ)
        return raw_url(store, record.staging_key, record.name, caller.seconds_left(config.url_ttl))


def _add_deletion(routes: APIRouter, spec: KindSpec) -> None:
    @routes.delete("/{id}", summary="Delete a record", status_code=204)
    def delete(id: RecordId, caller: Writer, database: Database, store: Store) -> None:
        """It is hidden at once, and can be restored for a time (`POST /records/undelete`); garbage collection frees
        what it has afterwards. The index hears of it within two minutes; who wants it at once deletes the file there,
        too.
        """
        record = access.find(database, caller, spec.kind, id, Scope.WRITE)
        removal.delete(database, store, [record.id], by=caller.sub)
