"""Batches: what is queued, claimed by the sensor, worked on by a run, reported, finished.

A batch is open while it has work, and leased to whoever was offered it. An open batch whose lease ended is offered
again, as a new attempt, until enough runs have begun it. Batches are locked before their records, records in
the order of their ids; claims skip what another claim holds, so two sensors at once get disjoint work.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from ..api.bss import Record, Status
from ..api.pipeline import BatchItems, BatchOffer, BatchSummary, BeginBatch, ClaimBatches, ItemResult
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from . import projects, records
from .values import to_jsonb

_RECORD = ", ".join(Record.model_fields)

# A project that never settles is batched when its oldest file has waited this many times the settling time, and one
# that had no batch for so long need not settle.
_PATIENCE = 15

# Each new offer of a batch is leased for twice as long as the one before, up to this many times the lease asked
# for: a run may wait long for its turn. The run itself leases it anew when it begins.
_BACKOFF = 32

# How many forgotten registrations one claim queues.
_UNASKED_LIMIT = 10_000


# Claiming


def claim(connection: Connection, limits: ClaimBatches) -> list[BatchOffer]:
    """Batches to launch: open ones whose lease ended, then new ones from projects that have settled.

    No more than there is room for: what is offered too early waits in the engine's queue until its lease ends.
    """
    _queue_unasked(connection, limits.processing_grace_seconds)
    room = min(limits.max_batches, limits.max_open - _count_leased(connection))
    if room <= 0:
        return []
    offers = _offer_again(connection, limits, room)
    while len(offers) < room and (offer := _form(connection, limits)):
        offers.append(offer)
    return offers


def _queue_unasked(connection: Connection, grace_seconds: float) -> None:
    """Queue what was registered a while ago and whose processing nobody asked for."""
    connection.execute(
        text("""
        UPDATE records SET status = 'queued', queued_at = now(), updated_at = now()
        WHERE id IN (
            SELECT id FROM records
            WHERE status = 'registered' AND created_at <= now() - make_interval(secs => :grace)
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)"""),
        {"grace": grace_seconds, "limit": _UNASKED_LIMIT},
    )


def _count_leased(connection: Connection) -> int:
    """How many batches are offered or worked on."""
    return int(
        connection.execute(
            text("SELECT count(*) FROM batches WHERE state = 'open' AND lease_until >= now()")
        ).scalar_one()
    )


def _offer_again(connection: Connection, limits: ClaimBatches, most: int) -> list[BatchOffer]:
    """Open batches whose lease ended: the next attempt, or the end of those whose attempts are used up."""
    lapsed = connection.execute(
        text("""
        SELECT partition, begun FROM batches WHERE state = 'open' AND lease_until < now()
        ORDER BY lease_until LIMIT :limit FOR UPDATE SKIP LOCKED"""),
        {"limit": most},
    ).all()
    again = []
    for partition, begun in lapsed:
        # An offer that no run took says nothing against the files: the engine was busy, or broken.
        if begun >= limits.max_attempts:
            _give_up(connection, partition, begun)
        if not _close_if_done(connection, partition):
            again.append(partition)
    if not again:
        return []
    connection.execute(
        text("""
        UPDATE batches SET attempt = attempt + 1, run_id = NULL,
            lease_until = now() + make_interval(secs => :lease * least(power(2, attempt), :backoff))
        WHERE partition = ANY(:again)"""),
        {"again": again, "lease": limits.lease_seconds, "backoff": _BACKOFF},
    )
    return [_offer(row) for row in _unfinished(connection, again)]


def _give_up(connection: Connection, partition: str, begun: int) -> None:
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


def _form(connection: Connection, limits: ClaimBatches) -> BatchOffer | None:
    """One new batch from the project that has waited longest; None when no project is ready for one.

    A project is ready when nothing was queued in it for the settling time, when it has enough for a full batch, when
    its oldest file has waited for too long, or when it had no batch for a while: then somebody waits for this file, and
    a bulk ingest that starts with a small batch loses nothing.
    """
    # From one project's first row in the index of what is queued to the next one's: a hundred thousand files that
    # wait are not read several times a second.
    projects = connection.execute(
        text("""
        WITH RECURSIVE waiting AS (
            (SELECT owner, project, queued_at AS oldest FROM records WHERE status = 'queued' AND partition IS NULL
             ORDER BY owner, project, queued_at LIMIT 1)
            UNION ALL
            SELECT following.* FROM waiting w CROSS JOIN LATERAL (
                SELECT owner, project, queued_at FROM records
                WHERE status = 'queued' AND partition IS NULL AND (owner, project) > (w.owner, w.project)
                ORDER BY owner, project, queued_at LIMIT 1) following)
        SELECT owner, project FROM waiting w
        WHERE oldest <= now() - make_interval(secs => :patience)
            OR NOT EXISTS (SELECT FROM batches b WHERE b.owner = w.owner AND b.project = w.project
                AND b.created_at > now() - make_interval(secs => :patience))
            OR (SELECT max(queued_at) FROM records r WHERE status = 'queued' AND partition IS NULL
                AND r.owner = w.owner AND r.project = w.project) <= now() - make_interval(secs => :settle)
            OR (SELECT count(*) >= :max_files OR sum(size) >= :max_bytes FROM (
                SELECT size FROM records r WHERE status = 'queued' AND partition IS NULL
                    AND r.owner = w.owner AND r.project = w.project LIMIT :max_files) first)
        ORDER BY oldest"""),
        {
            "settle": limits.settle_seconds,
            "patience": _PATIENCE * limits.settle_seconds,
            "max_files": limits.max_files,
            "max_bytes": limits.max_bytes,
        },
    ).all()
    for owner, project in projects:
        # Locked rows are another claim's: a project all of whose rows are, is passed over.
        picked = connection.execute(
            text("""
            WITH free AS (
                SELECT id, queued_at, coalesce(size, 0) AS size FROM records
                WHERE status = 'queued' AND partition IS NULL AND owner = :owner AND project = :project
                ORDER BY queued_at, id LIMIT :max_files FOR UPDATE SKIP LOCKED),
            counted AS (
                SELECT id, size, sum(size) OVER so_far AS upto, row_number() OVER so_far AS n FROM free
                WINDOW so_far AS (ORDER BY queued_at, id))
            SELECT id, size FROM counted WHERE upto <= :max_bytes OR n = 1"""),
            {"owner": owner, "project": project, "max_files": limits.max_files, "max_bytes": limits.max_bytes},
        ).all()
        if picked:
            partition = _insert(connection, owner, project, limits.lease_seconds)
            connection.execute(
                text("UPDATE records SET partition = :partition, updated_at = now() WHERE id = ANY(:ids)"),
                {"partition": partition, "ids": [record_id for record_id, _ in picked]},
            )
            return BatchOffer(
                partition=partition,
                owner=owner,
                project=project,
                attempt=1,
                files=len(picked),
                bytes=sum(size for _, size in picked),
            )
    return None


def _insert(connection: Connection, owner: str, project: str, lease_seconds: float) -> str:
    """A new batch; its partition key, such as `owner/project/2026-11-22T10-15-03Z-3f2a`."""
    while True:
        partition = f"{owner}/{project}/{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}-{secrets.token_hex(2)}"
        made = connection.execute(
            text("""
            INSERT INTO batches (partition, owner, project, lease_until)
            VALUES (:partition, :owner, :project, now() + make_interval(secs => :lease))
            ON CONFLICT DO NOTHING RETURNING partition"""),
            {"partition": partition, "owner": owner, "project": project, "lease": lease_seconds},
        ).scalar()
        if made:
            return partition


def _unfinished(connection: Connection, partitions: list[str]) -> Sequence[RowMapping]:
    return (
        connection.execute(
            text("""
            SELECT b.partition, b.owner, b.project, b.attempt, count(*) AS files, coalesce(sum(r.size), 0) AS bytes
            FROM batches b JOIN records r USING (partition)
            WHERE b.partition = ANY(:partitions) AND r.status IN ('queued', 'processing')
            GROUP BY b.partition ORDER BY b.partition"""),
            {"partitions": partitions},
        )
        .mappings()
        .all()
    )


def _offer(row: RowMapping) -> BatchOffer:
    return BatchOffer.model_validate(dict(row))


# Working


def begin(connection: Connection, asked: BeginBatch) -> BatchItems:
    """A run takes the batch and is handed its items; they become `processing`. Raises NOT_FOUND.

    The latest run to begin has the batch: one that had it before gets CONFLICT at its next heartbeat.
    """
    batch = _lock(connection, asked.partition)
    if asked.only:
        wanted = "id = ANY(:only)"
    elif asked.force:
        wanted = "true"
    elif batch["state"] == "closed":
        wanted = "status <> 'ready'"
    else:
        # A result that an earlier attempt reported stands: only what comes after it is left to do.
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
            UPDATE records SET status = 'processing', attempts = attempts + 1, error = NULL, reported_at = NULL,
                queued_at = coalesce(queued_at, now()), updated_at = now()
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
        raise _no_batch(partition)
    rows = connection.execute(
        text(f"""
        SELECT {_RECORD} FROM records
        WHERE partition = :partition AND (CAST(:kind AS text) IS NULL OR kind = :kind) ORDER BY id"""),  # noqa: S608
        {"partition": partition, "kind": kind},
    )
    return _items(connection, batch, rows.mappings())


def heartbeat(connection: Connection, partition: str, run_id: str, lease_seconds: float) -> None:
    """Move the lease of a run's batch. Raises NOT_FOUND, or CONFLICT when another run has it."""
    _check_run(_lock(connection, partition), run_id)
    connection.execute(
        text("""
        UPDATE batches SET lease_until = now() + make_interval(secs => :lease)
        WHERE partition = :partition AND state = 'open'"""),
        {"partition": partition, "lease": lease_seconds},
    )


def report(connection: Connection, partition: str, results: Sequence[ItemResult]) -> None:
    """Store results, and what chunks they refer to, all or nothing.

    An item with an error is `failed` at once; the others stay `processing` until the batch is finished. A record that
    was deleted meanwhile is passed over. Raises NOT_FOUND, CONFLICT when the batch is closed, an item is another
    batch's, or a chunk is not stored.
    """
    batch = _lock(connection, partition)
    if batch["state"] == "closed":
        raise DreamlakeError(Code.CONFLICT, f"Batch {partition} is closed: begin it again before results are reported.")
    latest = {result.id: result for result in results}
    rows = connection.execute(
        text("SELECT id, partition FROM records WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": list(latest)}
    )
    present = {row.id: row.partition for row in rows}
    for record_id, home in present.items():
        if home != partition:
            raise DreamlakeError(Code.CONFLICT, f"Record {record_id} is not an item of batch {partition}.")
    kept = [result for record_id, result in latest.items() if record_id in present]
    if not kept:
        return
    connection.execute(
        text("""
        UPDATE records r SET
            status = CASE WHEN x.error IS NULL THEN 'processing' ELSE 'failed' END,
            error = x.error,
            metadata = CASE WHEN x.error IS NULL THEN x.metadata ELSE r.metadata END,
            recipe = CASE WHEN x.error IS NULL THEN x.recipe ELSE r.recipe END,
            warnings = x.warnings,
            sha256 = coalesce(x.sha256, r.sha256),
            size = coalesce(x.size, r.size),
            queued_at = coalesce(r.queued_at, now()),
            reported_at = now(),
            updated_at = now()
        FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS x(id text, sha256 text, size bigint, recipe text,
            metadata jsonb, warnings jsonb, error jsonb)
        WHERE r.id = x.id"""),
        {"results": to_jsonb([_result(result) for result in kept])},
    )
    _refer(connection, [result for result in kept if result.error is None])


def finish(connection: Connection, partition: str, run_id: str) -> BatchSummary:
    """Everything that has a result is `ready`; the batch is closed when nothing is left. Raises as `heartbeat` does.

    What was given another ladder, or other options of a CSV, while it was processed is queued again, for another batch.
    """
    _check_run(_lock(connection, partition), run_id)
    records.queue(connection, records.made_otherwise(connection, partition), [Status.PROCESSING])
    connection.execute(
        text("""
        UPDATE records SET status = 'ready', ready_at = now(), updated_at = now()
        WHERE id IN (SELECT id FROM records WHERE partition = :partition AND status = 'processing'
            AND reported_at IS NOT NULL ORDER BY id FOR UPDATE)"""),
        {"partition": partition},
    )
    _close_if_done(connection, partition)
    return BatchSummary.model_validate(
        dict(
            connection.execute(
                text("""
                SELECT CAST(:partition AS text) AS partition,
                    count(*) FILTER (WHERE status = 'ready') AS ready,
                    count(*) FILTER (WHERE status = 'failed') AS failed,
                    count(*) FILTER (WHERE status NOT IN ('ready', 'failed')) AS unfinished
                FROM records WHERE partition = :partition"""),
                {"partition": partition},
            )
            .mappings()
            .one()
        )
    )


def _lock(connection: Connection, partition: str) -> RowMapping:
    batch = (
        connection.execute(
            text("SELECT * FROM batches WHERE partition = :partition FOR UPDATE"), {"partition": partition}
        )
        .mappings()
        .one_or_none()
    )
    if batch is None:
        raise _no_batch(partition)
    return batch


def _check_run(batch: RowMapping, run_id: str) -> None:
    if batch["run_id"] != run_id:
        raise DreamlakeError(Code.CONFLICT, f"Batch {batch['partition']} is not run {run_id}'s any more.")


def _close_if_done(connection: Connection, partition: str) -> bool:
    return bool(
        connection.execute(
            text("""
            UPDATE batches SET state = 'closed', closed_at = now() WHERE partition = :partition AND state = 'open'
                AND NOT EXISTS (SELECT FROM records r WHERE r.partition = :partition
                    AND r.status IN ('queued', 'processing'))"""),
            {"partition": partition},
        ).rowcount
    )


def _refer(connection: Connection, results: Sequence[ItemResult]) -> None:
    """Replace what these records refer to in the chunk pool. Raises CONFLICT for a chunk that is not stored."""
    refs: dict[str, list[str]] = {"records": [], "hashes": []}
    for result in results:
        for sha256 in set(result.chunks):
            refs["records"].append(result.id)
            refs["hashes"].append(sha256)
    connection.execute(
        text("DELETE FROM chunk_refs WHERE record_id = ANY(:ids)"), {"ids": [result.id for result in results]}
    )
    if not refs["records"]:
        return
    # The rows' key-share locks hold off a sweeper until this transaction ends.
    stored = set(
        connection.execute(
            text("""
            SELECT sha256 FROM chunks WHERE sha256 = ANY(:hashes) AND stored_at IS NOT NULL
            ORDER BY sha256 FOR KEY SHARE"""),
            {"hashes": sorted(set(refs["hashes"]))},
        ).scalars()
    )
    if missing := set(refs["hashes"]) - stored:
        raise DreamlakeError(Code.CONFLICT, f"Chunk {min(missing)} is not stored: lease it, store it, then report.")
    connection.execute(
        text("""
        INSERT INTO chunk_refs (record_id, sha256)
        SELECT * FROM unnest(CAST(:records AS text[]), CAST(:hashes AS text[]))"""),
        refs,
    )


def _result(result: ItemResult) -> dict[str, Any]:
    body = result.model_dump(mode="json", include={"id", "sha256", "size", "recipe", "warnings"})
    # Absent, not JSON's null: jsonb_to_recordset then gives SQL's NULL.
    if result.metadata is not None:
        body["metadata"] = result.metadata
    if result.error is not None:
        body["error"] = result.error.wire()
    return body


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


def _no_batch(partition: str) -> DreamlakeError:
    return DreamlakeError(Code.NOT_FOUND, f"There is no batch {partition!r}.")
