"""Postgres, as both services use it: engines, and one schema per service."""

from __future__ import annotations

from typing import Any

from psycopg.abc import Buffer
from psycopg.types.array import ListDumper
from sqlalchemy import Engine, create_engine, event, make_url

BSS_SCHEMA = "bss"
SERVER_SCHEMA = "dreamlake"

# A statement that waits this long for a lock, or runs this long, is a fault: better an error than a stall.
_LOCK_TIMEOUT = "30s"
_STATEMENT_TIMEOUT = "120s"

# A statement whose client was killed ends, and frees its locks, within this time, and not only when it is done.
_CLIENT_CHECK = "5s"


def with_driver(url: str, driver: str) -> str:
    """The URL with its driver named; a bare `postgresql://` would pick whatever SQLAlchemy's default is."""
    return make_url(url).set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)


def open_engine(
    url: str,
    *,
    schema: str,
    pool_size: int = 8,
    lock_timeout: str = _LOCK_TIMEOUT,
    statement_timeout: str = _STATEMENT_TIMEOUT,
) -> Engine:
    """An engine on psycopg 3 whose connections look in `schema` first.

    `lock_timeout`, `statement_timeout`: how long a statement waits for a lock, and runs, as Postgres spells durations.
    """
    engine = create_engine(
        with_driver(url, "psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=30,
        pool_pre_ping=True,
        hide_parameters=True,  # what strangers sent is not for the log of a fault
        connect_args={
            "connect_timeout": 10,
            "application_name": f"dreamlake-{schema}",
            "options": f"-csearch_path={schema},public -clock_timeout={lock_timeout}"
            f" -cstatement_timeout={statement_timeout} -cclient_connection_check_interval={_CLIENT_CHECK}"
            " -ctimezone=UTC",
        },
    )
    event.listen(engine, "connect", lambda connection, _: connection.adapters.register_dumper(list, _TextListDumper))
    return engine


class _TextListDumper(ListDumper):
    """Writes a list of texts with each of them in quotes: to find out which need quotes takes psycopg 2 µs for each."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        if set(map(type, obj)) != {str}:
            return super().dump(obj)
        every = "".join(obj)
        if "\0" in every:
            return super().dump(obj)  # which says what is wrong
        if '"' in every or "\\" in every:
            obj = [item.replace("\\", "\\\\").replace('"', '\\"') for item in obj]
        return ('{"' + '","'.join(obj) + '"}').encode()
