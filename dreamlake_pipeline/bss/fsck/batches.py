"""States of batches and of the records in them that can't be."""

from __future__ import annotations

from sqlalchemy import text

from ...api.integrity import Found
from ...findings import Finding
from .world import Progress, World

# What is wrong with a record that waits or is at work, by its batch. One statement sees one moment: none is on its way.
MISPLACED = """
    SELECT r.id, r.kind, r.owner, r.project, r.episode, r.name, r.partition, CASE
        WHEN r.partition IS NULL THEN 'processing_without_batch'
        WHEN (b.owner, b.project) <> (r.owner, r.project) THEN 'in_other_batch'
        ELSE 'in_closed_batch' END AS code
    FROM records r LEFT JOIN batches b USING (partition)
    WHERE ((r.status = 'processing' AND r.partition IS NULL)
        OR (r.status IN ('queued', 'processing') AND r.partition IS NOT NULL
            AND (b.state = 'closed' OR (b.owner, b.project) <> (r.owner, r.project))))"""

LEFT_OPEN = """
    b.state = 'open' AND b.lease_until < now() - interval '1 hour' AND NOT EXISTS (
        SELECT FROM records r WHERE r.partition = b.partition AND r.status IN ('queued', 'processing'))"""

_DETAILS = {
    Finding.PROCESSING_WITHOUT_BATCH: "no run can report it",
    Finding.IN_OTHER_BATCH: "it is in batch {}",
    Finding.IN_CLOSED_BATCH: "it is in batch {}, which is closed",
}


def check(world: World, after: str) -> Progress:
    """All of them by two statements."""
    done = Progress()
    with world.database.connect() as connection:
        misplaced = connection.execute(text(f"{MISPLACED} AND {world.where('r')} ORDER BY r.id"), world.bounds())
        for row in misplaced.mappings():
            code = Finding(row["code"])
            given = {name: row[name] for name in ("id", "kind", "owner", "project", "episode", "name", "partition")}
            done.findings.append(Found(code=code, detail=_DETAILS[code].format(row["partition"]), **given))
        left = connection.execute(
            text(f"SELECT b.partition FROM batches b WHERE {LEFT_OPEN} AND {world.where('b')} ORDER BY 1"),  # noqa: S608
            world.bounds(),
        )
        for partition in left.scalars():
            detail = "all of its files are ready or failed"
            done.findings.append(
                Found(code=Finding.BATCH_LEFT_OPEN, what=partition, detail=detail, partition=partition)
            )
        counted = connection.execute(
            text(f"SELECT count(*) FROM batches b WHERE {world.where('b')}"),  # noqa: S608
            world.bounds(),
        )
        done.checked["batches"] += counted.scalar_one()
    return done
