"""Writing the index: files and the folders that hold them, a batch at a time.

The number of statements does not grow with the batch: one finds the trees, one the folders, one writes the files,
and when something is new, one more for each table and each depth of folders; when a name comes with several records,
one more for each of these.

Many writers may work on the same names at once. A row that is not there is inserted with ON CONFLICT DO NOTHING and
read again, since another transaction may have been first. Every transaction takes its locks in the same order
(table by table, folders by depth, rows sorted as Postgres sorts them), so that none can wait in a circle. Both need
READ COMMITTED, and one `upsert_assets` per transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from ..api.bss import Status
from ..api.common import storable_json
from ..api.server import AssetRef, BatchAsset
from ..ids import made_at, new_id
from ..names import split_name
from .carrying import Moved, carry
from .folders import Folder, Root, ensure_folders, ensure_trees

_FileKey = tuple[str, str]  # the id of the folder, and the filename


def upsert_assets(connection: Connection, assets: list[BatchAsset]) -> list[AssetRef]:
    """Register files in the index, all in the transaction of `connection`; the references come in their order.

    Namespaces, projects, episodes and folders that are not there are made. The effect is that of one upsert after
    the other, by the rules of `AssetIn`; a name that comes twice gives the same reference twice. An asset whose record
    was uploaded before the stored one (a batch that reports after new content took the name) is only looked up.
    """
    if not assets:
        return []
    spots = [(_root_of(asset), *split_name(asset.name)) for asset in assets]
    trees = ensure_trees(connection, {root for root, _, _ in spots})
    folders = {(root, path): Folder(trees[root].root_id, path) for root, path, _ in spots}
    node_ids = ensure_folders(connection, set(folders.values()))

    if moved := [
        Moved(
            asset.bss_id(asset.kind),
            trees[root].project_id,
            asset.moved_from.episode,
            asset.moved_from.name,
            trees[root].root_id,
            asset.name,
        )
        for asset, (root, _, _) in zip(assets, spots, strict=True)
        if asset.moved_from is not None
    ]:
        carry(connection, moved)
    keys = [(node_ids[folders[root, path]], filename) for root, path, filename in spots]
    stored: dict[_FileKey, tuple[str, Status]] = {}
    for files in _in_rounds(keys, _uploads(assets)):
        stored |= _upsert_files(connection, files)

    def ref(root: Root, node_id: str, filename: str) -> AssetRef:
        project_id, episode_id, _ = trees[root]
        asset_id, status = stored[node_id, filename]
        return AssetRef(
            id=asset_id,
            project_id=project_id,
            episode_id=episode_id,
            node_id=node_id,
            filename=filename,
            status=status,
        )

    return [ref(root, *key) for (root, _, _), key in zip(spots, keys, strict=True)]


def _root_of(asset: BatchAsset) -> Root:
    return Root(asset.namespace, asset.project, asset.episode_name)


class _Upload(NamedTuple):
    """One upsert: an asset, and when its record counts as uploaded under its name (see `AssetIn`)."""

    asset: BatchAsset
    at: datetime

    @property
    def bss_id(self) -> str:
        return self.asset.bss_id(self.asset.kind)


def _uploads(assets: Sequence[BatchAsset]) -> list[_Upload]:
    now = datetime.now(UTC)

    def at(n: int, asset: BatchAsset) -> datetime:
        if asset.uploaded_at is not None:
            return asset.uploaded_at
        return now + timedelta(microseconds=n) if asset.restore else made_at(asset.bss_id(asset.kind))

    return [_Upload(asset, at(n, asset)) for n, asset in enumerate(assets)]


def _in_rounds(keys: Sequence[_FileKey], uploads: Sequence[_Upload]) -> list[dict[_FileKey, _Upload]]:
    """The uploads in rounds, to be written one after the other, in each of which a name comes once.

    What is said twice of one upload is folded into one upsert. Nearly always there is one round.
    """
    rounds: list[dict[_FileKey, _Upload]] = []
    latest: dict[_FileKey, int] = {}
    for key, upload in zip(keys, uploads, strict=True):
        n = latest.get(key, -1)
        if n >= 0 and (rounds[n][key].bss_id, rounds[n][key].at) == (upload.bss_id, upload.at):
            rounds[n][key] = _fold(rounds[n][key], upload)
            continue
        latest[key] = n + 1
        if n + 1 == len(rounds):
            rounds.append({})
        rounds[n + 1][key] = upload
    return rounds


def _fold(earlier: _Upload, later: _Upload) -> _Upload:
    """One upsert with the effect of two of the same record; `_UPSERT_FILES` has the same rules for a stored asset."""
    one, other = earlier.asset, later.asset
    kept = {name: getattr(one, name) for name in ("size", "sha256", "metadata") if getattr(other, name) is None}
    status = one.status if _outlasts(one.status, other.status) else other.status
    return later._replace(asset=other.model_copy(update={**kept, "status": status}))


def _outlasts(stored: Status | None, said: Status | None) -> bool:
    """Whether what is stored of a record stays although `said` came later."""
    return said is None or (stored is not None and stored.is_final and not said.is_final)


_UPSERT_FILES = text("""
    INSERT INTO assets AS stored
        (id, project_id, episode_id, root_id, node_id, filename, path, kind, bss_id, status, size, sha256, metadata,
         uploaded_at)
    SELECT new.id, folder.project_id, folder.episode_id, folder.root_id, folder.id, new.filename, new.path,
           new.kind, new.bss_id, new.status, new.size, new.sha256, new.metadata, new.uploaded_at
    FROM jsonb_to_recordset(CAST(:files AS jsonb))
         AS new (id text, node_id text, filename text, path text, kind text, bss_id text, status text, size bigint,
                 sha256 text, metadata jsonb, uploaded_at timestamptz)
    JOIN nodes AS folder ON folder.id = new.node_id
    ORDER BY folder.id, new.filename COLLATE "C"
    ON CONFLICT (node_id, filename) DO UPDATE SET
        kind = excluded.kind,
        bss_id = excluded.bss_id,
        status = CASE
            WHEN stored.bss_id <> excluded.bss_id THEN excluded.status
            WHEN stored.status IN ('ready', 'failed') AND excluded.status NOT IN ('ready', 'failed') THEN stored.status
            ELSE coalesce(excluded.status, stored.status)
        END,
        size = CASE
            WHEN stored.bss_id = excluded.bss_id THEN coalesce(excluded.size, stored.size)
            ELSE excluded.size
        END,
        sha256 = CASE
            WHEN stored.bss_id = excluded.bss_id THEN coalesce(excluded.sha256, stored.sha256)
            ELSE excluded.sha256
        END,
        metadata = CASE
            WHEN stored.bss_id = excluded.bss_id THEN coalesce(excluded.metadata, stored.metadata)
            ELSE excluded.metadata
        END,
        uploaded_at = greatest(stored.uploaded_at, excluded.uploaded_at),
        updated_at = now()
    WHERE (stored.bss_id = excluded.bss_id
           OR (stored.uploaded_at, stored.bss_id) < (excluded.uploaded_at, excluded.bss_id))
      -- What says nothing new makes no new version of the row.
      AND (excluded.bss_id, excluded.kind, coalesce(excluded.status, stored.status),
           coalesce(excluded.size, stored.size), coalesce(excluded.sha256, stored.sha256),
           coalesce(excluded.metadata, stored.metadata), greatest(stored.uploaded_at, excluded.uploaded_at))
          IS DISTINCT FROM
          (stored.bss_id, stored.kind, stored.status, stored.size, stored.sha256, stored.metadata, stored.uploaded_at)
    RETURNING node_id, filename, id, status
""")

_FIND_FILES = text("""
    SELECT asset.node_id, asset.filename, asset.id, asset.status, asset.kind, asset.bss_id, asset.size, asset.sha256,
           asset.uploaded_at
    FROM unnest(CAST(:nodes AS text[]), CAST(:filenames AS text[])) AS file (node_id, filename)
    JOIN assets AS asset ON asset.node_id = file.node_id AND asset.filename = file.filename
""")


_STATUSES = {str(status): status for status in Status}


def _upsert_files(connection: Connection, files: dict[_FileKey, _Upload]) -> dict[_FileKey, tuple[str, Status]]:
    """Write files; the ids of their assets, and the status that these have now.

    Those without metadata, as a client sends them, are looked up first: of a directory that is ingested again nothing
    is new, and to find that out by an upsert means a lock, and with it a write, for each file.
    """
    found = _find_files(connection, [key for key, upload in files.items() if upload.asset.metadata is None])
    stored = {key: _id_and_status(row) for key, row in found.items() if _says_nothing_new(files[key].asset, row)}
    new = [
        {
            "id": new_id(),
            "node_id": key[0],
            "filename": key[1],
            "path": asset.name,
            "kind": asset.kind,
            "bss_id": upload.bss_id,
            "status": asset.status,
            "size": asset.size,
            "sha256": asset.sha256,
            "uploaded_at": upload.at,
            # Absent, not JSON's null, which would be stored.
            **({} if asset.metadata is None else {"metadata": asset.metadata}),
        }
        for key, upload in files.items()
        if key not in stored
        for asset in [upload.asset]
    ]
    if new:
        written = connection.execute(_UPSERT_FILES, {"files": storable_json(new)})
        stored |= {(row.node_id, row.filename): _id_and_status(row) for row in written.all()}

    left = _find_files(connection, [key for key in files if key not in stored])
    stored |= {key: _id_and_status(row) for key, row in left.items()}
    # An asset that was there and kept its name may have been removed since.
    removed = {key: upload for key, upload in files.items() if key not in stored}
    return stored | _upsert_files(connection, removed) if removed else stored


def _find_files(connection: Connection, keys: Collection[_FileKey]) -> dict[_FileKey, Row[Any]]:
    """Those of the files that are in the index."""
    if not keys:
        return {}
    nodes, filenames = zip(*keys, strict=True)
    rows = connection.execute(_FIND_FILES, {"nodes": list(nodes), "filenames": list(filenames)})
    return {(row.node_id, row.filename): row for row in rows.all()}


def _says_nothing_new(asset: BatchAsset, stored: Row[Any]) -> bool:
    """Whether an upsert of this asset, which has no metadata, would leave the stored one as it is."""
    return (
        asset.bss_id(asset.kind) == stored.bss_id
        and asset.kind == stored.kind
        and asset.status in (None, stored.status)
        and asset.size in (None, stored.size)
        and asset.sha256 in (None, stored.sha256)
        and (asset.uploaded_at is None or asset.uploaded_at <= stored.uploaded_at)
    )


def _id_and_status(row: Row[Any]) -> tuple[str, Status]:
    return row.id, _STATUSES[row.status or Status.REGISTERED]
