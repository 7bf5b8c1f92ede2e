"""One step of a collection: as many pieces of work as go into two seconds.

A cursor is the name of a part and the position in it. Nothing else is kept between two steps.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

from ...api.garbage import Collected, Tally
from ...errors import Code, DreamlakeError
from . import folders, pool, purging, rows, staging, unnamed, uploads
from .collector import Collector, Work

_SECONDS = 2.0

# In this order: what one part frees is no longer needed by the next ones.
PARTS: dict[str, Callable[[Collector, str], Work]] = {
    "purge": purging.purge,
    "folders": folders.empty,
    "staged": staging.free,
    "condemn": pool.condemn,
    "unstore": pool.unstore,
    "chunks": pool.free,
    "unnamed": unnamed.free,
    "playlists": unnamed.free_playlists,
    "uploads": uploads.free,
    "parts": uploads.free_unknown,
    "rows": rows.free,
}


def step(collector: Collector, cursor: str | None) -> Collected:
    """Go on from `cursor`, None being the start. Raises INVALID_REQUEST for a cursor that no step gave."""
    names = list(PARTS)
    name, position = _read(cursor) if cursor else (names[0], "")
    total, end = Tally(), time.monotonic() + _SECONDS
    while True:
        work = PARTS[name](collector, position)
        total.add(work.tally)
        if work.position is not None:
            position = work.position
        elif name == names[-1]:
            return Collected(**dict(total))
        else:
            name, position = names[names.index(name) + 1], ""
        if time.monotonic() >= end:
            return Collected(**dict(total), cursor=_write(name, position))


def _write(name: str, position: str) -> str:
    return f"{name}:{base64.urlsafe_b64encode(position.encode()).decode()}"


def _read(cursor: str) -> tuple[str, str]:
    name, _, position = cursor.partition(":")
    try:
        if name in PARTS:
            return name, base64.b64decode(position, altchars=b"-_", validate=True).decode()
    except ValueError:
        pass
    raise DreamlakeError(Code.INVALID_REQUEST, "cursor: this is not one that a step gave.")
