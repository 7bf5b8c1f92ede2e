"""Fragmented MP4 for HLS (RFC 8216 3.3): an initialization segment, and media segments that begin with a keyframe.

FFmpeg writes one stream into a pipe, of which each `moof` and the `mdat` behind it is a segment. It has no edit lists:
the times in its fragments are those of its pictures and sound, on the clock that segments of MPEG-TS have.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import ffmpeg as ffmpeg_python

from ...errors import Code, DreamlakeError
from ..containers import fmp4
from ..containers.mpegts import CLOCK
from ..results import RawSegment, Segment, Stream
from ..run import ffmpeg
from .playlist import bandwidths
from .segments import MOST, SECONDS, OnSegment

INIT = "init.mp4"  # inside the private directory
_MOST_BYTES = 2**30  # of a box
_SHORTER = (
    50_000  # microseconds by which a segment may fall short of SECONDS: times are rounded to milliseconds somewhere
)
_KINDS: tuple[Literal["video", "audio"], ...] = ("video", "audio")


def output(*streams: Any, **options: Any) -> Any:
    """The ffmpeg-python output node that `write` reads. Equal pictures and sound make equal segments."""
    return ffmpeg_python.output(
        *streams,
        "pipe:1",
        f="mp4",
        movflags="frag_keyframe+delay_moov+frag_discont+default_base_moof+skip_trailer",
        min_frag_duration=SECONDS * 1_000_000 - _SHORTER,
        use_editlist=0,
        avoid_negative_ts="disabled",
        video_track_timescale=CLOCK,
        map_metadata=-1,
        map_chapters=-1,
        fflags="+bitexact",
        sn=None,
        dn=None,
        **options,
    )


@dataclass(frozen=True)
class Written:
    """The segments on disk, read back. Times are 90 kHz ticks.

    `start` is where playback begins: the first time of any track. `video` and `audio` are first times; `starts` are
    those of the pictures of each segment.
    """

    init_file: RawSegment
    init: fmp4.Init
    files: tuple[RawSegment, ...]
    parts: tuple[fmp4.Fragment, ...]

    def _track(self, kind: Literal["video", "audio"]) -> list[fmp4.Samples]:
        track = self.init.of_kind(kind)
        return [found for part in self.parts if (found := part.of(track)) is not None]

    def _first(self, kind: Literal["video", "audio"]) -> Fraction | None:
        track, found = self.init.of_kind(kind), self._track(kind)
        return Fraction(int(found[0].pts.min()) * CLOCK, track.timescale) if track is not None and found else None

    @property
    def video(self) -> Fraction | None:
        return self._first("video")

    @property
    def audio(self) -> Fraction | None:
        return self._first("audio")

    @property
    def start(self) -> Fraction:
        return min(time for time in (self.video, self.audio) if time is not None)

    @property
    def starts(self) -> tuple[int, ...]:
        return tuple(int(found.pts.min()) for found in self._track("video"))

    @property
    def times(self) -> list[int]:
        """Every time of a picture, in decoding order."""
        return [int(time) for found in self._track("video") for time in found.pts]

    @property
    def sound_end(self) -> Fraction | None:
        """Where the sound ends; None without any."""
        track, found = self.init.of_kind("audio"), self._track("audio")
        return Fraction(found[-1].end * CLOCK, track.timescale) if track is not None and found else None


def write(
    node: Any,
    *,
    source: Path,
    folder: Path,
    limits: ffmpeg.Limits,
    subject: str,
    on_segment: OnSegment | None = None,
) -> tuple[ffmpeg.Finished, Written]:
    """Run ffmpeg with an `output` of this module in the empty directory `folder`, where its segments come to lie.

    Raises DreamlakeError as `ffmpeg.run` does, and OUTPUT_INVALID when what it wrote is no such stream.
    """
    splitter = _Splitter(folder, subject, limits.output_bytes, on_segment)
    finished = ffmpeg.run([node], source=source, cwd=folder, limits=limits, subject=subject, on_stdout=splitter.feed)
    return finished, splitter.written()


class _Splitter:
    """Is fed a fragmented MP4 as it comes, and writes each segment to a file when it is whole."""

    def __init__(self, folder: Path, subject: str, most_bytes: int, on_segment: OnSegment | None) -> None:
        self._folder, self._subject, self._on_segment = folder, subject, on_segment
        self._left = most_bytes
        self._buffer = bytearray()
        self._begun = 0  # bytes at the start of the buffer that belong to a segment that is not whole
        self._init: tuple[RawSegment, fmp4.Init] | None = None
        self._read: list[tuple[RawSegment, fmp4.Fragment]] = []

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= self._begun + 8:
            length, kind = struct.unpack_from(">I4s", self._buffer, self._begun)
            if not 8 <= length <= _MOST_BYTES:
                raise self._invalid(f"a box of it has {length:,} bytes")
            if len(self._buffer) < self._begun + length:
                return
            self._begun += length
            if kind in (b"moov", b"mdat"):
                self._end_segment()

    def _end_segment(self) -> None:
        data = bytes(memoryview(self._buffer)[: self._begun])
        del self._buffer[: self._begun]
        self._begun = 0
        self._left -= len(data)
        if self._left < 0 or len(self._read) >= MOST:
            raise DreamlakeError(Code.MEDIA_TOO_LARGE, f"{self._subject} became more output than one file may.")
        path = self._folder / (INIT if self._init is None else f"{len(self._read):05d}.m4s")
        file = RawSegment(path, hashlib.sha256(data).hexdigest(), len(data))
        try:
            if self._init is None:
                self._init = file, fmp4.parse_init(data)
            else:
                self._read.append((file, fmp4.parse_fragment(data, self._init[1])))
        except fmp4.MalformedFragment as error:
            raise self._invalid(str(error)) from None
        path.write_bytes(data)
        if self._on_segment is not None:
            self._on_segment(file)

    def written(self) -> Written:
        if self._init is None or not self._read or self._buffer:
            raise self._invalid("nothing, or half a segment, was written")
        files, parts = zip(*self._read, strict=True)
        file, init = self._init
        return Written(file, init, files, parts)

    def _invalid(self, why: str) -> DreamlakeError:
        return DreamlakeError(
            Code.OUTPUT_INVALID, f"Segment {len(self._read):05d}.m4s of {self._subject} failed its verification: {why}."
        )


def to_stream(written: Written, end: Fraction, *, fps: Fraction | None) -> Stream:
    """The Stream of the segments; `end` is where the last one ends, in ticks."""
    bounds: Sequence[int | Fraction] = [written.start, *written.starts[1:], end]
    segments = tuple(
        Segment(
            content=file.content,
            sha256=file.sha256,
            size=file.size,
            duration=Fraction(following - start) / CLOCK,
        )
        for file, start, following in zip(written.files, bounds, bounds[1:], strict=False)
    )
    peak, average = bandwidths(segments)
    picture = written.init.of_kind("video")
    return Stream(
        segments=segments,
        codecs=",".join(track.codec for kind in _KINDS if (track := written.init.of_kind(kind)) is not None),
        bandwidth=peak,
        average_bandwidth=average,
        width=picture.width if picture is not None else None,
        height=picture.height if picture is not None else None,
        fps=fps,
        independent=True,
        init=written.init_file,
    )
