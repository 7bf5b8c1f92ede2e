"""A check in steps: phase after phase, each from where the last step left it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from sqlalchemy import Engine

from ...api.integrity import FsckProgress, FsckStep
from ...errors import Code, DreamlakeError
from ...objectstore import ObjectStore
from . import batches, catalog, chunks, folders, pool, records
from .world import Progress, World

STEP_SECONDS = 2.0

# The name of each phase is in the cursors that clients hold. The later ones are of the whole bucket.
_PHASES: dict[str, Callable[[World, str], Progress]] = {
    "records": records.check,
    "chunks": chunks.check,
    "batches": batches.check,
    "folders": folders.check,
    "staging": folders.check_staging,
    "pool": pool.check,
    "catalog": catalog.check,
}
_OF_THE_WHOLE = frozenset({"pool", "catalog"})


def step(database: Engine, store: ObjectStore, asked: FsckStep, *, seconds: float = STEP_SECONDS) -> FsckProgress:
    """Check on from `asked.cursor` for about so many seconds. Raises INVALID_REQUEST for a cursor that is none."""
    phase, after = _read_cursor(asked.cursor)
    world = World(database, store, asked.owner, asked.project, asked.deep, time.monotonic() + seconds)
    names = [name for name in _PHASES if world.is_whole or name not in _OF_THE_WHOLE]
    total = Progress()
    for name in names[names.index(phase) :] if phase in names else []:
        while True:
            done = _PHASES[name](world, after)
            total.add(done)
            if done.after is None:
                break
            after = done.after
            if world.is_over:
                return _answer(total, _make_cursor(name, after))
        after = ""
    return _answer(total, None)


def _answer(total: Progress, cursor: str | None) -> FsckProgress:
    return FsckProgress(
        findings=total.findings, checked=dict(total.checked), bytes=total.bytes, large=total.large, cursor=cursor
    )


def _make_cursor(phase: str, after: str) -> str:
    return json.dumps([phase, after], ensure_ascii=False)


def _read_cursor(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return next(iter(_PHASES)), ""
    try:
        phase, after = json.loads(cursor)
    except (ValueError, TypeError, RecursionError):
        phase = after = None
    if phase not in _PHASES or not isinstance(after, str) or "\x00" in after:
        raise DreamlakeError(Code.INVALID_REQUEST, "cursor: this is not one that a step gave.")
    return phase, after
