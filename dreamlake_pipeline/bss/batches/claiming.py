"""Which batches a sensor may launch: open ones whose lease ended, and new ones from what is queued."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, Row, RowMapping, text

from ...api.pipeline import BatchOffer, ClaimBatches
from .ending import Ended, end
from .postponing import make_due
from .rows import UNCLAIMED, close_if_done, insert

# A project that never settles is batched when its oldest file has waited this many times the settling time, and one
# that had no batch for so long need not settle.
_PATIENCE = 15

# How many forgotten registrations one claim queues.
_UNASKED_LIMIT = 10_000


def claim(connection: Connection, limits: ClaimBatches) -> list[BatchOffer]:
    """Batches to launch: open ones whose lease ended, then new ones from projects that have settled.

    No more than there is room for, in all and for each owner: what is offered too early waits in the engine's queue
    until its lease ends, and what one owner's slow files take is not taken from the others.
    """
    _queue_unasked(connection, limits.processing_grace_seconds)
    make_due(connection, store_answers=limits.store_answers)
    places = _Places(limits, _count_leased(connection))
    offers = _offer_again(connection, limits, places)
    while places.room() > 0 and (offer := _form(connection, limits, places)):
        places.take(offer.owner)
        offers.append(offer)
    return offers


class _Places:
    """How many batches may still be offered: in this claim, at a time in all, and at a time for one owner."""

    def __init__(self, limits: ClaimBatches, leased: dict[str, int]) -> None:
        self.leased = Counter(leased)
        self._limits = limits
        self._offered = 0

    def room(self) -> int:
        return min(self._limits.max_batches - self._offered, self._limits.max_open - self.leased.total())

    def room_of(self, owner: str) -> int:
        return min(self.room(), self._limits.max_open_per_owner - self.leased[owner])

    def take(self, owner: str) -> None:
        self.leased[owner] += 1
        self._offered += 1

    def full_owners(self) -> list[str]:
        """Owners who have as many batches as one may have."""
        return [owner for owner, count in self.leased.items() if count >= self._limits.max_open_per_owner]


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


def _count_leased(connection: Connection) -> dict[str, int]:
    """How many batches of each owner are offered or worked on."""
    rows = connection.execute(
        text(
            "SELECT owner, count(*) AS leased FROM batches WHERE state = 'open' AND lease_until > now() GROUP BY owner"
        )
    )
    return {row.owner: row.leased for row in rows}


def _offer_again(connection: Connection, limits: ClaimBatches, places: _Places) -> list[BatchOffer]:
    """Open batches whose lease ended, each as its next attempt. Those that a run had begun go on in halves first: only
    a dead run, or one that can't be reached, lets its lease end."""
    lapsed = _lapsed(connection, limits, places)
    if begun := [row.partition for row in lapsed if row.run_id is not None]:
        end(connection, [Ended(partition, died=True, is_proof=False) for partition in begun], limits.max_attempts)
        lapsed = _lapsed(connection, limits, places)
    again = []
    for row in lapsed:
        if not close_if_done(connection, row.partition) and places.room_of(row.owner) > 0:
            places.take(row.owner)
            again.append(row.partition)
    if not again:
        return []
    connection.execute(
        text("""
        UPDATE batches SET attempt = attempt + 1, run_id = NULL, offered_at = now(),
            lease_until = now() + make_interval(secs => :lease)
        WHERE partition = ANY(:again)"""),
        {"again": again, "lease": limits.lease_seconds},
    )
    return [_offer(row) for row in _unfinished(connection, again)]


def _lapsed(
    connection: Connection, limits: ClaimBatches, places: _Places
) -> Sequence[Row[tuple[str, str, str | None]]]:
    """Open batches whose lease ended, locked: no more of an owner's than it may have."""
    return connection.execute(
        text("""
        SELECT partition, owner, run_id FROM batches WHERE partition IN (
            SELECT partition FROM (
                SELECT partition, lease_until, row_number() OVER (PARTITION BY owner ORDER BY lease_until) AS turn
                FROM batches WHERE state = 'open' AND lease_until <= now() AND owner <> ALL(:full)) ended
            WHERE turn <= :per_owner ORDER BY turn, lease_until LIMIT :limit)
        ORDER BY lease_until, partition FOR UPDATE SKIP LOCKED"""),
        {"full": places.full_owners(), "per_owner": limits.max_open_per_owner, "limit": max(0, places.room())},
    ).all()


def _form(connection: Connection, limits: ClaimBatches, places: _Places) -> BatchOffer | None:
    """One new batch, of the owners with the fewest batches at work from the project that has waited longest; None when
    no project is ready for one.

    A project is ready when nothing was queued in it for the settling time, when it has enough for a full batch, when
    its oldest file has waited for too long, or when it had no batch for a while: then somebody waits for this file, and
    a bulk ingest that starts with a small batch loses nothing.
    """
    # From one project's first row in the index of what is queued to the next one's: a hundred thousand files that
    # wait are not read several times a second.
    projects = connection.execute(
        text(f"""
        WITH RECURSIVE waiting AS (
            (SELECT owner, project, queued_at AS oldest FROM records WHERE {UNCLAIMED}
             ORDER BY owner, project, queued_at LIMIT 1)
            UNION ALL
            SELECT following.* FROM waiting w CROSS JOIN LATERAL (
                SELECT owner, project, queued_at FROM records
                WHERE {UNCLAIMED} AND (owner, project) > (w.owner, w.project)
                ORDER BY owner, project, queued_at LIMIT 1) following)
        SELECT owner, project FROM waiting w
        WHERE owner <> ALL(:full) AND (oldest <= now() - make_interval(secs => :patience)
            OR NOT EXISTS (SELECT FROM batches b WHERE b.owner = w.owner AND b.project = w.project
                AND b.created_at > now() - make_interval(secs => :patience))
            OR (SELECT max(queued_at) FROM records r WHERE {UNCLAIMED}
                AND r.owner = w.owner AND r.project = w.project) <= now() - make_interval(secs => :settle)
            OR (SELECT count(*) >= :max_files OR sum(size) >= :max_bytes FROM (
                SELECT size FROM records r WHERE {UNCLAIMED}
                    AND r.owner = w.owner AND r.project = w.project LIMIT :max_files) first))
        ORDER BY oldest"""),  # noqa: S608 (spelled there)
        {
            "full": places.full_owners(),
            "settle": limits.settle_seconds,
            "patience": _PATIENCE * limits.settle_seconds,
            "max_files": limits.max_files,
            "max_bytes": limits.max_bytes,
        },
    ).all()
    for owner, project in sorted(projects, key=lambda row: places.leased[row.owner]):  # stable: the oldest first
        # Locked rows are another claim's: a project all of whose rows are, is passed over.
        picked = connection.execute(
            text(f"""
            WITH free AS (
                SELECT id, queued_at, coalesce(size, 0) AS size FROM records
                WHERE {UNCLAIMED} AND owner = :owner AND project = :project
                ORDER BY queued_at, id LIMIT :max_files FOR UPDATE SKIP LOCKED),
            counted AS (
                SELECT id, size, sum(size) OVER so_far AS upto, row_number() OVER so_far AS n FROM free
                WINDOW so_far AS (ORDER BY queued_at, id))
            SELECT id, size FROM counted WHERE upto <= :max_bytes OR n = 1"""),  # noqa: S608
            {"owner": owner, "project": project, "max_files": limits.max_files, "max_bytes": limits.max_bytes},
        ).all()
        if picked:
            partition = insert(connection, owner, project, lease_seconds=limits.lease_seconds)
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
