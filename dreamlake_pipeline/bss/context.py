"""What every route needs: the database, the object store, the settings."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request
from sqlalchemy import Engine

from ..ids import ID_PATTERN
from ..settings import Settings
from ..storage import ObjectStore
from .presence import Presence

# These are coroutines because FastAPI has a thread call each dependency that is none.


async def _database(request: Request) -> Engine:
    return request.app.state.database


async def _store(request: Request) -> ObjectStore:
    return request.app.state.store


async def _presence(request: Request) -> Presence:
    return request.app.state.presence


async def _config(request: Request) -> Settings:
    return request.app.state.settings


def _require_sound(request: Request) -> None:
    request.app.state.origin.require(request.app.state.store)


# For routes that register files, decide about projects, or free what no record refers to: not in a database that is
# lost or being rebuilt (rebuild/origin.py).
SOUND = Depends(_require_sound)

Database = Annotated[Engine, Depends(_database)]
Store = Annotated[ObjectStore, Depends(_store)]
ItsPresence = Annotated[Presence, Depends(_presence)]
Config = Annotated[Settings, Depends(_config)]
RecordId = Annotated[str, Path(pattern=ID_PATTERN)]
