"""New batches, of what is queued: whose turn it is, and which files go together.

Slow files go into batches of their own, so that no run of theirs keeps quick ones waiting: videos of 32 MiB or more,
other files of 256 MiB or more, and what is likely to take half a minute (`work.py`). A file at which a run died is a
batch by itself. While an owner has a batch of either sort at work, his others go first.

Batches are cut by work: each is a part of what is queued of its sort, and the smaller the less is left, so that runs on
several machines end together. Of slow files the longest goes first. One that is more than that part has as much beside
it as another worker of its run does meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from ...api.pipeline import BatchOffer, BeginBatch, ClaimBatches
from ...kinds import Kind
from .places import Places
from .rows import UNCLAIMED, insert, lock
from .work import LEAST_WORK, SLOW_WORK, rates_for, share_of, work_of

# A project that never settles is batched when its oldest file has waited this many times the settling time.
_PATIENCE = 15

_LARGE = "coalesce(size >= CASE kind WHEN 'video' THEN 32 ELSE 256 END * 1048576, false)"
_SLOW = f"({_LARGE} OR work >= {SLOW_WORK})"

# Runs at it alone have died, by itself or of what others died of, since it had a result.
_SUSPECT = "(crashes > 0 OR coalesce(waiting->>'code' IN ('crashes_worker', 'run_died'), false))"

# Most slow files in a batch: others of the same owner are worked on by another run.
_MOST_SLOW = 32

# Seconds that the file which has waited longest of all slow ones lets longer ones go before it.
_LETS_PASS = 600

# Files of one sort are looked for among so many times the files of a full batch, the first that were queued.
_WINDOW = 4

_UNCLAIMED_R = "r.status = 'queued' AND r.partition IS NULL AND r.waiting_until IS NULL"

# SQL: the first of a project's files that are queued, each with its work.
_FIRST = f"""
    SELECT r.id, r.queued_at, coalesce(r.size, 0) AS size, r.kind, r.crashes, r.waiting, {work_of("r")} AS work
    FROM (SELECT * FROM records WHERE {UNCLAIMED} AND owner = :owner AND project = :project
        ORDER BY queued_at, id LIMIT :window) r {rates_for("r")}"""  # noqa: S608 (spelled above)


def form(connection: Connection, limits: ClaimBatches, places: Places) -> BatchOffer | None:
    """One new batch, of the owners with the fewest batches at work from the project that has waited longest; None when
    no project is ready for one. It takes its place."""
    # The sort is stable: of one owner's projects, the one that has waited longest comes first.
    for ready in sorted(_ready(connection, limits, places), key=lambda row: places.leased[row.owner]):
        owner, project = ready.owner, ready.project
        picked = _pick(connection, limits, owner, project, others_first=owner in places.apart)
        if picked:
            apart = picked[0].apart
            partition = insert(connection, owner, project, slow=apart, lease_seconds=limits.lease_seconds)
            connection.execute(
                text("UPDATE records SET partition = :partition, updated_at = now() WHERE id = ANY(:ids)"),
                {"partition": partition, "ids": [row.id for row in picked]},
            )
            places.take(owner, apart=apart)
            return BatchOffer(
                partition=partition,
                owner=owner,
                project=project,
                attempt=1,
                files=len(picked),
                bytes=sum(row.size for row in picked),
                kinds=sorted({Kind(row.kind) for row in picked}),
            )
    return None


def fill(connection: Connection, asked: BeginBatch) -> None:
    """Add to a batch that no run has begun what was queued in its project since it was formed, up to `max_files` and
    `max_bytes`: the first files of a bulk ingest are a batch at once, and their run takes those that came meanwhile.

    Not to a batch of slow or suspect files, or to one of the halves in which a file is looked for that kills runs.
    """
    if asked.max_files is None or asked.max_bytes is None or asked.force or asked.only:
        return
    batch = lock(connection, asked.partition)
    is_new = batch["state"] == "open" and batch["attempt"] == 1 and batch["begun"] == 0
    if not is_new or batch["slow"] or batch["parent"] is not None:
        return
    connection.execute(
        text(f"""
        WITH had AS (
            SELECT count(*) AS files, coalesce(sum(r.size), 0) AS bytes, coalesce(sum({work_of("r")}), 0) AS work
            FROM records r {rates_for("r")} WHERE r.partition = :partition),
        first AS MATERIALIZED ({_FIRST}),
        quick AS (SELECT * FROM first WHERE NOT ({_SUSPECT} OR {_SLOW}) AND kind = ANY(:kinds)),
        most AS (SELECT {share_of("(had.work + (SELECT coalesce(sum(work), 0) FROM quick))")} AS work FROM had),
        free AS (
            SELECT r.id, r.queued_at, coalesce(r.size, 0) AS size, q.work FROM quick q JOIN records r USING (id)
            WHERE {_UNCLAIMED_R} ORDER BY r.queued_at, r.id
            LIMIT (SELECT greatest(:max_files - files, 0) FROM had) FOR UPDATE OF r SKIP LOCKED),
        counted AS (
            SELECT id, had.bytes + sum(free.size) OVER so_far AS bytes, had.work + sum(free.work) OVER so_far AS work
            FROM free CROSS JOIN had WINDOW so_far AS (ORDER BY queued_at, id))
        UPDATE records SET partition = :partition, updated_at = now()
        WHERE id IN (SELECT c.id FROM counted c CROSS JOIN most
            WHERE c.bytes <= :max_bytes AND c.work <= most.work)"""),  # noqa: S608
        {
            "partition": asked.partition,
            "owner": batch["owner"],
            "project": batch["project"],
            "window": _WINDOW * asked.max_files,
            "max_files": asked.max_files,
            "max_bytes": asked.max_bytes,
            "slots": asked.slots,
            "kinds": list(asked.kinds),
        },
    )


def _ready(connection: Connection, limits: ClaimBatches, places: Places) -> Sequence[Row[Any]]:
    """The projects that are ready for a batch, of owners who have room for one; that with the oldest file first.

    A project is ready when nothing was queued in it for the settling time, when it has enough for a full batch, when
    its oldest file has waited for too long, or when no batch of it that is at work has files of that one's kind: then
    somebody waits for this file, and of a bulk ingest that goes on, each batch is what came while the last one was
    worked on. While its owner has idle
    slots, the work of one batch is enough as well. What was queued at a time to come, by a clock that was set back
    since, has waited for long enough.
    """
    # From one project's first row in the index of what is queued to the next one's: a hundred thousand files that
    # wait are not read several times a second.
    return connection.execute(
        text(f"""
        WITH RECURSIVE waiting AS (
            (SELECT owner, project, queued_at AS oldest, kind FROM records WHERE {UNCLAIMED}
             ORDER BY owner, project, queued_at LIMIT 1)
            UNION ALL
            SELECT following.* FROM waiting w CROSS JOIN LATERAL (
                SELECT owner, project, queued_at, kind FROM records
                WHERE {UNCLAIMED} AND (owner, project) > (w.owner, w.project)
                ORDER BY owner, project, queued_at LIMIT 1) following)
        SELECT owner, project FROM waiting w
        WHERE owner <> ALL(:full) AND (oldest <= now() - make_interval(secs => :patience)
            OR oldest > now() + interval '1 minute'
            OR NOT EXISTS (SELECT FROM batches b WHERE b.owner = w.owner AND b.project = w.project
                AND b.state = 'open' AND EXISTS (SELECT FROM records r
                    WHERE r.partition = b.partition AND r.kind = w.kind))
            OR (SELECT max(queued_at) FROM records r WHERE {UNCLAIMED}
                AND r.owner = w.owner AND r.project = w.project) <= now() - make_interval(secs => :settle)
            OR (SELECT count(*) >= :max_files OR sum(size) >= :max_bytes FROM (
                SELECT size FROM records r WHERE {UNCLAIMED}
                    AND r.owner = w.owner AND r.project = w.project LIMIT :max_files) first)
            OR (:cuts AND owner <> ALL(:busy) AND (SELECT sum({work_of("r")}) >= {LEAST_WORK} FROM (
                SELECT * FROM records r WHERE {UNCLAIMED}
                    AND r.owner = w.owner AND r.project = w.project LIMIT :max_files) r {rates_for("r")})))
        ORDER BY oldest"""),  # noqa: S608 (spelled there)
        {
            "full": places.full_owners(),
            "settle": limits.settle_seconds,
            "patience": _PATIENCE * limits.settle_seconds,
            "max_files": limits.max_files,
            "max_bytes": limits.max_bytes,
            "cuts": limits.slots is not None,
            "busy": [owner for owner, count in places.leased.items() if count >= (limits.slots or 0)],
        },
    ).all()


def _pick(
    connection: Connection, limits: ClaimBatches, owner: str, project: str, *, others_first: bool
) -> Sequence[Row[Any]]:
    """The files of a new batch, locked: of one sort, that of the file which has waited longest. With `others_first`,
    neither slow nor suspect ones if there are any others."""
    # Locked rows are another claim's: a project all of whose rows are, is passed over.
    return connection.execute(
        text(f"""
        WITH looked_at AS MATERIALIZED ({_FIRST}),
        first AS MATERIALIZED (SELECT *, {_SUSPECT} AS suspect, {_SLOW} AS slow FROM looked_at),
        head AS (
            SELECT * FROM first ORDER BY ((suspect OR slow) AND :others_first), queued_at, id LIMIT 1),
        alike AS (
            SELECT f.*, h.slow AS by_work,
                f.id = h.id AND h.queued_at <= now() - make_interval(secs => :lets_pass) AS late
            FROM first f CROSS JOIN head h
            WHERE CASE WHEN h.suspect THEN f.id = h.id ELSE NOT f.suspect AND f.slow = h.slow END),
        ranked AS (
            SELECT *, row_number() OVER (
                ORDER BY late DESC, CASE WHEN by_work THEN work END DESC, queued_at, id) AS rank FROM alike),
        most AS (SELECT {share_of("sum(work)")} AS work FROM alike),
        free AS (
            SELECT k.id, k.rank, k.kind, k.size, k.work, k.suspect OR k.slow AS apart
            FROM ranked k JOIN records r USING (id) WHERE {_UNCLAIMED_R}
            ORDER BY k.rank LIMIT (SELECT CASE WHEN slow THEN :most_slow ELSE :max_files END FROM head)
            FOR UPDATE OF r SKIP LOCKED),
        counted AS (
            SELECT *, sum(size) OVER so_far AS bytes_so_far, sum(work) OVER so_far AS work_so_far,
                row_number() OVER so_far AS n
            FROM free WINDOW so_far AS (ORDER BY rank))
        SELECT c.id, c.kind, c.size, c.apart FROM counted c CROSS JOIN most
        WHERE c.bytes_so_far <= :max_bytes
            AND c.work_so_far <= greatest(most.work, 2 * (SELECT work FROM counted WHERE n = 1)) OR c.n = 1"""),  # noqa: S608
        {
            "owner": owner,
            "project": project,
            "others_first": others_first,
            "window": _WINDOW * limits.max_files,
            "max_files": limits.max_files,
            "most_slow": min(_MOST_SLOW, limits.max_files),
            "max_bytes": limits.max_bytes,
            "lets_pass": _LETS_PASS,
            "slots": limits.slots,
        },
    ).all()
