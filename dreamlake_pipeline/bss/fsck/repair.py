"""Putting right what a check found: results are made again, rows are corrected. Each thing is looked at again first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Engine, text

from ... import layout, names
from ...api.integrity import Found, LookedUp, Repaired
from ...auth import Principal
from ...findings import FINDINGS, Finding, Repair
from ...names import EVERY_NAMESPACE
from ...storage import ObjectStore
from .. import records
from ..side_by_side import side_by_side
from ..values import to_jsonb
from . import chunks
from .batches import LEFT_OPEN, MISPLACED
from .records import Spare, spare_references
from .world import World

_OF_CHUNKS = frozenset(
    {
        Finding.CHUNK_MISSING,
        Finding.CHUNK_WRONG_SIZE,
        Finding.CHUNK_ALTERED,
        Finding.CHUNK_NOT_STORED,
        Finding.CHUNK_ROW_WITHOUT_OBJECT,
    }
)
_MISPLACED = frozenset({Finding.IN_CLOSED_BATCH, Finding.IN_OTHER_BATCH, Finding.PROCESSING_WITHOUT_BATCH})


def repair(database: Engine, store: ObjectStore, findings: Sequence[Found], caller: Principal) -> Repaired:
    """Put right what of these can be, as far as the caller reaches.

    A record is queued whatever is wrong with it: its result stands until the next one takes its place, also where its
    raw bytes are lost, which the attempt notes as its last error. A segment that
    is missing or wrong is noted as not stored, and every record that plays it is queued, whoever owns it: the first of
    them stores it again.
    """
    queueing = (Repair.AGAIN, Repair.NOTED)
    again = [found.id for found in findings if found.id and FINDINGS[found.code].repair in queueing]
    segments = [found.sha256 for found in findings if found.code in _OF_CHUNKS and found.sha256]
    misplaced = [found.id for found in findings if found.code in _MISPLACED and found.id]
    unused = [(found.id, found.sha256) for found in findings if found.code is Finding.REFERENCE_UNUSED]
    strays = [found.sha256 for found in findings if found.code is Finding.CHUNK_OBJECT_WITHOUT_ROW]
    batches = [found.partition for found in findings if found.code is Finding.BATCH_LEFT_OPEN and found.partition]

    wrong = _wrong_segments(database, store, segments, caller) if segments else {}
    spare = _spare_references(database, store, unused, caller) if unused else []
    with database.begin() as connection:
        reached = records.reachable(connection, [*again, *misplaced], caller)
        queued = _requeue_misplaced(connection, [one for one in misplaced if one in reached])
        players = _give_up_segments(connection, list(wrong)) if wrong else []
        chosen = {one for one in again if one in reached} | set(players)
        queued |= records.queue(connection, chosen, records.SETTLED)
        corrected = _drop_references(connection, spare)
        corrected += _close(connection, batches, caller)
        corrected += sum(not is_played for is_played in wrong.values())
        if EVERY_NAMESPACE in caller.namespaces:
            corrected += _know(connection, store, strays)
        told = records.reachable(connection, sorted(queued), caller)
    return Repaired(queued=told, corrected=corrected)


def look_up(connection: Connection, ids: Sequence[str], caller: Principal) -> LookedUp:
    """Which of the ids no record within the caller's reach has, and of which the index is to be told."""
    reached = set(records.reachable(connection, ids, caller))
    untold = connection.execute(
        text("""
        SELECT record_id FROM deletions WHERE record_id = ANY(:ids)
            AND (:everywhere OR owner = ANY(:namespaces)) ORDER BY 1"""),
        {"ids": list(ids)} | records.reach(caller),
    )
    return LookedUp(absent=sorted(set(ids) - reached), untold=list(untold.scalars()))


def _wrong_segments(database: Engine, store: ObjectStore, hashes: Iterable[str], caller: Principal) -> dict[str, bool]:
    """Those of the segments that are wrong, as a deep look finds now, and whether a record plays each.

    Only those that records of the caller's play, unless he is everywhere.
    """
    world = World(database, store, None, None, True, time.monotonic())
    with database.connect() as connection:
        known = chunks.rows(connection, world, sorted(set(hashes)))
        if EVERY_NAMESPACE not in caller.namespaces:
            mine = set(
                connection.execute(
                    text("""
                    SELECT c.sha256 FROM chunk_refs c JOIN records r ON r.id = c.record_id
                    WHERE c.sha256 = ANY(:hashes) AND r.owner = ANY(:namespaces)"""),
                    {"hashes": [chunk.sha256 for chunk in known], "namespaces": list(caller.namespaces)},
                ).scalars()
            )
            known = [chunk for chunk in known if chunk.sha256 in mine]
    looks = side_by_side(lambda chunk: chunks.look(world, chunk), known)
    return {
        chunk.sha256: bool(chunk.records)
        for chunk, (found, _) in zip(known, looks, strict=True)
        if found is not None and found.code is not Finding.UNREADABLE  # its bytes may well be there
    }


def _give_up_segments(connection: Connection, hashes: list[str]) -> list[str]:
    """Note that these segments are not stored. Returns the ids of the records that play them."""
    connection.execute(
        text("""
        UPDATE chunks SET stored_at = NULL WHERE sha256 IN (
            SELECT sha256 FROM chunks WHERE sha256 = ANY(:hashes) ORDER BY sha256 FOR UPDATE)"""),
        {"hashes": hashes},
    )
    return list(
        connection.execute(
            text("SELECT DISTINCT record_id FROM chunk_refs WHERE sha256 = ANY(:hashes)"), {"hashes": hashes}
        ).scalars()
    )


def _requeue_misplaced(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Queue those of the records that are in no batch in which anybody would process them."""
    if not ids:
        return set()
    rows = connection.execute(
        text(f"{MISPLACED} AND r.id = ANY(:ids) ORDER BY r.id FOR UPDATE OF r"), {"ids": list(ids)}
    )
    wrong = sorted(row.id for row in rows)
    return set(
        connection.execute(
            text("""
            UPDATE records SET status = 'queued', queued_at = now(), partition = NULL, reported_at = NULL,
                updated_at = now()
            WHERE id = ANY(:ids) RETURNING id"""),
            {"ids": wrong},
        ).scalars()
    )


def _spare_references(
    database: Engine, store: ObjectStore, pairs: Sequence[tuple[str | None, str | None]], caller: Principal
) -> list[Spare]:
    """Those of the references (record and segment) that no playlist of their records names, as a look finds now."""
    world = World(database, store, None, None, True, time.monotonic())
    with database.connect() as connection:
        reached = records.reachable(connection, [one for one, _ in pairs if one], caller)
    return [one for one in spare_references(world, reached) if (one.record_id, one.sha256) in set(pairs)]


def _drop_references(connection: Connection, spare: Sequence[Spare]) -> int:
    """Drop references of records that are at rest, and as they were when their playlists were read."""
    if not spare:
        return 0
    return connection.execute(
        text("""
        DELETE FROM chunk_refs c
        USING jsonb_to_recordset(CAST(:spare AS jsonb)) AS d(record_id text, sha256 text, updated_at timestamptz),
            records r
        WHERE (c.record_id, c.sha256) = (d.record_id, d.sha256) AND r.id = d.record_id
            AND r.status = 'ready' AND r.updated_at = d.updated_at"""),
        {"spare": to_jsonb([one._asdict() for one in spare])},
    ).rowcount


def _close(connection: Connection, partitions: Sequence[str], caller: Principal) -> int:
    if not partitions:
        return 0
    return connection.execute(
        text(f"""
        UPDATE batches b SET state = 'closed', closed_at = now() WHERE b.partition = ANY(:partitions)
            AND (:everywhere OR b.owner = ANY(:namespaces)) AND {LEFT_OPEN}"""),  # noqa: S608 (spelled there)
        {"partitions": list(partitions)} | records.reach(caller),
    ).rowcount


def _know(connection: Connection, store: ObjectStore, hashes: Sequence[str | None]) -> int:
    """Give segments rows that nobody trusts: whoever makes one stores it again, and what nobody plays is freed."""
    wanted = sorted({sha256 for sha256 in hashes if sha256 and names.is_sha256(sha256)})
    objects = [(sha256, form) for sha256 in wanted for form in layout.ChunkForm]
    heads = side_by_side(lambda one: store.head(layout.chunk_key(*one)), objects)
    there = {
        sha256: (head.size, form)
        for (sha256, form), head in zip(objects, heads, strict=True)
        if head is not None and head.size
    }
    if not there:
        return 0
    return connection.execute(
        text("""
        INSERT INTO chunks (sha256, size, form, lease_until)
        SELECT sha256, size, form, now()
        FROM unnest(CAST(:hashes AS text[]), CAST(:sizes AS bigint[]), CAST(:forms AS text[])) AS c(sha256, size, form)
        ORDER BY sha256 COLLATE "C" ON CONFLICT DO NOTHING"""),
        {
            "hashes": list(there),
            "sizes": [size for size, _ in there.values()],
            "forms": [form for _, form in there.values()],
        },
    ).rowcount
