"""Giving a batch up: after the last attempt that is allowed, the records that are not done fail."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ...errors import Code
from .. import records
from ..values import to_jsonb


def give_up(connection: Connection, partition: str, begun: int) -> None:
    """Fail the records of a batch that are not done, after the last attempt at it that is allowed.

    `begun`: how many runs took the batch.
    """
    error = {
        "code": str(Code.INTERNAL),
        "message": f"Processing was attempted {begun} times and never finished.",
        "hint": f"Look at the runs of partition {partition} in Dagster; `dreamlake retry` queues the file again.",
    }
    connection.execute(
        text(f"""
        UPDATE records r SET {records.FAILURE.format(error="CAST(:error AS jsonb)")}
        WHERE id IN (SELECT id FROM records WHERE partition = :partition AND status IN ('queued', 'processing')
            ORDER BY id FOR UPDATE)"""),  # noqa: S608 (spelled there)
        {"partition": partition, "error": to_jsonb(error)},
    )
