"""Rows 1 to 3, and the client's memory: from the disk to the object store, registered. The pipeline is held."""

from __future__ import annotations

import secrets

from . import inputs, yardsticks
from .home import Home
from .measure import Pairs, Sample, by_turns, sampling


def one_large_file(home: Home, *, size: int, repeats: int) -> Pairs:
    """Row 1."""
    folder = home.new_folder()

    def ours(turn: int) -> Sample:
        path = folder / f"ours-{turn}.wav"
        inputs.write_wav(path, size, seed=2 * turn)
        with sampling(home.root) as passed:
            home.dreamlake("upload", path, "--episode", home.new_project())
            sample = passed()
        path.unlink()
        return sample

    def yardstick(turn: int) -> Sample:
        path = folder / f"theirs-{turn}.wav"
        inputs.write_wav(path, size, seed=2 * turn + 1)
        with sampling(home.root) as passed:
            yardsticks.upload(home, path, f"yardstick/{secrets.token_hex(4)}/large.wav")
            sample = passed()
        path.unlink()
        return sample

    return by_turns(repeats, ours, yardstick, floors=lambda _: size / home.disk_bandwidth)


def many_small_files(home: Home, *, files: int, repeats: int) -> Pairs:
    """Row 2."""
    folder = home.new_folder()

    def ours(turn: int) -> Sample:
        inputs.write_wavs(folder / f"ours-{turn}", files, seed=2 * turn)
        with sampling(home.root) as passed:
            home.dreamlake("ingest", folder / f"ours-{turn}", "--episode", home.new_project())
            return passed()

    def yardstick(turn: int) -> Sample:
        inputs.write_wavs(folder / f"theirs-{turn}", files, seed=2 * turn + 1)
        with sampling(home.root) as passed:
            yardsticks.upload(
                home,
                folder / f"theirs-{turn}",
                f"yardstick/{secrets.token_hex(4)}/",
                workers=yardsticks.SMALL_FILE_WORKERS,
            )
            return passed()

    return by_turns(repeats, ours, yardstick, floors=lambda _: files * inputs.WAV_BYTES / home.disk_bandwidth)


def unchanged_tree(home: Home, *, files: int, repeats: int) -> Pairs:
    """Row 3: the yardstick is allowed two seconds more."""
    folder, project = home.new_folder(), home.new_project()
    inputs.write_wavs(folder, files, seed=7, size=400)
    home.dreamlake("ingest", folder, "--episode", project)

    def ours(_: int) -> Sample:
        with sampling(home.root) as passed:
            home.dreamlake("ingest", folder, "--episode", project)
            return passed()

    def yardstick(_: int) -> Sample:
        with sampling(home.root) as passed:
            yardsticks.stat_all(home, folder)
            return passed()

    return by_turns(repeats, ours, yardstick, allowance=2.0)


def memory_of_large_file(home: Home, *, size: int) -> int:
    """Peak memory in bytes of the client that uploads one file; most of it is a hole, which is read as zeros."""
    path = home.new_folder() / "sparse.mp4"
    inputs.write_sparse_mp4(path, size, home.scratch)
    peak = home.peak_of_dreamlake("upload", path, "--episode", home.new_project())
    path.unlink()
    return peak


def memory_of_small_files(home: Home, *, files: int) -> int:
    """Peak memory in bytes of the client that ingests so many files."""
    folder = home.new_folder()
    inputs.write_wavs(folder, files, seed=11, per_folder=1000, size=400)
    return home.peak_of_dreamlake("ingest", folder, "--episode", home.new_project())
