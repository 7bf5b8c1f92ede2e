"""The chunk pool: chunks that nothing refers to. A chunk's row is the lock and the truth for its object (`chunks.py`).

A chunk is condemned, which a lease takes back. When it has been so for a while, its row is locked, references are
looked for again, and it is declared not stored: from then on a writer stores it anew, and nobody refers to it before.
Only then, with the row locked again, its object is deleted, and after it the row.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from ...api.garbage import Garbage, Tally
from ...crashpoints import CrashPoint, reached
from .. import chunks
from .collector import EXPIRED, Collector, Work, freed, later, refused

_LOOKED_AT = 5000
_AT_ONCE = 500

# SQL: whether nothing refers to the chunk `c`.
_UNNAMED = "NOT EXISTS (SELECT FROM chunk_refs f WHERE f.sha256 = c.sha256)"


def condemn(collector: Collector, position: str) -> Work:
    """Condemn what nothing refers to and nobody has leased; with a dry run, count it."""
    if collector.dry_run:
        return _plan(collector, position)
    with collector.database.begin() as connection:
        last = _end_of_page(connection, position)
        connection.execute(
            text(f"""
            UPDATE chunks SET condemned_at = now() WHERE sha256 IN (
                SELECT sha256 FROM chunks c WHERE c.sha256 > :after AND c.sha256 <= :last
                    AND c.condemned_at IS NULL AND c.lease_until < now() AND {_UNNAMED}
                ORDER BY sha256 FOR UPDATE SKIP LOCKED)"""),  # noqa: S608 (spelled above)
            {"after": position, "last": last},
        )
    if last:
        reached(CrashPoint.CHUNKS_CONDEMNED)
    return Work(last or None, Tally())


def unstore(collector: Collector, position: str) -> Work:
    """Declare chunks that were condemned for long enough not stored, unless something refers to them by now."""
    if collector.dry_run:
        return Work(None, Tally())
    with collector.database.begin() as connection:
        hashes = _locked(
            connection,
            "condemned_at <= now() - make_interval(secs => :wait) AND stored_at IS NOT NULL AND sha256 > :after",
            {"wait": collector.wait, "after": position},
        )
        named = referred_to(connection, hashes)
        _pardon(connection, named)
        connection.execute(
            text("UPDATE chunks SET stored_at = NULL WHERE sha256 = ANY(:hashes)"),
            {"hashes": [sha256 for sha256 in hashes if sha256 not in named]},
        )
    if hashes:
        reached(CrashPoint.CHUNKS_UNSTORED)
    return Work(hashes[-1] if len(hashes) == _AT_ONCE else None, Tally())


def free(collector: Collector, position: str) -> Work:
    """Delete the objects of condemned chunks that are not stored, and then their rows."""
    if collector.dry_run:
        return Work(None, Tally())
    with collector.database.begin() as connection:
        hashes = _locked(
            connection,
            "condemned_at <= now() - make_interval(secs => :wait) AND stored_at IS NULL AND sha256 > :after",
            {"wait": collector.wait, "after": position},
        )
        named = referred_to(connection, hashes)
        _pardon(connection, named)
        gone = [sha256 for sha256 in hashes if sha256 not in named]
        keys = chunks.keys(connection, gone)
        kept = collector.store.delete(keys.values())
        gone = [sha256 for sha256 in gone if keys[sha256] not in kept]
        if gone:
            reached(CrashPoint.CHUNKS_DELETED)
        sizes = connection.execute(
            text("DELETE FROM chunks WHERE sha256 = ANY(:hashes) RETURNING size"), {"hashes": gone}
        ).scalars()
        tally = freed(Garbage.CHUNKS, len(gone), sum(sizes))
        tally.add(refused(kept))
    if len(hashes) == _AT_ONCE:
        return Work(hashes[-1], tally)
    tally.add(_count_waiting(collector))
    return Work(None, tally)


def referred_to(connection: Connection, hashes: Sequence[str]) -> set[str]:
    """Those of the chunks that a record refers to, also a deleted one. With their rows locked, nobody adds to them."""
    return set(
        connection.execute(
            text("SELECT DISTINCT sha256 FROM chunk_refs WHERE sha256 = ANY(:hashes)"), {"hashes": list(hashes)}
        ).scalars()
    )


def _locked(connection: Connection, condition: str, given: dict[str, object]) -> list[str]:
    """Chunks of this condition that nobody has leased, locked against leases and references, in order."""
    return list(
        connection.execute(
            text(f"""
            SELECT sha256 FROM chunks WHERE lease_until < now() AND {condition}
            ORDER BY sha256 LIMIT :limit FOR UPDATE SKIP LOCKED"""),  # noqa: S608 (spelled by the caller)
            given | {"limit": _AT_ONCE},
        ).scalars()
    )


def _pardon(connection: Connection, hashes: set[str]) -> None:
    if hashes:
        connection.execute(
            text("UPDATE chunks SET condemned_at = NULL WHERE sha256 = ANY(:hashes)"), {"hashes": sorted(hashes)}
        )


def _end_of_page(connection: Connection, position: str) -> str:
    """The last hash of the page behind `position`; empty when there is none."""
    last = connection.execute(
        text("""
        SELECT max(sha256) FROM (
            SELECT sha256 FROM chunks WHERE sha256 > :after ORDER BY sha256 LIMIT :limit) page"""),
        {"after": position, "limit": _LOOKED_AT},
    ).scalar()
    return last or ""


def _count_waiting(collector: Collector) -> Tally:
    with collector.database.connect() as connection:
        row = connection.execute(
            text("SELECT count(*) AS found, coalesce(sum(size), 0) AS bytes FROM chunks WHERE condemned_at IS NOT NULL")
        ).one()
    return later(Garbage.CHUNKS, row.found, int(row.bytes))


def _plan(collector: Collector, position: str) -> Work:
    """What would be freed now, and what later, of a page of chunks, with those of records that would be purged."""
    with collector.database.connect() as connection:
        last = _end_of_page(connection, position)
        row = connection.execute(
            text(f"""
            SELECT count(*) FILTER (WHERE due) AS now, coalesce(sum(size) FILTER (WHERE due), 0) AS now_bytes,
                count(*) FILTER (WHERE NOT due) AS later, coalesce(sum(size) FILTER (WHERE NOT due), 0) AS later_bytes
            FROM (
                SELECT c.size, least(c.condemned_at, (SELECT max(d.deleted_at) FROM chunk_refs f
                        JOIN deleted_records d ON d.id = f.record_id WHERE f.sha256 = c.sha256), now())
                    <= now() - make_interval(secs => :wait) AS due
                FROM chunks c WHERE c.sha256 > :after AND c.sha256 <= :last AND c.lease_until < now()
                    AND NOT EXISTS (SELECT FROM chunk_refs f WHERE f.sha256 = c.sha256 AND NOT EXISTS (
                        SELECT FROM deleted_records d WHERE d.id = f.record_id AND {EXPIRED}))) garbage"""),  # noqa: S608
            collector.ages | {"after": position, "last": last},
        ).one()
    tally = freed(Garbage.CHUNKS, row.now, int(row.now_bytes))
    tally.add(later(Garbage.CHUNKS, row.later, int(row.later_bytes)))
    return Work(last or None, tally)
