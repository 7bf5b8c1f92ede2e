"""The cursors of `fsck` and `rebuild`: the name of a phase, and the position in it that the last step left."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..errors import Code, DreamlakeError


def write(phase: str, position: str) -> str:
    """The cursor that a client gives back to go on from here."""
    return json.dumps([phase, position], ensure_ascii=False)


def read(cursor: str | None, phases: Iterable[str]) -> tuple[str, str]:
    """Phase and position of a cursor; without one, the start of the first of `phases`.

    Raises INVALID_REQUEST for a cursor that no step gave.
    """
    names = list(phases)
    if cursor is None:
        return names[0], ""
    try:
        phase, position = json.loads(cursor)
    except (ValueError, TypeError, RecursionError):
        phase = position = None
    if phase not in names or not isinstance(position, str) or "\x00" in position:
        raise DreamlakeError(Code.INVALID_REQUEST, "cursor: this is not one that a step gave.")
    return phase, position
