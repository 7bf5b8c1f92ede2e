"""Dagster's own tables are brought up to the installed version when a process opens them, as both services do theirs.

Dagster itself leaves that to `dagster instance migrate`, and fails later, at whatever first needs what is missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from dagster_postgres.run_storage import run_storage
from dagster_postgres.utils import pg_alembic_config
from sqlalchemy import Engine, text

from ..errors import Code, DreamlakeError

log = logging.getLogger(__name__)

_LOOK_AGAIN = 0.2  # seconds, while another process upgrades


@lru_cache(maxsize=1)
def newest_revision() -> str | None:
    """The revision of the tables that the installed Dagster has; reading its scripts takes 70 ms."""
    return _scripts().get_current_head()


def bring_up_to_date(engine: Engine, *storages: Any) -> None:
    """Upgrade the tables, if they are of an earlier version, by Dagster's storages of runs, events and schedules.

    Several processes may do so at once. Raises SCHEMA_NEWER, and changes nothing, when a newer Dagster upgraded them.
    """
    if _is_current(engine):
        return
    with _turn(engine):
        if _is_current(engine):
            return
        log.warning("Dagster's tables are of an earlier version and are upgraded.")
        runs, events, schedules = storages
        runs.upgrade()
        runs.migrate(log.info)
        events.upgrade()
        events.reindex_assets(print_fn=log.info)
        schedules.upgrade()
        schedules.migrate(log.info)


def _is_current(engine: Engine) -> bool:
    """Whether nothing is to be done: also when another process has just made the tables and has not noted of what
    revision they are."""
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_heads()
    if not found or found == (newest_revision(),):
        return True
    try:
        _scripts().get_revision(found[0])
    except CommandError:
        raise DreamlakeError(
            Code.SCHEMA_NEWER,
            f"Dagster's tables are at revision {found[0]}, which the installed version does not know: a newer Dagster "
            f"upgraded them. The newest revision here is {newest_revision()}.",
            hint="Install the newer version again, or restore the backup from before the upgrade "
            "(docs/upgrading.md). Nothing was changed.",
        ) from None
    return False


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(pg_alembic_config(run_storage.__file__))


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """As in `migrations.py`: the lock is tried again and again, so that no statement waits for it."""
    with engine.connect() as connection:
        while not connection.execute(
            text("SELECT pg_try_advisory_lock(hashtext('dreamlake-migrate-dagster'))")
        ).scalar():
            time.sleep(_LOOK_AGAIN)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(hashtext('dreamlake-migrate-dagster'))"))
