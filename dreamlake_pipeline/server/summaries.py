"""Projects and episodes in short: how many files of which kinds and statuses, how many bytes, how long.

All of it but the length of an episode is the sum of its tallies, which triggers keep (migration 0005), so that what a
page takes does not grow with the files. What the pages of a list look at is bounded, too: `_MOST_LOOKED_AT` episodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from ..api.bss import Status
from ..api.common import Listing
from ..api.server import EpisodeDetails, EpisodeSummary, Poster, ProjectTotals
from ..errors import Code, DreamlakeError
from ..flags import FlagFilter
from ..kinds import Kind
from .paging import decode_cursor, encode_cursor, page
from .places import find_project, find_root

_MOST_LOOKED_AT = 2000
_MOST_VIDEOS = 100  # that are looked at for posters
_POSTERS = 4
_FIRST = "infinity"  # as a time: before the newest

# Of a place: its files by kind and status.
_TALLIED = """
    SELECT sum(files) AS files, sum(bytes) AS bytes, max(changed_at) AS updated_at,
           sum(seconds) FILTER (WHERE kind IN ('video', 'audio')) AS media_seconds,
           coalesce(sum(files) FILTER (WHERE status = 'failed'), 0) AS failed,
           jsonb_agg(jsonb_build_array(kind, status, files)) AS groups
    FROM (SELECT kind, status, sum(files) AS files, sum(bytes) AS bytes, sum(seconds) AS seconds,
                 max(changed_at) AS changed_at
          FROM tallies WHERE tallies.place = {place} GROUP BY kind, status HAVING sum(files) > 0) AS grouped
"""

_LENGTH = "SELECT max(duration_sec) FROM assets WHERE assets.root_id = root.id AND duration_sec IS NOT NULL"

# ASCII letters in any case, whatever the database was made with.
_HOLDS_TEXT = """
    strpos(lower(concat_ws(chr(10), root.name, root.note) COLLATE "C"), lower(CAST(:q AS text) COLLATE "C")) > 0
"""

_SUMMARIES = f"""
    SELECT root.*, tallied.*, ({_LENGTH}) AS duration_sec
    FROM ({{roots}}) AS root CROSS JOIN LATERAL ({_TALLIED.format(place="root.id")}) AS tallied
    WHERE tallied.files > 0 {{conditions}}
    ORDER BY root.created_at DESC, root.name DESC LIMIT :count
"""  # noqa: S608 (spelled above)

# Where summaries are of: the episodes of a project, its files that belong to none, one root folder.

_EPISODES = """
    SELECT root.id, episode.id AS episode_id, episode.name, episode.flag, episode.note, episode.created_at,
           episode.project_id
    FROM episodes AS episode
    CROSS JOIN LATERAL (
        SELECT id FROM nodes WHERE nodes.project_id = episode.project_id
          AND coalesce(nodes.episode_id, '') = episode.id AND nodes.parent_id IS NULL LIMIT 1
    ) AS root
    WHERE episode.project_id = :project_id AND episode.created_at >= :since AND episode.created_at < :until
      AND (episode.created_at, episode.name) < (:before, :before_name)
      AND (episode.created_at, episode.name) >= (:last, :last_name)
"""

_ROOT = """
    SELECT root.id, episode.id AS episode_id, episode.name, episode.flag, episode.note,
           coalesce(episode.created_at, root.created_at) AS created_at, root.project_id
    FROM nodes AS root LEFT JOIN episodes AS episode ON episode.id = root.episode_id
"""

_NO_EPISODE = f"""{_ROOT}
    WHERE root.project_id = :project_id AND coalesce(root.episode_id, '') = '' AND root.parent_id IS NULL
      AND root.created_at >= :since AND root.created_at < :until
"""

_ONE = text(_SUMMARIES.format(roots=f"{_ROOT} WHERE root.id = :root_id", conditions=""))

# The key behind which nothing is looked at: that of the last of so many episodes.
_LAST_LOOKED_AT = text("""
    SELECT created_at, name FROM episodes
    WHERE project_id = :project_id AND created_at >= :since AND created_at < :until
      AND (created_at, name) < (:before, :before_name)
    ORDER BY created_at DESC, name DESC OFFSET :most - 1 LIMIT 1
""")

_POSTER_VIDEOS = text("""
    SELECT place.root_id, video.bss_id
    FROM unnest(CAST(:root_ids AS text[])) AS place (root_id)
    CROSS JOIN LATERAL (
        SELECT bss_id, tree_key FROM (
            SELECT bss_id, status, metadata, tree_key FROM assets
            WHERE project_id = :project_id AND kind = 'video' AND assets.root_id = place.root_id
            ORDER BY tree_key LIMIT :looked_at
        ) AS first WHERE status = 'ready' AND metadata->>'posterUrl' IS NOT NULL
        ORDER BY tree_key LIMIT :posters
    ) AS video
""")

_HOLDS_FILES = "EXISTS (SELECT FROM assets WHERE assets.episode_id = episodes.id)"
_NEIGHBOURS = text(f"""
    SELECT (SELECT name FROM episodes WHERE project_id = :project_id AND name < :name AND {_HOLDS_FILES}
            ORDER BY name DESC LIMIT 1) AS previous,
           (SELECT name FROM episodes WHERE project_id = :project_id AND name > :name AND {_HOLDS_FILES}
            ORDER BY name LIMIT 1) AS next,
           EXISTS (SELECT FROM nodes JOIN assets ON assets.root_id = nodes.id WHERE nodes.project_id = :project_id
                   AND coalesce(nodes.episode_id, '') = '' AND nodes.parent_id IS NULL) AS has_files_of_none
""")  # noqa: S608 (spelled above)

_TOTALS = text(f"""
    SELECT namespace.name AS namespace, project.name AS project, tallied.*
    FROM namespaces AS namespace JOIN projects AS project ON project.namespace_id = namespace.id
    CROSS JOIN LATERAL ({_TALLIED.format(place="project.id")}) AS tallied
    WHERE (:everywhere OR namespace.name = ANY (CAST(:reached AS text[])))
      AND (namespace.name, project.name) > (:after, :after_project) AND tallied.files > 0
    ORDER BY namespace.name, project.name LIMIT :count
""")  # noqa: S608 (spelled above)


# For the catalog (processing/catalog.py), which has its columns by these names.
EVERY_EPISODE = f"""
    SELECT episode.id, namespace.name AS namespace, project.name AS project, episode.name AS episode,
           episode.flag, episode.note, tallied.files::bigint, tallied.failed::bigint, tallied.bytes::bigint,
           ({_LENGTH}) AS duration_sec, episode.created_at, tallied.updated_at
    FROM episodes AS episode
    JOIN projects AS project ON project.id = episode.project_id
    JOIN namespaces AS namespace ON namespace.id = project.namespace_id
    CROSS JOIN LATERAL (
        SELECT id FROM nodes WHERE nodes.project_id = episode.project_id
          AND coalesce(nodes.episode_id, '') = episode.id AND nodes.parent_id IS NULL LIMIT 1
    ) AS root
    CROSS JOIN LATERAL ({_TALLIED.format(place="root.id")}) AS tallied
    WHERE tallied.files > 0 ORDER BY episode.id
"""  # noqa: S608 (spelled above)


class Wanted(NamedTuple):
    """Which episodes a list has: with a file that is of one of the kinds and has one of the statuses (none given: of
    any); whose longest file has so many seconds; made at `since` or later and before `until`; with `q` in their name or
    note; of a flag."""

    statuses: list[Status] | None = None
    kinds: list[Kind] | None = None
    min_length_sec: float | None = None
    max_length_sec: float | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None
    flag: FlagFilter | None = None

    def conditions(self) -> str:
        """As SQL of `_SUMMARIES`, whose parameters have the names of the fields."""
        found: list[str] = []
        if self.kinds or self.statuses:
            kinds = "AND kind = ANY (CAST(:kinds AS text[]))" if self.kinds else ""
            statuses = "AND status = ANY (CAST(:statuses AS text[]))" if self.statuses else ""
            found.append(f"(SELECT sum(files) FROM tallies WHERE place = root.id {kinds} {statuses}) > 0")  # noqa: S608
        if self.min_length_sec is not None:
            found.append(f"({_LENGTH}) >= :min_length_sec")
        if self.max_length_sec is not None:
            found.append(f"({_LENGTH}) <= :max_length_sec")
        if self.q:
            found.append(_HOLDS_TEXT)
        if self.flag is FlagFilter.NONE:
            found.append("root.flag IS NULL")
        elif self.flag is not None:
            found.append("root.flag = :flag")
        return "".join(f" AND {one}" for one in found)


def list_summaries(
    connection: Connection, namespace: str, project: str, wanted: Wanted, *, cursor: str | None, limit: int
) -> Listing[EpisodeSummary]:
    """A project's episodes in short, the newest first, and those that were made at one time from the last name to the
    first. The files that belong to no episode come first, under the name null.

    A page looks at `_MOST_LOOKED_AT` episodes at the most: it may be short, or empty, and have a cursor all the same.
    Raises NOT_FOUND.
    """
    project_id = find_project(connection, namespace, project)
    before, before_name = _key_of(cursor)
    given = {
        **wanted._asdict(),
        "project_id": project_id,
        "before": before,
        "before_name": before_name,
        "since": wanted.since or "-infinity",
        "until": wanted.until or "infinity",
    }
    last = connection.execute(_LAST_LOOKED_AT, {**given, "most": _MOST_LOOKED_AT}).one_or_none()
    given |= {"last": last.created_at if last else "-infinity", "last_name": last.name if last else ""}
    rows: list[Row[Any]] = []
    for roots in [_NO_EPISODE, _EPISODES] if cursor is None else [_EPISODES]:
        query = text(_SUMMARIES.format(roots=roots, conditions=wanted.conditions()))
        rows += connection.execute(query, {**given, "count": limit + 1 - len(rows)}).all()
    key = None
    if len(rows) > limit:
        key = _key(rows[limit - 1])
    elif last is not None:
        key = _key(last)
    posters = _posters(connection, project_id, [row.id for row in rows[:limit]])
    return Listing[EpisodeSummary](
        items=[EpisodeSummary(**_summary(row), posters=posters.get(row.id, [])) for row in rows[:limit]], cursor=key
    )


def get_episode(connection: Connection, namespace: str, project: str, episode: str | None) -> EpisodeDetails:
    """An episode in short; None: the files that belong to none. Raises NOT_FOUND."""
    root_id = find_root(connection, namespace, project, episode)
    row = connection.execute(_ONE, {"root_id": root_id, "count": 1}).one_or_none()
    if row is None:
        raise DreamlakeError(
            Code.NOT_FOUND, f"Every file of project {project!r} of namespace {namespace!r} belongs to an episode."
        )
    beside = connection.execute(_NEIGHBOURS, {"project_id": row.project_id, "name": episode or ""}).one()
    previous = beside.previous
    if previous is None and episode is not None and beside.has_files_of_none:
        previous = ""
    posters = _posters(connection, row.project_id, [row.id])
    return EpisodeDetails(**_summary(row), posters=posters.get(row.id, []), previous=previous, next=beside.next)


def list_totals(
    connection: Connection, reached: list[str] | None, *, cursor: str | None, limit: int
) -> Listing[ProjectTotals]:
    """The figures of the projects of the namespaces `reached` (None: of all), by name."""
    after, after_project = decode_cursor(cursor, length=2) or ("", "")
    given = {"everywhere": reached is None, "reached": reached or []}
    rows = connection.execute(
        _TOTALS, {**given, "after": after, "after_project": after_project, "count": limit + 1}
    ).all()
    return page(
        rows,
        limit,
        lambda row: ProjectTotals(
            namespace=row.namespace,
            project=row.project,
            duration_sec=float(row.media_seconds or 0),
            updated_at=row.updated_at,
            **_counted(row),
        ),
        lambda row: (row.namespace, row.project),
    )


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.episode_id,
        "name": row.name,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "duration_sec": row.duration_sec,
        "flag": row.flag,
        "note": row.note,
        **_counted(row),
    }


def _counted(row: Row[Any]) -> dict[str, Any]:
    counts: Counter[Kind] = Counter()
    statuses: Counter[Status] = Counter()
    for kind, status, files in row.groups:
        counts[Kind(kind)] += files
        statuses[Status(status)] += files
    return {
        "files": int(row.files),
        "bytes": int(row.bytes),
        "counts": {kind: counts[kind] for kind in Kind if counts[kind]},
        "statuses": {status: statuses[status] for status in Status if statuses[status]},
    }


def _posters(connection: Connection, project_id: str, root_ids: Sequence[str]) -> dict[str, list[Poster]]:
    """By root, the first of its videos that have one."""
    posters: dict[str, list[Poster]] = {}
    given = {"project_id": project_id, "root_ids": list(root_ids), "looked_at": _MOST_VIDEOS, "posters": _POSTERS}
    for row in connection.execute(_POSTER_VIDEOS, given) if root_ids else ():
        posters.setdefault(row.root_id, []).append(Poster(kind=Kind.VIDEO, bss_id=row.bss_id))
    return posters


def _key(row: Row[Any]) -> str:
    """The cursor behind an episode, or behind the files that belong to none."""
    return encode_cursor(row.created_at.isoformat(), row.name) if row.name is not None else encode_cursor(_FIRST, "")


def _key_of(cursor: str | None) -> tuple[str, str]:
    """The key below which a page starts. Raises INVALID_REQUEST."""
    at, name = decode_cursor(cursor, length=2) or (_FIRST, "")
    if at != _FIRST:
        try:
            datetime.fromisoformat(at)
        except ValueError:
            raise DreamlakeError(
                Code.INVALID_REQUEST,
                "cursor: this list did not give it.",
                hint="Pass the `cursor` of the page before, or none.",
            ) from None
    return at, name
