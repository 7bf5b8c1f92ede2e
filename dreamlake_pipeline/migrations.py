"""Creating and upgrading a service's schema by its Alembic scripts.

Each script is one transaction. It may take as long as it needs to rewrite a table, but waits only for moments for a
lock: whoever asks for a table after it waits behind it, reading too. When a lock is not free, the script is rolled back
and tried again, for as long as it takes.

The services upgrade their schemas when they start. `python -m dreamlake_pipeline.migrations bss` (or `server`) does
nothing else, for an installation that upgrades before it starts anything.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import NamedTuple

from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import OperationalError

from . import logs
from .database import BSS_SCHEMA, SERVER_SCHEMA, open_engine
from .errors import Code, DreamlakeError
from .settings import Settings

log = logging.getLogger(f"{__package__}.migrations")  # also where this module is the program

_LOCK_TIMEOUT = "3s"
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0  # seconds between two attempts at a script
_LOOK_AGAIN = 0.2  # seconds, while another process upgrades
_SAY_AGAIN = 30.0

# What another transaction's locks end a script with: lock_not_available and deadlock_detected (PostgreSQL, appendix A).
_TAKEN = frozenset({"55P03", "40P01"})


def migrate(url: str, *, schema: str, package: str) -> None:
    """Create or upgrade a service's schema by the Alembic scripts in `package`'s `migrations/` folder.

    Safe to call from several processes at once: an advisory lock lets one of them do the work. Waits for as long as
    other transactions hold the tables.

    Raises SCHEMA_NEWER, and changes nothing, when a newer version upgraded the schema; UNREACHABLE when Postgres does
    not answer.
    """
    config = Config()
    config.set_main_option("script_location", str(files(package) / "migrations"))
    engine = open_engine(url, schema=schema, pool_size=1, lock_timeout=_LOCK_TIMEOUT, statement_timeout="0")
    try:
        with engine.connect() as connection, _turn(connection, schema):
            _refuse_newer(connection, schema, ScriptDirectory.from_config(config))
            # Looked for first: to ask for it "IF NOT EXISTS" takes the right to make schemas, also when it exists.
            known = text("SELECT 1 FROM pg_namespace WHERE nspname = :schema")
            if connection.execute(known, {"schema": schema}).first() is None:
                connection.execute(text(f"CREATE SCHEMA {schema}"))
            connection.commit()
            config.attributes.update(connection=connection, schema=schema)
            _upgrade(connection, schema, config)
    except OperationalError as fault:
        if getattr(fault.orig, "sqlstate", None):
            raise
        parts = make_url(url)
        raise DreamlakeError(
            Code.UNREACHABLE,
            f"Postgres does not answer at {parts.host}:{parts.port or 5432}: {str(fault.orig).strip()}",
            hint="Check DREAMLAKE_POSTGRES_URL.",
        ) from None
    finally:
        engine.dispose()


class Revision(NamedTuple):
    """Of what revision a schema is (None: it has no tables yet), the newest that this version has, and whether it knows
    the schema's."""

    found: str | None
    newest: str | None
    is_known: bool


def revision_of(connection: Connection, *, schema: str, package: str) -> Revision:
    """How far a service's schema was upgraded by the scripts in `package`; it only reads."""
    config = Config()
    config.set_main_option("script_location", str(files(package) / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    heads = MigrationContext.configure(connection, opts={"version_table_schema": schema}).get_current_heads()
    connection.rollback()
    known = {script.revision for script in scripts.walk_revisions()}
    return Revision(heads[0] if heads else None, scripts.get_current_head(), all(head in known for head in heads))


def create_index(name: str, definition: str, *, unique: bool = False) -> None:
    """For scripts: create an index on a table that may be large, while others write to it.

    `definition` is what follows `ON`. It is no part of the script's transaction, and committed by itself: a script does
    it first. An index that was interrupted half way, which Postgres keeps and does not use, is made anew; one that is
    there stays.
    """
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        # It waits for the transactions that began before it, and holds nobody up meanwhile.
        connection.execute(text("SET lock_timeout = 0"))
        valid = connection.execute(
            text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"), {"name": name}
        ).scalar()
        if valid is False:
            connection.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
        kind = "UNIQUE INDEX" if unique else "INDEX"
        if not valid:
            connection.execute(text(f"CREATE {kind} CONCURRENTLY {name} ON {definition}"))
        connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT}'"))


@contextmanager
def _turn(connection: Connection, schema: str) -> Iterator[None]:
    """The one that may change the schema, until the connection is closed.

    The lock is tried again and again: a statement that waits for it holds a snapshot, and `CREATE INDEX CONCURRENTLY`
    of the process that has the lock would wait for that.
    """
    ask, give = (
        text(f"SELECT {function}(hashtext(:name))") for function in ("pg_try_advisory_lock", "pg_advisory_unlock")
    )
    name = {"name": f"dreamlake-migrate-{schema}"}
    said = time.monotonic()
    while not connection.execute(ask, name).scalar():
        connection.commit()
        if time.monotonic() - said > _SAY_AGAIN:
            log.warning("Another process upgrades the schema %s; waiting for it.", schema)
            said = time.monotonic()
        time.sleep(_LOOK_AGAIN)
    connection.commit()
    yield
    connection.rollback()
    connection.execute(give, name)
    connection.commit()


def _refuse_newer(connection: Connection, schema: str, scripts: ScriptDirectory) -> None:
    found = MigrationContext.configure(connection, opts={"version_table_schema": schema}).get_current_heads()
    connection.rollback()
    for revision in found:
        try:
            scripts.get_revision(revision)
        except CommandError:
            raise DreamlakeError(
                Code.SCHEMA_NEWER,
                f"The schema {schema} of the database is at revision {revision}, which this version does not know: "
                f"a newer version upgraded it. The newest revision here is {scripts.get_current_head()}.",
                hint="Start the newer version again, or restore the backup from before the upgrade "
                "(docs/upgrading.md). Nothing was changed.",
            ) from None


def _upgrade(connection: Connection, schema: str, config: Config) -> None:
    pause = _FIRST_PAUSE
    said = float("-inf")
    while True:
        try:
            connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT}'"))
            connection.commit()
            command.upgrade(config, "head")
            connection.commit()
            return
        except OperationalError as fault:
            if getattr(fault.orig, "sqlstate", None) not in _TAKEN:
                raise
            connection.rollback()
        if time.monotonic() - said > _SAY_AGAIN:
            log.warning("The schema %s is not upgraded yet: %s", schema, _holders(connection, schema))
            said = time.monotonic()
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        pause = min(2 * pause, _LONGEST_PAUSE)


def _holders(connection: Connection, schema: str) -> str:
    """Who has locks on the schema's tables, in a sentence."""
    rows = connection.execute(
        text("""
        SELECT DISTINCT a.pid, a.application_name, coalesce(a.state, 'unknown') AS state,
            extract(epoch FROM now() - a.xact_start)::int AS seconds
        FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.granted AND a.pid <> pg_backend_pid() AND c.relnamespace = to_regnamespace(:schema)
        ORDER BY a.pid LIMIT 5"""),
        {"schema": schema},
    ).all()
    connection.rollback()
    if not rows:
        return "another transaction had one of its tables. Trying again."
    told = "; ".join(f"process {pid} ({name}, {state}, for {seconds or 0} s)" for pid, name, state, seconds in rows)
    return f"other transactions have its tables: {told}. Trying again until they end."


def main() -> None:
    """Upgrade the schema of the service that is named, in the database of DREAMLAKE_POSTGRES_URL."""
    parser = argparse.ArgumentParser(prog="python -m dreamlake_pipeline.migrations", description=main.__doc__)
    parser.add_argument("service", choices=["bss", "server"])
    service = parser.parse_args().service
    try:
        logs.configure("migrations")
        url = Settings().require("postgres_url")
        schema = {"bss": BSS_SCHEMA, "server": SERVER_SCHEMA}[service]
        migrate(url, schema=schema, package=f"{__package__}.{service}")
    except DreamlakeError as error:
        sys.exit(f"{error.message} {error.hint or ''}".rstrip())


if __name__ == "__main__":
    main()
