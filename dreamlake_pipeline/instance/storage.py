"""Dagster's Postgres storage with a connection pool.

`DagsterPostgresStorage` opens a connection for every statement, which costs 10 ms of CPU: thirty times as much as the
statement, for each of the fifty events of a small run and for every tick of every daemon.
"""

from __future__ import annotations

from typing import Any

from dagster._core.storage.config import PostgresStorageConfig
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy import Engine, create_engine

from .schema import bring_up_to_date

_KEPT = 4  # connections that a process keeps at most; more are opened while they are needed
_OVERFLOW = 60
_OLDEST = 3600  # seconds


class PooledPostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage` by one pool for the process: instances come and go with every tick of a sensor."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        # The tables are looked at once, when a process connects first.
        is_first = postgres_url not in _engines
        makes_tables = is_first and not _expected
        super().__init__(postgres_url, should_autocreate_tables=makes_tables, inst_data=inst_data)
        engine = _engines.setdefault(postgres_url, _open_engine(postgres_url))
        parts: tuple[Any, ...] = (self._run_storage, self._event_log_storage, self._schedule_storage)
        for part in parts:
            part._engine = engine
        if is_first:
            try:
                bring_up_to_date(engine, *parts)
            except BaseException:
                _engines.pop(postgres_url).dispose()  # the next one looks again
                raise

    @classmethod
    def from_config_value(  # type: ignore[override]  # as in the class above
        cls, inst_data: ConfigurableClassData | None, config_value: PostgresStorageConfig
    ) -> PooledPostgresStorage:
        return cls(pg_url_from_config(config_value), inst_data)


_engines: dict[str, Engine] = {}
_expected: list[bool] = []


def expect_tables() -> None:
    """The tables are there: this process and its forks need not look, which takes 100 ms, nor make them. Whether they
    are of the installed version is looked at all the same."""
    _expected.append(True)


def _open_engine(postgres_url: str) -> Engine:
    """An engine. Before it uses a connection, it looks whether Postgres has closed it meanwhile."""
    return create_engine(
        postgres_url,
        isolation_level="AUTOCOMMIT",
        pool_size=_KEPT,
        max_overflow=_OVERFLOW,
        pool_recycle=_OLDEST,
        pool_pre_ping=True,
    )
