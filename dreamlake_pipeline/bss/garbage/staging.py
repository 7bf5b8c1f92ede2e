"""Staged bytes whose last record was purged (`condemned.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from ...api.garbage import Garbage, Tally
from ...crashpoints import CrashPoint, reached
from ...storage import ObjectInfo
from .. import condemned, deletions, heads
from .collector import EXPIRED, Collector, Work, freed, later, refused

_AT_ONCE = 200

# How long it is remembered that an object was deleted: whoever listed it before does not take it for a new arrival.
_REMEMBERED_SECONDS = 24 * 3600


def free(collector: Collector, position: str) -> Work:
    """Delete condemned objects that nobody needs."""
    if collector.dry_run:
        return _plan(collector)
    with collector.database.begin() as connection:
        keys = list(
            connection.execute(
                text("""
                SELECT staging_key FROM condemned_objects WHERE freed_at IS NULL AND staging_key > :after
                ORDER BY staging_key LIMIT :limit"""),
                {"after": position, "limit": _AT_ONCE},
            ).scalars()
        )
    if not keys:
        return Work(None, _forget(collector))
    with collector.database.begin() as connection:
        condemned.wait_for_others(connection)
    with collector.database.begin() as connection:
        tally = _delete(connection, collector, keys)
    return Work(keys[-1], tally)


def _delete(connection: Connection, collector: Collector, keys: Sequence[str]) -> Tally:
    """Delete those of the objects that nobody needs, with their rows locked."""
    rows = {
        row.staging_key: row
        for row in connection.execute(
            text("""
            SELECT staging_key, etag, condemned_at FROM condemned_objects
            WHERE staging_key = ANY(:keys) AND freed_at IS NULL ORDER BY staging_key FOR UPDATE SKIP LOCKED"""),
            {"keys": list(keys)},
        )
    }
    used = still_used(connection, list(rows))
    waiting = promised(connection, list(rows), collector.url_ttl) - used
    found, hidden = heads.look(collector.store, [key for key in rows if key not in used and key not in waiting])
    # What was written since, or has other content, is a new arrival.
    new = {
        key
        for key, info in found.items()
        if info is not None
        and (info.last_modified > rows[key].condemned_at or (rows[key].etag or info.etag) != info.etag)
    }
    gone: list[ObjectInfo] = [info for key, info in found.items() if info is not None and key not in new]
    condemned.release(connection, used | new)
    kept = collector.store.delete(info.key for info in gone)
    if gone:
        reached(CrashPoint.STAGED_DELETED)
    connection.execute(
        text("UPDATE condemned_objects SET freed_at = now() WHERE staging_key = ANY(:keys)"),
        {"keys": [key for key in found if key not in new and key not in kept]},
    )
    gone = [info for info in gone if info.key not in kept]
    tally = freed(Garbage.STAGED, len(gone), sum(info.size for info in gone))
    tally.add(refused(hidden | kept))
    tally.add(later(Garbage.STAGED, len(waiting)))
    return tally


def still_used(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the objects that a record has, or a deleted one that can be restored."""
    return deletions.keys_in_use(connection, keys)


def promised(connection: Connection, keys: Sequence[str], url_ttl: float) -> set[str]:
    """Those of the objects that somebody is about to send, or to register: an upload is under way, or was completed as
    short a time ago as a URL is valid, or a PUT was signed, or a client was told that they are there."""
    return set(
        connection.execute(
            text("""
            SELECT staging_key FROM uploads WHERE staging_key = ANY(:keys)
            UNION SELECT staging_key FROM signed_puts
            WHERE staging_key = ANY(:keys) AND signed_at > now() - make_interval(secs => :ttl)
            UNION SELECT staging_key FROM ended_uploads
            WHERE staging_key = ANY(:keys) AND completed AND ended_at > now() - make_interval(secs => :ttl)"""),
            {"keys": list(keys), "ttl": url_ttl},
        ).scalars()
    )


def _plan(collector: Collector) -> Work:
    with collector.database.connect() as connection:
        row = connection.execute(
            text(f"""
            SELECT count(*) AS found, coalesce(sum(size), 0) AS bytes FROM (
                SELECT staging_key, size FROM condemned_objects WHERE freed_at IS NULL
                UNION
                SELECT DISTINCT ON (staging_key) staging_key, size FROM deleted_records d
                WHERE d.purged_at IS NULL AND {EXPIRED}
                    AND NOT EXISTS (SELECT FROM records r WHERE r.staging_key = d.staging_key)
                    AND NOT EXISTS (SELECT FROM deleted_records o WHERE o.staging_key = d.staging_key
                        AND o.purged_at IS NULL AND NOT {EXPIRED.replace("d.", "o.")})) garbage"""),  # noqa: S608
            collector.ages,
        ).one()
    return Work(None, freed(Garbage.STAGED, row.found, int(row.bytes)))


def _forget(collector: Collector) -> Tally:
    with collector.database.begin() as connection:
        rows = connection.execute(
            text("""
            DELETE FROM condemned_objects WHERE staging_key IN (
                SELECT staging_key FROM condemned_objects
                WHERE freed_at < now() - make_interval(secs => :remembered) FOR UPDATE SKIP LOCKED)"""),
            {"remembered": _REMEMBERED_SECONDS},
        ).rowcount
    return freed(Garbage.ROWS, rows)
