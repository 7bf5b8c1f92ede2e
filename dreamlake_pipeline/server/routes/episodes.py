"""Projects and episodes in short, and what people say of an episode."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from fastapi import Query

from ...admission import Reader, Writer
from ...api.bss import Status
from ...api.common import Instant, Listing, Owner, Project, Text
from ...api.server import EpisodeChange, EpisodeDetails, EpisodeSummary, ProjectTotals
from ...auth import Scope
from ...errors import Code, DreamlakeError
from ...flags import FlagFilter
from ...kinds import Kind
from ...names import EVERY_NAMESPACE
from ..marks import change_episode
from ..paging import Cursor, Limit
from ..summaries import Wanted, get_episode, list_summaries, list_totals
from .parameters import DEFAULT_LIMIT, NOT_FOUND, NOT_JSON, Database, EpisodeOrNone, episode_or_none, new_router

router = new_router("episodes")

_Seconds = Annotated[float | None, Query(ge=0, allow_inf_nan=False, description="Of the longest file.")]


@router.get("/projects/totals", summary="Projects in figures", responses=NOT_FOUND)
def list_project_totals(
    caller: Reader,
    database: Database,
    namespace: Annotated[Owner | None, Query(description="Absent: all that the token reaches.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Listing[ProjectTotals]:
    """By name; projects without files are left out."""
    if namespace is not None:
        caller.require(namespace, Scope.READ)
        reached: list[str] | None = [namespace]
    else:
        reached = None if EVERY_NAMESPACE in caller.namespaces else list(caller.namespaces)
    with database.connect() as connection:
        return list_totals(connection, reached, cursor=cursor, limit=limit)


@router.get(
    "/namespaces/{namespace}/projects/{project}/episodes/summaries",
    summary="Episodes of a project in short",
    responses=NOT_FOUND,
)
def list_episode_summaries(
    namespace: Owner,
    project: Project,
    caller: Reader,
    database: Database,
    order: Annotated[Literal["newest"], Query(description="There is no other one.")] = "newest",
    status: Annotated[list[Status] | None, Query(description="With a file of this status; may be repeated.")] = None,
    kind: Annotated[list[Kind] | None, Query(description="With a file of this kind, and of that status.")] = None,
    min_length: Annotated[_Seconds, Query(alias="minLengthSec")] = None,
    max_length: Annotated[_Seconds, Query(alias="maxLengthSec")] = None,
    since: Annotated[Instant | None, Query(description="Made then or later.")] = None,
    until: Annotated[Instant | None, Query(description="Made before then.")] = None,
    q: Annotated[
        Text | None, Query(max_length=255, description="What the name or the note holds; ASCII letters in any case.")
    ] = None,
    flag: Annotated[FlagFilter | None, Query(description="`none`: nobody flagged it.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Listing[EpisodeSummary]:
    """The newest first; the files that belong to no episode before all of them, under the name null.

    A page may have fewer items than `limit`, or none, and a cursor all the same: where few match, a call ends after so
    many episodes.
    """
    caller.require(namespace, Scope.READ)
    wanted = Wanted(
        statuses=status,
        kinds=kind,
        min_length_sec=min_length,
        max_length_sec=max_length,
        since=since,
        until=until,
        q=unicodedata.normalize("NFC", q) if q else None,
        flag=flag,
    )
    with database.connect() as connection:
        return list_summaries(connection, namespace, project, wanted, cursor=cursor, limit=limit)


@router.get("/namespaces/{namespace}/projects/{project}/episode", summary="An episode in short", responses=NOT_FOUND)
def get_episode_summary(
    namespace: Owner, project: Project, caller: Reader, database: Database, episode: EpisodeOrNone = None
) -> EpisodeDetails:
    """With the names of the episodes beside it."""
    caller.require(namespace, Scope.READ)
    with database.connect() as connection:
        return get_episode(connection, namespace, project, episode_or_none(episode))


@router.patch(
    "/namespaces/{namespace}/projects/{project}/episode",
    summary="Flag an episode, or note something about it",
    responses=NOT_FOUND | NOT_JSON,
)
def patch_episode(
    namespace: Owner,
    project: Project,
    body: EpisodeChange,
    caller: Writer,
    database: Database,
    episode: EpisodeOrNone = None,
) -> EpisodeDetails:
    """What the body does not name stays, what is null there is taken away. Files that belong to no episode have neither
    flag nor note."""
    caller.require(namespace, Scope.WRITE)
    name = episode_or_none(episode)
    if name is None:
        raise DreamlakeError(Code.INVALID_REQUEST, "episode: files that belong to none have neither flag nor note.")
    with database.begin() as connection:
        change_episode(connection, namespace, project, name, body)
        return get_episode(connection, namespace, project, name)
