"""Deleting records, restoring them, and remembering what the index is to be told.

A deleted record moves out of `records` into `deleted_records`, so that no query of the records can forget that it is
hidden. Its chunk references, its objects and its staged bytes stay as they are until it is purged (`garbage/`). Whoever
decides whether something in the bucket is still needed asks here: `among`, `keys_in_use`, `read`.

BSS and DreamLake Server do not know each other. A client tells both; whatever it left out, the pipeline tells the index
(`processing/deletions.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from ..api.bss import DeletedRecord, Record
from ..api.common import Listing
from ..api.pipeline import Deletion, ToldDeletion
from ..auth import Principal
from . import records
from .places import Place
from .values import to_jsonb

# SQL: the row of records `r` as JSON. Absent, not null, where nothing is: a column then becomes SQL's NULL again.
_AS_JSON = "(SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(r)) WHERE value <> 'null')"

# SQL: what the row of a deleted record `d` becomes when it is restored. What was waiting or at work is queued anew: its
# batch went on without it. What was settled is again of its batch, as far as that is still known.
_RESTORED = """(d.row || jsonb_build_object('updated_at', now()) || CASE
    WHEN d.row->>'status' IN ('queued', 'processing') THEN jsonb_build_object('status', 'queued', 'queued_at', now())
    ELSE '{}' END) - CASE
    WHEN d.row->>'status' IN ('queued', 'processing') THEN ARRAY['partition', 'reported_at']
    WHEN NOT EXISTS (SELECT FROM batches b WHERE b.partition = d.row->>'partition') THEN ARRAY['partition']
    ELSE ARRAY[]::text[] END"""


class Restored(NamedTuple):
    """`restored`: ids of the records that are there again, `taken`: by the ids of those that are not, the id of the
    record that has been uploaded under their name since."""

    restored: list[str]
    taken: dict[str, str]


def staged_keys(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The keys of the staged objects of records, by their ids."""
    rows = connection.execute(text("SELECT id, staging_key FROM records WHERE id = ANY(:ids)"), {"ids": list(ids)})
    return {row.id: row.staging_key for row in rows}


def delete(connection: Connection, ids: Collection[str], *, by: str, etags: Mapping[str, str]) -> list[str]:
    """Delete records, and note that the index is to be told; the ids of those that were there, sorted.

    `etags` are those of staged objects whose keys are not their hashes: other content under such a key is a new
    arrival, and the same is that of the deleted record.
    """
    rows = connection.execute(
        text(f"""
        WITH r AS (
            DELETE FROM records WHERE id IN (SELECT id FROM records WHERE id = ANY(:ids) ORDER BY id FOR UPDATE)
            RETURNING *),
        moved AS (
            INSERT INTO deleted_records (id, kind, owner, project, episode, name, place, staging_key, etag, size,
                uploaded_at, row, deleted_by)
            SELECT id, kind, owner, project, episode, name, place, staging_key,
                CAST(:etags AS jsonb)->>staging_key, size, uploaded_at, {_AS_JSON}, :by FROM r)
        INSERT INTO deletions (record_id, kind, owner, project, episode, name)
        SELECT id, kind, owner, project, episode, name FROM r
        ON CONFLICT (record_id) DO UPDATE SET restored = false, deleted_at = now(), episode = excluded.episode,
            name = excluded.name
        RETURNING record_id"""),  # noqa: S608 (spelled above)
        {"ids": sorted(ids), "by": by, "etags": to_jsonb(dict(etags))},
    )
    return sorted(rows.scalars())


def restore(connection: Connection, ids: Sequence[str], *, replace: bool) -> Restored:
    """Put deleted records back; those that are not deleted, or are purged, are passed over.

    A record whose name was given to a later upload since is not restored, unless with `replace`: then it is as if it
    were uploaded again now. Of several of one content under one name, the last uploaded is restored.
    """
    locked = connection.execute(
        text("SELECT id FROM deleted_records WHERE id = ANY(:ids) AND purged_at IS NULL ORDER BY id FOR UPDATE"),
        {"ids": list(ids)},
    )
    wanted = list(locked.scalars())
    if not wanted:
        return Restored([], {})
    if replace:
        _make_way(connection, wanted)
        taken = {}
    else:
        taken = _taken(connection, wanted)
    back = _insert(connection, [record_id for record_id in wanted if record_id not in taken], as_new=replace)
    connection.execute(text("DELETE FROM deleted_records WHERE id = ANY(:ids)"), {"ids": back})
    tell_as_they_are(connection, back)
    # Of two of the same content and name, one stays deleted; so does one that somebody's upload met just now.
    others = [record_id for record_id in wanted if record_id not in taken and record_id not in set(back)]
    return Restored(back, taken | (_twins(connection, others) if others else {}))


def _taken(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """By the ids of deleted records, the record that was uploaded later under the same name."""
    rows = connection.execute(
        text("""
        SELECT DISTINCT ON (d.id) d.id, r.id AS by FROM deleted_records d JOIN records r ON r.place = d.place
        WHERE d.id = ANY(:ids) AND (r.uploaded_at, r.id) > (d.uploaded_at, d.id)
        ORDER BY d.id, r.uploaded_at DESC, r.id DESC"""),
        {"ids": list(ids)},
    )
    return {row.id: row.by for row in rows}


def _twins(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """By the ids of deleted records, the record of the same content, kind and name."""
    rows = connection.execute(
        text("""
        SELECT d.id, r.id AS by FROM deleted_records d
        JOIN records r ON r.place = d.place AND r.kind = d.kind AND md5(r.staging_key) = md5(d.staging_key)
        WHERE d.id = ANY(:ids)"""),
        {"ids": list(ids)},
    )
    return {row.id: row.by for row in rows}


def _make_way(connection: Connection, ids: Sequence[str]) -> None:
    """Delete the records of the same content, kind and name as deleted ones that are to take their place."""
    twins = _twins(connection, ids)
    if twins:
        etags = connection.execute(
            text("SELECT staging_key, etag FROM deleted_records WHERE id = ANY(:ids) AND etag IS NOT NULL"),
            {"ids": list(twins)},
        )
        delete(connection, set(twins.values()), by="replaced", etags={row.staging_key: row.etag for row in etags})


def _insert(connection: Connection, ids: Sequence[str], *, as_new: bool) -> list[str]:
    """Insert the rows of deleted records as they were; the ids of those that came in, sorted.

    `as_new`: of the records of one name, the last uploaded gets it as if it were uploaded now.
    """
    columns = connection.execute(
        text("""
        SELECT a.attname AS name, pg_get_expr(d.adbin, d.adrelid) AS otherwise FROM pg_attribute a
        LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
        WHERE a.attrelid = 'records'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"""),
    ).all()
    into = ", ".join(f'"{column.name}"' for column in columns)
    values = ", ".join(f'r."{column.name}"' for column in columns)
    # A column that is younger than the deletion has its default.
    defaults = ", ".join(f"'{column.name}', {column.otherwise}" for column in columns if column.otherwise)
    back = connection.execute(
        text(f"""
        WITH chosen AS (
            SELECT DISTINCT ON (place, kind, md5(staging_key)) * FROM deleted_records
            WHERE id = ANY(:ids) ORDER BY place, kind, md5(staging_key), uploaded_at DESC, id DESC)
        INSERT INTO records ({into})
        SELECT {values} FROM chosen d
        CROSS JOIN jsonb_populate_record(NULL::records, jsonb_build_object({defaults}) || {_RESTORED}) AS r
        ORDER BY r.id
        ON CONFLICT (place, kind, md5(staging_key)) DO NOTHING RETURNING id"""),  # noqa: S608 (columns and defaults are those of our own table)
        {"ids": list(ids)},
    )
    found = sorted(back.scalars())
    if as_new:
        connection.execute(
            text("""
            UPDATE records r SET uploaded_at = greatest(clock_timestamp(), (
                SELECT max(o.uploaded_at) + interval '1 microsecond' FROM records o WHERE o.place = r.place))
            WHERE id IN (SELECT DISTINCT ON (place) id FROM records WHERE id = ANY(:ids)
                ORDER BY place, uploaded_at DESC, id DESC)"""),
            {"ids": found},
        )
    return found


def list_page(
    connection: Connection, place: Place, *, kept: timedelta, cursor: str | None, limit: int
) -> Listing[DeletedRecord]:
    """One page of the deleted records of a place that can be restored, in the order in which they were made."""
    rows = connection.execute(
        text(f"""
        SELECT r.*, r.row->>'status' AS status FROM deleted_records r
        WHERE r.purged_at IS NULL AND r.id > :after AND {place.condition()} ORDER BY r.id LIMIT :limit"""),  # noqa: S608
        place.parameters() | {"after": records.read_cursor(cursor), "limit": limit + 1},
    ).all()
    items = [_shown(row, kept) for row in rows[:limit]]
    return Listing[DeletedRecord](items=items, cursor=records.make_cursor(items[-1].id) if len(rows) > limit else None)


def _shown(row: Row[Any], kept: timedelta) -> DeletedRecord:
    return DeletedRecord(
        id=row.id,
        kind=row.kind,
        owner=row.owner,
        project=row.project,
        episode=row.episode,
        name=row.name,
        size=row.size,
        status=row.status,
        uploaded_at=row.uploaded_at,
        deleted_at=row.deleted_at,
        deleted_by=row.deleted_by,
        restorable_until=row.deleted_at + kept,
    )


def reachable(connection: Connection, ids: Sequence[str], caller: Principal) -> list[str]:
    """Those of the ids that can be restored and lie in a namespace that the caller reaches, in their order."""
    rows = connection.execute(
        text("""
        SELECT d.id FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS asked(id, n) JOIN deleted_records d USING (id)
        WHERE d.purged_at IS NULL AND (:everywhere OR d.owner = ANY(:namespaces)) ORDER BY asked.n"""),
        {"ids": list(dict.fromkeys(ids))} | records.reach(caller),
    )
    return list(rows.scalars())


# What others ask before they take something for needed, or for lost


def among(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of the ids that are of deleted records: their objects are spoken for, also while they are purged."""
    return set(
        connection.execute(text("SELECT id FROM deleted_records WHERE id = ANY(:ids)"), {"ids": list(ids)}).scalars()
    )


def staged_by(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of the staged objects that a deleted record has, one that is purged too: they may be there."""
    return set(
        connection.execute(
            text("""
            SELECT staging_key FROM deleted_records WHERE staging_key = ANY(:keys)
            UNION SELECT staging_key FROM condemned_objects WHERE staging_key = ANY(:keys)"""),
            {"keys": list(keys)},
        ).scalars()
    )


def keys_in_use(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of the staged objects that a record has, or a deleted one that can be restored."""
    return set(
        connection.execute(
            text("""
            SELECT staging_key FROM records WHERE staging_key = ANY(:keys)
            UNION SELECT staging_key FROM deleted_records WHERE staging_key = ANY(:keys) AND purged_at IS NULL"""),
            {"keys": list(keys)},
        ).scalars()
    )


def read(connection: Connection, *, after: str, limit: int) -> list[Record]:
    """Deleted records that can be restored, as they were, in the order of their ids from behind `after`."""
    rows = connection.execute(
        text("""
        SELECT row FROM deleted_records WHERE purged_at IS NULL AND id > :after ORDER BY id LIMIT :limit"""),
        {"after": after, "limit": limit},
    )
    nothing = dict.fromkeys(Record.model_fields)
    return [
        Record.model_validate({name: value for name, value in (nothing | row).items() if name in nothing})
        for row in rows.scalars()
    ]


# What the index is to be told


def tell_as_they_are(connection: Connection, ids: Sequence[str]) -> None:
    """Note that the index is to be told of these records as they are then: restored ones, and ones that failed, of
    which no run may be left that tells it."""
    connection.execute(
        text("""
        INSERT INTO deletions (record_id, kind, owner, project, episode, name, restored)
        SELECT id, kind, owner, project, episode, name, true FROM records WHERE id = ANY(:ids) ORDER BY id
        ON CONFLICT (record_id) DO UPDATE SET restored = true, deleted_at = now()"""),
        {"ids": list(ids)},
    )


def pending(connection: Connection, *, min_age_seconds: float, limit: int) -> list[Deletion]:
    """Deletions, restorations and failures of which the index was not told, oldest first; none from the last
    `min_age_seconds`."""
    rows = connection.execute(
        text("""
        SELECT record_id, kind, owner, project, episode, name, restored, deleted_at AS at FROM deletions
        WHERE deleted_at <= now() - make_interval(secs => :age) ORDER BY deleted_at, record_id LIMIT :limit"""),
        {"age": min_age_seconds, "limit": limit},
    )
    return [Deletion.model_validate(dict(row)) for row in rows.mappings()]


def forget(connection: Connection, told: Sequence[ToldDeletion]) -> None:
    """The index was told of these. What was restored or deleted again meanwhile is still to be told."""
    connection.execute(
        text("""
        DELETE FROM deletions d USING jsonb_to_recordset(CAST(:told AS jsonb)) AS t(record_id text, at timestamptz)
        WHERE d.record_id = t.record_id AND (t.at IS NULL OR d.deleted_at = t.at)"""),
        {"told": to_jsonb([one.model_dump(mode="json") for one in told])},
    )
