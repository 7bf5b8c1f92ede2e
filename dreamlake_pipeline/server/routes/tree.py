"""The tree: namespaces, projects, episodes, folders and files."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from ... import names
from ...admission import Reader
from ...api.common import Listing, Owner, Project
from ...api.server import EpisodeInfo, NamespaceInfo, Node, ProjectInfo
from ...auth import Scope
from ...longlists import LongList, answer_page
from ...names import EVERY_NAMESPACE
from .. import tree
from ..paging import Cursor, Limit
from .parameters import DEFAULT_LIMIT, NOT_FOUND, Database, EpisodeOrNone, episode_or_none, new_router

router = new_router("tree")


@router.get("/namespaces", summary="Namespaces that the token reaches")
def list_namespaces(
    caller: Reader, database: Database, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Listing[NamespaceInfo]:
    """Those in which something is registered."""
    reached = None if EVERY_NAMESPACE in caller.namespaces else list(caller.namespaces)
    with database.connect() as connection:
        return tree.list_namespaces(connection, reached, cursor=cursor, limit=limit)


@router.get("/namespaces/{namespace}/projects", summary="Projects of a namespace", responses=NOT_FOUND)
def list_projects(
    namespace: Owner, caller: Reader, database: Database, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Listing[ProjectInfo]:
    """By name, each with the number of its files."""
    caller.require(namespace, Scope.READ)
    with database.connect() as connection:
        return tree.list_projects(connection, namespace, cursor=cursor, limit=limit)


@router.get("/namespaces/{namespace}/projects/{project}/episodes", summary="Episodes of a project", responses=NOT_FOUND)
def list_episodes(
    namespace: Owner,
    project: Project,
    caller: Reader,
    database: Database,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Listing[EpisodeInfo]:
    """By name, each with the number of its files. Files that belong to no episode come first, under the name null."""
    caller.require(namespace, Scope.READ)
    with database.connect() as connection:
        return tree.list_episodes(connection, namespace, project, cursor=cursor, limit=limit)


@router.get(
    "/namespaces/{namespace}/projects/{project}/nodes",
    summary="Folders and files of an episode",
    responses=NOT_FOUND,
    response_model=Listing[Node],
)
def list_nodes(
    namespace: Owner,
    project: Project,
    caller: Reader,
    database: Database,
    episode: EpisodeOrNone = None,
    path: Annotated[str, Query(description="A folder, or one file.")] = "/",
    recursive: Annotated[bool, Query(description="Also what is in the folders, at any depth.")] = False,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Listing[Node] | LongList:
    """In tree order: siblings by name, and with `recursive` each folder followed by what it holds."""
    caller.require(namespace, Scope.READ)

    def read(cursor: str | None, limit: int) -> Listing[Node]:
        with database.connect() as connection:
            return tree.list_nodes(
                connection,
                namespace,
                project,
                episode=episode_or_none(episode),
                path=names.check_folder(path),
                recursive=recursive,
                cursor=cursor,
                limit=limit,
            )

    return answer_page(read, cursor=cursor, limit=limit)
