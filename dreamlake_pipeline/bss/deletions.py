"""Deleting records, and remembering which were deleted until the index was told.

BSS and DreamLake Server do not know each other. A client tells both; whatever it left out, the pipeline tells the index
(`processing/deletions.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from ..api.bss import Record
from ..api.pipeline import Deletion


def delete(connection: Connection, record: Record, etag: str | None) -> None:
    """Forget a record and what it refers to, and note that the index is to be told.

    Its staging object stays. When no other record uses it, its key and `etag` are remembered, or the staging
    sensor would take it for a new arrival.
    """
    connection.execute(
        text("""
        WITH deleted AS (DELETE FROM records WHERE id = :id RETURNING id, kind, owner, project, episode, name)
        INSERT INTO deletions (record_id, kind, owner, project, episode, name) SELECT * FROM deleted
        ON CONFLICT DO NOTHING"""),
        {"id": record.id},
    )
    if etag is not None:
        connection.execute(
            text("""
            INSERT INTO ignored_objects (staging_key, etag, size, reason)
            SELECT :key, :etag, :size, 'its record was deleted'
            WHERE NOT EXISTS (SELECT FROM records WHERE staging_key = :key)
            ON CONFLICT DO NOTHING"""),
            {"key": record.staging_key, "etag": etag, "size": record.size},
        )


def pending(connection: Connection, *, min_age_seconds: float, limit: int) -> list[Deletion]:
    """Deletions of which the index was not told, oldest first; none from the last `min_age_seconds`."""
    rows = connection.execute(
        text("""
        SELECT record_id, kind, owner, project, episode, name FROM deletions
        WHERE deleted_at <= now() - make_interval(secs => :age) ORDER BY deleted_at, record_id LIMIT :limit"""),
        {"age": min_age_seconds, "limit": limit},
    )
    return [Deletion.model_validate(dict(row)) for row in rows.mappings()]


def forget(connection: Connection, record_ids: Sequence[str]) -> None:
    """The index was told of these deletions."""
    connection.execute(text("DELETE FROM deletions WHERE record_id = ANY(:ids)"), {"ids": list(record_ids)})
