"""Purging deleted records: from then on they can't be restored, and nothing counts as theirs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from ...api.garbage import Garbage
from ...crashpoints import CrashPoint, reached
from .collector import EXPIRED, Collector, Work, freed

_AT_ONCE = 50  # records; each may refer to thousands of chunks

_LOCK = 7_203_515_126_033_102  # any other number than that of `condemned.py`


def purge(collector: Collector, _: str) -> Work:
    """Purge records whose time is over: their rows are emptied, their chunk references taken away, and the staged bytes
    that no other record has condemned."""
    if collector.dry_run:
        with collector.database.connect() as connection:
            count = connection.execute(
                text(f"SELECT count(*) FROM deleted_records d WHERE d.purged_at IS NULL AND {EXPIRED}"),  # noqa: S608
                collector.ages,
            ).scalar_one()
        return Work(None, freed(Garbage.RECORDS, count))
    with collector.database.begin() as connection:
        _lock(connection)
        purged = connection.execute(
            text(f"""
            UPDATE deleted_records SET purged_at = now(), name = '', episode = NULL, row = '{{}}'
            WHERE id IN (SELECT d.id FROM deleted_records d WHERE d.purged_at IS NULL AND {EXPIRED}
                ORDER BY d.deleted_at, d.id LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING id, staging_key, deleted_at"""),  # noqa: S608 (spelled there)
            collector.ages | {"limit": _AT_ONCE},
        ).all()
        if purged:
            ids = [row.id for row in purged]
            _release_chunks(connection, ids, max(row.deleted_at for row in purged))
            _condemn_staged(connection, ids)
    if purged:
        reached(CrashPoint.RECORDS_PURGED)
    return Work("" if len(purged) == _AT_ONCE else None, freed(Garbage.RECORDS, len(purged)))


def _lock(connection: Connection) -> None:
    """One purge at a time: of two, each would take the other's record for one that still has the bytes of its own."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _release_chunks(connection: Connection, ids: Sequence[str], since: datetime) -> None:
    """Take the references of these records away, and condemn the chunks that were only theirs: nothing refers to them
    since `since`."""
    hashes = connection.execute(
        text("DELETE FROM chunk_refs WHERE record_id = ANY(:ids) RETURNING sha256"), {"ids": list(ids)}
    ).scalars()
    connection.execute(
        text("""
        UPDATE chunks SET condemned_at = :since WHERE sha256 IN (
            SELECT sha256 FROM chunks c WHERE sha256 = ANY(:hashes) AND condemned_at IS NULL AND lease_until < now()
                AND NOT EXISTS (SELECT FROM chunk_refs f WHERE f.sha256 = c.sha256)
            ORDER BY sha256 FOR UPDATE SKIP LOCKED)"""),
        {"hashes": sorted(set(hashes)), "since": since},
    )


def _condemn_staged(connection: Connection, ids: Sequence[str]) -> None:
    connection.execute(
        text("""
        INSERT INTO condemned_objects (staging_key, etag, size)
        SELECT DISTINCT ON (d.staging_key) d.staging_key, d.etag, d.size FROM deleted_records d
        WHERE d.id = ANY(:ids)
            AND NOT EXISTS (SELECT FROM records r WHERE r.staging_key = d.staging_key)
            AND NOT EXISTS (SELECT FROM deleted_records o WHERE o.staging_key = d.staging_key AND o.purged_at IS NULL)
        ORDER BY d.staging_key, d.deleted_at DESC
        ON CONFLICT (staging_key) DO UPDATE
            SET etag = excluded.etag, size = excluded.size, condemned_at = now(), freed_at = NULL"""),
        {"ids": list(ids)},
    )
