"""Records, of what the bucket said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError

from ...api.bss import Status
from ...api.stored import Meta
from ...crashpoints import CrashPoint, reached
from .. import deletions, heads
from ..values import to_jsonb
from .reading import Bucket, Work

_AT_ONCE = 500
_COPIED = ("id", "kind", "owner", "project", "name", "staging_key", "uploaded_at", "created_at")

_COLUMNS = """id text, kind text, owner text, project text, episode text, name text, staging_key text,
    staging_hash text, sha256 text, size bigint, content_type text, ladder int[], playback text, csv jsonb, status text,
    error jsonb, last_error jsonb, warnings jsonb, metadata jsonb, recipe text, outputs jsonb, attempts int,
    created_at timestamptz, request_id text, moved_at timestamptz, uploaded_at timestamptz, reported_at timestamptz,
    ready_at timestamptz"""
_NAMES = ", ".join(column.split()[0] for column in _COLUMNS.split(","))


def make_records(bucket: Bucket, after: str) -> Work:
    """Some of the records, with their references; their rows of `rebuilt` go. `after` has no meaning."""
    work = Work()
    with bucket.database.begin() as connection:
        # Those with a result come first: of two records of one content and name, one is made.
        rows = (
            connection.execute(
                text("""
                SELECT owner, project, id, noted, noted_at, deleted_at, meta, coalesce(chunks, '{}') AS chunks
                FROM rebuilt ORDER BY meta IS NULL, owner, project, id LIMIT :limit FOR UPDATE"""),
                {"limit": _AT_ONCE},
            )
            .mappings()
            .all()
        )
        if not rows:
            return work
        known = deletions.among(connection, [row["id"] for row in rows])
        stored = _stored(connection, sorted({sha256 for row in rows for sha256 in row["chunks"]}))
        made: dict[str, dict[str, Any]] = {}
        deleted = []
        for row in rows:
            if row["id"] in known or (row["noted"] is None and row["meta"] is None):
                continue  # it is deleted, here or in what is told of it, and nothing else is
            if row["id"] in made:
                continue  # another project says that it has this id: `_strangers` tells
            record = _record(row, has_chunks=stored.issuperset(row["chunks"]))
            made[row["id"]] = record
            if row["deleted_at"] is not None and (row["noted_at"] is None or row["deleted_at"] >= row["noted_at"]):
                deleted.append(row["id"])
        gone = _without_bytes(bucket, [made[one] for one in deleted])
        made = {one: record for one, record in made.items() if one not in gone}
        inserted = _insert(connection, list(made.values()), work.problems)
        references = {
            row["id"]: row["chunks"]
            for row in rows
            if row["id"] in inserted and _is_of(row, made[row["id"]]) and "metadata" in made[row["id"]]
        }
        _refer(connection, references)
        forgotten = [one for one in deleted if one in inserted]
        if forgotten:
            deletions.delete(connection, forgotten, by="rebuild", etags={})
        work.problems += _strangers(connection, rows)
        _forget(connection, rows)
        reached(CrashPoint.RECORDS_REBUILT)
    work.done["records"] = len(inserted) - len(forgotten)
    work.done["deleted records"] = len(forgotten)
    work.done["queued"] = sum(made[one]["status"] == Status.QUEUED for one in inserted if one not in set(forgotten))
    work.after = "more"
    return work


def _is_of(row: Any, record: dict[str, Any]) -> bool:
    return (row["owner"], row["project"]) == (record["owner"], record["project"])


def _strangers(connection: Connection, rows: Sequence[Any]) -> list[str]:
    """What to tell of ids that a record of another project has: BSS gives none twice, so somebody else wrote one."""
    records = connection.execute(
        text("SELECT id, owner, project FROM records WHERE id = ANY(:ids)"), {"ids": [row["id"] for row in rows]}
    ).mappings()
    taken = {record["id"]: dict(record) for record in records}
    return [
        f"{row['owner']}/{row['project']} has a file with the id {row['id']}, which one of another project has"
        for row in rows
        if row["id"] in taken and not _is_of(row, taken[row["id"]])
    ]


def _forget(connection: Connection, rows: Sequence[Any]) -> None:
    connection.execute(
        text("""
        DELETE FROM rebuilt r USING jsonb_to_recordset(CAST(:rows AS jsonb)) AS d(owner text, project text, id text)
        WHERE (r.owner, r.project, r.id) = (d.owner, d.project, d.id)"""),
        {"rows": to_jsonb([{name: row[name] for name in ("owner", "project", "id")} for row in rows])},
    )


def _record(row: Any, *, has_chunks: bool) -> dict[str, Any]:
    """The row of the table of records."""
    noted = Meta.model_validate(row["noted"]) if row["noted"] is not None else None
    meta = Meta.model_validate(row["meta"]) if row["meta"] is not None and has_chunks else None
    if noted is not None and meta is not None and meta.kind is not noted.kind:
        meta = None  # it is not what was made of that file
    base = noted or Meta.model_validate(row["meta"])
    made = {name: getattr(base, name) for name in _COPIED} | {"attempts": base.attempts}
    made["uploaded_at"] = base.uploaded_at or base.created_at
    for name in (
        "episode",
        "staging_hash",
        "content_type",
        "ladder",
        "playback",
        "csv",
        "size",
        "sha256",
        "request_id",
        "moved_at",
    ):
        made[name] = getattr(base, name)
    made |= {"metadata": None, "recipe": None, "outputs": None, "reported_at": None, "ready_at": None}
    made |= {"error": None, "last_error": None, "warnings": base.warnings}
    failure = noted and (noted.error or noted.last_error)
    if meta is None:
        made["status"] = Status.FAILED if failure and row["meta"] is None else Status.QUEUED
        made["error"] = failure.wire() if failure and made["status"] == Status.FAILED else None
        return _json(made)
    ready_at = meta.ready_at or meta.updated_at
    made |= {
        "sha256": meta.sha256,
        "size": meta.size,
        "metadata": meta.metadata,
        "recipe": meta.recipe or _recipe_of(meta),
        "outputs": {name: one.wire() for name, one in meta.outputs.items()} or None,
        "warnings": meta.warnings,
        "attempts": max(meta.attempts, base.attempts),
        "reported_at": meta.reported_at or ready_at,
        "ready_at": ready_at,
        "status": Status.READY,
    }
    if noted is not None and failure and noted.attempts > meta.attempts:
        made["last_error"] = failure.wire()
    elif noted is not None and noted.status is Status.QUEUED and noted.updated_at > ready_at:
        made["status"] = Status.QUEUED  # it was to be made again
    return _json(made)


def _recipe_of(meta: Meta) -> str | None:
    """The recipe of a meta.json that was written before it was named there."""
    recipe = (meta.metadata or {}).get("processing", {}).get("recipe")
    return recipe if isinstance(recipe, str) else None


def _json(made: dict[str, Any]) -> dict[str, Any]:
    """Absent, not JSON's null: jsonb_to_recordset then gives SQL's NULL."""
    return {name: value for name, value in made.items() if value is not None}


def _insert(connection: Connection, made: list[dict[str, Any]], problems: list[str]) -> set[str]:
    """Insert records, all but those that are there, or whose content is there under their name; their ids.

    One that breaks a rule of the table is told and passed over: it is looked for in halves.
    """
    statement = text(f"""
        INSERT INTO records ({_NAMES}, queued_at)
        SELECT {_NAMES}, now() FROM jsonb_to_recordset(CAST(:made AS jsonb)) AS r({_COLUMNS}) ORDER BY id
        ON CONFLICT DO NOTHING RETURNING id""")  # noqa: S608 (spelled above)
    try:
        with connection.begin_nested():
            return set(connection.execute(statement, {"made": to_jsonb(made)}).scalars())
    except (DataError, IntegrityError):
        if len(made) == 1:
            problems.append("{owner}/{project} tells of a file {id} that can't be".format(**made[0]))
            return set()
    half = len(made) // 2
    return _insert(connection, made[:half], problems) | _insert(connection, made[half:], problems)


def _stored(connection: Connection, hashes: list[str]) -> set[str]:
    """Those of the segments that are in the pool, locked as they are for whoever refers to them."""
    return set(
        connection.execute(
            text("""
            SELECT sha256 FROM chunks WHERE sha256 = ANY(:hashes) AND stored_at IS NOT NULL
            ORDER BY sha256 FOR KEY SHARE"""),
            {"hashes": hashes},
        ).scalars()
    )


def _refer(connection: Connection, played: dict[str, list[str]]) -> None:
    pairs = [(one, sha256) for one, hashes in played.items() for sha256 in hashes]
    connection.execute(
        text("""
        INSERT INTO chunk_refs (record_id, sha256)
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:hashes AS text[])) ON CONFLICT DO NOTHING"""),
        {"ids": [one for one, _ in pairs], "hashes": [sha256 for _, sha256 in pairs]},
    )


def _without_bytes(bucket: Bucket, made: list[dict[str, Any]]) -> set[str]:
    """Ids of those deleted records whose raw bytes were freed: nothing of them could be restored."""
    looked = heads.look(bucket.store, [record["staging_key"] for record in made])
    return {record["id"] for record in made if looked.found.get(record["staging_key"], ...) is None}
