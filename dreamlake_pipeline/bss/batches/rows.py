"""The row of one batch: its lock, who has it, and when it is closed."""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping, text

from ...errors import Code, DreamlakeError


def lock(connection: Connection, partition: str) -> RowMapping:
    batch = (
        connection.execute(
            text("SELECT * FROM batches WHERE partition = :partition FOR UPDATE"), {"partition": partition}
        )
        .mappings()
        .one_or_none()
    )
    if batch is None:
        raise no_batch(partition)
    return batch


def check_run(batch: RowMapping, run_id: str) -> None:
    if batch["run_id"] != run_id:
        raise DreamlakeError(Code.CONFLICT, f"Batch {batch['partition']} is not run {run_id}'s any more.")


def close_if_done(connection: Connection, partition: str) -> bool:
    return bool(
        connection.execute(
            text("""
            UPDATE batches SET state = 'closed', closed_at = now() WHERE partition = :partition AND state = 'open'
                AND NOT EXISTS (SELECT FROM records r WHERE r.partition = :partition
                    AND r.status IN ('queued', 'processing'))"""),
            {"partition": partition},
        ).rowcount
    )


def no_batch(partition: str) -> DreamlakeError:
    return DreamlakeError(Code.NOT_FOUND, f"There is no batch {partition!r}.")
