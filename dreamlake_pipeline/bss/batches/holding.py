"""A run's hold on a batch: it takes the batch, keeps its lease, and reads its items."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, text

from ...api.bss import Record
from ...api.pipeline import BatchItems, BeginBatch
from ...kinds import Kind
from .. import projects
from .rows import check_run, lock, no_batch

_RECORD = ", ".join(Record.model_fields)


def begin(connection: Connection, asked: BeginBatch) -> BatchItems:
    """A run takes the batch and is handed its items; they become `processing`. Raises NOT_FOUND.

    A result that an item has from before stays until another one is reported.

    The latest run to begin has the batch: one that had it before gets CONFLICT at its next heartbeat.
    """
    batch = lock(connection, asked.partition)
    if asked.only:
        wanted = "id = ANY(:only)"
    elif asked.force:
        wanted = "true"
    elif batch["state"] == "closed":
        wanted = "(status <> 'ready' OR last_error IS NOT NULL)"
    else:
        # An item whose result an earlier attempt reported has only to be indexed.
        wanted = "status NOT IN ('ready', 'failed') AND reported_at IS NULL"
    begun = (
        connection.execute(
            text("""
            UPDATE batches SET state = 'open', closed_at = NULL, run_id = :run_id,
                begun = CASE WHEN state = 'closed' THEN 1 WHEN run_id = :run_id THEN begun ELSE begun + 1 END,
                lease_until = now() + make_interval(secs => :lease)
            WHERE partition = :partition RETURNING *"""),
            {"partition": asked.partition, "run_id": asked.run_id, "lease": asked.lease_seconds},
        )
        .mappings()
        .one()
    )
    items = connection.execute(
        text(f"""
        WITH handed AS (
            UPDATE records SET status = 'processing', attempts = attempts + 1, error = NULL, last_error = NULL,
                reported_at = NULL, queued_at = coalesce(queued_at, now()), updated_at = now()
            WHERE id IN (SELECT id FROM records WHERE partition = :partition AND {wanted} ORDER BY id FOR UPDATE)
            RETURNING {_RECORD})
        SELECT * FROM handed ORDER BY id"""),  # noqa: S608 (both are spelled above)
        {"partition": asked.partition, "only": asked.only},
    )
    return _items(connection, begun, items.mappings())


def items(connection: Connection, partition: str, kind: Kind | None = None) -> BatchItems:
    """Every item of the batch, done or not, of one kind or of all, in the order of their ids. Raises NOT_FOUND."""
    batch = (
        connection.execute(text("SELECT * FROM batches WHERE partition = :partition"), {"partition": partition})
        .mappings()
        .one_or_none()
    )
    if batch is None:
        raise no_batch(partition)
    rows = connection.execute(
        text(f"""
        SELECT {_RECORD} FROM records
        WHERE partition = :partition AND (CAST(:kind AS text) IS NULL OR kind = :kind) ORDER BY id"""),  # noqa: S608
        {"partition": partition, "kind": kind},
    )
    return _items(connection, batch, rows.mappings())


def heartbeat(connection: Connection, partition: str, run_id: str, lease_seconds: float) -> None:
    """Move the lease of a run's batch. Raises NOT_FOUND, or CONFLICT when another run has it."""
    check_run(lock(connection, partition), run_id)
    connection.execute(
        text("""
        UPDATE batches SET lease_until = now() + make_interval(secs => :lease)
        WHERE partition = :partition AND state = 'open'"""),
        {"partition": partition, "lease": lease_seconds},
    )


def _items(connection: Connection, batch: RowMapping, rows: Any) -> BatchItems:
    decided = projects.settings(connection, batch["owner"], batch["project"])
    return BatchItems(
        partition=batch["partition"],
        owner=batch["owner"],
        project=batch["project"],
        attempt=batch["attempt"],
        begun=batch["begun"],
        ladder=decided.ladder,
        csv=decided.csv,
        items=[Record.model_validate(dict(row)) for row in rows],
    )
