"""Dagster's queue of runs, which its daemon looks at twice a second."""

from __future__ import annotations

from dagster._core.instance import T_DagsterInstance
from dagster._core.run_coordinator import QueuedRunCoordinator

# The setting of Dagster's own queue takes whole seconds alone, and the first file of an ingest is to be ready in three.
# The daemon waits in steps of this length anyway.
_LOOK_EVERY = 0.5


class PromptRunQueue(QueuedRunCoordinator[T_DagsterInstance]):
    """`QueuedRunCoordinator`, with all of its settings but `dequeue_interval_seconds`, which is half a second here."""

    @property
    def dequeue_interval_seconds(self) -> float:  # type: ignore[override]  # the daemon takes any number
        return _LOOK_EVERY
