"""What became of a batch: results as they come, and its end, at which files are ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from ...api.bss import Status
from ...api.pipeline import BatchSummary, ItemResult
from ...errors import Code, DreamlakeError
from .. import chunks, deletions, measures, records
from ..values import to_jsonb
from . import work
from .rows import check_run, close_if_done, lock

_RESULTS = """jsonb_to_recordset(CAST(:results AS jsonb)) AS x(id text, sha256 text, size bigint, recipe text,
    metadata jsonb, warnings jsonb, error jsonb, outputs jsonb)"""

_STORE_RESULTS = text(f"""
    UPDATE records r SET status = 'processing', error = NULL, last_error = NULL, waiting = NULL, crashes = 0,
        metadata = x.metadata, outputs = x.outputs, recipe = x.recipe, warnings = x.warnings,
        sha256 = coalesce(x.sha256, r.sha256),
        size = coalesce(x.size, r.size), queued_at = coalesce(r.queued_at, now()), reported_at = now(),
        updated_at = now()
    FROM {_RESULTS} WHERE r.id = x.id AND x.error IS NULL""")  # noqa: S608 (spelled above)

# Where an earlier result stands, size, hash and warnings go on to describe that result.
_STORE_FAILURES = text(f"""
    UPDATE records r SET {records.FAILURE.format(error="x.error")}, reported_at = now(), waiting = NULL,
        crashes = 0, queued_at = coalesce(r.queued_at, now()),
        warnings = CASE WHEN {records.HAS_RESULT} THEN r.warnings ELSE x.warnings END,
        sha256 = CASE WHEN {records.HAS_RESULT} THEN r.sha256 ELSE coalesce(x.sha256, r.sha256) END,
        size = CASE WHEN {records.HAS_RESULT} THEN r.size ELSE coalesce(x.size, r.size) END
    FROM {_RESULTS} WHERE r.id = x.id AND x.error IS NOT NULL
    RETURNING r.kind, x.error->>'code' AS code""")  # noqa: S608 (spelled above)


def report(connection: Connection, partition: str, run_id: str, results: Sequence[ItemResult]) -> list[str]:
    """Store results, and what chunks they refer to, all or nothing; the ids of those that were passed over.

    An item with an error is `failed` at once, or `ready` with its earlier result and this as its last error; the others
    stay `processing` until the batch is finished. A record that was deleted or moved meanwhile, or is no item of the
    batch any more, is passed over.
    Raises NOT_FOUND, CONFLICT when another run has the batch, it is closed, or a chunk is not stored.
    """
    batch = lock(connection, partition)
    check_run(batch, run_id)
    if batch["state"] == "closed":
        raise DreamlakeError(Code.CONFLICT, f"Batch {partition} is closed: begin it again before results are reported.")
    latest = {result.id: result for result in results}
    rows = connection.execute(
        text("SELECT id FROM records WHERE id = ANY(:ids) AND partition = :partition ORDER BY id FOR UPDATE"),
        {"ids": list(latest), "partition": partition},
    )
    present = set(rows.scalars())
    kept = [result for record_id, result in latest.items() if record_id in present]
    passed_over = sorted(latest.keys() - present)
    if not kept:
        return passed_over
    given = {"results": to_jsonb([_result(result) for result in kept])}
    connection.execute(_STORE_RESULTS, given)
    measures.failed(connection.execute(_STORE_FAILURES, given))
    if failed := [result.id for result in kept if result.error is not None]:
        deletions.tell_as_they_are(connection, failed)
    chunks.refer(connection, {result.id: result.chunks for result in kept if result.error is None})
    work.learn(connection, {result.id: result.metadata for result in kept if result.error is None})
    return passed_over


def finish(connection: Connection, partition: str, run_id: str, ids: Sequence[str] | None = None) -> BatchSummary:
    """What has a result is `ready`, of `ids` or of all items; the batch is closed when nothing is left. Raises as
    `heartbeat` does.

    What was given another ladder, other browsers, or other options of a CSV, while it was processed is queued again,
    for another batch.
    """
    check_run(lock(connection, partition), run_id)
    records.queue(connection, records.made_otherwise(connection, partition, ids), [Status.PROCESSING])
    made_ready = connection.execute(
        text(f"""
        UPDATE records r SET status = 'ready', ready_at = now(), updated_at = now()
        FROM batches b WHERE b.partition = r.partition AND r.id IN (
            SELECT id FROM records WHERE partition = :partition AND status = 'processing'
            AND reported_at IS NOT NULL AND (CAST(:ids AS text[]) IS NULL OR id = ANY(:ids))
            ORDER BY id FOR UPDATE)
        RETURNING r.kind, {measures.STAGES}"""),  # noqa: S608 (spelled there)
        {"partition": partition, "ids": None if ids is None else list(ids)},
    )
    measures.ready(made_ready)
    close_if_done(connection, partition)
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


def _result(result: ItemResult) -> dict[str, Any]:
    body = result.model_dump(mode="json", include={"id", "sha256", "size", "recipe", "warnings", "outputs"})
    # Absent, not JSON's null: jsonb_to_recordset then gives SQL's NULL.
    if result.metadata is not None:
        body["metadata"] = result.metadata
    if result.error is not None:
        body["error"] = result.error.wire() | ({"log": result.log} if result.log else {})
    return body
