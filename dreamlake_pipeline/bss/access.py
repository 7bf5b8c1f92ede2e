"""Who may reach which record.

A record in a namespace that the caller's token does not reach is NOT_FOUND, as if it did not exist: ids give
nothing away. Where the caller names the namespace, the answer is FORBIDDEN.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy import Engine

from ..admission import Admission
from ..api.bss import Record
from ..auth import Principal, Scope
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from . import records


def find(database: Engine, caller: Principal, kind: Kind, record_id: str, scope: Scope) -> Record:
    """The record, for a caller who may do `scope` to it. Raises NOT_FOUND, FORBIDDEN."""
    record = _get(database, kind, record_id)
    if not caller.reaches(record.owner):
        raise _not_found(kind, record_id)
    caller.require(record.owner, scope)
    return record


def _find_viewable(database: Engine, viewer: Principal, kind: Kind, record_id: str) -> Record:
    """The record, for somebody who may play it. Raises NOT_FOUND, FORBIDDEN."""
    if viewer.scope is Scope.PLAY:
        viewer.require_play(record_id)
        return _get(database, kind, record_id)
    return find(database, viewer, kind, record_id, Scope.READ)


def find_playable(database: Engine, viewer: Principal, kind: Kind, record_id: str) -> Record:
    """A record that has a result, for somebody who may play it. Raises NOT_FOUND, FORBIDDEN, NOT_READY."""
    record = _find_viewable(database, viewer, kind, record_id)
    if not record.is_playable:
        raise not_ready(record)
    return record


def not_ready(record: Record) -> DreamlakeError:
    """What to answer for a record that has no result to show."""
    reason = f" ({record.error.message})" if record.error else ""
    return DreamlakeError(Code.NOT_READY, f"{record.name} is {record.status}, not ready{reason}.")


def _get(database: Engine, kind: Kind, record_id: str) -> Record:
    with database.connect() as connection:
        record = records.get(connection, record_id)
    if record is None or record.kind is not kind:
        raise _not_found(kind, record_id)
    return record


def _not_found(kind: Kind, record_id: str) -> DreamlakeError:
    return DreamlakeError(Code.NOT_FOUND, f"There is no {kind} {record_id}.")


def _check_viewer(viewer: Principal) -> None:
    if viewer.scope is not Scope.PLAY:
        viewer.require_any(Scope.READ)


_admit_viewer = Admission(_check_viewer, in_url=True)


async def view(
    viewer: Annotated[Principal, Depends(_admit_viewer)],
    token: Annotated[str | None, Query(description="A playback token, where no header can be sent.")] = None,
) -> Principal:
    """Other tokens are refused in URLs, which end up in logs and histories."""
    if token is not None and viewer.scope is not Scope.PLAY:
        raise DreamlakeError(
            Code.FORBIDDEN,
            "Only a playback token may travel in a URL.",
            hint="Send this one in the Authorization header, or ask for …/playback.",
        )
    return viewer


# Who watches: by a token in the Authorization header, or by a playback token there or in the URL.
Viewer = Annotated[Principal, Depends(view)]
