"""Postgres, as both services use it: engines, one schema per service, and Alembic migrations."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from psycopg.abc import Buffer
from psycopg.types.array import ListDumper
from sqlalchemy import Engine, create_engine, event, make_url, text

BSS_SCHEMA = "bss"
SERVER_SCHEMA = "dreamlake"

# A statement that waits this long for a lock, or runs this long, is a fault: better an error than a stall.
_LOCK_TIMEOUT = "30s"
_STATEMENT_TIMEOUT = "120s"


def with_driver(url: str, driver: str) -> str:
    """The URL with its driver named; a bare `postgresql://` would pick whatever SQLAlchemy's default is."""
    return make_url(url).set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)


def open_engine(url: str, *, schema: str, pool_size: int = 8) -> Engine:
    """An engine on psycopg 3 whose connections look in `schema` first."""
    engine = create_engine(
        with_driver(url, "psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=30,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 10,
            "application_name": f"dreamlake-{schema}",
            "options": f"-csearch_path={schema},public -clock_timeout={_LOCK_TIMEOUT}"
            f" -cstatement_timeout={_STATEMENT_TIMEOUT} -ctimezone=UTC",
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


def migrate(url: str, *, schema: str, package: str) -> None:
    """Create or upgrade a service's schema by the Alembic scripts in `package`'s `migrations/` folder.

    Safe to call from several processes at once: an advisory lock lets one of them do the work.
    """
    from alembic import command
    from alembic.config import Config

    engine = open_engine(url, schema=schema, pool_size=1)
    try:
        with engine.connect() as connection:
            connection.execute(
                text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": f"dreamlake-migrate-{schema}"}
            )
            # Looked for first: to ask for it "IF NOT EXISTS" takes the right to make schemas, also when it exists.
            known = text("SELECT 1 FROM pg_namespace WHERE nspname = :schema")
            if connection.execute(known, {"schema": schema}).first() is None:
                connection.execute(text(f"CREATE SCHEMA {schema}"))
            connection.commit()
            config = Config()
            config.set_main_option("script_location", str(files(package) / "migrations"))
            config.attributes.update(connection=connection, schema=schema)
            command.upgrade(config, "head")
            connection.commit()
    finally:
        engine.dispose()
