"""The other side: what one would write by hand over s5cmd, ffmpeg, find and psql."""

from __future__ import annotations

import os
import shlex
import shutil
from functools import cache
from pathlib import Path

from dreamlake_pipeline.stack.state import BUCKET

from .home import BIN, Home
from .measure import BenchmarkError, run

SMALL_FILE_WORKERS = 32


@cache
def ffmpeg() -> Path:
    """The same build that the pipeline uses."""
    import imageio_ffmpeg

    return Path(imageio_ffmpeg.get_ffmpeg_exe())


@cache
def s5cmd() -> Path:
    found = BIN / "s5cmd" if (BIN / "s5cmd").exists() else shutil.which("s5cmd")
    if not found:
        raise BenchmarkError("s5cmd is missing: `make setup` installs it with everything else.")
    return Path(found)


def check() -> None:
    """Raise BenchmarkError that names what this machine lacks."""
    s5cmd()
    for tool in ("find", "xargs", "stat", "sh"):
        if shutil.which(tool) is None:
            raise BenchmarkError(f"{tool} is missing.")


def upload(home: Home, source: Path, key: str, *, workers: int | None = None) -> None:
    """`s5cmd cp` of a file, or of what is in a folder, to the stack's bucket."""
    run(_s5cmd(home, _copy(source, f"s3://{BUCKET}/{key}"), workers), environment=home.environment, folder=home.scratch)


def download(home: Home, keys: str, folder: Path, *, workers: int) -> None:
    """`s5cmd cp` of the objects whose keys match, from the stack's bucket to a folder."""
    copy: list[str | Path] = ["cp", f"s3://{BUCKET}/{keys}", f"{folder}/"]
    run(_s5cmd(home, copy, workers), environment=home.environment, folder=home.scratch)


def stat_all(home: Home, folder: Path) -> None:
    """`find` and `stat` of every file."""
    run(
        [
            "sh",
            "-c",
            f"find {shlex.quote(str(folder))} -type f -print0 | xargs -0 stat --format '%n %s %Y' > /dev/null",
        ],
        environment=os.environ,
        folder=home.scratch,
    )


def video_pipeline(home: Home, key: str, folder: Path, target: str) -> None:
    """Download with s5cmd, HLS with `ffmpeg -c copy`, upload of the result with s5cmd."""
    folder.mkdir()
    environment, scratch = home.environment, home.scratch
    run(_s5cmd(home, ["cp", f"s3://{BUCKET}/{key}", folder / "in.mp4"]), environment=environment, folder=scratch)
    (folder / "out").mkdir()
    make: list[str | Path] = [
        *(ffmpeg(), "-nostdin", "-v", "error", "-i", folder / "in.mp4", "-map", "0", "-map_metadata", "-1"),
        *("-c", "copy", "-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod", folder / "out" / "index.m3u8"),
    ]
    run(make, environment=environment, folder=scratch)
    upload(home, folder / "out", target, workers=SMALL_FILE_WORKERS)
    shutil.rmtree(folder)


def _copy(source: Path, url: str) -> list[str | Path]:
    return ["cp", f"{source}/" if source.is_dir() else source, url]


def _s5cmd(home: Home, command: list[str | Path], workers: int | None = None) -> list[str | Path]:
    options: list[str | Path] = ["--numworkers", str(workers)] if workers else []
    return [s5cmd(), "--log", "error", "--endpoint-url", home.environment["AWS_ENDPOINT_URL"], *options, *command]
