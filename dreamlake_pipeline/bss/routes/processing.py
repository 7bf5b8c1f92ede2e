"""/lambdas/…: ask for the processing of one file."""

from __future__ import annotations

from sqlalchemy import Engine

from ...admission import Writer, new_router
from ...api.bss import AudioProcess, HlsSplit, Queued, Status
from ...auth import Principal, Scope
from ...kinds import Kind
from .. import access, records
from ..context import Database
from ..waking import WAKES

routes = new_router(prefix="/lambdas", tags=["processing"], dependencies=[WAKES])


@routes.post("/hls-split", summary="Queue a video for processing, again if it was processed before", status_code=202)
def hls_split(body: HlsSplit, caller: Writer, database: Database) -> Queued:
    """What is queued or being processed already is left alone."""
    return _queue(database, caller, Kind.VIDEO, body.video_id)


@routes.post("/audio-process", summary="Queue an audio file for processing, again if it was before", status_code=202)
def audio_process(body: AudioProcess, caller: Writer, database: Database) -> Queued:
    """What is queued or being processed already is left alone."""
    return _queue(database, caller, Kind.AUDIO, body.audio_id)


def _queue(database: Engine, caller: Principal, kind: Kind, record_id: str) -> Queued:
    record = access.find(database, caller, kind, record_id, Scope.WRITE)
    with database.begin() as connection:
        queued = records.queue(connection, [record.id], records.SETTLED)
    return Queued(status=Status.QUEUED if queued else record.status)
