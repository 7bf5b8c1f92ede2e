"""The ids of namespaces, projects and root folders, found by their names.

A folder, an episode and a project are there, for who reads, as long as a file is in them: their rows stay when the
last file is deleted (see removal.py), and are seen again when it is restored.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from ..errors import Code, DreamlakeError

_NAMESPACE = text("SELECT id FROM namespaces WHERE name = :name")
_PROJECT = text("""
    SELECT id FROM projects WHERE namespace_id = :namespace_id AND name = :name
      AND EXISTS (SELECT FROM assets WHERE assets.project_id = projects.id)
""")
_EPISODE = text("""
    SELECT id FROM episodes WHERE project_id = :project_id AND name = :name
      AND EXISTS (SELECT FROM assets WHERE assets.episode_id = episodes.id)
""")
_ROOT = text("""
    SELECT id FROM nodes
    WHERE project_id = :project_id AND coalesce(episode_id, '') = coalesce(:episode_id, '') AND parent_id IS NULL
""")


def find_namespace(connection: Connection, namespace: str) -> str:
    """A namespace's id. Raises DreamlakeError(NOT_FOUND)."""
    found = connection.execute(_NAMESPACE, {"name": namespace}).scalar()
    return _present(found, f"Nothing is registered in namespace {namespace!r} yet.")


def find_project(connection: Connection, namespace: str, project: str) -> str:
    """A project's id. Raises DreamlakeError(NOT_FOUND) that names what is missing."""
    given = {"namespace_id": find_namespace(connection, namespace), "name": project}
    found = connection.execute(_PROJECT, given).scalar()
    return _present(found, f"There is no project {project!r} in namespace {namespace!r}.")


def find_root(connection: Connection, namespace: str, project: str, episode: str | None) -> str | None:
    """The id of the root folder of an episode, or of a project's files that belong to none (None without such files).

    Raises DreamlakeError(NOT_FOUND) that names what is missing.
    """
    project_id = find_project(connection, namespace, project)
    episode_id = None
    if episode is not None:
        found = connection.execute(_EPISODE, {"project_id": project_id, "name": episode}).scalar()
        episode_id = _present(found, f"There is no {describe(namespace, project, episode)}.")
    return connection.execute(_ROOT, {"project_id": project_id, "episode_id": episode_id}).scalar()


def describe(namespace: str, project: str, episode: str | None) -> str:
    where = f"project {project!r} of namespace {namespace!r}"
    return where if episode is None else f"episode {episode!r} in {where}"


def _present(found: str | None, otherwise: str) -> str:
    if found is None:
        raise DreamlakeError(Code.NOT_FOUND, otherwise)
    return found
