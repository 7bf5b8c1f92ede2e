"""The table of records: one file under one name, from registration to ready.

Every function works in the caller's transaction. Statements that touch many rows take them in the order
of their ids (or of their identity, when they are new), so that two of them never deadlock.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from .. import logs
from ..api.bss import ChangedRecords, FileLog, Record, Status
from ..api.common import Listing
from ..api.pipeline import ResultKey
from ..auth import Principal
from ..errors import Code, DreamlakeError
from ..ids import is_id, new_id
from ..kinds import Kind
from ..names import EVERY_NAMESPACE
from ..playback import PlaybackMode
from .values import to_jsonb

_COLUMNS = ", ".join(f"r.{name}" for name in Record.model_fields)

_FILES = """jsonb_to_recordset(CAST(:files AS jsonb)) AS f(n int, id text, kind text, owner text, project text,
    episode text, name text, staging_key text, staging_hash text, size bigint, content_type text, queue boolean,
    ladder int[], playback text, csv jsonb)"""

# What the column `place` of the records of such a file's name holds: no name or episode has a line break in it. Lookups
# go by this column, which a single index has, so that no plan depends on what Postgres knows of the table so far.
PLACE = r"""md5(
    f.owner || E'\n' || f.project || E'\n' || f.name || coalesce(E'\n' || f.episode, ''))"""

# Whether `r` is the record that its name stands for: of all of that name, whatever their kinds, the last uploaded.
HOLDS_NAME = """NOT EXISTS (SELECT FROM records later
    WHERE later.place = r.place AND (later.uploaded_at, later.id) > (r.uploaded_at, r.id))"""

# SQL: whether `r` has a published result, which stays until another one takes its place.
HAS_RESULT = "(r.ready_at IS NOT NULL AND r.metadata IS NOT NULL)"
IS_PLAYABLE = f"(r.status = 'ready' OR (r.status IN ('queued', 'processing') AND {HAS_RESULT}))"

# SQL: what an UPDATE of `r` writes when an attempt at it has failed for the reason {error}, an ErrorBody and, as `log`,
# lines that were logged of it. See `Status`.
FAILURE = f"""
    status = CASE WHEN {HAS_RESULT} THEN 'ready' ELSE 'failed' END,
    error = CASE WHEN NOT {HAS_RESULT} THEN {{error}} END,
    last_error = CASE WHEN {HAS_RESULT} THEN {{error}} END,
    updated_at = now()"""

# SQL: for which browsers the result of the video `r` is made.
_MADE_FOR = "coalesce(r.metadata->>'playback', 'everywhere')"

# Which records POST /lambdas/… and a requeue start over; what is queued or being processed stays as it is.
UNPROCESSED = (Status.REGISTERED, Status.FAILED)
SETTLED = (*UNPROCESSED, Status.READY)


class NewRecord(NamedTuple):
    """What a registration says of a file. `queue`: its processing need not be asked for.

    `ladder` are heights of further, smaller streams of a video, `playback` for which browsers it is made, `csv` the
    options of a label file; None says nothing about them.
    """

    kind: Kind
    owner: str
    project: str
    episode: str | None
    name: str
    staging_key: str
    staging_hash: str | None
    size: int
    content_type: str
    queue: bool
    ladder: tuple[int, ...] | None = None
    playback: PlaybackMode | None = None
    csv: dict[str, str] | None = None


class KnownRecord(NamedTuple):
    """What tells of a record without all that was found in its file.

    `holds_name`: no other record was uploaded later under its name.
    """

    id: str
    status: Status
    ladder: tuple[int, ...] | None
    playback: PlaybackMode | None
    csv: dict[str, str] | None
    uploaded_at: datetime
    holds_name: bool


class NamedFile(NamedTuple):
    """A file in a project; without a `staging_key`, its content is not known."""

    kind: Kind
    episode: str | None
    name: str
    staging_key: str | None
    size: int


class SameName(NamedTuple):
    """Of the records of one name and kind: whether the name stands for this content, whether any may have this size,
    and whether the one that has this content (or size, where no content is known) failed."""

    has_content: bool
    has_size: bool
    has_failed: bool


class Inserted(NamedTuple):
    record: KnownRecord
    created: bool


def _record(row: Any) -> Record:
    return Record.model_validate(dict(row))


def _ladder(stored: list[int] | None) -> tuple[int, ...] | None:
    return None if stored is None else tuple(stored)


def _playback(stored: str | None) -> PlaybackMode | None:
    return None if stored is None else PlaybackMode(stored)


def _given(file: NewRecord) -> dict[str, Any]:
    """What is said of the file. Absent, not JSON's null, where nothing is: jsonb_to_recordset then gives SQL's NULL."""
    return {name: value for name, value in file._asdict().items() if value is not None}


def insert(connection: Connection, files: Sequence[NewRecord]) -> list[Inserted]:
    """Register files; those that are registered already are found. In the order of `files`, which may repeat itself."""
    ids = [new_id() for _ in files]
    asked = [_given(file) | {"id": id, "n": n} for n, (id, file) in enumerate(zip(ids, files, strict=True))]
    # The order of the call is that of the uploads, which are later than all that were there, also by a clock that was
    # set back; that of the inserts is the same for every writer.
    rows = connection.execute(
        text(f"""
        INSERT INTO records (id, kind, owner, project, episode, name, staging_key, staging_hash, size, content_type,
            ladder, playback, csv, request_id, status, queued_at, uploaded_at)
        SELECT id, kind, owner, project, episode, name, staging_key, staging_hash, size, content_type,
            ladder, playback, csv, :request_id, CASE WHEN queue THEN 'queued' ELSE 'registered' END,
            CASE WHEN queue THEN now() END, greatest(now() + n * interval '1 microsecond', (
                SELECT max(o.uploaded_at) + (n + 1) * interval '1 microsecond' FROM records o WHERE o.place = {PLACE}))
        FROM {_FILES}
        ORDER BY owner, project, name, kind, staging_key, episode
        ON CONFLICT (place, kind, md5(staging_key)) DO NOTHING
        RETURNING id, uploaded_at"""),  # noqa: S608 (spelled above)
        {"files": to_jsonb(asked), "request_id": logs.request_id()},
    )
    made: dict[str, datetime] = {row.id: row.uploaded_at for row in rows}
    # Of two equal files in one call, one made the record and the other finds it.
    there = [n for n, id in enumerate(ids) if id not in made]
    found = dict(zip(there, find(connection, [files[n] for n in there]) if there else [], strict=True))
    deleted = [n for n, record in found.items() if record is None]
    # What was there when it was inserted, and is deleted since, is a new record like any other.
    anew = dict(zip(deleted, insert(connection, [files[n] for n in deleted]) if deleted else [], strict=True))
    inserted = []
    for n, (id, file) in enumerate(zip(ids, files, strict=True)):
        if id in made:
            status = Status.QUEUED if file.queue else Status.REGISTERED
            record = KnownRecord(id, status, file.ladder, file.playback, file.csv, made[id], holds_name=True)
            inserted.append(Inserted(record, created=True))
        elif (known := found[n]) is not None:
            inserted.append(Inserted(known, created=False))
        else:
            inserted.append(anew[n])
    return _give_names(connection, files, inserted)


def _give_names(connection: Connection, files: Sequence[NewRecord], inserted: Sequence[Inserted]) -> list[Inserted]:
    """Give their names back to those of the records whose content was uploaded again after another one's."""
    last = {
        (file.owner, file.project, file.episode, file.name): one.record
        for file, one in zip(files, inserted, strict=True)
    }
    returning = {record.id for record in last.values() if not record.holds_name}
    if not returning:
        return list(inserted)
    # All that this transaction may lock afterwards are locked at once, in the order of their ids.
    connection.execute(
        text("SELECT FROM records WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"),
        {"ids": sorted({one.record.id for one in inserted if not one.created})},
    )
    rows = connection.execute(
        text("""
        UPDATE records r SET updated_at = now(), uploaded_at = greatest(clock_timestamp(), (
            SELECT max(o.uploaded_at) + interval '1 microsecond' FROM records o WHERE o.place = r.place))
        WHERE id = ANY(:ids) RETURNING id, uploaded_at"""),
        {"ids": sorted(returning)},
    )
    at: dict[str, datetime] = {row.id: row.uploaded_at for row in rows}
    return [
        one._replace(record=one.record._replace(uploaded_at=at[one.record.id], holds_name=True))
        if one.record.id in at
        else one
        for one in inserted
    ]


def find(connection: Connection, files: Sequence[NewRecord]) -> list[KnownRecord | None]:
    """For each file the record that it has already, or None."""
    asked = [
        {
            "n": n,
            "kind": file.kind,
            "owner": file.owner,
            "project": file.project,
            "episode": file.episode,
            "name": file.name,
            "staging_key": file.staging_key,
        }
        for n, file in enumerate(files)
    ]
    rows = connection.execute(
        text(f"""
        SELECT f.n, r.id, r.status, r.ladder, r.playback, r.csv, r.uploaded_at, {HOLDS_NAME} FROM {_FILES}
        JOIN records r ON r.place = {PLACE} AND r.kind = f.kind
            AND md5(r.staging_key) = md5(f.staging_key)"""),  # noqa: S608
        {"files": to_jsonb(asked)},
    )
    found = {
        n: KnownRecord(id, Status(status), _ladder(ladder), _playback(playback), csv, uploaded_at, holds_name)
        for n, id, status, ladder, playback, csv, uploaded_at, holds_name in rows.all()
    }
    return [found.get(n) for n in range(len(files))]


def same_names(connection: Connection, owner: str, project: str, files: Sequence[NamedFile]) -> list[SameName | None]:
    """What the records under the name and kind of each file are like; None where there is none."""
    rows = connection.execute(
        text(f"""
        SELECT f.n, coalesce(bool_or(r.staging_key = f.staging_key AND {HOLDS_NAME}), false),
            bool_or(r.size IS NULL OR r.size = f.size),
            coalesce(bool_or(r.status = 'failed' AND {HOLDS_NAME} AND CASE WHEN f.staging_key IS NULL
                THEN r.size IS NULL OR r.size = f.size ELSE r.staging_key = f.staging_key END), false)
        FROM {_FILES}
        JOIN records r ON r.place = {PLACE} AND r.kind = f.kind
        GROUP BY f.n"""),  # noqa: S608
        {
            "files": to_jsonb(
                [file._asdict() | {"n": n, "owner": owner, "project": project} for n, file in enumerate(files)]
            )
        },
    )
    found = {n: SameName(*known) for n, *known in rows.all()}
    return [found.get(n) for n in range(len(files))]


def get(connection: Connection, record_id: str) -> Record | None:
    """The record of this id."""
    row = connection.execute(text(f"SELECT {_COLUMNS} FROM records r WHERE id = :id"), {"id": record_id})  # noqa: S608
    found = row.mappings().one_or_none()
    return _record(found) if found else None


def get_many(connection: Connection, ids: Sequence[str], caller: Principal) -> list[Record]:
    """Those of the ids that exist and lie in a namespace that the caller reaches, in the order of `ids`."""
    rows = connection.execute(
        text(f"""
        SELECT {_COLUMNS} FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS asked(id, n) JOIN records r USING (id)
        WHERE :everywhere OR r.owner = ANY(:namespaces)
        ORDER BY asked.n"""),  # noqa: S608
        {"ids": list(dict.fromkeys(ids))} | reach(caller),
    )
    return [_record(row) for row in rows.mappings()]


def changed(connection: Connection, known: Mapping[str, datetime | None], caller: Principal) -> ChangedRecords:
    """Which of the records, by id, were updated at another time than the known one, and which do not exist or lie in
    no namespace that the caller reaches; in the order of `known`."""
    rows = connection.execute(
        text("""
        SELECT asked.id, r.id IS NULL AS gone
        FROM unnest(CAST(:ids AS text[]), CAST(:times AS timestamptz[])) WITH ORDINALITY AS asked(id, at, n)
        LEFT JOIN records r ON r.id = asked.id AND (:everywhere OR r.owner = ANY(:namespaces))
        WHERE r.updated_at IS DISTINCT FROM asked.at OR r.id IS NULL
        ORDER BY asked.n"""),
        {"ids": list(known), "times": list(known.values())} | reach(caller),
    ).all()
    return ChangedRecords(changed=[row.id for row in rows if not row.gone], gone=[row.id for row in rows if row.gone])


def reachable(connection: Connection, ids: Sequence[str], caller: Principal) -> list[str]:
    """Those of the ids whose records exist and lie in a namespace that the caller reaches, in their order."""
    rows = connection.execute(
        text("""
        SELECT r.id FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS asked(id, n) JOIN records r USING (id)
        WHERE :everywhere OR r.owner = ANY(:namespaces)
        ORDER BY asked.n"""),
        {"ids": list(dict.fromkeys(ids))} | reach(caller),
    )
    return list(rows.scalars())


def logged(connection: Connection, ids: Sequence[str], caller: Principal) -> list[FileLog]:
    """What was logged of those of the ids that failed and that lie in a namespace that the caller reaches."""
    rows = connection.execute(
        text("""
        SELECT r.id, coalesce(r.error, r.last_error)->'log' AS lines
        FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS asked(id, n) JOIN records r USING (id)
        WHERE (:everywhere OR r.owner = ANY(:namespaces)) AND coalesce(r.error, r.last_error)->'log' IS NOT NULL
        ORDER BY asked.n"""),
        {"ids": list(dict.fromkeys(ids))} | reach(caller),
    )
    return [FileLog(id=row.id, lines=row.lines) for row in rows]


def list_page(
    connection: Connection,
    kind: Kind,
    *,
    owner: str | None,
    project: str | None,
    status: Status | None,
    episode: str | None,
    cursor: str | None,
    limit: int,
) -> Listing[Record]:
    """One page of a kind's records, oldest first. A filter that is None filters nothing."""
    filters = {"owner": owner, "project": project, "status": status and str(status), "episode": episode}
    given = {name: value for name, value in filters.items() if value is not None}
    conditions = "".join(f" AND r.{name} = :{name}" for name in given)
    rows = (
        connection.execute(
            text(f"""
            SELECT {_COLUMNS} FROM records r
            WHERE r.kind = :kind AND r.id > :after {conditions} ORDER BY r.id LIMIT :limit"""),  # noqa: S608
            given | {"kind": str(kind), "after": read_cursor(cursor), "limit": limit + 1},
        )
        .mappings()
        .all()
    )
    items = [_record(row) for row in rows[:limit]]
    return Listing[Record](items=items, cursor=make_cursor(items[-1].id) if len(rows) > limit else None)


def queue(connection: Connection, ids: Iterable[str], statuses: Iterable[Status]) -> set[str]:
    """Start over those of the records that are in one of `statuses`: they join a new batch. Returns their ids.

    Where `statuses` have `failed`, a record whose last attempt failed counts as failed, though its earlier result
    stands. A result that a record has stays. What waits, put off by a fault of the machinery, is due at once.
    """
    chosen, wanted = sorted(set(ids)), set(statuses)
    if not chosen:
        return set()
    return set(
        connection.execute(
            text("""
            UPDATE records SET status = 'queued', queued_at = now(), updated_at = now(), partition = NULL, error = NULL,
                last_error = NULL, reported_at = NULL, waiting = NULL, waiting_until = NULL, crashes = least(crashes, 1)
            WHERE id IN (SELECT id FROM records WHERE id = ANY(:ids)
                AND (status = ANY(:statuses) OR waiting_until IS NOT NULL
                    OR (:failed AND last_error IS NOT NULL)) ORDER BY id FOR UPDATE)
            RETURNING id"""),
            {
                "ids": chosen,
                "statuses": [str(status) for status in wanted],
                "failed": Status.FAILED in wanted,
            },
        ).scalars()
    )


def change_ladders(connection: Connection, wanted: Mapping[str, Sequence[int]]) -> set[str]:
    """Give records other ladders (heights, by id). Returns the ids of those whose result was made with another one."""
    if not wanted:
        return set()
    rows = connection.execute(
        text("""
        WITH wanted AS (
            SELECT r.id, w.ladder FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w(id text, ladder int[])
            JOIN records r USING (id) ORDER BY r.id FOR UPDATE OF r)
        UPDATE records r SET ladder = w.ladder, updated_at = now() FROM wanted w WHERE r.id = w.id
        RETURNING r.id, r.metadata->'ladder' IS DISTINCT FROM to_jsonb(w.ladder) AS made_otherwise"""),
        {"wanted": to_jsonb([{"id": record_id, "ladder": list(ladder)} for record_id, ladder in wanted.items()])},
    )
    return {row.id for row in rows if row.made_otherwise}


def change_playback(connection: Connection, wanted: Mapping[str, PlaybackMode]) -> set[str]:
    """Have videos, by id, made for other browsers. Returns the ids of those whose result was made otherwise."""
    if not wanted:
        return set()
    rows = connection.execute(
        text(f"""
        WITH wanted AS (
            SELECT r.id, w.playback FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w(id text, playback text)
            JOIN records r USING (id) ORDER BY r.id FOR UPDATE OF r)
        UPDATE records r SET playback = w.playback, updated_at = now() FROM wanted w WHERE r.id = w.id
        RETURNING r.id, {_MADE_FOR} <> w.playback AS made_otherwise"""),  # noqa: S608
        {"wanted": to_jsonb([{"id": record_id, "playback": playback} for record_id, playback in wanted.items()])},
    )
    return {row.id for row in rows if row.made_otherwise}


def add_playback(connection: Connection, ids: Iterable[str], playback: PlaybackMode) -> None:
    """Have videos made for these browsers as well, beside those that their results are made for."""
    connection.execute(
        text(f"""
        UPDATE records r SET updated_at = now(), playback = CASE WHEN r.metadata IS NULL
            OR {_MADE_FOR} = :playback THEN :playback ELSE 'both' END
        WHERE r.id IN (SELECT id FROM records WHERE id = ANY(:ids) AND kind = 'video' ORDER BY id FOR UPDATE)"""),  # noqa: S608
        {"ids": sorted(set(ids)), "playback": playback},
    )


def change_csv_options(connection: Connection, wanted: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Give these label files, by id, other options; those of them whose result was made with others."""
    if not wanted:
        return set()
    rows = connection.execute(
        text("""
        WITH wanted AS (
            SELECT r.id, w.csv FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w(id text, csv jsonb)
            JOIN records r USING (id) ORDER BY r.id FOR UPDATE OF r)
        UPDATE records r SET csv = w.csv, updated_at = now() FROM wanted w WHERE r.id = w.id
        RETURNING r.id, coalesce(r.metadata->'csvOptions', '{}') <> w.csv AS made_otherwise"""),
        {"wanted": to_jsonb([{"id": record_id, "csv": dict(options)} for record_id, options in wanted.items()])},
    )
    return {row.id for row in rows if row.made_otherwise}


def made_otherwise(connection: Connection, partition: str, ids: Sequence[str] | None = None) -> list[str]:
    """Those records of a batch, or of `ids` in it, whose result was made with another ladder, for other browsers, or
    with other options, than they were given since.

    All of these that have a result are locked: nobody gives one any others until they are ready.
    """
    rows = connection.execute(
        text("""
        SELECT id, metadata->'ladder' <> to_jsonb(ladder) OR metadata->'csvOptions' <> csv
            OR (metadata IS NOT NULL AND coalesce(metadata->>'playback', 'everywhere') <> playback) AS otherwise
        FROM records WHERE partition = :partition AND status = 'processing' AND reported_at IS NOT NULL
            AND (CAST(:ids AS text[]) IS NULL OR id = ANY(:ids))
        ORDER BY id FOR UPDATE"""),
        {"partition": partition, "ids": None if ids is None else list(ids)},
    )
    return [row.id for row in rows if row.otherwise]


def known_results(connection: Connection, owner: str, keys: Sequence[ResultKey]) -> list[Record | None]:
    """For each key the latest ready record of this owner that has the result, or None."""
    rows = connection.execute(
        text(f"""
        SELECT DISTINCT ON (k.n) k.n, {_COLUMNS}
        FROM jsonb_to_recordset(CAST(:keys AS jsonb)) AS k(n int, kind text, sha256 text, recipe text)
        JOIN records r ON (r.kind, r.sha256, r.recipe) = (k.kind, k.sha256, k.recipe)
        WHERE r.owner = :owner AND r.status = 'ready'
        ORDER BY k.n, r.ready_at DESC"""),  # noqa: S608
        {"keys": to_jsonb([key.model_dump(mode="json") | {"n": n} for n, key in enumerate(keys)]), "owner": owner},
    )
    found = {row["n"]: _record(row) for row in rows.mappings()}
    return [found.get(n) for n in range(len(keys))]


def text_tracks_beside(connection: Connection, video: Record, start: str) -> list[Record]:
    """The playable text tracks of the video's episode whose names begin with `start`, which ends in a dot.

    Of several contents under one name, the last uploaded.
    """
    rows = connection.execute(
        text(f"""
        SELECT DISTINCT ON (r.name) {_COLUMNS} FROM records r
        WHERE r.owner = :owner AND r.project = :project AND r.kind = 'text-track' AND {IS_PLAYABLE}
          AND r.episode IS NOT DISTINCT FROM :episode AND r.name ~>=~ :start AND r.name ~<~ :end
        ORDER BY r.name, r.uploaded_at DESC, r.id DESC"""),  # noqa: S608
        # Names are compared byte by byte, and "/" is the byte after ".": a folder may hold a hundred thousand files.
        {"owner": video.owner, "project": video.project, "episode": video.episode}
        | {"start": start, "end": start.removesuffix(".") + "/"},
    )
    return [_record(row) for row in rows.mappings()]


def reach(caller: Principal) -> dict[str, Any]:
    """The parameters by which a statement keeps to what the caller reaches."""
    return {"everywhere": EVERY_NAMESPACE in caller.namespaces, "namespaces": list(caller.namespaces)}


def make_cursor(record_id: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(record_id)).decode()


def read_cursor(cursor: str | None) -> str:
    if not cursor:
        return ""
    try:
        record_id = base64.b64decode(cursor, altchars=b"-_", validate=True).hex()
    except (binascii.Error, ValueError):
        record_id = ""
    if not is_id(record_id):
        raise DreamlakeError(Code.INVALID_REQUEST, "cursor: this is not one that a listing gave.")
    return record_id
