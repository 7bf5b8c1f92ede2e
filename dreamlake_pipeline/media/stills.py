"""Poster and contact sheet of a video, from the segments that were made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python

from . import ffmpeg, mpegts
from .segments import Written

_CELLS = 12
_COLUMNS = 4
_POSTER_HEIGHT = 720
_CELL_WIDTH = 320
_CHOSEN = "stills.m3u8"


@dataclass(frozen=True, slots=True)
class Stills:
    poster: Path | None
    contact_sheet: Path | None


def make_stills(written: Written, out: Path, subject: str) -> Stills:
    """`poster.jpg`, the most typical of some frames spread over the video, and `contact-sheet.jpg`, all of these.

    However long the video is, at most twelve segments are read, and of those the keyframes alone when they suffice.
    """
    count = len(written.paths)
    chosen = sorted({round((i + 0.5) * count / _CELLS - 0.5) for i in range(_CELLS)} & set(range(count)))
    parts = [found for i in chosen if (found := written.parts[i].of_type(mpegts.H264))]
    keyframes = sum(len(part.keyframes) for part in parts)
    keyframes_only = keyframes >= _CELLS // 2
    frames = keyframes if keyframes_only else sum(len(part.pts) for part in parts)
    cells = min(_CELLS, frames)
    (out / _CHOSEN).write_text(_playlist([written.paths[i].name for i in chosen]))
    picks = "+".join(f"eq(n,{math.floor((i + 0.5) * frames / cells)})" for i in range(cells))
    options: dict[str, Any] = {"skip_frame": "nokey"} if keyframes_only else {}
    node = ffmpeg_python.input(
        f"file:{ffmpeg.SOURCE}",
        f="hls",
        allowed_extensions="ALL",
        protocol_whitelist="file",
        format_whitelist="hls,mpegts",
        codec_whitelist="h264,aac",
        threads=ffmpeg.THREADS,
        **options,
    )
    picked = node.video.filter("select", picks).filter_multi_output("split", 2)
    poster = picked[0].filter("scale", -2, f"min({_POSTER_HEIGHT},ih)").filter("thumbnail", max(2, cells))
    columns = min(_COLUMNS, cells)
    grid = f"{columns}x{math.ceil(cells / columns)}"
    sheet = picked[1].filter("scale", f"min({_CELL_WIDTH},iw)", -2).filter("tile", grid, padding=4)
    still: dict[str, Any] = {"frames:v": 1, "update": 1, "q:v": 3, "fps_mode": "passthrough", "flags:v": "+bitexact"}
    ffmpeg.run(
        [
            ffmpeg_python.output(poster, "poster.jpg", f="image2", **still),
            ffmpeg_python.output(sheet, "contact-sheet.jpg", f="image2", **still),
        ],
        source=out / _CHOSEN,
        cwd=out,
        limits=ffmpeg.Limits(seconds=300, output_bytes=2**40),
        subject=subject,
        lenient=True,  # counters jump where segments were left out
    )
    (out / _CHOSEN).unlink()
    return Stills(_if_there(out / "poster.jpg"), _if_there(out / "contact-sheet.jpg"))


def _if_there(path: Path) -> Path | None:
    return path if path.exists() and path.stat().st_size else None


def _playlist(names: list[str]) -> str:
    """A playlist for ffmpeg's eyes only; durations play no part."""
    segments = "".join(f"#EXTINF:6.0,\n{name}\n" for name in names)
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n{segments}#EXT-X-ENDLIST\n"
