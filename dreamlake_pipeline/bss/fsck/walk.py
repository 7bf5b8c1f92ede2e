"""A check in steps: phase after phase, each from where the last step left it."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Engine

from ...api.integrity import FsckProgress, FsckStep
from ...storage import ObjectStore
from .. import step_cursors
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
    phase, after = step_cursors.read(asked.cursor, _PHASES)
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
                return _answer(total, step_cursors.write(name, after))
        after = ""
    return _answer(total, None)


def _answer(total: Progress, cursor: str | None) -> FsckProgress:
    return FsckProgress(
        findings=total.findings, checked=dict(total.checked), bytes=total.bytes, large=total.large, cursor=cursor
    )
