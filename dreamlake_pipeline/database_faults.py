"""What a failed statement means to the caller of a service: Postgres is away, or busy, or the fault is ours."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from .errors import Code, DreamlakeError

# SQLSTATEs, whole or their class, by PostgreSQL's Appendix A, "PostgreSQL Error Codes".
_AWAY = (
    "08",  # the connection failed
    "57P",  # it shuts down, has crashed or is starting
    "58",  # a fault of the machine it runs on
    "25006",  # this server is a standby, after or before a failover
    "25P03",  # it gave up a transaction that stood still
    "3D000",  # it has no such database, or not yet
    "28",  # it does not know this user, or not yet
)
_CONFLICTS = ("40001", "40P01")  # a serialization failure, a deadlock: nothing was done
_DISK_FULL = "53100"


def is_conflict(error: DBAPIError) -> bool:
    """Whether the transaction was rolled back only because of another one: the same again will probably succeed."""
    return sqlstate(error) in _CONFLICTS


def passing(error: DBAPIError) -> DreamlakeError | None:
    """UNREACHABLE or OVERLOADED, if the same call may succeed later; None for a fault of our own."""
    state = sqlstate(error)
    if state == _DISK_FULL:
        return DreamlakeError(Code.UNREACHABLE, "The disk of the service's database is full.")
    if state is not None and state.startswith(_AWAY):
        return DreamlakeError(Code.UNREACHABLE, "The service cannot reach its database.")
    if isinstance(error, OperationalError) and state is not None:  # it had to give up: a lock, a timeout, memory
        return DreamlakeError(Code.OVERLOADED, "The database is too busy; try again later.")
    if error.connection_invalidated or (isinstance(error, OperationalError | InterfaceError) and state is None):
        return DreamlakeError(Code.UNREACHABLE, "The service cannot reach its database.")
    return None


def sqlstate(error: DBAPIError) -> str | None:
    """Postgres's code for what went wrong; None when it did not say anything."""
    return getattr(error.orig, "sqlstate", None)
