"""Poster and contact sheet of a video, from the segments that were made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python

from ..containers import mpegts
from ..hls.segments import Written
from ..run import ffmpeg

_CELLS = 12
_COLUMNS = 4
_ENOUGH = 6  # frames to choose from
_POSTER_HEIGHT = 720
_CELL_WIDTH = 320
_CHOSEN = "stills.ts"


@dataclass(frozen=True, slots=True)
class Stills:
    poster: Path | None
    contact_sheet: Path | None


def make_stills(written: Written, out: Path, subject: str) -> Stills:
    """`poster.jpg`, the most typical of some frames spread over the video, and `contact-sheet.jpg`, all of these.

    However long the video is, little is decoded of it: the first picture of twelve segments, or the keyframes of a
    few. Only a video of a single keyframe, which lasts some seconds, is decoded whole: one picture says little of it.
    """
    chosen = spread(len(written.files))
    frames, options = len(chosen), {}
    heads_alone = frames >= _ENOUGH
    if not heads_alone:
        pictures = [part.of_type(mpegts.H264) or mpegts.Elementary(0, 0) for part in written.parts]
        frames, options = sum(len(found.keyframes) for found in pictures), {"skip_frame": "nokey"}
        if frames == 1:
            frames, options = sum(len(found.pts) for found in pictures), {}
    _cut(written, chosen, out / _CHOSEN, heads_alone=heads_alone)
    node = ffmpeg.source_input("mpegts", threads=1 if options else ffmpeg.THREADS, **options)
    return draw(node, frames, out / _CHOSEN, out, subject)


def draw(node: Any, frames: int, chosen: Path, out: Path, subject: str) -> Stills:
    """The stills of the `frames` pictures of a file, which is deleted then; `node` is the input that reads it."""
    picked_frames = spread(frames)
    cells, picks = len(picked_frames), "+".join(f"eq(n,{n})" for n in picked_frames)
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
        source=chosen,
        cwd=out,
        limits=ffmpeg.Limits(seconds=300, output_bytes=2**40),
        subject=subject,
        lenient=True,  # counters jump where segments were left out
    )
    chosen.unlink()
    return Stills(_if_there(out / "poster.jpg"), _if_there(out / "contact-sheet.jpg"))


def spread(count: int) -> list[int]:
    """Up to twelve of `count` things, evenly spread."""
    cells = min(_CELLS, count)
    return [math.floor((i + 0.5) * count / cells) for i in range(cells)]


def _cut(written: Written, chosen: list[int], path: Path, *, heads_alone: bool) -> None:
    """One file of the chosen segments, or of the packets up to the end of their first pictures."""
    with path.open("wb") as file:
        for i in chosen:
            with written.files[i].path.open("rb") as segment:
                file.write(segment.read(written.parts[i].head_packets * mpegts.PACKET if heads_alone else -1))


def _if_there(path: Path) -> Path | None:
    return path if path.exists() and path.stat().st_size else None
