"""Reading files: by id, by path, and as lists."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Row, text

from ..api.common import Listing
from ..api.server import Asset
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..names import split_name
from .paging import decode_cursor, page
from .places import describe, find_namespace, find_project, find_root
from .treekey import keys_from, tree_key

_BY_ID = text("SELECT * FROM asset_details WHERE id = ANY (CAST(:ids AS text[]))")
_BY_PATH = text("SELECT * FROM asset_details WHERE root_id = :root_id AND tree_key = :key AND kind = :kind")
_PROJECTS = text("SELECT id FROM projects WHERE namespace_id = :namespace_id")

# The condition on project_id alone, and then on the whole key, lets the index of this order find the page's start.
_LIST = text("""
    SELECT * FROM asset_details
    WHERE project_id = ANY (CAST(:project_ids AS text[])) AND kind = :kind
      AND (CAST(:root_id AS text) IS NULL OR root_id = :root_id)
      AND tree_key >= :low AND tree_key < :high
      AND (project_id, root_id, tree_key) > (:after_project, :after_root, :after_key)
    ORDER BY project_id, root_id, tree_key LIMIT :count
""")


def get_asset(connection: Connection, kind: Kind, asset_id: str) -> Asset:
    """Raises DreamlakeError(NOT_FOUND), also when the id is of another kind."""
    asset = assets_by_id(connection, [asset_id]).get(asset_id)
    if asset is None or asset.kind is not kind:
        raise no_asset(kind, asset_id)
    return asset


def no_asset(kind: Kind, asset_id: str) -> DreamlakeError:
    """What to answer for an id that is not there, and for one that the caller does not reach: ids give nothing away."""
    return DreamlakeError(Code.NOT_FOUND, f"There is no {kind} with id {asset_id}.")


def find_asset(
    connection: Connection, kind: Kind, namespace: str, project: str, episode: str | None, path: str
) -> Asset:
    """The file at a path. Raises DreamlakeError(NOT_FOUND) that names what is missing."""
    root_id = find_root(connection, namespace, project, episode)
    row = connection.execute(_BY_PATH, {"root_id": root_id, "key": tree_key(path), "kind": kind}).one_or_none()
    if row is None:
        raise DreamlakeError(Code.NOT_FOUND, f"There is no {kind} {path!r} in {describe(namespace, project, episode)}.")
    return _to_asset(row)


def list_assets(
    connection: Connection,
    kind: Kind,
    namespace: str,
    project: str | None,
    *,
    episode: str | None,
    any_episode: bool,
    prefix: str,
    cursor: str | None,
    limit: int,
) -> Listing[Asset]:
    """Files of a kind whose path starts with `prefix`: project by project, episode by episode (in the order in which
    they were made), in tree order. `project` None means all of them; `episode` None, the files that belong to none.

    Raises NOT_FOUND for a namespace, project or episode that is not there.
    """
    after = decode_cursor(cursor, length=3) or ("", "", "")
    root_id = None
    if project is None:
        found = connection.execute(_PROJECTS, {"namespace_id": find_namespace(connection, namespace)})
        project_ids = list(found.scalars())
    else:
        project_ids = [find_project(connection, namespace, project)]
        if not any_episode:
            root_id = find_root(connection, namespace, project, episode)
            if root_id is None:
                return Listing[Asset](items=[])
    low, high = keys_from(prefix)
    rows = connection.execute(
        _LIST,
        {
            "project_ids": project_ids,
            "kind": kind,
            "root_id": root_id,
            "low": low,
            "high": high,
            **dict(zip(("after_project", "after_root", "after_key"), after, strict=True)),
            "count": limit + 1,
        },
    ).all()
    return page(rows, limit, _to_asset, lambda row: (row.project_id, row.root_id, row.tree_key))


def assets_by_id(connection: Connection, ids: Collection[str]) -> dict[str, Asset]:
    """The assets with these ids, by id; ids that do not exist are left out."""
    if not ids:
        return {}
    return {row.id: _to_asset(row) for row in connection.execute(_BY_ID, {"ids": list(ids)})}


def _to_asset(row: Row) -> Asset:
    return Asset(
        id=row.id,
        kind=row.kind,
        namespace=row.namespace,
        project=row.project,
        project_id=row.project_id,
        episode=row.episode,
        episode_id=row.episode_id,
        node_id=row.node_id,
        name=row.path,
        folder=split_name(row.path).folder,
        filename=row.filename,
        bss_id=row.bss_id,
        status=row.status,
        size=row.size,
        sha256=row.sha256,
        duration_sec=row.duration_sec,
        time_offset_sec=row.time_offset_sec,
        metadata=row.metadata,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
