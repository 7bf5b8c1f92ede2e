"""A run's hold on a batch: it takes the batch, keeps its lease, reads its items, and gives some back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from ...api.bss import Record
from ...api.pipeline import BatchItems, BeginBatch
from ...errors import Code, DreamlakeError
from ...kinds import Kind
from .. import projects
from .rows import UNCLAIMED, check_run, lock, no_batch

_RECORD = ", ".join(Record.model_fields)

# Seconds for which others may wait before a run is told of them: a place is mostly free sooner.
_WHILE = 10


def begin(connection: Connection, asked: BeginBatch) -> BatchItems:
    """A run takes the batch and is handed its items; they become `processing`.

    A result that an item has from before stays until another one is reported.

    The latest run to begin has the batch: one that had it before gets CONFLICT with whatever it says. Raises NOT_FOUND,
    and CONFLICT when the run is of an earlier attempt than the latest.
    """
    batch = lock(connection, asked.partition)
    if asked.attempt is not None and asked.attempt < batch["attempt"]:
        raise DreamlakeError(
            Code.CONFLICT,
            f"Attempt {asked.attempt} at batch {asked.partition} came too late: it was offered again since then.",
        )
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
            UPDATE batches SET state = 'open', closed_at = NULL, run_id = :run_id, begun_at = now(),
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
    taken = _items(connection, begun, items.mappings())
    count = connection.execute(
        text("SELECT count(*) FROM records WHERE partition = :partition"), {"partition": asked.partition}
    ).scalar_one()
    return taken.model_copy(update={"is_whole": count == len(taken.items)})


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


def heartbeat(connection: Connection, partition: str, run_id: str, lease_seconds: float) -> bool:
    """Move the lease of a run's batch; whether another owner waits for a place.

    Raises NOT_FOUND, or CONFLICT when another run has the batch.
    """
    batch = lock(connection, partition)
    check_run(batch, run_id)
    connection.execute(
        text("""
        UPDATE batches SET lease_until = now() + make_interval(secs => :lease)
        WHERE partition = :partition AND state = 'open'"""),
        {"partition": partition, "lease": lease_seconds},
    )
    return _others_wait(connection, batch["owner"])


def _others_wait(connection: Connection, owner: str) -> bool:
    """Whether an owner that no run works for has waited for a while: with files that are in no batch, or with a batch
    that no run has begun."""
    # From one owner's first row in the index of what is queued to the next one's, as a claim goes.
    return bool(
        connection.execute(
            text(f"""
            WITH RECURSIVE queued AS (
                (SELECT owner, queued_at FROM records WHERE {UNCLAIMED}
                 ORDER BY owner, project, queued_at LIMIT 1)
                UNION ALL
                SELECT following.* FROM queued q CROSS JOIN LATERAL (
                    SELECT owner, queued_at FROM records
                    WHERE {UNCLAIMED} AND owner > q.owner
                    ORDER BY owner, project, queued_at LIMIT 1) following),
            waiting AS (
                SELECT owner FROM queued WHERE queued_at <= now() - make_interval(secs => :while)
                UNION
                SELECT owner FROM batches WHERE state = 'open' AND lease_until >= now() AND run_id IS NULL
                    AND created_at <= now() - make_interval(secs => :while))
            SELECT EXISTS (SELECT FROM waiting w WHERE owner <> :owner AND NOT EXISTS (
                SELECT FROM batches b WHERE b.owner = w.owner AND b.state = 'open' AND b.lease_until >= now()
                    AND b.run_id IS NOT NULL))"""),  # noqa: S608 (spelled there)
            {"owner": owner, "while": _WHILE},
        ).scalar()
    )


def give_back(connection: Connection, partition: str, run_id: str, ids: Sequence[str]) -> None:
    """Queue items that the run has not worked on: they leave the batch, and another is formed of them in their turn.

    What has a result, or is not in the batch any more, is passed over. Raises NOT_FOUND, CONFLICT as `heartbeat` does.
    """
    check_run(lock(connection, partition), run_id)
    connection.execute(
        text("""
        UPDATE records SET status = 'queued', partition = NULL, attempts = greatest(attempts - 1, 0),
            updated_at = now()
        WHERE id IN (SELECT id FROM records WHERE partition = :partition AND status = 'processing'
            AND reported_at IS NULL AND id = ANY(:ids) ORDER BY id FOR UPDATE)"""),
        {"partition": partition, "ids": list(ids)},
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
        playback=decided.playback,
        items=[Record.model_validate(dict(row)) for row in rows],
    )
