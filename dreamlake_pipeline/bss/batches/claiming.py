"""Which batches a sensor may launch: open ones whose lease ended, and new ones from what is queued."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Row, RowMapping, text

from ...api.pipeline import BatchOffer, ClaimBatches
from .ending import Ended, end
from .forming import form
from .places import Places
from .postponing import make_due
from .rows import NOBODYS, close_if_done

# How many forgotten registrations one claim queues.
_UNASKED_LIMIT = 10_000


def make_claimable(connection: Connection, limits: ClaimBatches) -> None:
    """Queue what nobody asked for in time, and what has been put off for long enough.

    In a transaction before the claim's own, which waits for records that others have locked.
    """
    _queue_unasked(connection, limits.processing_grace_seconds)
    make_due(connection, store_answers=limits.store_answers)


def claim(connection: Connection, limits: ClaimBatches, *, begun_too: bool = True) -> list[BatchOffer]:
    """Batches to launch: open ones whose lease ended, then new ones from projects that have settled. Without
    `begun_too`, those that a run had begun are left to it for now, although its lease ended.

    No more than there is room for, in all and for each owner: what is offered too early waits in the engine's queue
    until its lease ends, and what one owner's slow files take is not taken from the others.
    """
    places = Places(connection, limits)
    offers = _offer_again(connection, limits, places, begun_too)
    while places.room() > 0 and (offer := form(connection, limits, places)):
        offers.append(offer)
    return offers


def _queue_unasked(connection: Connection, grace_seconds: float) -> None:
    """Queue what was registered a while ago and whose processing nobody asked for."""
    connection.execute(
        text("""
        UPDATE records SET status = 'queued', queued_at = now(), updated_at = now()
        WHERE id IN (
            SELECT id FROM records
            WHERE status = 'registered' AND (created_at <= now() - make_interval(secs => :grace)
                OR created_at > now() + interval '1 minute')  -- the clock was set back
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)"""),
        {"grace": grace_seconds, "limit": _UNASKED_LIMIT},
    )


def _offer_again(connection: Connection, limits: ClaimBatches, places: Places, begun_too: bool) -> list[BatchOffer]:
    """Open batches whose lease ended, each as its next attempt. Those that a run had begun go on in halves first: only
    a dead run, or one that can't be reached, lets its lease end."""
    lapsed = _lapsed(connection, limits, places, begun_too)
    if begun := [row.partition for row in lapsed if row.run_id is not None]:
        end(connection, [Ended(partition, died=True, is_proof=False) for partition in begun], limits.max_attempts)
        lapsed = _lapsed(connection, limits, places, begun_too)
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
    connection: Connection, limits: ClaimBatches, places: Places, begun_too: bool
) -> Sequence[Row[tuple[str, str, str | None]]]:
    """Open batches whose lease ended, locked: no more of an owner's than it may have."""
    return connection.execute(
        text(f"""
        SELECT partition, owner, run_id FROM batches WHERE partition IN (
            SELECT partition FROM (
                SELECT partition, lease_until, row_number() OVER (PARTITION BY owner ORDER BY lease_until) AS turn
                FROM batches WHERE state = 'open' AND {NOBODYS} AND owner <> ALL(:full)
                AND (run_id IS NULL OR :begun_too)) ended
            WHERE turn <= :per_owner ORDER BY turn, lease_until LIMIT :limit)
        ORDER BY lease_until, partition FOR UPDATE SKIP LOCKED"""),  # noqa: S608 (spelled there)
        {
            "full": places.full_owners(),
            "per_owner": limits.max_open_per_owner,
            "limit": max(0, places.room()),
            "begun_too": begun_too,
        },
    ).all()


def _unfinished(connection: Connection, partitions: list[str]) -> Sequence[RowMapping]:
    return (
        connection.execute(
            text("""
            SELECT b.partition, b.owner, b.project, b.attempt, count(*) AS files, coalesce(sum(r.size), 0) AS bytes,
                array_agg(DISTINCT r.kind ORDER BY r.kind) AS kinds
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
