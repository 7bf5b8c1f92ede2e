"""How many runs there are at a time: what follows from the number of slots and from where runs work.

A slot is the place of one run, which works on `DREAMLAKE_WORKERS` files at a time. There are as many as the cores of
all machines that execute runs, by that number.
"""

from __future__ import annotations

from typing import Literal

Launcher = Literal["fork", "ray", "composite", "k8s", "ecs"]

# Runs that share the cores of one machine slow each other down, and none keeps another one from beginning: one owner
# has as many as there are slots, and two more owners find room beside him.
_SHARES_OF_ONE_MACHINE = 3


def most_runs(slots: int, launcher: Launcher) -> int:
    """Runs at a time in all. Where a run has its cores for itself, one beyond the slots would only wait at the cluster,
    where Dagster takes it for one that does not start."""
    return _SHARES_OF_ONE_MACHINE * slots if launcher == "fork" else slots


def start_timeout_seconds(slots: int, launcher: Launcher) -> int:
    """Seconds in which a run that was launched has to begin.

    The run server is waited for a minute at the most. Elsewhere, a process is started that imports everything, perhaps
    after its image was fetched, and the head of a cluster starts all runs of a burst one after the other.
    """
    return 90 if launcher == "fork" else 180 + 2 * slots


def cancel_timeout_seconds(launcher: Launcher) -> int:
    """Seconds after which a run that was told to end is taken for ended: 20 until it is killed, and the way there."""
    return 30 if launcher == "fork" else 60
