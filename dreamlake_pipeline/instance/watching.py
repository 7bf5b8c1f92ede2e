"""What a launcher can tell of runs beyond what Dagster asks (sensors/attempts.py, queue.py), and the tags of runs that
it goes by."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from dagster import DagsterRun

# Tags of a run.
HOST_TAG = "dreamlake/host"  # the machine that it is on
WORKER_TAG = "dreamlake/process"  # its process, or the job of a cluster, once it has one
LAUNCHER_TAG = "dreamlake/launcher"  # which of several launchers has it
FILES_TAG, BYTES_TAG = "dreamlake/files", "dreamlake/bytes"  # what was in its batch when that was offered
MOST_FILES_TAG, MOST_BYTES_TAG = "dreamlake/most-files", "dreamlake/most-bytes"  # what its batch may be filled up to


@runtime_checkable
class Watcher(Protocol):
    """A launcher that knows how its runs ended. Neither of these raises when somebody does not answer."""

    def has_lost(self, run: DagsterRun) -> bool:
        """Whether it is certain that nothing executes a run that was told to start a while ago, nor will."""

    def was_killed_alone(self, run: DagsterRun) -> bool:
        """Whether a signal that nobody sends on purpose ended the run's process, and no other run's at that time, as
        far as one can know."""


@runtime_checkable
class PromptLauncher(Protocol):
    """A launcher that may start runs in a moment, so that whoever submits one can wait for it."""

    def starts_at_once(self, run: DagsterRun) -> bool:
        """Whether it would now start this run in well under a second."""
