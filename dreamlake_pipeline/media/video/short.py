"""Short videos that are kept as they are, copied in this process: to start ffmpeg costs more than to copy them.

Which files these are is decided by their bytes alone, so that equal bytes give equal chunks wherever they are
processed: H.264 in MP4 that is in order, without sound, and of which nothing has to be said. What comes out is what
ffmpeg's `-c copy` makes of it (segments.hls_output), to the byte: it is the same muxer with the same options, and a
test compares them. Whatever is unusual is left to ffmpeg.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.container
import av.error

from ..containers import mpegts
from ..containers.probe import Probe, opened
from ..hls import segments
from .reasons import video_reasons
from .transcode import hls_clock

MOST_BYTES = 8 * 2**20
_MOST_SECONDS = 60
_H264 = {"avc1", "avc3"}
_MICROSECONDS = 1_000_000
_MUXER_DELAY = _MICROSECONDS * 7 // 10  # what ffmpeg gives to each of its muxers


def may_be_short(data: bytes) -> bool:
    """Whether the bytes of a file are worth a closer look: an MP4 of few bytes."""
    return len(data) <= MOST_BYTES and data[4:8] == b"ftyp"


def may_be_copied(codes: tuple[str, ...]) -> bool:
    """Whether tracks with these codes (containers/codecs.py) may be those of a short video."""
    return len(codes) == 1 and codes[0] in _H264


def is_short(found: Probe) -> bool:
    """Whether the probed file is a short video that is copied."""
    video = found.video
    return (
        video is not None
        and found.sniffed.demuxer == "mov"
        and len(found.streams) == 1
        and found.excerpt is None
        and not found.warnings
        and not video.lead_in
        and video.duration <= _MOST_SECONDS
        and not video_reasons(video)
    )


def copy(data: bytes, found: Probe, subject: str) -> list[bytes] | None:
    """The segments of a short video; None where ffmpeg would not take its packets as they are.

    Raises DreamlakeError(MEDIA_CORRUPT), which names the file as `subject`.
    """
    assert found.video is not None
    written = _Written()
    options = {key: str(value) for key, value in (segments.hls_options() | hls_clock()).items()}
    with (
        opened(io.BytesIO(data), found.sniffed, subject) as source,
        av.open(
            segments.PLAYLIST,
            "w",
            format="hls",
            options=options | {"max_delay": str(_MUXER_DELAY)},
            io_open=written.open,
        ) as muxer,
    ):
        stream = source.streams[found.video.index]
        out = muxer.add_stream_from_template(stream)
        for packet in _in_order(source, stream):
            if packet is None:
                return None
            packet.stream = out
            muxer.mux(packet)
    return written.segments()


def _in_order(source: av.container.InputContainer, stream: Any) -> Iterator[Any]:
    """The packets of the stream with times from zero, as ffmpeg gives them to a muxer; None for one that it would
    change or leave out, behind which nothing follows."""
    before: int | None = None
    time_base = stream.time_base
    earlier = _rounded(Fraction(source.start_time or 0, _MICROSECONDS) / time_base)
    # Ticks of the stream that make one of the muxer's clock: two times that are closer are one there.
    least = math.ceil(1 / (time_base * mpegts.CLOCK))
    for packet in source.demux(stream):
        if not packet.size:
            continue
        if packet.pts is None or packet.dts is None or packet.time_base != time_base:
            yield None
            return
        pts, dts = packet.pts - earlier, packet.dts - earlier
        if before is None and (pts < 0 or not packet.is_keyframe):
            yield None
            return
        if pts < dts or (before is not None and dts - before < least):
            yield None
            return
        packet.pts, packet.dts, before = pts, dts, dts
        yield packet


def _rounded(number: Fraction) -> int:
    """To the nearest whole number, halves away from zero, as av_rescale_q does."""
    whole = (2 * abs(number.numerator) + number.denominator) // (2 * number.denominator)
    return whole if number >= 0 else -whole


class _Written:
    """The files that the HLS muxer writes, in memory."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def open(self, url: str, flags: int, options: dict[str, str]) -> _File:
        """What PyAV calls for each file (its documentation, `io_open`)."""
        self._files[url] = file = _File()
        return file

    def segments(self) -> list[bytes]:
        """The segments in their order."""
        return [file.content for name, file in sorted(self._files.items()) if name != segments.PLAYLIST]


class _File(io.BytesIO):
    """`content` is what was in it when it was closed."""

    content = b""

    def close(self) -> None:
        if not self.closed:
            self.content = self.getvalue()
        super().close()
