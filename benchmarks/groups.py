"""Files are ready as they are made: one slow video among small files, and the counts of many small ones."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise

from . import inputs
from .home import Home
from .measure import Sample, sampling

_SOUNDS, _LABELS, _SUBTITLES = 250, 25, 25


@dataclass(slots=True)
class Mixed:
    """Of each go, when half and 95 % of the files were ready: parts of the time until the slow one was."""

    half: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    goes: list[Sample] = field(default_factory=list)


@dataclass(slots=True)
class Counted:
    """Of each go, seconds until the first file was ready, and the longest time in which no count of them changed."""

    first: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    goes: list[Sample] = field(default_factory=list)


def mixed(home: Home, *, seconds: int, repeats: int) -> Mixed:
    """Ingests 250 sounds, 50 text files and a video of so many `seconds` that has to be transcoded."""
    done = Mixed()
    for turn in range(repeats):
        folder = home.scratch / f"mixed-{turn}"
        inputs.write_wavs(folder, _SOUNDS, seed=1000 + turn)
        inputs.write_texts(folder, labels=_LABELS, subtitles=_SUBTITLES, seed=turn)
        inputs.write_mpeg4(folder / "slow.mp4", seconds, turn, home.scratch)
        times, sample = _ingest(home, folder.name, _SOUNDS + _LABELS + _SUBTITLES + 1)
        slow = times["/slow.mp4"]
        ordered = sorted(times.values())
        done.half.append(ordered[-(-len(ordered) // 2) - 1] / slow)
        done.most.append(ordered[-(-len(ordered) * 95 // 100) - 1] / slow)
        done.goes.append(sample)
    return done


def counted(home: Home, *, files: int, repeats: int) -> Counted:
    """Ingests so many small sounds on an idle stack."""
    done = Counted()
    for turn in range(repeats):
        folder = home.scratch / f"counted-{turn}"
        inputs.write_wavs(folder, files, seed=2000 + turn)
        times, sample = _ingest(home, folder.name, files)
        changes = sorted(set(times.values()))
        done.first.append(changes[0])
        done.gap.append(max(after - before for before, after in pairwise(changes)))
        done.goes.append(sample)
    return done


def _ingest(home: Home, folder: str, files: int) -> tuple[dict[str, float], Sample]:
    """Ingest a folder of the scratch and wait: seconds from the start of the command until each name was ready."""
    project = home.new_project()
    name, _, owner = project.partition("@")
    started = time.time()
    with sampling(home.root) as passed:
        home.dreamlake("ingest", home.scratch / folder, "--episode", project)
        home.wait_ready(project, files)
        sample = passed()
    with home.connect() as connection:
        rows = connection.execute(
            "SELECT name, extract(epoch FROM ready_at) FROM bss.records WHERE owner = %s AND project = %s",
            [owner, name],
        ).fetchall()
    return {name: float(ready_at) - started for name, ready_at in rows}, sample
