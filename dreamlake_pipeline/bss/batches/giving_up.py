"""The end of a batch that no run brings to its end."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ...errors import Code
from ..values import to_jsonb


def give_up(connection: Connection, partition: str, begun: int) -> None:
    """What is left of a batch after its last attempt has failed."""
    error = {
        "code": str(Code.INTERNAL),
        "message": f"Processing was attempted {begun} times and never finished.",
        "hint": f"Look at the runs of partition {partition} in Dagster; `dreamlake retry` queues the file again.",
    }
    connection.execute(
        text("""
        UPDATE records SET status = 'failed', error = CAST(:error AS jsonb), updated_at = now()
        WHERE id IN (SELECT id FROM records WHERE partition = :partition AND status IN ('queued', 'processing')
            ORDER BY id FOR UPDATE)"""),
        {"partition": partition, "error": to_jsonb(error)},
    )
