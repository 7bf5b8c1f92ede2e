"""What `/metrics` tells of the work: records by status, open batches, and how long the oldest file has waited."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from ..api.bss import Status

log = logging.getLogger(__name__)

# Counting a million records takes a tenth of a second: the tables are read again after so many seconds at the earliest.
_FRESH_SECONDS = 10.0

_RECORDS = text("SELECT status, count(*) FROM records GROUP BY status")
_BATCHES = text("SELECT count(*) FROM batches WHERE state = 'open'")
_OLDEST = text("""
    SELECT coalesce(extract(epoch FROM now() - min(queued_at)), 0) FROM records
    WHERE status = 'queued' AND partition IS NULL AND waiting_until IS NULL""")


class WorkGauges(Collector):
    """Reads the tables when it is asked; while the database does not answer, there are no gauges."""

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

    def _read(self) -> list[Metric]:
        try:
            with self._database.connect() as connection:
                counts = dict.fromkeys(map(str, Status), 0) | {row[0]: row[1] for row in connection.execute(_RECORDS)}
                open_batches = connection.execute(_BATCHES).scalar_one()
                oldest = connection.execute(_OLDEST).scalar_one()
        except SQLAlchemyError as fault:
            log.warning("the gauges could not be read: %s", fault)
            return []
        records = GaugeMetricFamily("dreamlake_records", "Records by status.", labels=["status"])
        for status, count in counts.items():
            records.add_metric([status], count)
        return [
            records,
            GaugeMetricFamily("dreamlake_open_batches", "Batches that are not finished.", value=open_batches),
            GaugeMetricFamily(
                "dreamlake_oldest_queued_seconds", "How long the oldest file waits for a batch.", value=float(oldest)
            ),
        ]
