"""What is measured: the rows of the table in docs/performance.md, with their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["ratio", "s", "MB"]


@dataclass(frozen=True, slots=True)
class Row:
    """`target` is the most that a value may be. Ratios and costs are held to it by their median, bounds by the
    greatest value that was seen."""

    key: str
    work: str
    yardstick: str
    target: float
    unit: Unit = "ratio"
    is_bound: bool = False

    @property
    def limit(self) -> str:
        return f"≤ {show(self.target, self.unit)}"


def show(value: float, unit: Unit) -> str:
    """A value as the table has it."""
    match unit:
        case "ratio":
            return f"{value:.2f}"
        case "MB":
            return f"{value:.0f} MB"
        case "s":
            return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s"


_EMPTY_RUN = "a run of an empty asset, by a sensor and the default launcher"
_SHELL = "s5cmd up, {}, s5cmd up, COPY into Postgres"

ROWS = (
    Row("1", "upload one 1 GiB file, hashing included", "`s5cmd cp` of it", 1.00),
    Row("2", "upload and register 3,000 small WAVs", "`s5cmd cp DIR/` of them, 32 workers", 1.00),
    Row("3", "second ingest of an unchanged tree of 10,000 files", "`find` and `stat` of it, plus 2 s", 1.5),
    Row("out-large", "download a project of one 1 GiB file, SHA-256 verified", "`s5cmd cp` of the same object", 1.2),
    Row(
        "out-many",
        "download a project of 3,000 small WAVs, SHA-256 verified",
        "`s5cmd cp` of the same objects, 32 workers",
        1.2,
    ),
    Row(
        "4",
        "HLS of an H.264 file of 500 MB, staged to published, inside one run",
        "download with s5cmd, `ffmpeg -c copy -f hls`, upload with s5cmd",
        1.25,
    ),
    Row(
        "5",
        "3,000 small WAVs: staged to ready and indexed",
        "`xargs -P2` of ffmpeg to AAC HLS, s5cmd up, COPY into Postgres",
        1.0,
    ),
    Row("6", "Dagster's and BSS's own cost per file in 5 (no-op media)", "one run per file: 6.9 s", 0.005, "s"),
    Row("7", "register 100,000 assets over 10,000 folders in the index", "COPY of the same rows", 4.0),
    Row(
        "8",
        "one file: upload finished to playable, idle stack",
        _EMPTY_RUN,
        0.25,
    ),
    Row(
        "9",
        "400 camera clips of 100 episodes (H.264, 640x480, 6 s, one keyframe): directory to ready",
        _SHELL.format("`xargs` of `ffmpeg -c copy -f hls`"),
        1.5,
    ),
    Row(
        "10",
        "40 such clips in AV1 (a keyframe each second picture), Motion JPEG, HEVC, VP9: directory to ready",
        _SHELL.format("`xargs` of ffmpeg to HLS with the same x264 settings"),
        1.05,
    ),
    Row(
        "11",
        "the same 40 clips by `--playback modern`: directory to ready",
        _SHELL.format("`xargs` of `ffmpeg -c copy -f hls -hls_segment_type fmp4`, Motion JPEG as in row 10"),
        1.5,
    ),
    Row("12", "3,000 small WAVs: directory to ready", _SHELL.format("`xargs` of ffmpeg to AAC HLS"), 0.70),
    Row(
        "13",
        "300 label files of 20,000 rows x 12 fields, CSV and JSON Lines: directory to ready",
        _SHELL.format("DuckDB's `COPY` to Parquet in one process"),
        1.3,
    ),
    Row(
        "14",
        "50 episodes of 4 cameras, 2 microphones, 3 label files, 1 subtitle file: directory to ready",
        _SHELL.format("`xargs` of ffmpeg, DuckDB"),
        1.0,
    ),
    Row("15", "one file, `dreamlake upload --wait` from its start to its end, idle stack", _EMPTY_RUN, 0.35),
    Row(
        "half",
        "250 sounds, 50 text files, a video of a minute's transcoding in one ingest: half of them ready",
        "the video ready",
        0.35,
    ),
    Row("most", "the same: 95 % ready", "the video ready", 0.5),
    Row("first", "2,000 small WAVs: start of `dreamlake ingest` to the first one ready", "", 3.0, "s"),
    Row("gap", "the same: longest time without a change of how many are ready", "", 2.0, "s"),
    Row("project", "page of a project of 1,000 episodes and 100,000 files in the viewer", "", 0.3, "s"),
    Row(
        "episode",
        "an episode of 8 cameras of 60 s and 10 label tracks in Chromium: every camera can play",
        "",
        1.5,
        "s",
    ),
    Row("frames", "the same: all cameras have shown a frame", "", 3.0, "s"),
    Row("curves", "label track of 1,000,000 entries x 20 fields: first plot of all, 1,000 pixels", "", 0.2, "s"),
    Row("zoom", "the same: plot of a part, from half to a thousandth", "", 0.1, "s"),
    Row("growth", "cost per file at the most files to that at 1,000 (no-op media)", "itself", 1.2),
    Row("tick-100k", "sensor tick with nothing new, 100,000 staged objects", "", 1.0, "s", is_bound=True),
    Row("tick-1m", "sensor tick with nothing new, 1,000,000 staged objects", "", 60.0, "s", is_bound=True),
    Row("client-large", "client memory, one file of 5 GB", "", 200, "MB", is_bound=True),
    Row("client-many", "client memory, 100,000 small files", "", 200, "MB", is_bound=True),
    Row("worker", "worker memory of a running batch (rows 4 and 5)", "", 600, "MB", is_bound=True),
)
BY_KEY = {row.key: row for row in ROWS}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. The targets hold for the default; less is for trying the benchmarks themselves."""

    large_file: int = 2**30
    small_files: int = 3_000
    tree_files: int = 10_000
    video: int = 500_000_000
    clip_episodes: int = 100
    foreign_clips: int = 40
    label_files: int = 300
    label_rows: int = 20_000
    mixed_episodes: int = 50
    slow_seconds: int = 150
    counted_files: int = 2_000
    assets: int = 100_000
    folders: int = 10_000
    page_episodes: int = 1_000
    page_files: int = 100_000
    curve_entries: int = 1_000_000
    curve_fields: int = 20
    opened_cameras: int = 8
    opened_labels: int = 10
    opened_seconds: int = 60
    growth: tuple[int, ...] = (1_000, 10_000)
    ticks: tuple[int, ...] = (100_000, 1_000_000)
    tick_watch: float = 30.0
    memory_file: int = 5_000_000_000
    memory_files: int = 10_000
    repeats: int = 3


STANDARD = Sizes()
# What takes more than the twenty minutes of a standard run.
FULL = Sizes(growth=(1_000, 10_000, 100_000), memory_files=100_000)
QUICK = Sizes(
    large_file=2**28,
    small_files=500,
    tree_files=1_000,
    video=100_000_000,
    clip_episodes=6,
    foreign_clips=4,
    label_files=20,
    mixed_episodes=4,
    slow_seconds=40,
    counted_files=500,
    curve_entries=100_000,
    assets=10_000,
    folders=1_000,
    page_episodes=100,
    page_files=2_000,
    opened_cameras=4,
    opened_seconds=10,
    growth=(200, 1_000),
    ticks=(10_000, 50_000),
    tick_watch=8.0,
    memory_file=500_000_000,
    memory_files=2_000,
    repeats=2,
)
