"""Rows 9 to 14: a directory, from the start of `dreamlake ingest --wait` to its end, when all is ready."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import inputs, recordings, shell
from .home import Home
from .measure import Pairs, Sample, by_turns, sampling

_Write = Callable[[Path, int], int]


def camera_clips(home: Home, *, episodes: int, repeats: int) -> Pairs:
    """Row 9."""

    def write(folder: Path, turn: int) -> int:
        recordings.write_camera_clips(folder, episodes, turn)
        return _count(folder)

    return _by_turns(home, write, repeats)


def clips_to_transcode(home: Home, *, clips: int, repeats: int) -> Pairs:
    """Row 10. Its floor is x264 over all pictures, with the same settings and no output."""

    def write(folder: Path, turn: int) -> int:
        recordings.write_clips_to_transcode(folder, clips, turn)
        return _count(folder)

    return _by_turns(home, write, repeats, video=shell.TRANSCODE, floor=shell.decode_and_encode)


def clips_to_copy(home: Home, *, clips: int, repeats: int) -> Pairs:
    """Row 11: the clips of row 10, which browsers of today play as they are but for Motion JPEG."""

    def write(folder: Path, turn: int) -> int:
        recordings.write_clips_to_transcode(folder, clips, 100 + turn)
        return _count(folder)

    return _by_turns(home, write, repeats, video=shell.COPY_TO_CMAF, options=("--playback", "modern"))


def small_audio(home: Home, *, files: int, repeats: int) -> Pairs:
    """Row 12."""

    def write(folder: Path, turn: int) -> int:
        inputs.write_wavs(folder, files, seed=5000 + turn)
        return files

    return _by_turns(home, write, repeats)


def label_files(home: Home, *, files: int, rows: int, repeats: int) -> Pairs:
    """Row 13."""

    def write(folder: Path, turn: int) -> int:
        recordings.write_label_files(folder, files, rows, turn)
        return files

    return _by_turns(home, write, repeats)


def episodes(home: Home, *, episodes: int, repeats: int) -> Pairs:
    """Row 14."""
    return _by_turns(home, lambda folder, turn: recordings.write_episodes(folder, episodes, turn), repeats)


def _by_turns(
    home: Home,
    write: _Write,
    repeats: int,
    *,
    video: str = shell.COPY,
    options: tuple[str, ...] = (),
    floor: Callable[[Home, Path], float] | None = None,
) -> Pairs:
    """Both sides work on the same files: what one of them stored is nothing that the other one finds.

    Without a `floor` of its own, a row's is the time in which the disk takes the files and what the shell made of them.
    """
    folders: dict[int, Path] = {}
    written: dict[int, int] = {}

    def ours(turn: int) -> Sample:
        folders[turn] = home.new_folder()
        files = write(folders[turn] / "in", turn)
        project = home.new_project()
        with sampling(home.root) as passed:
            where = ("--episode", project, "--episode-per-folder")
            home.dreamlake("ingest", folders[turn] / "in", *where, *options, "--wait")
            sample = passed()
        home.wait_ready(project, files)
        return sample

    def yardstick(turn: int) -> Sample:
        source = folders[turn] / "in"
        with sampling(home.root) as passed:
            written[turn] = shell.store_and_make(home, source, video=video)
            return passed()

    def seconds_at_least(turn: int) -> float:
        return floor(home, folders[turn] / "in") if floor else written[turn] / home.disk_bandwidth

    return by_turns(repeats, ours, yardstick, floors=seconds_at_least)


def wake(home: Home) -> None:
    """Have one file processed: what the services load once is no part of any go."""
    folder = home.new_folder()
    inputs.write_wavs(folder, 1, seed=4999)
    home.dreamlake("ingest", folder, "--episode", home.new_project(), "--wait")


def _count(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
