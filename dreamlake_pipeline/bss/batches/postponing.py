"""What a fault of the machinery put off: it waits for its time, or for the object store to be back, and never fails.

Its time comes by a backoff in seconds that doubles with each time it is put off for the same reason. Times are whole
multiples of two seconds, so that what was put off together is due together, and makes one batch again.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import Connection, text

from ...api.pipeline import Postponement
from .. import measures
from ..values import to_jsonb
from .rows import check_run, lock

_FIRST, _MOST = 5.0, 60.0  # seconds of the backoff

# What waits for the object store is due when that has answered again, but not sooner than so many seconds after.
_AFTER_ANSWER = 5.0

# How many are made due by one claim: each is a row to be written.
_MOST_DUE = 10_000

# SQL: what an UPDATE of `r` writes when it is put off for the reason `x.reason` (an ErrorBody), by a backoff of
# :first seconds that doubles up to :most, and is stretched by :jitter. A record that was put off keeps `waiting` until
# it has a result: the next time is counted on from there.
PUT_OFF = """
    (status, partition, reported_at, error, updated_at, postponed_at, waiting_until, waiting) = (
        SELECT 'queued', NULL, CAST(NULL AS timestamptz), CAST(NULL AS jsonb), now(), now(), w.until,
            jsonb_strip_nulls(x.reason) || jsonb_build_object('since', w.since, 'tries', w.tries, 'until', w.until)
        FROM (SELECT since, tries, to_timestamp(2 * ceil(extract(epoch FROM
                now() + make_interval(secs => least(:first * power(2, tries - 1), :most) * :jitter)) / 2)) AS until
            FROM (SELECT CASE WHEN r.waiting->>'code' = x.reason->>'code' THEN r.waiting->'since'
                    ELSE to_jsonb(now()) END AS since,
                CASE WHEN r.waiting->>'code' = x.reason->>'code' THEN least(1000, (r.waiting->>'tries')::int + 1)
                    ELSE 1 END AS tries) counted) w)"""


def jitter() -> float:
    """By how much a backoff is stretched: what one fault put off in many places does not come back in one moment."""
    return secrets.SystemRandom().uniform(0.8, 1.2)


def postpone(connection: Connection, partition: str, run_id: str, items: Sequence[Postponement]) -> None:
    """Items that a fault of the machinery kept from being processed leave the batch and wait for their time.

    It is no attempt at them. What has a result, or is not in the batch any more, is passed over. Raises NOT_FOUND,
    CONFLICT as `heartbeat` does.
    """
    check_run(lock(connection, partition), run_id)
    put_off = connection.execute(
        text(f"""
        WITH x AS (
            SELECT r.id, x.reason FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS x(id text, reason jsonb)
            JOIN records r USING (id)
            WHERE r.partition = :partition AND r.status = 'processing' AND r.reported_at IS NULL
            ORDER BY r.id FOR UPDATE OF r)
        UPDATE records r SET {PUT_OFF}, attempts = greatest(attempts - 1, 0) FROM x WHERE r.id = x.id
        RETURNING r.kind, x.reason->>'code' AS code"""),  # noqa: S608
        {
            "partition": partition,
            "items": to_jsonb([item.model_dump(mode="json") for item in {one.id: one for one in items}.values()]),
            "first": _FIRST,
            "most": _MOST,
            "jitter": jitter(),
        },
    )
    measures.postponed(put_off)


def make_due(connection: Connection, *, store_answers: bool) -> None:
    """Have claimed what has waited for its time and, when the store answers, what waits for that.

    A time that is further away than any backoff is one of a clock that was set back since.
    """
    due = "waiting_until <= now() OR waiting_until > now() + make_interval(secs => :longest)"
    if store_answers:
        due = f"""{due} OR (postponed_at <= now() - make_interval(secs => :after) AND waiting_until IS NOT NULL
            AND waiting->>'code' IN ('storage_failed', 'unreachable'))"""
    connection.execute(
        text(f"""
        UPDATE records SET waiting_until = NULL
        WHERE id IN (SELECT id FROM records WHERE {due} LIMIT :limit FOR UPDATE SKIP LOCKED)"""),  # noqa: S608
        {"longest": 2 * _MOST, "limit": _MOST_DUE} | ({"after": _AFTER_ANSWER} if store_answers else {}),
    )
