"""What `/metrics` tells of the work as it stands: how many files are in which status, wait, and for how long.

Every query reads what is not done, by an index of that, and no more than `_MOST` rows of it; beyond, and for what is
done, the number is the one that Postgres's planner goes by, which it refreshes when a tenth of a table has changed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from ..api.bss import Status
from .batches.rows import UNCLAIMED

log = logging.getLogger(__name__)

# The tables are read again after so many seconds at the earliest.
_FRESH_SECONDS = 10.0

_MOST = 100_000  # rows that are counted

_COUNT = "SELECT count(*) FROM (SELECT FROM {source} LIMIT :most) counted"
_ESTIMATE = text("SELECT reltuples FROM pg_class WHERE oid = to_regclass(:relation)")

# Which records are counted, each with the index that has exactly these: its size is the estimate beyond `_MOST`.
_QUEUED = f"records WHERE {UNCLAIMED}", "records_queue"
_PUT_OFF = "records WHERE waiting_until IS NOT NULL", "records_put_off"
_REGISTERED = "records WHERE status = 'registered'", "records_unasked"
_FAILED = "records WHERE status = 'failed'", "records_failed"

_IN_BATCHES = text("""
    SELECT r.status, count(*) AS files FROM batches b JOIN records r USING (partition)
    WHERE b.state = 'open' AND r.status IN ('queued', 'processing') GROUP BY r.status""")
_BATCHES = text("""
    SELECT CASE WHEN lease_until < now() THEN 'lapsed' WHEN run_id IS NULL THEN 'offered' ELSE 'working' END AS state,
        count(*) AS batches
    FROM batches WHERE state = 'open' GROUP BY 1""")
_WAITING = text("""
    SELECT code, count(*), extract(epoch FROM now() - min(since)) FROM (
        SELECT waiting->>'code' AS code, CAST(waiting->>'since' AS timestamptz) AS since
        FROM records WHERE waiting_until IS NOT NULL LIMIT :most) put_off
    GROUP BY code""")
# From one project's first row in the index of what is queued to the next one's, as a claim goes.
_OLDEST = text(f"""
    WITH RECURSIVE waiting AS (
        (SELECT owner, project, queued_at FROM records WHERE {UNCLAIMED} ORDER BY owner, project, queued_at LIMIT 1)
        UNION ALL
        SELECT following.* FROM waiting w CROSS JOIN LATERAL (
            SELECT owner, project, queued_at FROM records
            WHERE {UNCLAIMED} AND (owner, project) > (w.owner, w.project)
            ORDER BY owner, project, queued_at LIMIT 1) following)
    SELECT coalesce(extract(epoch FROM now() - min(queued_at)), 0) FROM waiting""")  # noqa: S608 (spelled there)


class WorkGauges(Collector):
    """Reads the tables when it is asked. While the database does not answer, one gauge says so and no other is."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._metrics: list[Metric] = []
        self._read_at = float("-inf")

    def describe(self) -> list[Metric]:
        """No metric, so that registering this does not already ask Postgres for all of them."""
        return []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._metrics = self._read()
                self._read_at = time.monotonic()
            yield from self._metrics
        yield from _connections(self._database)

    def _read(self) -> list[Metric]:
        try:
            with self._database.connect() as connection:
                metrics = list(_work(connection))
        except SQLAlchemyError as fault:
            log.warning("the gauges could not be read: %s", fault)
            metrics = []
        return [*metrics, GaugeMetricFamily("dreamlake_database_up", "1 if Postgres answers.", value=bool(metrics))]


def _work(connection: Connection) -> Iterator[Metric]:
    counts = dict.fromkeys(map(str, Status), 0)
    counts |= {row.status: row.files for row in connection.execute(_IN_BATCHES)}
    counts["queued"] += _count(connection, *_QUEUED) + _count(connection, *_PUT_OFF)
    counts["registered"] = _count(connection, *_REGISTERED)
    counts["failed"] = _count(connection, *_FAILED)
    counts["ready"] = max(0, _count(connection, "records", "records") - sum(counts.values()))
    yield _family("dreamlake_records", "Records by status.", "status", counts)

    batches = dict.fromkeys(("offered", "working", "lapsed"), 0)
    batches |= {row.state: row.batches for row in connection.execute(_BATCHES)}
    yield GaugeMetricFamily("dreamlake_open_batches", "Batches that are not finished.", value=sum(batches.values()))
    meaning = "Open batches: a run is at work, none has begun yet, the time of the one that had it is over."
    yield _family("dreamlake_batches", meaning, "state", batches)

    waiting = connection.execute(_WAITING, {"most": _MOST}).all()
    yield _family(
        "dreamlake_records_waiting",
        "Queued files that were put off, by the fault of the machinery that they wait for.",
        "code",
        {code: count for code, count, _ in waiting},
    )
    yield GaugeMetricFamily(
        "dreamlake_oldest_waiting_seconds",
        "For how long one of these has been put off for the same reason.",
        value=max((float(age) for *_, age in waiting), default=0.0),
    )
    oldest = connection.execute(_OLDEST).scalar_one()
    yield GaugeMetricFamily(
        "dreamlake_oldest_queued_seconds", "How long the oldest file waits for a batch.", value=float(oldest)
    )


def _count(connection: Connection, source: str, relation: str) -> int:
    """How many rows there are, as far as they are counted; else as Postgres estimates."""
    counted: int = connection.execute(text(_COUNT.format(source=source)), {"most": _MOST}).scalar_one()
    if counted < _MOST:
        return counted
    return max(counted, int(connection.execute(_ESTIMATE, {"relation": relation}).scalar_one()))


def _family(name: str, meaning: str, label: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _connections(database: Engine) -> Iterator[Metric]:
    pool = database.pool
    if isinstance(pool, QueuePool):
        counts = {"in use": pool.checkedout(), "idle": pool.checkedin()}
        yield _family("dreamlake_database_connections", "Connections of this process to Postgres.", "state", counts)
