"""Tell the index which records were deleted from BSS, so that no name stands for a record that is gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..api.pipeline import Deletion
from ..client.pipeline import PipelineClient

Remove = Callable[[Sequence[Deletion]], int]

# A run that read a record just before it was deleted may still write it into the index for so many seconds.
_MIN_AGE_SECONDS = 30.0
_AT_ONCE = 1000
_MOST_ROUNDS = 20


def tell_deletions(
    pipeline: PipelineClient, remove: Remove, *, min_age_seconds: float = _MIN_AGE_SECONDS
) -> tuple[int, int]:
    """Remove from the index what was deleted from BSS, up to 20,000 records; how many were deleted, and how many of
    these the index still had.

    `remove` removes names from the index as long as they stand for the deleted records.
    """
    told = removed = 0
    for _ in range(_MOST_ROUNDS):
        deletions = pipeline.pending_deletions(min_age_seconds=min_age_seconds, limit=_AT_ONCE)
        if not deletions:
            break
        removed += remove(deletions)
        pipeline.forget_deletions([deletion.record_id for deletion in deletions])
        told += len(deletions)
    return told, removed
