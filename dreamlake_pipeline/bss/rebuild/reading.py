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
from itertools import accumulate
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, text

from ... import layout, names
from ...api.bss import ProjectSettings
from ...api.stored import META
from ...errors import Code, DreamlakeError
from ...ids import is_id
from ...kinds import Kind
from ...storage import ObjectInfo, ObjectStore, was_answered
from .. import deletions
from ..damaged import read_small
from ..places_of_bucket import projects
from ..side_by_side import side_by_side
from ..values import to_jsonb
from .believing import Believed, Line

_FOLDERS = 300
_LISTED_SECONDS = 60
_OBJECTS = 20  # of a journal, each of which has up to a thousand lines
_AT_ONCE = 8  # folders that are read side by side
# In bytes; ours are far smaller: a thousand lines have a million or two, and a playlist of 9,000 segments has one.
_LARGEST_JOURNAL = 64 * 2**20
_LARGEST_META = 16 * 2**20
_LARGEST_PLAYLIST = 8 * 2**20
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
    found = [(parsed, item) for item in page.objects if item.size and (parsed := layout.parse_chunk(item.key))]
    chunks = {sha256: (item.size, form) for (sha256, form), item in found if item.key == layout.chunk_key(sha256, form)}
    work = Work(page.objects[-1].key if page.truncated and page.objects else None)
    if chunks:
        with bucket.database.begin() as connection:
            work.done["segments"] = connection.execute(
                text("""
                INSERT INTO chunks (sha256, size, form, stored_at, lease_until)
                SELECT sha256, size, form, now(), now() + make_interval(secs => :lease)
                FROM unnest(CAST(:hashes AS text[]), CAST(:sizes AS bigint[]), CAST(:forms AS text[]))
                    AS c(sha256, size, form)
                ORDER BY sha256 COLLATE "C" ON CONFLICT DO NOTHING"""),
                {
                    "hashes": list(chunks),
                    "sizes": [size for size, _ in chunks.values()],
                    "forms": [form for _, form in chunks.values()],
                    "lease": _LEASE_SECONDS,
                },
            ).rowcount
    return work


def read_journals(bucket: Bucket, after: str) -> Work:
    """Some objects of one project's journal; `after` is the last key, or the next journal's folder."""
    folders = sorted(layout.journal_prefix(*place) for place in bucket.places)
    folder = next((one for one in folders if one >= after or after.startswith(one)), None)
    if folder is None:
        return Work()
    page = bucket.store.list_page(folder, after=after if after.startswith(folder) else "", limit=_OBJECTS)
    objects = _that_fit(page.objects)
    work = Work()
    owner, project, _ = folder.split("/", 2)
    lines: list[Line] = []
    for item, noted in zip(objects, side_by_side(lambda item: _lines(bucket.store, item), objects), strict=True):
        if isinstance(noted, str):
            work.problems.append(noted)
            continue
        good = [line for line in noted if line is not None and _is_of(line, owner, project)]
        if len(good) < len(noted):
            work.problems.append(f"{item.key} has lines that can't be read, or are not of its project")
        lines += good
    with bucket.database.begin() as connection:
        _keep_lines(connection, owner, project, lines)
        for line in lines:
            if line.settings is not None:
                _decide(connection, owner, project, line.at, line.settings)
    work.done["journal lines"] += len(lines)
    if objects and (page.truncated or len(objects) < len(page.objects)):
        work.after = objects[-1].key
    else:
        work.after = next((one for one in folders if one > folder), None)
    return work


def _that_fit(objects: Sequence[ObjectInfo]) -> list[ObjectInfo]:
    """As many of the first as may be in memory at a time. One that is too large is not read."""
    sizes = accumulate(min(item.size, _LARGEST_JOURNAL) for item in objects)
    return [
        item for n, (item, size) in enumerate(zip(objects, sizes, strict=True)) if not n or size <= _LARGEST_JOURNAL
    ]


def _lines(store: ObjectStore, item: ObjectInfo) -> list[Line | None] | str:
    """The lines of one object of a journal, None for one that is none; or why there are none, as text."""
    body = _read(store, item.key, _LARGEST_JOURNAL)
    if not isinstance(body, bytes):
        return body or f"{item.key} is gone"
    return [_line(text) for text in body.splitlines()]


def _line(text: bytes) -> Line | None:
    try:
        return Line.model_validate_json(text)
    except ValidationError:
        return None


def _is_of(line: Line, owner: str, project: str) -> bool:
    return line.record is None or (line.record.owner, line.record.project) == (owner, project)


def _keep_lines(connection: Connection, owner: str, project: str, lines: Sequence[Line]) -> None:
    """Of each record of this project the latest line, and when it was deleted."""
    latest: dict[str, Line] = {}
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
    where = {"owner": owner, "project": project}
    connection.execute(
        text("""
        INSERT INTO rebuilt AS kept (owner, project, id, noted, noted_at)
        SELECT :owner, :project, id, noted, at
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS l(id text, noted jsonb, at timestamptz)
        ON CONFLICT (owner, project, id) DO UPDATE SET noted = excluded.noted, noted_at = excluded.noted_at
        WHERE kept.noted_at IS NULL OR kept.noted_at <= excluded.noted_at"""),
        where | {"rows": to_jsonb(rows)},
    )
    connection.execute(
        text("""
        INSERT INTO rebuilt AS kept (owner, project, id, deleted_at)
        SELECT :owner, :project, id, at FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS l(id text, at timestamptz)
        ON CONFLICT (owner, project, id) DO UPDATE SET deleted_at = greatest(kept.deleted_at, excluded.deleted_at)"""),
        where | {"rows": to_jsonb([{"id": one, "at": at.isoformat()} for one, at in sorted(deleted.items())])},
    )


def _decide(connection: Connection, owner: str, project: str, at: datetime, settings: ProjectSettings) -> None:
    connection.execute(
        text("""
        INSERT INTO projects AS known (owner, project, ladder, playback, csv, types, updated_at)
        VALUES (:owner, :project, :ladder, :playback, CAST(:csv AS jsonb), CAST(:types AS jsonb), :at)
        ON CONFLICT (owner, project) DO UPDATE SET ladder = excluded.ladder, playback = excluded.playback,
            csv = excluded.csv, types = excluded.types,
            updated_at = excluded.updated_at WHERE known.updated_at < excluded.updated_at"""),
        {
            "owner": owner,
            "project": project,
            "at": at,
            "ladder": None if settings.ladder is None else list(settings.ladder),
            "playback": settings.playback,
            "csv": None if settings.csv is None else to_jsonb(settings.csv),
            "types": None if settings.types is None else to_jsonb(settings.types),
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
    for n in range(0, len(unknown), _AT_ONCE):
        found = side_by_side(lambda one: _read_meta(bucket.store, owner, project, kind, one), unknown[n : n + _AT_ONCE])
        rows = [row for row in found if isinstance(row, dict)]
        work.problems += [problem for problem in found if isinstance(problem, str)]
        with bucket.database.begin() as connection:
            _keep_metas(connection, owner, project, rows)
        work.done["files made"] += len(rows)
    if start + _FOLDERS < len(listed):
        work.after = f"{place} {json.dumps([page_after, some[-1]])}"
    elif some and is_truncated:
        work.after = f"{place} {json.dumps([some[-1], some[-1]])}"
    else:
        work.after = next((one for one in places if one > place), None)
    return work


def _keep_metas(connection: Connection, owner: str, project: str, rows: Sequence[dict[str, Any]]) -> None:
    connection.execute(
        text("""
        INSERT INTO rebuilt (owner, project, id, meta, chunks)
        SELECT :owner, :project, id, meta, chunks
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS m(id text, meta jsonb, chunks text[])
        ON CONFLICT (owner, project, id) DO UPDATE SET meta = excluded.meta, chunks = excluded.chunks"""),
        {"owner": owner, "project": project, "rows": to_jsonb(rows)},
    )


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
    body = _read(store, folder + META, _LARGEST_META)
    if not isinstance(body, bytes):
        return body
    try:
        meta = Believed.model_validate_json(body)
    except ValidationError:
        return f"{folder}{META} can't be read, or can't be true: its file is processed again"
    if (meta.id, meta.owner, meta.project, meta.kind) != (record_id, owner, project, kind):
        return f"{folder}{META} is that of another file"
    chunks: dict[str, None] = {}
    for stream in meta.streams:
        named = _segments(_read(store, f"{folder}stream/{stream}.m3u8", _LARGEST_PLAYLIST))
        if named is None:
            return f"{folder}stream/{stream}.m3u8 is missing, cut off or no playlist: its file is processed again"
        chunks |= dict.fromkeys(named)
    said = meta.wire()
    if meta.outputs:
        said["outputs"][META] = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    row = {"id": record_id, "meta": said, "chunks": list(chunks)}
    try:
        to_jsonb(row)
    except ValueError:
        return f"{folder}{META} has values that can't be stored: its file is processed again"
    return row


def _segments(playlist: bytes | str | None) -> list[str] | None:
    """The segments that a media playlist of ours names; None when it is none."""
    if not isinstance(playlist, bytes) or not playlist.rstrip().endswith(b"#EXT-X-ENDLIST"):
        return None
    hashes = [layout.chunk_of_uri(uri) for uri in layout.chunk_uris(playlist.decode(errors="replace"))]
    return hashes if all(names.is_sha256(sha256) for sha256 in hashes) else None


def _read(store: ObjectStore, key: str, most: int) -> bytes | str | None:
    """The bytes of a small object; None where there is none; why it can't be read, as text."""
    try:
        body = read_small(store, key, most)
    except DreamlakeError as error:
        if error.code is Code.NOT_FOUND:
            return None
        if error.is_passing or not was_answered(error):
            raise
        return f"{key} can't be read: {error.message}"
    return body if body is not None else f"{key} breaks off, or is larger than anything that is written there"
