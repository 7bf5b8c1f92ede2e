"""What Ray costs, and what a further node brings: the same directory through several clusters, one after the other.

The files are there before the clock starts, so that no upload hides what a run's start takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.home import Home as Bench
from torture.clients import Clients
from torture.inputs import Inputs, Wave

from .home import Cluster, Say, running, wait_until
from .inputs import heavy, mixed

MOST_OVERHEAD = 1.15  # asked for by issue 15
LEAST_SPEEDUP = 1.8
_LONGEST = 3600.0
_WARM = 24  # files before those that count
_BATCHES = 8  # of transcodes, so that two nodes end at about the same time
_BATCH_FILES = 2000  # of all others: what an installation has unless it is told otherwise
_SLOTS = 2  # runs at a time of one owner, as the stack has it on two cores


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure and what is asked of it: at most so much, or at least."""

    name: str
    value: float
    most: float | None = None
    least: float | None = None

    @property
    def is_good(self) -> bool:
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    def __str__(self) -> str:
        asked = f"at most {self.most}" if self.most is not None else f"at least {self.least}"
        return f"{self.name:<40} {self.value:8.2f}   ({asked}: {'good' if self.is_good else 'MISSED'})"


def figures(folder: Path, seed: int, say: Say, *, files: int) -> list[Figure]:
    """Measure on a machine that does nothing else."""
    fork = _measure(folder / "fork", seed, say, files=files, nodes=0, slots=_SLOTS)
    ray = _measure(folder / "ray", seed, say, files=files, nodes=1, slots=_SLOTS)
    one = _measure(folder / "one", seed, say, files=files // 10, nodes=1, is_heavy=True)
    two = _measure(folder / "two", seed, say, files=files // 10, nodes=2, is_heavy=True)
    return [
        Figure(f"Ray against fork, {files} mixed files", ray / fork, most=MOST_OVERHEAD),
        Figure(f"two nodes of one core against one, {files // 10} transcodes", one / two, least=LEAST_SPEEDUP),
    ]


def _measure(
    folder: Path, seed: int, say: Say, *, files: int, nodes: int, slots: int = 1, is_heavy: bool = False
) -> float:
    """The seconds from when the pipeline was let go until all files were ready; of heavy ones, on one core a node."""
    folder.mkdir(parents=True)
    most = max(4, files // _BATCHES) if is_heavy else _BATCH_FILES
    with running(folder, seed, say, nodes=nodes, spare=0, slots=slots, batch_files=most, is_pinned=is_heavy) as cluster:
        make = heavy if is_heavy else mixed
        inputs = Inputs(folder / "inputs", seed)
        _pass(cluster, mixed(inputs, 0, _WARM), say)
        seconds = _pass(cluster, make(inputs, 1, files), say)
        say(f"{folder.name}: {files} files in {seconds:.1f} s")
        return seconds


def _pass(cluster: Cluster, wave: Wave, say: Say) -> float:
    bench = Bench(cluster.stack, cluster.world.folder, cluster.world.environment)
    bench.hold_pipeline()
    clients = Clients(cluster.world, say)
    clients.bring(wave)
    bench.release_pipeline()
    begun = time.monotonic()

    def is_ready() -> bool:
        where = "FROM bss.records WHERE owner = %s AND project = %s"
        (row,) = cluster.world.rows(
            f"SELECT count(*) FILTER (WHERE status = 'ready') AS ready, count(*) AS n {where}", wave.owner, wave.project
        )
        return bool(row["n"] >= len(wave.expected) and row["ready"] == row["n"])

    wait_until(is_ready, _LONGEST, "all files are ready")
    return time.monotonic() - begun
