"""The row of one batch: how it is made, its lock, who has it, and when it is closed."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, text

from ...errors import Code, DreamlakeError

# SQL: a record that waits for a batch and is due. The index `records_queue` has these.
UNCLAIMED = "status = 'queued' AND partition IS NULL AND waiting_until IS NULL"

# SQL: an open batch is nobody's. An offer of a time to come was made before the clock was set back, since no pause is
# as long: whoever waited for it would wait for as long as the clock was ahead.
NOBODYS = "(lease_until <= now() OR (run_id IS NULL AND offered_at > now() + interval '1 minute'))"


def insert(
    connection: Connection,
    owner: str,
    project: str,
    *,
    slow: bool = False,
    lease_seconds: float | None = None,
    parent: str | None = None,
) -> str:
    """A new batch; its partition key, such as `owner/project/2026-11-22T10-15-03Z-3f2a`.

    It is the first offer, leased for `lease_seconds`; without them, it is yet to be offered.
    """
    while True:
        partition = f"{owner}/{project}/{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}-{secrets.token_hex(2)}"
        made = connection.execute(
            text("""
            INSERT INTO batches (partition, owner, project, slow, parent, attempt, lease_until)
            VALUES (:partition, :owner, :project, :slow, :parent, :attempt, now() + make_interval(secs => :lease))
            ON CONFLICT DO NOTHING RETURNING partition"""),
            {
                "partition": partition,
                "owner": owner,
                "project": project,
                "slow": slow,
                "parent": parent,
                "attempt": 0 if lease_seconds is None else 1,
                "lease": lease_seconds or 0,
            },
        ).scalar()
        if made:
            return partition


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
