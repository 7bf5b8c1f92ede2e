"""Attempts that ended without finishing their batch: who holds what, and what becomes of the batch then.

What was reported stays. When the run died, the other items go on in halves, so that a file which kills its run is alone
in a few steps, and its neighbours are done meanwhile. A file whose runs died when it was alone fails in the end, but
only for deaths that nothing else explains: runs that die together say nothing of any one of their files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from ...api.common import ErrorBody
from ...api.pipeline import LeasedBatch, Release
from ...errors import Code
from .. import deletions, measures, records
from ..values import to_jsonb
from .postponing import PUT_OFF, jitter
from .rows import close_if_done, insert

# Seconds before a batch is offered again whose run failed plainly, doubled with each such run.
_FIRST_PAUSE, _MOST_PAUSE = 5.0, 20.0

# The same for a file at whose run alone died: nothing has to recover, but others go first.
_FIRST_SUSPICION, _MOST_SUSPICION = 2.0, 30.0

# Runs that die within so many seconds of each other died of the same cause, which is none of their files.
_TOGETHER = 10.0

# A file fails also without proof, after so many times the deaths that are enough with it, all in a row: nothing else
# that happens to a stack meets the same file each time, and no file is tried for ever.
_WITHOUT_PROOF = 10

_MOST_LEASED = 1000


class Ended(NamedTuple):
    """An attempt that is over. `died`: its run was killed or crashed, or let its lease end. `is_proof`: that is known,
    and nothing else explains it."""

    partition: str
    died: bool
    is_proof: bool


def leased(connection: Connection) -> list[LeasedBatch]:
    """The open batches that somebody was offered or had begun, the oldest offers first; none that pauses."""
    rows = connection.execute(
        text("""
        SELECT partition, attempt, run_id, extract(epoch FROM now() - offered_at) AS age FROM batches
        WHERE state = 'open' AND attempt > 0 AND offered_at <= now() AND (lease_until > now() OR run_id IS NOT NULL)
        ORDER BY offered_at LIMIT :limit"""),
        {"limit": _MOST_LEASED},
    )
    return [LeasedBatch.model_validate(dict(row)) for row in rows.mappings()]


def release(connection: Connection, releases: Sequence[Release], max_attempts: int) -> list[str]:
    """End attempts of which it is known that they are over; the partitions of those that were.

    Passed over is what another run has, or was offered anew, since that was found out.
    """
    told = {one.partition: one for one in releases}
    rows = connection.execute(
        text("""
        SELECT partition, attempt, run_id FROM batches WHERE partition = ANY(:partitions) AND state = 'open'
        ORDER BY partition FOR UPDATE"""),
        {"partitions": list(told)},
    ).all()
    over = [one for row in rows if ((one := told[row.partition]).attempt, one.run_id) == (row.attempt, row.run_id)]
    died = [one.partition for one in over if one.died]
    is_proof = len(died) == 1 and told[died[0]].proven and _died_by_itself(connection, died[0])
    connection.execute(text("UPDATE batches SET died_at = now() WHERE partition = ANY(:died)"), {"died": died})
    measures.DIED.inc(len(died))
    end(connection, [Ended(one.partition, one.died, one.died and is_proof) for one in over], max_attempts)
    return [one.partition for one in over]


def _died_by_itself(connection: Connection, partition: str) -> bool:
    """Whether Postgres was not started anew since this run began, which ends runs as a restart of the machine does, and
    no other run was found dead of late: deaths before it began may be of the same file."""
    return bool(
        connection.execute(
            text("""
            SELECT own.begun_at > pg_postmaster_start_time() AND NOT EXISTS (SELECT FROM batches other
                WHERE other.partition <> own.partition
                    AND other.died_at > greatest(own.begun_at, now() - make_interval(secs => :together)))
            FROM batches own WHERE own.partition = :partition"""),
            {"partition": partition, "together": _TOGETHER},
        ).scalar()
    )


def end(connection: Connection, ended: Sequence[Ended], max_attempts: int) -> None:
    """What becomes of batches, which the caller has locked, when an attempt at each is over."""
    if not ended:
        return
    rows = connection.execute(
        text("""
        SELECT id, partition, reported_at IS NULL AS is_undone FROM records
        WHERE partition = ANY(:partitions) AND status IN ('queued', 'processing') ORDER BY id FOR UPDATE"""),
        {"partitions": [one.partition for one in ended]},
    ).all()
    undone: dict[str, list[str]] = {one.partition: [] for one in ended}
    for row in rows:
        if row.is_undone:
            undone[row.partition].append(row.id)
    for one in ended:
        if not one.died:
            _pause(connection, one.partition)
            continue
        match undone[one.partition]:
            case []:
                pass
            case [record_id]:
                _suspect(connection, record_id, one, max_attempts)
            case several:
                _halve(connection, one.partition, several)
        # Its run has it no longer, also where all of its items went on elsewhere. What is left has results, which the
        # next attempt only has to index.
        connection.execute(
            text("UPDATE batches SET run_id = NULL, lease_until = now() WHERE partition = :partition"),
            {"partition": one.partition},
        )
        close_if_done(connection, one.partition)


def _pause(connection: Connection, partition: str) -> None:
    """Offer a batch again as it is: at once, when the first offer came to no run, and else after a pause.

    Until then it is nobody's: an offer that seemed to have come to no run would have it pause anew, for ever.
    """
    if close_if_done(connection, partition):
        return
    batch = connection.execute(
        text("SELECT run_id, attempt, begun FROM batches WHERE partition = :partition"), {"partition": partition}
    ).one()
    failures = batch.attempt - 1 if batch.run_id is None else batch.begun
    pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), _MOST_PAUSE) * jitter() if failures else 0
    connection.execute(
        text("""
        UPDATE batches SET run_id = NULL, lease_until = now() + make_interval(secs => :pause),
            offered_at = now() + make_interval(secs => :pause)
        WHERE partition = :partition"""),
        {"partition": partition, "pause": pause},
    )


def _halve(connection: Connection, partition: str, ids: Sequence[str]) -> None:
    """Two batches of the items, each to be offered at once."""
    parent = connection.execute(
        text("SELECT owner, project, slow FROM batches WHERE partition = :partition"), {"partition": partition}
    ).one()
    middle = len(ids) // 2
    for half in (ids[:middle], ids[middle:]):
        child = insert(connection, parent.owner, parent.project, slow=parent.slow, parent=partition)
        connection.execute(
            text("UPDATE records SET partition = :child, status = 'queued', updated_at = now() WHERE id = ANY(:ids)"),
            {"child": child, "ids": list(half)},
        )


def _suspect(connection: Connection, record_id: str, ended: Ended, max_attempts: int) -> None:
    """A run at this file alone died: it fails when that was proven often enough, or else waits to be tried alone."""
    counted = connection.execute(
        text("""
        UPDATE records SET crashes = crashes + :proven WHERE id = :id RETURNING crashes,
            CASE WHEN waiting->>'code' = :code THEN (waiting->>'tries')::int ELSE 0 END + 1 AS deaths"""),
        {"id": record_id, "proven": int(ended.is_proof), "code": str(Code.RUN_DIED)},
    ).one()
    is_proven = ended.is_proof and counted.crashes >= max_attempts
    if is_proven or counted.deaths >= _WITHOUT_PROOF * max_attempts:
        crashes = counted.crashes if is_proven else counted.deaths
        error = ErrorBody(
            code=str(Code.CRASHES_WORKER),
            message=f"{crashes} runs that worked on this file alone were killed or crashed.",
            hint=f"It may need more memory than there is: see the runs of partition {ended.partition} in Dagster. "
            "`dreamlake retry` tries it again.",
        )
        failed = connection.execute(
            text(f"""
            UPDATE records r SET {records.FAILURE.format(error="CAST(:error AS jsonb)")}, waiting = NULL
            WHERE id = :id RETURNING kind, CAST(:code AS text) AS code"""),  # noqa: S608 (spelled there)
            {"id": record_id, "error": to_jsonb(error.wire()), "code": error.code},
        )
        measures.failed(failed)
        deletions.tell_as_they_are(connection, [record_id])
        return
    reason = ErrorBody(
        code=str(Code.RUN_DIED),
        message="The run that worked on this file alone was killed or crashed: it is tried again, by itself.",
    )
    connection.execute(
        text(f"""
        UPDATE records r SET {PUT_OFF} FROM (SELECT CAST(:reason AS jsonb) AS reason) x WHERE r.id = :id"""),  # noqa: S608
        {
            "id": record_id,
            "reason": to_jsonb(reason.wire()),
            "first": _FIRST_SUSPICION,
            "most": _MOST_SUSPICION,
            "jitter": jitter(),
        },
    )
