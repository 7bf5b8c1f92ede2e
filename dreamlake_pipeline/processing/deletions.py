"""Tell the index which records were deleted from BSS, which were restored, and which were given other names, so that no
name stands for a record that is gone, and none is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..api.bss import Record
from ..api.pipeline import Deletion
from ..api.server import BatchAsset, FormerName
from ..crashpoints import CrashPoint, reached
from ..remote.pipeline import PipelineClient
from ..remote.server import asset_of

Remove = Callable[[Sequence[Deletion]], int]
Register = Callable[[Sequence[BatchAsset]], object]

# A run that read a record just before it was deleted may still write it into the index for so many seconds.
_MIN_AGE_SECONDS = 30.0
_AT_ONCE = 1000
_MOST_ROUNDS = 20


def _moved_away(told: Sequence[Deletion], back: Sequence[Record]) -> list[Deletion]:
    """Those whose names are others than they had: they were moved, and the index may have both names."""
    now = {record.id: (record.episode, record.name) for record in back}
    return [one for one in told if one.restored and now.get(one.record_id) not in (None, (one.episode, one.name))]


def _former_name(moved: Deletion | None) -> FormerName | None:
    return None if moved is None else FormerName(episode=moved.episode, name=moved.name)


class Told(NamedTuple):
    """`deletions`: how many deletions the index was told of, `removed`: how many of these it still had, `restored`: how
    many records that are there again it was told of."""

    deletions: int
    removed: int
    restored: int


def tell_deletions(
    pipeline: PipelineClient, remove: Remove, register: Register, *, min_age_seconds: float = _MIN_AGE_SECONDS
) -> Told:
    """Remove from the index what was deleted from BSS, and register what was restored, up to 20,000 records.

    `remove` removes names from the index as long as they stand for the deleted records; `register` upserts files.
    """
    deleted = removed = restored = 0
    for _ in range(_MOST_ROUNDS):
        told = pipeline.pending_deletions(min_age_seconds=min_age_seconds, limit=_AT_ONCE)
        if not told:
            break
        gone = [one for one in told if not one.restored]
        back = pipeline.records([one.record_id for one in told if one.restored])
        if gone:
            removed += remove(gone)
        if back:
            moved = {one.record_id: one for one in _moved_away(told, back)}
            register([asset_of(record, _former_name(moved.get(record.id))) for record in back])
            removed += remove(list(moved.values()))
        reached(CrashPoint.DELETION_TOLD)
        pipeline.forget_deletions(told)
        deleted, restored = deleted + len(gone), restored + len(back)
    return Told(deleted, removed, restored)
