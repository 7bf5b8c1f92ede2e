"""Removing files from the index. The rows of folders, episodes and projects stay; nobody sees those that hold no file.

(A folder that goes while a writer has found it, and is about to put a file there, would have to be locked by both.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from ..api.common import storable_json
from ..kinds import Kind
from .treekey import tree_key

_REMOVE = text("""
    DELETE FROM assets WHERE id IN (
        SELECT asset.id
        FROM jsonb_to_recordset(CAST(:files AS jsonb))
             AS file (namespace text, project text, episode text, tree_key text, kind text, bss_id text)
        JOIN namespaces AS namespace ON namespace.name = file.namespace
        JOIN projects AS project ON project.namespace_id = namespace.id AND project.name = file.project
        LEFT JOIN LATERAL (
            SELECT id FROM episodes WHERE project_id = project.id AND name = file.episode LIMIT 1
        ) AS episode ON true
        CROSS JOIN LATERAL (  -- as in folders.py
            SELECT id FROM nodes
            WHERE project_id = project.id AND coalesce(episode_id, '') = coalesce(episode.id, '') AND parent_id IS NULL
            LIMIT 1
        ) AS root
        JOIN assets AS asset ON asset.root_id = root.id AND asset.tree_key = file.tree_key AND asset.kind = file.kind
        WHERE (file.episode IS NULL OR episode.id IS NOT NULL)
          AND (file.bss_id IS NULL OR asset.bss_id = file.bss_id)
        ORDER BY asset.node_id, asset.filename FOR UPDATE OF asset)
""")


class IndexedFile(NamedTuple):
    """A file of the index by its name. With a `bss_id`, only as long as the name stands for that record."""

    kind: Kind
    namespace: str
    project: str
    episode: str | None
    path: str
    bss_id: str | None = None


def remove_files(connection: Connection, files: Sequence[IndexedFile]) -> int:
    """Remove those of the files that are in the index, in the transaction of `connection`; how many there were."""
    asked = [
        {
            "namespace": file.namespace,
            "project": file.project,
            "episode": file.episode,
            "tree_key": tree_key(file.path),
            "kind": file.kind,
            "bss_id": file.bss_id,
        }
        for file in files
    ]
    return connection.execute(_REMOVE, {"files": storable_json(asked)}).rowcount if asked else 0


def remove_asset(connection: Connection, asset_id: str, bss_id: str | None) -> None:
    """Remove a file by its id; with a `bss_id`, only as long as its name stands for that record."""
    connection.execute(
        text("DELETE FROM assets WHERE id = :id AND (CAST(:bss_id AS text) IS NULL OR bss_id = :bss_id)"),
        {"id": asset_id, "bss_id": bss_id},
    )
