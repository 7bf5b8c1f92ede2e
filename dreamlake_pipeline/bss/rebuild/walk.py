"""A rebuild in steps: phase after phase, each from where the last step left it."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Engine, text

from ...api.integrity import RebuildProgress, RebuildStep
from ...crashpoints import CrashPoint, reached
from ...errors import Code, DreamlakeError
from ...storage import ObjectStore
from .. import step_cursors
from . import origin
from .making import make_records
from .reading import Bucket, Work, read_journals, read_metas, read_pool

STEP_SECONDS = 2.0

# The name of each phase is in the cursors that clients hold.
_PHASES: dict[str, Callable[[Bucket, str], Work]] = {
    "pool": read_pool,
    "journals": read_journals,
    "metas": read_metas,
    "records": make_records,
}


def step(database: Engine, store: ObjectStore, asked: RebuildStep, *, seconds: float | None = None) -> RebuildProgress:
    """Rebuild on from `asked.cursor` for about so many seconds. Raises CONFLICT when the database has records already
    and it was not said that these are to be added to; INVALID_REQUEST for a cursor that is none."""
    until = time.monotonic() + (STEP_SECONDS if seconds is None else seconds)
    phase, after = step_cursors.read(asked.cursor, _PHASES)
    if asked.cursor is None:
        _begin(database, merge=asked.merge)
    bucket = Bucket(database, store)
    total = Work()
    names = list(_PHASES)
    for name in names[names.index(phase) :]:
        while True:
            work = _PHASES[name](bucket, after)
            reached(CrashPoint.BUCKET_READ)
            total.add(work)
            if work.after is None:
                break
            after = work.after
            if time.monotonic() >= until:
                return _answer(name, total, step_cursors.write(name, after))
        after = ""
    with database.begin() as connection:
        origin.mark(connection, is_rebuilding=False)
    return _answer("done", total, None)


def _begin(database: Engine, *, merge: bool) -> None:
    """Nothing is registered while an empty database is filled; into one with records, files go on coming."""
    with database.begin() as connection:
        connection.execute(text("LOCK TABLE origin IN EXCLUSIVE MODE"))
        if origin.is_under_way(connection):
            return
        if origin.is_empty(connection):
            origin.mark(connection, is_rebuilding=True)
        elif not merge:
            raise DreamlakeError(
                Code.CONFLICT,
                "The database of BSS has records.",
                hint="`dreamlake rebuild --merge` adds what it lacks, and changes nothing else.",
            )


def _answer(phase: str, total: Work, cursor: str | None) -> RebuildProgress:
    return RebuildProgress(phase=phase, done=dict(total.done), problems=total.problems[:100], cursor=cursor)
