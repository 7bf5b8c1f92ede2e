"""`python -m benchmarks`: see `make bench`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType

from dreamlake_pipeline.errors import DreamlakeError

from . import (
    batches,
    curves,
    directories,
    document,
    downloads,
    groups,
    index,
    latency,
    opened,
    overhead,
    pages,
    plots,
    ticks,
    uploads,
    yardsticks,
)
from .home import REPOSITORY, Home, running
from .measure import BenchmarkError, Pairs
from .results import Report, Result
from .rows import BY_KEY, FULL, QUICK, STANDARD

OUTPUT = REPOSITORY / "build" / "bench"
IMAGES = REPOSITORY / "docs" / "images"
_MB = 1e6


def main() -> int:
    """Measure, print, write. 1 when a measurement failed; a ratio that is not reached is no failure."""
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yardsticks.check()
        report = Report(options.sizes, is_comparable=not options.quick)
        print(", ".join(f"{name} {value}" for name, value in report.machine.items()))
        with tempfile.TemporaryDirectory(prefix="dreamlake-bench-", ignore_cleanup_errors=True) as root:
            for result in _measure(report, options.rows, Path(root)):
                print(result.line, flush=True)
                report.results.append(result)
                report.write(OUTPUT / "results.json")
            _publish(report, options)
            print("deleting what was written, which may take minutes", flush=True)
    except (BenchmarkError, DreamlakeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing was left running", file=sys.stderr)
        return 130
    return 0


def _publish(report: Report, options: argparse.Namespace) -> None:
    """Draw the curves, refresh the document, say where all is."""
    images = IMAGES if options.document else OUTPUT
    if report.growth:
        plots.draw_growth(report.growth, images / "growth.png")
    if report.ticks:
        plots.draw_ticks(report.ticks, images / "ticks.png")
    if options.document:
        document.refresh(report)
    if options.quick:
        print("These are small sizes and few repeats: the figures are not comparable with the targets.")
    print(f"Written to {OUTPUT}{' and docs/performance.md' if options.document else ''}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios to what a shell script takes.")
    parser.add_argument("--rows", default=",".join(BY_KEY), help="which, by the table's first column; all by default")
    parser.add_argument("--repeats", type=int, help="goes at each side")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    how.add_argument("--full", action="store_true", help="also what takes longer: 100,000 files, real and no-op")
    parser.add_argument("--document", action="store_true", help="refresh docs/performance.md and its images")
    options = parser.parse_args()
    options.rows = options.rows.split(",")
    if unknown := [key for key in options.rows if key not in BY_KEY]:
        parser.error(f"no such rows: {', '.join(unknown)}; there are {', '.join(BY_KEY)}")
    options.sizes = QUICK if options.quick else FULL if options.full else STANDARD
    if options.repeats:
        options.sizes = replace(options.sizes, repeats=options.repeats)
    return options


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _measure(report: Report, rows: list[str], root: Path) -> Iterator[Result]:
    """Rows that can share a stack share it; each group's is down before the next one's starts.

    What they wrote stays below `root` until the end: ext4 without a journal gives the inodes of files that were deleted
    in the last minutes to nobody, and looks at each of them for every new file.
    """
    for group in (_idle, _directories, _held, _without_media, _with_many_objects):
        yield from group(report, rows, root / group.__name__)


def _idle(report: Report, rows: list[str], folder: Path) -> Iterator[Result]:
    """On a stack whose pipeline runs, and is held while something is uploaded for it."""
    sizes = report.sizes
    asked = set(rows)
    if (
        not {"4", "5", "8", "15", "worker", "half", "most", "first", "gap", "episode", "frames", "curves", "zoom"}
        & asked
    ):
        return
    with running(folder) as home:
        if {"8", "15"} & asked:
            one = latency.one_file(home, repeats=sizes.repeats + 2)
            yield Result.of_pairs("8", one.ready)
            yield Result.of_pairs("15", one.command)
        if {"first", "gap"} & asked:
            counted = groups.counted(home, files=sizes.counted_files, repeats=sizes.repeats)
            yield Result("first", counted.first, ours=counted.goes)
            yield Result("gap", counted.gap)
        if {"half", "most"} & asked:
            mixed = groups.mixed(home, seconds=sizes.slow_seconds, repeats=sizes.repeats)
            yield Result("half", mixed.half, ours=mixed.goes)
            yield Result("most", mixed.most)
        if {"curves", "zoom"} & asked:
            drawn = curves.shown(home, entries=sizes.curve_entries, fields=sizes.curve_fields, repeats=sizes.repeats)
            yield Result("curves", drawn.whole)
            yield Result("zoom", drawn.part)
        if {"episode", "frames"} & asked:
            seen = opened.opened(
                home,
                cameras=sizes.opened_cameras,
                labels=sizes.opened_labels,
                seconds=sizes.opened_seconds,
                repeats=sizes.repeats + 2,
            )
            yield Result("episode", seen.ready)
            yield Result("frames", seen.frames)
        home.hold_pipeline()
        peaks = []
        if {"4", "worker"} & asked:
            done = batches.video(home, size=sizes.video, repeats=sizes.repeats)
            peaks.append(done.peak_bytes / _MB)
            yield Result.of_pairs("4", done.pairs)
        if {"5", "worker"} & asked:
            done = batches.small_audio(home, files=sizes.small_files, repeats=sizes.repeats)
            peaks.append(done.peak_bytes / _MB)
            yield Result.of_pairs("5", done.pairs)
        if peaks:
            yield Result("worker", peaks)


def _directories(report: Report, rows: list[str], folder: Path) -> Iterator[Result]:
    """On a stack whose pipeline runs: from a directory to ready."""
    sizes, repeats = report.sizes, report.sizes.repeats
    measured: dict[str, Callable[[Home], Pairs]] = {
        "9": lambda home: directories.camera_clips(home, episodes=sizes.clip_episodes, repeats=repeats),
        "10": lambda home: directories.clips_to_transcode(home, clips=sizes.foreign_clips, repeats=repeats),
        "11": lambda home: directories.clips_to_copy(home, clips=sizes.foreign_clips, repeats=repeats),
        "12": lambda home: directories.small_audio(home, files=sizes.small_files, repeats=repeats),
        "13": lambda home: directories.label_files(
            home, files=sizes.label_files, rows=sizes.label_rows, repeats=repeats
        ),
        "14": lambda home: directories.episodes(home, episodes=sizes.mixed_episodes, repeats=repeats),
    }
    if not measured.keys() & set(rows):
        return
    with running(folder) as home:
        directories.wake(home)
        for key, measure in measured.items():
            if key in rows:
                yield Result.of_pairs(key, measure(home))


def _held(report: Report, rows: list[str], folder: Path) -> Iterator[Result]:
    """On a stack whose pipeline is held all the time."""
    sizes = report.sizes
    if not {"1", "2", "3", "out-large", "out-many", "7", "client-large", "client-many", "project"} & set(rows):
        return
    with running(folder) as home:
        home.hold_pipeline()
        if "7" in rows:
            pairs = index.register(
                home.postgres_url,
                assets=sizes.assets,
                folders=sizes.folders,
                repeats=sizes.repeats,
                server=home.root,
            )
            yield Result.of_pairs("7", pairs)
        if "project" in rows:
            seconds = pages.project_seconds(home, episodes=sizes.page_episodes, files=sizes.page_files)
            yield Result("project", seconds, note=f" [{sizes.page_files:,} files]")
        if "1" in rows:
            yield Result.of_pairs("1", uploads.one_large_file(home, size=sizes.large_file, repeats=sizes.repeats))
        if "2" in rows:
            yield Result.of_pairs("2", uploads.many_small_files(home, files=sizes.small_files, repeats=sizes.repeats))
        if "3" in rows:
            yield Result.of_pairs("3", uploads.unchanged_tree(home, files=sizes.tree_files, repeats=sizes.repeats))
        if "out-large" in rows:
            pairs = downloads.one_large_file(home, size=sizes.large_file, repeats=sizes.repeats)
            yield Result.of_pairs("out-large", pairs)
        if "out-many" in rows:
            pairs = downloads.many_small_files(home, files=sizes.small_files, repeats=sizes.repeats)
            yield Result.of_pairs("out-many", pairs)
        if "client-large" in rows:
            peak = uploads.memory_of_large_file(home, size=sizes.memory_file)
            yield Result("client-large", [peak / _MB], note=f" [{sizes.memory_file / 1e9:.1f} GB]")
        if "client-many" in rows:
            peak = uploads.memory_of_small_files(home, files=sizes.memory_files)
            yield Result("client-many", [peak / _MB], note=f" [{sizes.memory_files:,} files]")


def _without_media(report: Report, rows: list[str], folder: Path) -> Iterator[Result]:
    sizes = report.sizes
    if not {"6", "growth"} & set(rows):
        return
    with running(folder, definitions=overhead.DEFINITIONS) as home:
        home.hold_pipeline()
        if "6" in rows:
            goes = [overhead.process(home, files=sizes.small_files) for _ in range(sizes.repeats)]
            yield Result("6", [go.seconds / sizes.small_files for go in goes], ours=goes)
        if "growth" in rows:
            for files in sizes.growth:
                # A small number passes quickly, and is what everything is held against.
                repeats = sizes.repeats if files < 10_000 else 1
                goes = [overhead.process(home, files=files) for _ in range(repeats)]
                report.growth[files] = [go.seconds / files for go in goes]
                print(f"{'':<13}{files:,} files: {report.growth[files]} s per file", flush=True)
            first, last = report.growth[sizes.growth[0]], report.growth[sizes.growth[-1]]
            yield Result("growth", [cost / sorted(first)[len(first) // 2] for cost in last], note=f" [{files:,} files]")


def _with_many_objects(report: Report, rows: list[str], folder: Path) -> Iterator[Result]:
    sizes = report.sizes
    wanted = [(key, count) for key, count in zip(("tick-100k", "tick-1m"), sizes.ticks, strict=True) if key in rows]
    if not wanted:
        return
    # A tick waits for a batch, which is no work, and would hide how long the work takes.
    with running(folder, DREAMLAKE_SENSOR_WAIT="0") as home:
        home.hold_pipeline()
        staged = 0
        for key, count in wanted:
            ticks.stage_known(home, range(staged, count))
            staged = count
            report.ticks[count] = list(ticks.tick_seconds(home, watch=sizes.tick_watch))
            yield Result(key, report.ticks[count], note=f" [{count:,} objects, {len(report.ticks[count])} ticks]")


if __name__ == "__main__":
    sys.exit(main())
