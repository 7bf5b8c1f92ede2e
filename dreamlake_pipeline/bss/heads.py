"""Looking at staged objects, some of which may not be looked at.

Strangers store them, by other tools than ours: one that was encrypted with its uploader's own key (SSE-C), or is under
a policy of its own, is refused to us. Such a one is passed over; it must not keep the others from being looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ..errors import DreamlakeError
from ..storage import ObjectInfo, ObjectStore, was_answered
from .side_by_side import side_by_side


class Heads(NamedTuple):
    """`found`: by key what is there, None where nothing is. `refused`: by key why the store does not show it."""

    found: dict[str, ObjectInfo | None]
    refused: dict[str, str]


def look(store: ObjectStore, keys: Collection[str]) -> Heads:
    """Look at these objects. Raises STORAGE_FAILED when the store can't be asked, or not now."""
    wanted = sorted(set(keys))
    answers = dict(zip(wanted, side_by_side(lambda key: _look(store, key), wanted), strict=True))
    return Heads(
        {key: one for key, one in answers.items() if not isinstance(one, str)},
        {key: one for key, one in answers.items() if isinstance(one, str)},
    )


def _look(store: ObjectStore, key: str) -> ObjectInfo | str | None:
    try:
        return store.head(key)
    except DreamlakeError as error:
        if error.is_passing or not was_answered(error):
            raise
        return error.message
