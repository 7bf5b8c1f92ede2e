"""What the bucket says of records: the pool's segments, the journals, each meta.json with its playlists."""

from __future__ import annotations

import hashlib
import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, text

from ... import layout, names
from ...api.bss import ProjectSettings
from ...api.stored import META, Meta, Noted
from ...errors import Code, DreamlakeError
from ...ids import is_id
from ...kinds import Kind
from ...objectstore import ObjectStore
from .. import deletions, journal
from ..damaged import read_small
from ..places_of_bucket import projects
from ..side_by_side import side_by_side
from ..values import to_jsonb

_FOLDERS = 300
_LISTED_SECONDS = 60
_OBJECTS = 20  # of a journal, each of which has up to a thousand lines
_LARGEST_TEXT = 32 * 2**20
# Until then, nothing that is not referred to yet is taken for garbage.
_LEASE_SECONDS = 7 * 86400


@dataclass(frozen=True)
class Bucket:
    """Both stores of BSS."""

    database: Engine
    store: ObjectStore

    @cached_property
    def places(self) -> list[tuple[str, str]]:
        """Every owner and project of the bucket, in order."""
        return list(projects(self.store, None, None))


@dataclass(slots=True)
class Work:
    """What a part of a step did. `after` is where the next goes on, None at the end."""

    after: str | None = None
    done: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, other: Work) -> None:
        self.done += other.done
        self.problems += other.problems


def read_pool(bucket: Bucket, after: str) -> Work:
    """A page of the pool: each segment gets a row. Whether it has the bytes that its name says is for `fsck --deep`."""
    page = bucket.store.list_page(layout.CHUNK_PREFIX, after=after)
    found = {layout.chunk_of_uri(item.key): item for item in page.objects}
    chunks = {
        sha256: item.size
        for sha256, item in found.items()
        if item.size and names.is_sha256(sha256) and item.key == layout.chunk_key(sha256)
    }
    work = Work(page.objects[-1].key if page.truncated and page.objects else None)
    if chunks:
        with bucket.database.begin() as connection:
            work.done["segments"] = connection.execute(
                text("""
                INSERT INTO chunks (sha256, size, stored_at, lease_until)
                SELECT sha256, size, now(), now() + make_interval(secs => :lease)
                FROM unnest(CAST(:hashes AS text[]), CAST(:sizes AS bigint[])) AS c(sha256, size)
                ORDER BY sha256 COLLATE "C" ON CONFLICT DO NOTHING"""),
                {"hashes": list(chunks), "sizes": list(chunks.values()), "lease": _LEASE_SECONDS},
            ).rowcount
    return work


def read_journals(bucket: Bucket, after: str) -> Work:
    """Some objects of one project's journal; `after` is the last key, or the next journal's folder."""
    folders = sorted(layout.journal_prefix(*place) for place in bucket.places)
    folder = next((one for one in folders if one >= after or after.startswith(one)), None)
    if folder is None:
        return Work()
    page = bucket.store.list_page(folder, after=after if after.startswith(folder) else "", limit=_OBJECTS)
    work = Work()
    owner, project, _ = folder.split("/", 2)
    lines: list[Noted] = []
    read = side_by_side(lambda item: list(journal.read(bucket.store, item.key)), page.objects)
    for item, noted in zip(page.objects, read, strict=True):
        good = [line for line in noted if line is not None and _is_of(line, owner, project)]
        if len(good) < len(noted):
            work.problems.append(f"{item.key} has lines that can't be read")
        lines += good
    with bucket.database.begin() as connection:
        _keep_lines(connection, lines)
        for line in lines:
            if line.settings is not None:
                _decide(connection, owner, project, line.at, line.settings)
    work.done["journal lines"] += len(lines)
    if page.truncated and page.objects:
        work.after = page.objects[-1].key
    else:
        work.after = next((one for one in folders if one > folder), None)
    return work


def _is_of(line: Noted, owner: str, project: str) -> bool:
    return line.record is None or (line.record.owner, line.record.project) == (owner, project)


def _keep_lines(connection: Connection, lines: Sequence[Noted]) -> None:
    """Of each record the latest line, and when it was deleted."""
    latest: dict[str, Noted] = {}
    deleted: dict[str, datetime] = {}
    for line in lines:
        if line.record is not None:
            if line.record.id not in latest or latest[line.record.id].at <= line.at:
                latest[line.record.id] = line
        elif line.deleted is not None:
            deleted[line.deleted] = max(line.at, deleted.get(line.deleted, line.at))
    rows = [
        {"id": one, "noted": line.record.wire(), "at": line.at.isoformat()}
        for one, line in sorted(latest.items())
        if line.record is not None
    ]
    connection.execute(
        text("""
        INSERT INTO rebuilt AS kept (id, noted, noted_at)
        SELECT id, noted, at FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS l(id text, noted jsonb, at timestamptz)
        ON CONFLICT (id) DO UPDATE SET noted = excluded.noted, noted_at = excluded.noted_at
        WHERE kept.noted_at IS NULL OR kept.noted_at <= excluded.noted_at"""),
        {"rows": to_jsonb(rows)},
    )
    connection.execute(
        text("""
        INSERT INTO rebuilt AS kept (id, deleted_at)
        SELECT id, at FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS l(id text, at timestamptz)
        ON CONFLICT (id) DO UPDATE SET deleted_at = greatest(kept.deleted_at, excluded.deleted_at)"""),
        {"rows": to_jsonb([{"id": one, "at": at.isoformat()} for one, at in sorted(deleted.items())])},
    )


def _decide(connection: Connection, owner: str, project: str, at: datetime, settings: ProjectSettings) -> None:
    connection.execute(
        text("""
        INSERT INTO projects AS known (owner, project, ladder, csv, updated_at)
        VALUES (:owner, :project, :ladder, CAST(:csv AS jsonb), :at)
        ON CONFLICT (owner, project) DO UPDATE SET ladder = excluded.ladder, csv = excluded.csv,
            updated_at = excluded.updated_at WHERE known.updated_at < excluded.updated_at"""),
        {
            "owner": owner,
            "project": project,
            "at": at,
            "ladder": None if settings.ladder is None else list(settings.ladder),
            "csv": None if settings.csv is None else to_jsonb(settings.csv),
        },
    )


def read_metas(bucket: Bucket, after: str) -> Work:
    """Some folders of one project and kind; `after` is `owner/project/kind`, behind which folder the present page of
    these begins, and the last one that was read."""
    places = sorted(f"{owner}/{project}/{kind}" for owner, project in bucket.places for kind in Kind)
    wanted, _, position = after.partition(" ")
    page_after, last = json.loads(position) if position else ("", "")
    place = next((one for one in places if one >= wanted), None)
    if place is None:
        return Work()
    if place != wanted:
        page_after = last = ""
    owner, project, named = place.split("/")
    kind = Kind(named)
    folder = layout.asset_prefix(owner, project, kind, "")[:-1]
    listed, is_truncated = _listed(bucket.store, folder, page_after, int(time.monotonic() // _LISTED_SECONDS))
    work = Work()
    start = bisect_right(listed, last)
    some = listed[start : start + _FOLDERS]
    with bucket.database.connect() as connection:
        unknown = _unknown(connection, [one for one in some if is_id(one)])
    found = side_by_side(lambda one: _read_meta(bucket.store, owner, project, kind, one), unknown)
    rows = [row for row in found if isinstance(row, dict)]
    work.problems += [problem for problem in found if isinstance(problem, str)]
    with bucket.database.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO rebuilt (id, meta, chunks)
            SELECT id, meta, chunks FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS m(id text, meta jsonb, chunks text[])
            ON CONFLICT (id) DO UPDATE SET meta = excluded.meta, chunks = excluded.chunks"""),
            {"rows": to_jsonb(rows)},
        )
    work.done["files made"] += len(rows)
    if start + _FOLDERS < len(listed):
        work.after = f"{place} {json.dumps([page_after, some[-1]])}"
    elif some and is_truncated:
        work.after = f"{place} {json.dumps([some[-1], some[-1]])}"
    else:
        work.after = next((one for one in places if one > place), None)
    return work


@lru_cache(maxsize=2)
def _listed(store: ObjectStore, folder: str, after: str, _: int) -> tuple[list[str], bool]:
    """The names of the folders right inside a folder that follow `after`, in order, and whether there are more.

    Some servers give all of them however few are asked for, which takes them seconds: a page is kept for a minute.
    """
    page = store.list_page(folder, after=f"{folder}{after}0" if after else "", delimiter="/")
    found = sorted({one.removeprefix(folder).rstrip("/") for one in page.prefixes})
    return [one for one in found if one > after], page.truncated


def _unknown(connection: Connection, ids: list[str]) -> list[str]:
    """Those of the ids that neither a record nor a deleted one has."""
    known = set(connection.execute(text("SELECT id FROM records WHERE id = ANY(:ids)"), {"ids": ids}).scalars())
    known |= deletions.among(connection, ids)
    return [one for one in ids if one not in known]


def _read_meta(store: ObjectStore, owner: str, project: str, kind: Kind, record_id: str) -> dict[str, Any] | str | None:
    """A row of `rebuilt`; why there is none, as text; None for a folder without a meta.json."""
    folder = layout.asset_prefix(owner, project, kind, record_id)
    body = _read(store, folder + META)
    if body is None:
        return None
    try:
        meta = Meta.model_validate_json(body)
    except ValidationError:
        return f"{folder}{META} can't be read: its file is processed again"
    if (meta.id, meta.owner, meta.project, meta.kind) != (record_id, owner, project, kind):
        return f"{folder}{META} is that of another file"
    chunks: dict[str, None] = {}
    for stream in (meta.metadata or {}).get("streams", []):
        playlist = _read(store, f"{folder}stream/{stream}.m3u8")
        if playlist is None or not playlist.rstrip().endswith(b"#EXT-X-ENDLIST"):
            return f"{folder}stream/{stream}.m3u8 is missing or cut off: its file is processed again"
        lines = (line for line in playlist.decode(errors="replace").splitlines() if line and line[0] != "#")
        chunks |= dict.fromkeys(map(layout.chunk_of_uri, lines))
    said = json.loads(body)
    if meta.outputs:
        said["outputs"][META] = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    return {"id": record_id, "meta": said, "chunks": list(chunks)}


def _read(store: ObjectStore, key: str) -> bytes | None:
    """The bytes of a small object; None where there is none, or it can't be read to its end."""
    try:
        return read_small(store, key, _LARGEST_TEXT)
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return None
