"""Staged objects that garbage collection is about to delete, and how whoever needs one meets the collector.

A purge condemns the staged bytes of a record when no other record has them: a row of `condemned_objects`. Who answers
that bytes are there (`watch`), and who registers them (`hold`), does so in a transaction that shares a lock with its
like. The collector (`garbage/staging.py`) takes that lock alone for an instant (`wait_for_others`) between reading the
rows and deleting an object under its row's lock: so every transaction either began before, and the collector sees what
it wrote, or it meets the row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, text

from ..storage import ObjectStore
from .side_by_side import side_by_side

_LOCK = 7_203_515_126_033_101  # any number that nobody else takes for an advisory lock of this database


def watch(connection: Connection, keys: Collection[str]) -> None:
    """Wait for the collector where it is deleting one of these objects. What this transaction says about the keys
    (`uploads.promise`) is seen by the collector before it deletes any of them."""
    _share(connection)
    connection.execute(
        text("""
        SELECT FROM condemned_objects WHERE staging_key = ANY(:keys) ORDER BY staging_key FOR SHARE"""),
        {"keys": sorted(set(keys))},
    )


def hold(connection: Connection, store: ObjectStore, keys: Collection[str]) -> set[str]:
    """Keep these objects for records that this transaction makes of them. Returns the keys of those that are not there
    any more: no record may be made of them."""
    _share(connection)
    condemned = sorted(
        connection.execute(
            text("""
            SELECT staging_key FROM condemned_objects WHERE staging_key = ANY(:keys)
            ORDER BY staging_key FOR UPDATE"""),
            {"keys": sorted(set(keys))},
        ).scalars()
    )
    if not condemned:
        return set()
    found = {info.key for info in side_by_side(store.head, condemned) if info is not None}
    release(connection, found)
    return set(condemned) - found


def withhold(connection: Connection, etags: Mapping[str, str]) -> set[str]:
    """Of objects as they were listed (ETags by key), the keys of those that are condemned: no records may be made of
    them. What has other content than was condemned is a new arrival, and is kept for this transaction's records."""
    _share(connection)
    rows = connection.execute(
        text("""
        SELECT staging_key, etag FROM condemned_objects WHERE staging_key = ANY(:keys)
        ORDER BY staging_key FOR UPDATE"""),
        {"keys": sorted(etags)},
    ).all()
    new = {key for key, etag in rows if etag is not None and etag != etags[key]}
    if new:
        release(connection, new)
    return {key for key, _ in rows} - new


def release(connection: Connection, keys: Collection[str]) -> None:
    """These objects are not condemned any more. The caller has their rows locked."""
    connection.execute(text("DELETE FROM condemned_objects WHERE staging_key = ANY(:keys)"), {"keys": sorted(keys)})


def wait_for_others(connection: Connection) -> None:
    """Wait until every transaction that has begun to watch or hold something is over."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _share(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": _LOCK})
