"""Reading the tree: namespaces, their projects, the episodes of those, and the folders and files of an episode.

Projects, episodes and folders that hold no file at any depth are left out (see places.py).
"""

from __future__ import annotations

from sqlalchemy import Connection, Row, text

from ..api.common import Listing
from ..api.server import Asset, EpisodeInfo, NamespaceInfo, Node, NodeType, ProjectInfo
from ..errors import Code, DreamlakeError
from .assets import assets_by_id
from .paging import decode_cursor, page
from .places import describe, find_namespace, find_project, find_root
from .treekey import keys_below, tree_key

_NAMESPACES = text("""
    SELECT id, name FROM namespaces
    WHERE (:everywhere OR name = ANY (CAST(:reached AS text[]))) AND name > :after
    ORDER BY name LIMIT :count
""")

_PROJECTS = text("""
    SELECT project.id, project.name, project.created_at,
           (SELECT sum(files)::bigint FROM tallies WHERE place = project.id) AS assets
    FROM projects AS project
    WHERE project.namespace_id = :namespace_id AND project.name > :after
      AND EXISTS (SELECT FROM assets WHERE assets.project_id = project.id)
    ORDER BY project.name LIMIT :count
""")

# Files of no episode come first, as an episode without id and name.
_EPISODES = text("""
    SELECT episode.id, episode.name, coalesce(episode.created_at, root.created_at) AS created_at, flag, note,
           (SELECT sum(files)::bigint FROM tallies WHERE place = root.id) AS assets
    FROM nodes AS root LEFT JOIN episodes AS episode ON episode.id = root.episode_id
    WHERE root.project_id = :project_id AND root.parent_id IS NULL
      AND (CAST(:after AS text) IS NULL OR coalesce(episode.name, '') > :after)
      AND EXISTS (SELECT FROM assets WHERE assets.root_id = root.id)
    ORDER BY coalesce(episode.name, '') LIMIT :count
""")

_FIND_FOLDER = text("SELECT id FROM nodes WHERE root_id = :root_id AND tree_key = :key")
_FIND_FILE = text("SELECT id FROM assets WHERE root_id = :root_id AND tree_key = :key")

# Whether a file is below a folder: between the keys that `keys_below` gives (no name has a character below \x20).
_HOLDS_FILES = r"""EXISTS (SELECT FROM assets WHERE assets.root_id = nodes.root_id
       AND assets.tree_key > nodes.tree_key || E'\x01' AND assets.tree_key < nodes.tree_key || E'\x02')"""

# Both sides are cut to a page before they are merged. A file and a folder may have one path, as in S3: the type
# decides between them ('asset' < 'folder').
_CHILDREN = text(f"""
    (SELECT 'folder' AS type, id, name, path, parent_id, name AS key FROM nodes
     WHERE parent_id = :folder_id AND name >= :after AND (name, 'folder') > (:after, :after_type) AND {_HOLDS_FILES}
     ORDER BY name LIMIT :count)
    UNION ALL
    (SELECT 'asset', id, filename, path, node_id, filename FROM assets
     WHERE node_id = :folder_id AND filename >= :after AND (filename, 'asset') > (:after, :after_type)
     ORDER BY filename LIMIT :count)
    ORDER BY key, type LIMIT :count
""")  # noqa: S608 (spelled above)

_DESCENDANTS = text(f"""
    (SELECT 'folder' AS type, id, name, path, parent_id, tree_key AS key FROM nodes
     WHERE root_id = :root_id AND tree_key > :low AND tree_key < :high
       AND tree_key >= :after AND (tree_key, 'folder') > (:after, :after_type) AND {_HOLDS_FILES}
     ORDER BY tree_key LIMIT :count)
    UNION ALL
    (SELECT 'asset', id, filename, path, node_id, tree_key FROM assets
     WHERE root_id = :root_id AND tree_key > :low AND tree_key < :high
       AND tree_key >= :after AND (tree_key, 'asset') > (:after, :after_type)
     ORDER BY tree_key LIMIT :count)
    ORDER BY key, type LIMIT :count
""")  # noqa: S608 (spelled above)


def list_namespaces(
    connection: Connection, reached: list[str] | None, *, cursor: str | None, limit: int
) -> Listing[NamespaceInfo]:
    """Those of the namespaces `reached` (None: of all) that exist, by name."""
    (after,) = decode_cursor(cursor, length=1) or ("",)
    rows = connection.execute(
        _NAMESPACES,
        {"everywhere": reached is None, "reached": reached or [], "after": after, "count": limit + 1},
    ).all()
    return page(rows, limit, lambda row: NamespaceInfo(id=row.id, name=row.name), lambda row: (row.name,))


def list_projects(connection: Connection, namespace: str, *, cursor: str | None, limit: int) -> Listing[ProjectInfo]:
    """A namespace's projects by name, with the number of their files. Raises NOT_FOUND."""
    (after,) = decode_cursor(cursor, length=1) or ("",)
    rows = connection.execute(
        _PROJECTS,
        {"namespace_id": find_namespace(connection, namespace), "after": after, "count": limit + 1},
    ).all()
    return page(
        rows,
        limit,
        lambda row: ProjectInfo(
            id=row.id, namespace=namespace, name=row.name, assets=row.assets, created_at=row.created_at
        ),
        lambda row: (row.name,),
    )


def list_episodes(
    connection: Connection, namespace: str, project: str, *, cursor: str | None, limit: int
) -> Listing[EpisodeInfo]:
    """A project's episodes by name, with the number of their files. Raises NOT_FOUND.

    The files that belong to no episode, if there are any, come first under the name null.
    """
    (after,) = decode_cursor(cursor, length=1) or (None,)
    rows = connection.execute(
        _EPISODES,
        {"project_id": find_project(connection, namespace, project), "after": after, "count": limit + 1},
    ).all()
    return page(
        rows,
        limit,
        lambda row: EpisodeInfo(
            id=row.id,
            name=row.name,
            assets=row.assets,
            created_at=row.created_at,
            flag=row.flag,
            note=row.note,
        ),
        lambda row: (row.name or "",),
    )


def list_nodes(
    connection: Connection,
    namespace: str,
    project: str,
    *,
    episode: str | None,
    path: str,
    recursive: bool,
    cursor: str | None,
    limit: int,
) -> Listing[Node]:
    """What a folder holds, by name; with `recursive` all below it, each folder before its content.

    The path of a file gives that file alone. Raises NOT_FOUND for a namespace, project, episode or path that is
    not there; only `/` of the files of no episode is always there, and may be empty.
    """
    after, after_type = decode_cursor(cursor, length=2) or ("", "")
    root_id = find_root(connection, namespace, project, episode)
    here = {"root_id": root_id, "key": tree_key(path)}
    absent = DreamlakeError(
        Code.NOT_FOUND, f"There is no folder or file {path!r} in {describe(namespace, project, episode)}."
    )
    folder_id = connection.execute(_FIND_FOLDER, here).scalar()
    if folder_id is None:
        asset_id = connection.execute(_FIND_FILE, here).scalar()
        if found := assets_by_id(connection, [asset_id] if asset_id else []):
            return Listing[Node](items=list(map(_file_node, found.values())))
        if path == "/":
            return Listing[Node](items=[])
        raise absent

    given = {"after": after, "after_type": after_type, "count": limit + 1}
    if recursive:
        low, high = keys_below(path)
        rows = connection.execute(_DESCENDANTS, {"root_id": root_id, "low": low, "high": high, **given}).all()
    else:
        rows = connection.execute(_CHILDREN, {"folder_id": folder_id, **given}).all()
    if not rows and cursor is None and path != "/":
        raise absent
    assets = assets_by_id(connection, [row.id for row in rows[:limit] if row.type == NodeType.ASSET])

    def node(row: Row) -> Node | None:
        if row.type == NodeType.ASSET:
            # A file may have been removed between the two statements.
            return _file_node(assets[row.id]) if row.id in assets else None
        return Node(type=NodeType.FOLDER, id=row.id, name=row.name, path=row.path, parent_id=row.parent_id)

    return page(rows, limit, node, lambda row: (row.key, row.type))


def _file_node(asset: Asset) -> Node:
    return Node(
        type=NodeType.ASSET,
        id=asset.id,
        name=asset.filename,
        path=asset.name,
        parent_id=asset.node_id,
        asset=asset,
    )
