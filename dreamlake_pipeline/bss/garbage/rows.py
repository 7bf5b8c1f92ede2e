"""Rows that only tell of what is over: each has an age after which nobody asks for it."""

from __future__ import annotations

from sqlalchemy import text

from ...api.garbage import Garbage, Tally
from .. import heads
from .collector import Collector, Work, freed

_AT_ONCE = 1000

# By table: its key, and SQL that says of a row `t` that it is of no use any more.
_OVER = {
    # URLs that were given out are valid for 7 days at most.
    "signed_puts": ("staging_key", "t.signed_at < now() - interval '30 days'"),
    "ended_uploads": ("upload_id", "t.ended_at < now() - interval '30 days'"),
    # A partition in Dagster is retired after 30 days (sensors/upkeep.py).
    "batches": (
        "partition",
        """t.state = 'closed' AND t.closed_at < now() - interval '40 days'
        AND NOT EXISTS (SELECT FROM records r WHERE r.partition = t.partition)""",
    ),
}


def free(collector: Collector, position: str) -> Work:
    """Delete such rows. `position` is the table, and the last key that was looked at where that matters."""
    tables = [*_OVER, "ignored_objects"]
    table, _, after = position.partition("/")
    table = table or tables[0]
    following = tables[tables.index(table) + 1] if table != tables[-1] else None
    if table == "ignored_objects":
        return _free_ignored(collector, after)
    key, is_over = _OVER[table]
    chosen = f"SELECT t.{key} FROM {table} t WHERE {is_over} LIMIT :limit"  # noqa: S608 (spelled above)
    with collector.database.begin() as connection:
        if collector.dry_run:
            counted = text(f"SELECT count(*) FROM {table} t WHERE {is_over}")  # noqa: S608
            return Work(following, freed(Garbage.ROWS, connection.execute(counted).scalar_one()))
        count = connection.execute(
            text(f"DELETE FROM {table} WHERE {key} IN ({chosen} FOR UPDATE SKIP LOCKED)"),  # noqa: S608
            {"limit": _AT_ONCE},
        ).rowcount
    return Work(table if count == _AT_ONCE else following, freed(Garbage.ROWS, count))


def _free_ignored(collector: Collector, after: str) -> Work:
    """Forget objects that were refused and are not there any more, or have other content by now."""
    with collector.database.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT staging_key, etag FROM ignored_objects WHERE staging_key > :after
            ORDER BY staging_key LIMIT :limit"""),
            {"after": after, "limit": _AT_ONCE},
        ).all()
    # What the store does not show is what was refused for just that.
    found = heads.look(collector.store, [row.staging_key for row in rows]).found
    gone = [
        row
        for row in rows
        if row.staging_key in found and ((info := found[row.staging_key]) is None or info.etag != row.etag)
    ]
    if gone and not collector.dry_run:
        with collector.database.begin() as connection:
            connection.execute(
                text("""
                DELETE FROM ignored_objects USING unnest(CAST(:keys AS text[]), CAST(:etags AS text[])) AS g(key, etag)
                WHERE staging_key = g.key AND ignored_objects.etag = g.etag"""),
                {"keys": [row.staging_key for row in gone], "etags": [row.etag for row in gone]},
            )
    position = f"ignored_objects/{rows[-1].staging_key}" if len(rows) == _AT_ONCE else None
    return Work(position, freed(Garbage.ROWS, len(gone)) if gone else Tally())
