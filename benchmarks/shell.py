"""The yardstick of directories: s5cmd up, ffmpeg and DuckDB, s5cmd up, COPY, as one would write it for a shell."""

from __future__ import annotations

import secrets
import shlex
import sys
from pathlib import Path

from dreamlake_pipeline.media.run.ffmpeg import THREADS
from dreamlake_pipeline.media.video.transcode import CRF, KEYFRAME_SECONDS, PRESET, X264

from . import yardsticks
from .home import Home
from .measure import cores, run, sampling

_HLS = "-f hls -hls_time 6 -hls_playlist_type vod"
# What ffmpeg is told between a video and its playlist.
COPY = "-c copy"
COPY_TO_CMAF = "-c copy -hls_segment_type fmp4"
TRANSCODE = (  # with the settings of the pipeline's own
    f"-threads {THREADS} -c:v libx264 -preset {PRESET} -crf {CRF} -x264-params {X264} -pix_fmt yuv420p"
    f" -force_key_frames 'expr:gte(t,n_forced*{KEYFRAME_SECONDS})' -sc_threshold 0 -g 9999"
)

_SOUNDS = "-c:a aac"
# DuckDB uses all cores for one file; starting a process for each would cost more than it does.
_LABELS = """
import sys
from pathlib import Path
import duckdb
source, out = map(Path, sys.argv[1:])
for path in sorted(source.rglob("*")):
    if path.suffix in (".csv", ".jsonl"):
        target = out / path.relative_to(source).with_suffix(path.suffix + ".parquet")
        target.parent.mkdir(parents=True, exist_ok=True)
        read = "read_csv" if path.suffix == ".csv" else "read_json"
        duckdb.sql(f"COPY (FROM {read}('{path}')) TO '{target}' (FORMAT parquet)")
"""


def store_and_make(home: Home, source: Path, *, video: str = COPY) -> int:
    """All files below `source` stored, and then `make_and_store`. Bytes that were stored."""
    yardsticks.upload(home, source, f"yardstick/{secrets.token_hex(4)}/", workers=yardsticks.SMALL_FILE_WORKERS)
    return _bytes(source) + make_and_store(home, source, video=video)


def make_and_store(home: Home, source: Path, *, video: str = COPY) -> int:
    """What plays is made of all files below `source` and stored; Postgres is told of each. Bytes that were stored."""
    name = secrets.token_hex(4)
    made, out = f"yardstick/{name}/", source.with_name(f"{source.name}-made")
    make(home, source, out, video=video)
    yardsticks.upload(home, out, made, workers=yardsticks.SMALL_FILE_WORKERS)
    sources = [path for path in sorted(source.rglob("*")) if path.is_file()]
    with home.connect() as connection:
        table = f"yardstick_{name}"
        connection.execute(f"CREATE TABLE {table} (path text PRIMARY KEY, made text, bytes bigint)")
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for path in sources:
                relative = str(path.relative_to(source))
                copy.write_row((relative, f"{made}{relative}", path.stat().st_size))
    return _bytes(out)


def make(home: Home, source: Path, out: Path, *, video: str) -> None:
    """Playlists of videos and sounds, WebVTT, Parquet below `out`."""
    out.mkdir()
    each = f"""
        case "$1" in
        *.wav) mkdir -p "$2/$1" && {_ffmpeg()} -i "$1" {_SOUNDS} {_HLS} "$2/$1/index.m3u8" ;;
        *.srt) mkdir -p "$2/$(dirname "$1")" && {_ffmpeg()} -i "$1" "$2/$1.vtt" ;;
        *.avi) mkdir -p "$2/$1" && {_ffmpeg()} -i "$1" {TRANSCODE} {_HLS} "$2/$1/index.m3u8" ;; # plays in no browser
        *) mkdir -p "$2/$1" && {_ffmpeg()} -i "$1" {video} {_HLS} "$2/$1/index.m3u8" ;;
        esac"""
    _each(home, source, each, out)
    labels = [path for path in source.rglob("*") if path.suffix in (".csv", ".jsonl")]
    if labels:
        command: list[str | Path] = [sys.executable, "-I", "-c", _LABELS, source, out]
        run(command, environment=home.environment, folder=home.scratch)


def decode_and_encode(home: Home, source: Path) -> float:
    """Seconds in which all cores decode the videos below `source` and encode them as `TRANSCODE` says, for nobody."""
    with sampling(home.root) as passed:
        _each(home, source, f'{_ffmpeg()} -i "$1" {TRANSCODE} -f null -', source)
        return passed().seconds


def _each(home: Home, source: Path, command: str, out: Path) -> None:
    """A shell's command for each file but labels, as many at a time as there are cores: `$1` is the path, `$2` is
    `out`."""
    find = r"find . -type f ! -name '*.csv' ! -name '*.jsonl' -printf '%P\0'"
    every = f"xargs -0 -r -P{cores()} -I{{}} sh -c {shlex.quote(command)} sh {{}} {shlex.quote(str(out))}"
    whole = f"cd {shlex.quote(str(source))} && {find} | {every}"
    run(["sh", "-c", whole], environment=home.environment, folder=home.scratch)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _ffmpeg() -> str:
    return f"{shlex.quote(str(yardsticks.ffmpeg()))} -nostdin -v error"
