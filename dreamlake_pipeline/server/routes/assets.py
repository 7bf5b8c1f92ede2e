"""Files: registration, one at a time or many, and lookup."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from fastapi import Query, Request

from ...admission import MIB, Reader, Writer, most_bytes
from ...api.common import Id, Listing, Name, Owner, Project, Text
from ...api.server import (
    Asset,
    AssetBatch,
    AssetChange,
    AssetIn,
    AssetRef,
    AssetRefs,
    BatchAsset,
    Download,
    RemoveAssets,
    RemovedAssets,
)
from ...auth import Scope
from ...crashpoints import CrashPoint, reached
from ...errors import Code, DreamlakeError
from ...kinds import Kind
from ...longlists import LongList, answer_page
from ..assets import assets_by_id, find_asset, get_asset, list_assets, no_asset
from ..index import upsert_assets
from ..marks import change_asset
from ..paging import Cursor, Limit
from ..removal import IndexedFile, remove_asset, remove_files
from .parameters import DEFAULT_LIMIT, NOT_FOUND, NOT_JSON, Database, EpisodeOrNone, episode_or_none, new_router

router = new_router("assets")


@router.post("/assets/batch", summary="Register many files", openapi_extra=most_bytes(32 * MIB), responses=NOT_JSON)
def register_batch(body: AssetBatch, caller: Writer, database: Database) -> AssetRefs:
    """Upserts all of them in one transaction, or none. The references come in the order of the request."""
    for namespace in {asset.namespace for asset in body.assets}:
        caller.require(namespace, Scope.WRITE)
    with database.begin() as connection:
        refs = upsert_assets(connection, body.assets)
    reached(CrashPoint.ENTRIES_COMMITTED)
    return AssetRefs(items=refs)


@router.post("/assets/delete", summary="Remove many files from the index", openapi_extra=most_bytes(8 * MIB))
def remove_assets(body: RemoveAssets, caller: Writer, database: Database) -> RemovedAssets:
    """By their names, in one transaction. Those that are not there are passed over; folders stay."""
    for namespace in {asset.namespace for asset in body.assets}:
        caller.require(namespace, Scope.WRITE)
    with database.begin() as connection:
        files = [
            IndexedFile(one.kind, one.namespace, one.project, one.episode, one.path, one.bss_id) for one in body.assets
        ]
        return RemovedAssets(removed=remove_files(connection, files))


@router.post("/assets/{kind}", summary="Register a file", openapi_extra=most_bytes(4 * MIB), responses=NOT_JSON)
def register_asset(kind: Kind, body: AssetIn, caller: Writer, database: Database) -> AssetRef:
    """Upserts project and episode, ensures the folders, and creates the file's entry or updates it: the same name
    twice is one entry. The BSS id is expected under the key of the kind."""
    caller.require(body.namespace, Scope.WRITE)
    try:
        body.bss_id(kind)
    except ValueError as problem:
        raise DreamlakeError(Code.INVALID_REQUEST, f"{kind} {body.name!r}: {problem}.") from None
    asset = BatchAsset.model_construct(**dict(body), kind=kind)
    with database.begin() as connection:
        return upsert_assets(connection, [asset])[0]


@router.get("/assets/{kind}", summary="List files of a kind", responses=NOT_FOUND, response_model=Listing[Asset])
def list_assets_of_kind(
    kind: Kind,
    caller: Reader,
    database: Database,
    namespace: Owner,
    project: Annotated[Project | None, Query(description="Absent: all projects of the namespace.")] = None,
    episode: Annotated[
        str | None, Query(description="Absent: all episodes. Empty: the files that belong to none.")
    ] = None,
    prefix: Annotated[Text, Query(description="How the name starts, such as `/camera/`.", max_length=1024)] = "/",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Listing[Asset] | LongList:
    """Episode by episode, in tree order."""
    caller.require(namespace, Scope.READ)
    if episode is not None and project is None:
        raise DreamlakeError(Code.INVALID_REQUEST, "episode: name the project that it belongs to, too.")
    if not prefix.startswith("/"):
        raise DreamlakeError(Code.INVALID_NAME, f"prefix {prefix!r} must start with '/', as every name does.")

    def read(cursor: str | None, limit: int) -> Listing[Asset]:
        with database.connect() as connection:
            return list_assets(
                connection,
                kind,
                namespace,
                project,
                episode=episode_or_none(episode),
                any_episode=episode is None,
                prefix=unicodedata.normalize("NFC", prefix),
                cursor=cursor,
                limit=limit,
            )

    return answer_page(read, cursor=cursor, limit=limit)


@router.get("/assets/{kind}/download", summary="Where a file's bytes are", responses=NOT_FOUND)
def download_asset(
    request: Request,
    kind: Kind,
    caller: Reader,
    database: Database,
    namespace: Owner,
    project: Project,
    path: Name,
    episode: EpisodeOrNone = None,
) -> Download:
    """BSS's URL of the file as it was uploaded; it takes the same bearer token."""
    caller.require(namespace, Scope.READ)
    with database.connect() as connection:
        asset = find_asset(connection, kind, namespace, project, episode_or_none(episode), path)
    return Download(url=f"{request.app.state.bss_url}/{kind.spec.route}/{asset.bss_id}/raw")


_IF_RECORD = Query(alias="bssId", description="Only as long as the name stands for this record.")


@router.delete("/assets/{kind}", summary="Remove a file from the index, by its name", status_code=204)
def remove_asset_by_name(
    kind: Kind,
    caller: Writer,
    database: Database,
    namespace: Owner,
    project: Project,
    path: Name,
    episode: EpisodeOrNone = None,
    bss_id: Annotated[Id | None, _IF_RECORD] = None,
) -> None:
    """Its record in BSS stays. Folders stay, too, also empty ones. Twice is a success, and so is a name that is not
    there."""
    caller.require(namespace, Scope.WRITE)
    with database.begin() as connection:
        remove_files(connection, [IndexedFile(kind, namespace, project, episode_or_none(episode), path, bss_id)])


@router.delete("/assets/{kind}/{id}", summary="Remove a file from the index", status_code=204, responses=NOT_FOUND)
def remove_asset_by_id(
    kind: Kind, id: Id, caller: Writer, database: Database, bss_id: Annotated[Id | None, _IF_RECORD] = None
) -> None:
    """As by its name. 404 when the file is of another kind. A file that the token does not reach is not there."""
    with database.begin() as connection:
        asset = assets_by_id(connection, [id]).get(id)
        if asset is None or not caller.reaches(asset.namespace):
            return
        get_asset(connection, kind, id)
        remove_asset(connection, id, bss_id)


@router.get("/assets/{kind}/{id}", summary="A file of the index", responses=NOT_FOUND)
def get_asset_by_id(kind: Kind, id: Id, caller: Reader, database: Database) -> Asset:
    with database.connect() as connection:
        asset = get_asset(connection, kind, id)
    if not caller.reaches(asset.namespace):
        raise no_asset(kind, id)
    return asset


@router.patch("/assets/{kind}/{id}", summary="Shift a file in time", responses=NOT_FOUND | NOT_JSON)
def patch_asset(kind: Kind, id: Id, body: AssetChange, caller: Writer, database: Database) -> Asset:
    """By how many seconds it is later than its own times say; null takes that away."""
    with database.begin() as connection:
        asset = get_asset(connection, kind, id)
        if not caller.reaches(asset.namespace):
            raise no_asset(kind, id)
        caller.require(asset.namespace, Scope.WRITE)
        change_asset(connection, id, body)
        return get_asset(connection, kind, id)
