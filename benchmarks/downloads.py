"""Rows out-large and out-many: from the object store to the disk, verified. The pipeline is held."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import inputs, yardsticks
from .home import Home
from .measure import Pairs, Sample, by_turns, sampling


def one_large_file(home: Home, *, size: int, repeats: int) -> Pairs:
    """Row out-large."""
    return _fetch(home, repeats, lambda folder: inputs.write_wav(folder / "large.wav", size, seed=31))


def many_small_files(home: Home, *, files: int, repeats: int) -> Pairs:
    """Row out-many."""
    return _fetch(home, repeats, lambda folder: inputs.write_wavs(folder, files, seed=32))


def _fetch(home: Home, repeats: int, write: Callable[[Path], object]) -> Pairs:
    """Store a project, and fetch all of it, each time into a new folder: by its names, and by the keys of its
    objects."""
    folder, project = home.new_folder(), home.new_project()
    write(folder)
    home.dreamlake("ingest", folder, "--episode", project)
    name, _, owner = project.partition("@")

    def ours(turn: int) -> Sample:
        with sampling(home.root) as passed:
            home.dreamlake("download", project, "-o", folder.with_name(f"{folder.name}-ours-{turn}"))
            return passed()

    def yardstick(turn: int) -> Sample:
        target = folder.with_name(f"{folder.name}-theirs-{turn}")
        with sampling(home.root) as passed:
            yardsticks.download(home, f"{owner}/{name}/staging/*", target, workers=yardsticks.SMALL_FILE_WORKERS)
            return passed()

    return by_turns(repeats, ours, yardstick)
