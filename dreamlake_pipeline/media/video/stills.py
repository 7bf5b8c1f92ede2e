"""Poster and contact sheet of a video, decoded from the segments that were made of it.

In this process, like the first picture of the file (containers/scan.py): to start ffmpeg would cost more than the few
pictures that are needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
import av.filter
from av.codec.context import CodecContext, Flags
from av.packet import Packet
from av.video.frame import VideoFrame

from ..containers import mpegts
from ..containers.bounds import MAX_PIXELS
from ..hls.segments import Written
from ..results import RawSegment

_CELLS = 12
_COLUMNS = 4
_ENOUGH = 6  # segments to choose from
_POSTER_HEIGHT = 720
_CELL_WIDTH = 320
_PADDING = 4  # pixels between cells
_QUALITY = 3  # of JPEG: the quantizer's scale, 2 to 31
_CLOCK = Fraction(1, mpegts.CLOCK)


@dataclass(frozen=True, slots=True)
class Stills:
    """JPEGs; None of a video of which no picture could be decoded, and no contact sheet of a single picture."""

    poster: bytes | None
    contact_sheet: bytes | None


def make_stills(written: Written) -> Stills:
    """A poster, the most typical of some pictures spread over the video, and a contact sheet, all of these.

    However long the video is, what is decoded of it is what is shown: the first picture of twelve segments, or some of
    the keyframes of a few. A video of a single keyframe lasts some seconds, and to show a second picture of it would be
    to decode it whole, which takes three times as long as all else that is done with it.
    """
    return drawn(_chosen(written))


def drawn(chosen: Iterable[VideoFrame]) -> Stills:
    """Poster and contact sheet of up to twelve pictures: nothing of none, and a poster alone of one."""
    # Large pictures are made smaller as they come: twelve of them would be gigabytes.
    pictures = list(_filtered(_numbered(chosen), ("scale", f"-2:min({_POSTER_HEIGHT}\\,ih)")))
    if not pictures:
        return Stills(None, None)
    if len(pictures) == 1:
        return Stills(_jpeg(pictures[0]), None)
    cells = list(_filtered(pictures, ("scale", f"min({_CELL_WIDTH}\\,iw):-2")))
    typical = next(_filtered(cells, ("thumbnail", str(len(cells)))))
    columns = min(_COLUMNS, len(cells))
    grid = f"{columns}x{math.ceil(len(cells) / columns)}:padding={_PADDING}"
    return Stills(_jpeg(pictures[typical.pts or 0]), _jpeg(next(_filtered(cells, ("tile", grid)))))


def _chosen(written: Written) -> Iterator[VideoFrame]:
    """Up to twelve pictures, evenly spread."""
    segments = spread(len(written.files))
    if len(segments) >= _ENOUGH:
        yield from _decoded(_first_picture(written, n) for n in segments)
        return
    keyframes = [(n, number) for n in segments for number in range(len(_pictures(written, n).keyframes))]
    wanted = {keyframes[place] for place in spread(len(keyframes))}
    yield from _decoded(_keyframes(written, wanted))


def _pictures(written: Written, n: int) -> mpegts.Elementary:
    return written.parts[n].of_type(mpegts.H264) or mpegts.Elementary(0, 0)


def _first_picture(written: Written, n: int) -> mpegts.AccessUnit:
    part = written.parts[n]
    data = _read(written.files[n], part.head_packets * mpegts.PACKET)
    return next(mpegts.access_units(data, _pictures(written, n).pid))


def _keyframes(written: Written, wanted: set[tuple[int, int]]) -> Iterator[mpegts.AccessUnit]:
    """The keyframes of these segments and numbers."""
    for n in sorted({n for n, _ in wanted}):
        units = mpegts.access_units(_read(written.files[n]), _pictures(written, n).pid, keyframes=True)
        yield from (unit for number, unit in enumerate(units) if (n, number) in wanted)


def _read(segment: RawSegment, most: int = -1) -> bytes:
    if isinstance(segment.content, Path):
        with segment.content.open("rb") as file:
            return file.read(most)
    return segment.content if most < 0 else segment.content[:most]


def _decoded(units: Iterator[mpegts.AccessUnit]) -> Iterator[VideoFrame]:
    """What comes out of the pictures. What can't be decoded is none."""
    decoder: Any = CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    for unit in units:
        packet = Packet(unit.data)
        packet.pts, packet.time_base = unit.pts, _CLOCK
        with suppress(av.error.InvalidDataError):
            yield from decoder.decode(packet)
    with suppress(av.error.InvalidDataError):
        yield from decoder.decode(None)


def spread(count: int) -> list[int]:
    """Up to twelve of `count` things, evenly spread."""
    cells = min(_CELLS, count)
    return [math.floor((i + 0.5) * count / cells) for i in range(cells)]


def _numbered(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """The frames with their numbers for times."""
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, _CLOCK
        yield frame


def _filtered(frames: Iterable[VideoFrame], *filters: tuple[str, str]) -> Iterator[VideoFrame]:
    """What comes out of a row of FFmpeg's filters, each with its arguments; all frames have one size and form."""
    graph = None
    for frame in frames:
        if graph is None:
            graph = av.filter.Graph()
            graph.threads = 1
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            row = [source, *(graph.add(name, arguments) for name, arguments in filters), graph.add("buffersink")]
            graph.link_nodes(*row).configure()
        graph.push(frame)
        yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: av.filter.Graph) -> Iterator[VideoFrame]:
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            yield cast("VideoFrame", graph.pull())


def _jpeg(picture: VideoFrame) -> bytes:
    frame = next(_filtered([picture], ("scale", "out_range=full"), ("format", "yuvj420p")))
    encoder: Any = CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = _CLOCK
    encoder.thread_count = 1
    encoder.flags |= Flags.bitexact
    encoder.options = {"qmin": str(_QUALITY), "qmax": str(_QUALITY)}
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
