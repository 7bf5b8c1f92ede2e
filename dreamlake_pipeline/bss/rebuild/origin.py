"""Does this database know the bucket? One that was made anew beside the files of an earlier one does not.

The table `origin` has its one row when the bucket was found to hold no records of another database, when it was rebuilt
from the bucket, or while that is under way.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text

from ... import layout
from ...errors import Code, DreamlakeError
from ...kinds import KINDS
from ...storage import ObjectStore
from ..places_of_bucket import projects


class Origin:
    """What is known of where a database comes from. Safe to share between threads."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._is_sound = False

    def require(self, store: ObjectStore) -> None:
        """Raise CONFLICT when the database is lost, OVERLOADED while it is rebuilt. Looks into the bucket until it is
        known once; each process asks the database once."""
        if self._is_sound:
            return
        with self._database.begin() as connection:
            is_rebuilding = _state(connection)
            if is_rebuilding is None:
                if is_empty(connection) and (found := _find_records(store)):
                    raise DreamlakeError(
                        Code.CONFLICT,
                        f"The database of BSS is new, and the bucket holds files of an earlier one ({found}).",
                        hint="Restore the database, or have its records made again: `dreamlake rebuild`.",
                    )
                mark(connection, is_rebuilding=False)
        if is_rebuilding:
            raise DreamlakeError(Code.OVERLOADED, "The records are being made again from the bucket; try again later.")
        self._is_sound = True


def is_empty(connection: Connection) -> bool:
    """Whether there is no record, deleted ones included."""
    return not connection.execute(
        text("SELECT EXISTS (SELECT FROM records) OR EXISTS (SELECT FROM deleted_records)")
    ).scalar()


def is_under_way(connection: Connection) -> bool:
    return _state(connection) is True


def mark(connection: Connection, *, is_rebuilding: bool) -> None:
    connection.execute(
        text("""
        INSERT INTO origin (is_rebuilding) VALUES (:is_rebuilding)
        ON CONFLICT (one) DO UPDATE SET is_rebuilding = excluded.is_rebuilding"""),
        {"is_rebuilding": is_rebuilding},
    )


def _state(connection: Connection) -> bool | None:
    """Whether a rebuild is under way; None while nothing is known."""
    found: bool | None = connection.execute(text("SELECT is_rebuilding FROM origin")).scalar()
    return found


def _find_records(store: ObjectStore) -> str | None:
    """A folder of the bucket in which only a database that had records writes; None when there is none."""
    for owner, project in projects(store, None, None):
        for name in ("journal", *(spec.route for spec in KINDS.values())):
            folder = f"{layout.project_prefix(owner, project)}{name}/"
            page = store.list_page(folder, delimiter="/", limit=1)
            if page.objects or page.prefixes:
                return folder
    return None
