"""Writing the folder tree: namespaces, projects, episodes and folders that are not there yet.

A row that is not there is inserted with ON CONFLICT DO NOTHING and read again, since another transaction may have been
first. Locks are taken table by table, and in a table as Postgres sorts the rows, folders by depth (see `index.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from ..ids import new_id
from ..names import split_name
from .treekey import tree_key


class Root(NamedTuple):
    """Where a tree of folders has its root, by name; the episode is None for files that belong to none."""

    namespace: str
    project: str
    episode: str | None


class Tree(NamedTuple):
    """The tree below a root, by id."""

    project_id: str
    episode_id: str | None
    root_id: str


class Folder(NamedTuple):
    """A folder, by its tree and its path in it."""

    root_id: str
    path: str


# Trees: a namespace, a project, an episode or none, and the root folder.

# Each row is looked up by its own keys, whatever Postgres knows of the tables: before it has statistics, it takes a
# join of all roots of a project with all its episodes for a small one.
_FIND_TREES = text("""
    SELECT place.namespace, place.project, place.episode,
           root.project_id, root.episode_id, root.id AS root_id
    FROM unnest(CAST(:namespaces AS text[]), CAST(:projects AS text[]), CAST(:episodes AS text[]))
         AS place (namespace, project, episode)
    JOIN namespaces AS namespace ON namespace.name = place.namespace
    JOIN projects AS project ON project.namespace_id = namespace.id AND project.name = place.project
    LEFT JOIN LATERAL (
        SELECT id FROM episodes WHERE project_id = project.id AND name = place.episode LIMIT 1
    ) AS episode ON true
    CROSS JOIN LATERAL (
        SELECT * FROM nodes
        WHERE project_id = project.id AND coalesce(episode_id, '') = coalesce(episode.id, '') AND parent_id IS NULL
        LIMIT 1
    ) AS root
    WHERE place.episode IS NULL OR episode.id IS NOT NULL
""")

_MAKE_NAMESPACES = text("""
    INSERT INTO namespaces (id, name)
    SELECT new.id, new.name
    FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[])) AS new (id, name)
    ORDER BY new.name COLLATE "C"
    ON CONFLICT DO NOTHING
""")

_MAKE_PROJECTS = text("""
    INSERT INTO projects (id, namespace_id, name)
    SELECT new.id, namespace.id, new.project
    FROM unnest(CAST(:ids AS text[]), CAST(:namespaces AS text[]), CAST(:projects AS text[]))
         AS new (id, namespace, project)
    JOIN namespaces AS namespace ON namespace.name = new.namespace
    ORDER BY namespace.name, new.project COLLATE "C"
    ON CONFLICT DO NOTHING
""")

_MAKE_EPISODES = text("""
    INSERT INTO episodes (id, project_id, name)
    SELECT new.id, project.id, new.episode
    FROM unnest(CAST(:ids AS text[]), CAST(:namespaces AS text[]), CAST(:projects AS text[]),
                CAST(:episodes AS text[])) AS new (id, namespace, project, episode)
    JOIN namespaces AS namespace ON namespace.name = new.namespace
    JOIN projects AS project ON project.namespace_id = namespace.id AND project.name = new.project
    WHERE new.episode IS NOT NULL
    ORDER BY namespace.name, project.name, new.episode COLLATE "C"
    ON CONFLICT DO NOTHING
""")

_MAKE_ROOTS = text("""
    INSERT INTO nodes (id, project_id, episode_id, root_id, parent_id, name, path)
    SELECT new.id, project.id, episode.id, new.id, NULL, '', '/'
    FROM unnest(CAST(:ids AS text[]), CAST(:namespaces AS text[]), CAST(:projects AS text[]),
                CAST(:episodes AS text[])) AS new (id, namespace, project, episode)
    JOIN namespaces AS namespace ON namespace.name = new.namespace
    JOIN projects AS project ON project.namespace_id = namespace.id AND project.name = new.project
    LEFT JOIN episodes AS episode ON episode.project_id = project.id AND episode.name = new.episode
    ORDER BY namespace.name, project.name, episode.name NULLS FIRST
    ON CONFLICT DO NOTHING
""")


def ensure_trees(connection: Connection, roots: Collection[Root]) -> dict[Root, Tree]:
    """The trees below these roots, which are made with the namespaces, projects and episodes that lead to them."""
    trees = _find_trees(connection, roots)
    missing = sorted((root for root in roots if root not in trees), key=lambda root: (*root[:2], root[2] or ""))
    if not missing:
        return trees

    namespaces = dict.fromkeys(root.namespace for root in missing)
    connection.execute(_MAKE_NAMESPACES, {"ids": _new_ids(namespaces), "names": list(namespaces)})
    projects = dict.fromkeys((root.namespace, root.project) for root in missing)
    connection.execute(
        _MAKE_PROJECTS,
        {
            "ids": _new_ids(projects),
            "namespaces": [ns for ns, _ in projects],
            "projects": [name for _, name in projects],
        },
    )
    connection.execute(_MAKE_EPISODES, {"ids": _new_ids(missing), **_columns(missing)})
    connection.execute(_MAKE_ROOTS, {"ids": _new_ids(missing), **_columns(missing)})
    return trees | _find_trees(connection, missing)


def _find_trees(connection: Connection, roots: Collection[Root]) -> dict[Root, Tree]:
    rows = connection.execute(_FIND_TREES, _columns(roots))
    return {
        Root(row.namespace, row.project, row.episode): Tree(row.project_id, row.episode_id, row.root_id) for row in rows
    }


def _columns(roots: Collection[Root]) -> dict[str, list[Any]]:
    return {
        "namespaces": [root.namespace for root in roots],
        "projects": [root.project for root in roots],
        "episodes": [root.episode for root in roots],
    }


def _new_ids(things: Collection[object]) -> list[str]:
    return [new_id() for _ in things]


# Folders

_FIND_FOLDERS = text("""
    SELECT node.root_id, node.path, node.id
    FROM unnest(CAST(:roots AS text[]), CAST(:keys AS text[])) AS folder (root_id, tree_key)
    JOIN nodes AS node ON node.root_id = folder.root_id AND node.tree_key = folder.tree_key
""")

_MAKE_FOLDERS = text("""
    INSERT INTO nodes (id, project_id, episode_id, root_id, parent_id, name, path)
    SELECT new.id, parent.project_id, parent.episode_id, parent.root_id, parent.id, new.name, new.path
    FROM unnest(CAST(:ids AS text[]), CAST(:roots AS text[]), CAST(:parent_keys AS text[]), CAST(:names AS text[]),
                CAST(:paths AS text[])) AS new (id, root_id, parent_key, name, path)
    JOIN nodes AS parent ON parent.root_id = new.root_id AND parent.tree_key = new.parent_key
    ORDER BY new.root_id COLLATE "C", new.path COLLATE "C"
    ON CONFLICT DO NOTHING
""")


def ensure_folders(connection: Connection, folders: Collection[Folder]) -> dict[Folder, str]:
    """The ids of the folders, which are made with all that lead to them."""
    node_ids = _find_folders(connection, folders)
    missing = {ancestor for folder in folders if folder not in node_ids for ancestor in _lineage(folder)}
    if not missing:
        return node_ids

    node_ids |= _find_folders(connection, missing)
    absent = sorted((_depth(folder), folder) for folder in missing if folder not in node_ids)
    for _, level in groupby(absent, key=lambda pair: pair[0]):
        new = [folder for _, folder in level]
        parts = [split_name(folder.path) for folder in new]
        connection.execute(
            _MAKE_FOLDERS,
            {
                "ids": _new_ids(new),
                "roots": [folder.root_id for folder in new],
                "parent_keys": [tree_key(part.folder) for part in parts],
                "names": [part.filename for part in parts],
                "paths": [folder.path for folder in new],
            },
        )
    return node_ids | _find_folders(connection, [folder for _, folder in absent])


def _find_folders(connection: Connection, folders: Collection[Folder]) -> dict[Folder, str]:
    rows = connection.execute(
        _FIND_FOLDERS,
        {"roots": [folder.root_id for folder in folders], "keys": [tree_key(folder.path) for folder in folders]},
    )
    return {Folder(root_id, path): node_id for root_id, path, node_id in rows.all()}


def _lineage(folder: Folder) -> Iterable[Folder]:
    """The folder and those that lead to it, without the root, which every tree has."""
    path = folder.path
    while path != "/":
        yield Folder(folder.root_id, path)
        path = split_name(path).folder


def _depth(folder: Folder) -> int:
    return folder.path.count("/")
