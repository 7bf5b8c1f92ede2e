"""The chunk pool. A chunk's row is the lock and the truth for its object (ARCHITECTURE.md, "The order of writes").

A writer leases the rows of all its chunks, stores those that are missing, says so, and refers to them in the
transaction that reports its result (`batches/reporting.py`). A chunk that is leased or referred to is not deleted
(`garbage/pool.py`).
Rows are always taken in the order of their hashes: writers that share chunks wait for each other, never deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, text

from .. import layout
from ..api.pipeline import Chunk
from ..auth import Principal, Scope
from ..errors import Code, DreamlakeError
from ..names import EVERY_NAMESPACE


def lease(connection: Connection, chunks: Sequence[Chunk], seconds: float) -> list[str]:
    """Lease chunks for so many seconds. Returns the hashes of those whose objects are not in the pool, sorted.

    Two writers may both be told that a chunk is missing: they write the same bytes.
    """
    distinct = {chunk.sha256: chunk for chunk in chunks}
    rows = connection.execute(
        text("""
        INSERT INTO chunks (sha256, size, form, lease_until)
        SELECT sha256, size, form, now() + make_interval(secs => :seconds)
        FROM unnest(CAST(:hashes AS text[]), CAST(:sizes AS bigint[]), CAST(:forms AS text[])) AS c(sha256, size, form)
        ORDER BY sha256 COLLATE "C"
        ON CONFLICT (sha256) DO UPDATE SET condemned_at = NULL,
            lease_until = greatest(chunks.lease_until, excluded.lease_until)
        RETURNING sha256, stored_at"""),
        {
            "hashes": list(distinct),
            "sizes": [chunk.size for chunk in distinct.values()],
            "forms": [chunk.form for chunk in distinct.values()],
            "seconds": seconds,
        },
    )
    return sorted(sha256 for sha256, stored_at in rows if stored_at is None)


def mark_stored(connection: Connection, hashes: Sequence[str]) -> None:
    """These chunks' objects are in the pool now. Raises CONFLICT for a chunk whose lease is over, or never was: its
    object may have been deleted since it was stored."""
    wanted = sorted(set(hashes))
    marked = set(
        connection.execute(
            text("""
            UPDATE chunks SET stored_at = coalesce(stored_at, now())
            WHERE sha256 IN (SELECT sha256 FROM chunks WHERE sha256 = ANY(:hashes) AND lease_until >= now()
                ORDER BY sha256 FOR UPDATE)
            RETURNING sha256"""),
            {"hashes": wanted},
        ).scalars()
    )
    if len(marked) < len(wanted):
        stranger = next(sha256 for sha256 in wanted if sha256 not in marked)
        raise DreamlakeError(Code.CONFLICT, f"Chunk {stranger} is not leased: lease it, then store it.")


def refer(connection: Connection, played: Mapping[str, Sequence[str]]) -> None:
    """Replace what records refer to in the chunk pool: hashes by record id. Raises CONFLICT for a chunk that is not
    stored."""
    pairs = [(record_id, sha256) for record_id, hashes in played.items() for sha256 in set(hashes)]
    connection.execute(text("DELETE FROM chunk_refs WHERE record_id = ANY(:ids)"), {"ids": list(played)})
    if not pairs:
        return
    # The rows' key-share locks keep the chunks where they are until this transaction ends.
    wanted = {sha256 for _, sha256 in pairs}
    stored = set(
        connection.execute(
            text("""
            SELECT sha256 FROM chunks WHERE sha256 = ANY(:hashes) AND stored_at IS NOT NULL
            ORDER BY sha256 FOR KEY SHARE"""),
            {"hashes": sorted(wanted)},
        ).scalars()
    )
    if missing := wanted - stored:
        raise DreamlakeError(Code.CONFLICT, f"Chunk {min(missing)} is not stored: lease it, store it, then report.")
    connection.execute(
        text("""
        INSERT INTO chunk_refs (record_id, sha256)
        SELECT * FROM unnest(CAST(:records AS text[]), CAST(:hashes AS text[]))"""),
        {"records": [record_id for record_id, _ in pairs], "hashes": [sha256 for _, sha256 in pairs]},
    )


def keys(connection: Connection, hashes: Collection[str]) -> dict[str, str]:
    """Where the objects of those of the chunks lie that have a row, by their hashes."""
    rows = connection.execute(
        text("SELECT sha256, form FROM chunks WHERE sha256 = ANY(:hashes)"), {"hashes": sorted(hashes)}
    )
    return {sha256: layout.chunk_key(sha256, layout.ChunkForm(form)) for sha256, form in rows}


def referred_by(connection: Connection, owner: str, hashes: Collection[str]) -> list[str]:
    """Those of the chunks that records of this owner refer to, sorted."""
    return sorted(
        connection.execute(
            text("""
            SELECT DISTINCT c.sha256 FROM chunk_refs c JOIN records r ON r.id = c.record_id
            WHERE c.sha256 = ANY(:hashes) AND r.owner = :owner"""),
            {"hashes": list(hashes), "owner": owner},
        ).scalars()
    )


def is_readable(connection: Connection, sha256: str, caller: Principal) -> bool:
    """Whether a record that the caller may read plays this chunk."""
    namespaces = () if caller.scope is Scope.PLAY else caller.namespaces
    return bool(
        connection.execute(
            text("""
            SELECT EXISTS (SELECT FROM chunk_refs c JOIN records r ON r.id = c.record_id WHERE c.sha256 = :sha256
                AND (:everywhere OR r.owner = ANY(:namespaces) OR r.id = :asset))"""),
            {
                "sha256": sha256,
                "everywhere": EVERY_NAMESPACE in namespaces,
                "namespaces": list(namespaces),
                "asset": caller.asset,
            },
        ).scalar()
    )
