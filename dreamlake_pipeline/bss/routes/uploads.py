"""R/upload/multipart/…: a file in parts, straight to the object store."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ...admission import MIB, Writer, most_bytes, new_router
from ...api.bss import (
    PartsDone,
    PartUrls,
    Success,
    UploadComplete,
    UploadInit,
    UploadInitiated,
    UploadParts,
    UploadRef,
)
from ...api.common import Printable
from ...auth import Scope
from ...kinds import KindSpec
from .. import staged, uploads
from ..context import Config, Database, Store


def router(spec: KindSpec) -> APIRouter:
    """The upload routes of one kind."""
    routes = new_router(prefix=f"/{spec.route}/upload/multipart", tags=["uploads"])

    @routes.post("/init", summary=f"Begin to upload {spec.label}, or go on with an upload")
    def init(body: UploadInit, caller: Writer, database: Database, store: Store, config: Config) -> UploadInitiated:
        """Twice for the same owner, project and hash gives the same upload while it is open."""
        caller.require(body.owner, Scope.WRITE)
        want = uploads.wanted(
            spec.kind,
            body.owner,
            body.project,
            body.hash,
            name=body.name,
            episode=body.episode,
            size=body.size,
            content_type=body.content_type,
            checksummed=body.checksum is not None,
        )
        return uploads.start(database, store, want, part_size=config.part_size)

    @routes.post("/parts", summary="URLs to send parts to", openapi_extra=most_bytes(MIB))
    def parts(body: UploadParts, caller: Writer, database: Database, store: Store, config: Config) -> PartUrls:
        """Bare numbers: any bytes will do. Planned parts: length and checksum are signed; send the headers given."""
        key = uploads.check_key(caller, body.key)
        return PartUrls(
            parts=uploads.sign_parts(
                database,
                store,
                key,
                body.upload_id,
                body.part_numbers,
                body.parts,
                expires=caller.seconds_left(config.url_ttl),
            )
        )

    @routes.get("/parts-done", summary="Which parts have arrived")
    def parts_done(
        caller: Writer,
        database: Database,
        store: Store,
        upload_id: Annotated[Printable, Query(alias="uploadId")],
        key: Annotated[Printable, Query()],
    ) -> PartsDone:
        """`expired`: the upload is over or gone, and must be begun again."""
        return uploads.parts_done(database, store, uploads.check_key(caller, key), upload_id)

    @routes.post("/complete", summary="Join the parts into the file", openapi_extra=most_bytes(4 * MIB))
    def complete(body: UploadComplete, caller: Writer, database: Database, store: Store) -> Success:
        """Twice is a success, too. Where verified bytes lie under the key, they stay, and what was sent is given up."""
        key = uploads.check_key(caller, body.key)
        state = uploads.state(database, key, body.upload_id)
        with database.connect() as connection:
            verified = staged.verified_sizes(connection, [key]).get(key)
        uploads.complete(store, key, body.upload_id, body.parts, state=state, verified_size=verified)
        uploads.end(database, [body.upload_id], completed=True)
        return Success()

    @routes.post("/abort", summary="Give an upload up")
    def abort(body: UploadRef, caller: Writer, database: Database, store: Store) -> Success:
        """Its parts are freed. Twice is a success, too."""
        uploads.give_up(database, store, uploads.check_key(caller, body.key), body.upload_id)
        return Success()

    return routes
