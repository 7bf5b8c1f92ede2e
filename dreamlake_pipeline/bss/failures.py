"""Files whose last processing failed, over all batches, and where the files went that a batch no longer has."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ..api.failures import BatchFile, Failures, MovedFiles
from .records import HOLDS_NAME

MOST_COUNTED = 10_000  # of what failed last: a table of more is nothing that anybody reads

_COLUMNS = """r.id, r.kind, r.owner, r.project, r.episode, r.name, r.size, r.status,
    coalesce(r.error, r.last_error) AS error, r.attempts, r.partition, b.run_id, r.updated_at"""

# The index `records_failed_lately` has these. What another upload has taken the name of is nobody's concern any more.
_FAILED = f"""
    SELECT r.* FROM (SELECT * FROM records WHERE status = 'failed' OR last_error IS NOT NULL
        ORDER BY updated_at DESC LIMIT :most) r
    WHERE {HOLDS_NAME}"""  # noqa: S608 (spelled there)


def latest(connection: Connection, limit: int) -> Failures:
    """The last `limit` files that failed, the latest first, with how many there are in all and of which reasons."""
    counts = connection.execute(
        text(f"""
        SELECT coalesce(error, last_error)->>'code' AS code, count(*) AS files FROM ({_FAILED}) failed
        GROUP BY 1 ORDER BY files DESC, code"""),  # noqa: S608
        {"most": MOST_COUNTED},
    )
    by_code = {row.code: row.files for row in counts}
    rows = connection.execute(
        text(f"""
        SELECT {_COLUMNS} FROM ({_FAILED}) r LEFT JOIN batches b USING (partition)
        ORDER BY r.updated_at DESC, r.id DESC LIMIT :limit"""),  # noqa: S608
        {"most": MOST_COUNTED, "limit": limit},
    )
    items = [BatchFile.model_validate(dict(row)) for row in rows.mappings()]
    return Failures(count=sum(by_code.values()), counted_to=MOST_COUNTED, by_code=by_code, items=items)


def moved(connection: Connection, partition: str, limit: int) -> MovedFiles:
    """Where the files are that the batch has had and has no longer, those that failed first."""
    had = "r.was_in @> ARRAY[CAST(:partition AS text)] AND r.partition IS DISTINCT FROM :partition"
    count = connection.execute(
        text(f"SELECT count(*) FROM records r WHERE r.was_in IS NOT NULL AND {had}"),  # noqa: S608 (spelled above)
        {"partition": partition},
    ).scalar_one()
    rows = connection.execute(
        text(f"""
        SELECT {_COLUMNS} FROM records r LEFT JOIN batches b USING (partition)
        WHERE r.was_in IS NOT NULL AND {had}
        ORDER BY r.status <> 'failed', r.episode, r.name, r.id LIMIT :limit"""),  # noqa: S608
        {"partition": partition, "limit": limit},
    )
    return MovedFiles(count=count, items=[BatchFile.model_validate(dict(row)) for row in rows.mappings()])
