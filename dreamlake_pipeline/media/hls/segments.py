"""From the TS files that ffmpeg wrote to a Stream: names, exact durations, bandwidths, codecs.

Durations come from the times in the segments really written, never from what was asked for.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python

from ...errors import Code, DreamlakeError
from ..containers import mpegts
from ..results import RawSegment, Segment, Stream
from ..run import ffmpeg
from .playlist import bandwidths

# Called with each segment when its file is complete; it may be called from another thread, and must return soon.
OnSegment = Callable[[RawSegment], None]

SECONDS = 6  # what a segment aims at
MOST = 20_000  # 33 hours of them
PLAYLIST = "index.m3u8"  # ffmpeg's own, used inside the private directory only
AAC_CODEC = "mp4a.40.2"
AAC_FRAME = 1024  # samples
_TICK = 0.02  # seconds between two looks for a new segment

# Priming lies before the start of the presentation, and MPEG-TS has no edit list to hide it.
DROP_PRIMING = "noise=drop=lt(pts\\,0)"


def hls_output(*streams: Any, folder: str = "", **options: Any) -> Any:
    """The ffmpeg-python output node that writes PLAYLIST and its segments, into a folder below its own.

    Nothing of the source's metadata, nor of ffmpeg's version, gets into the bytes: equal pictures and sound make equal
    chunks.
    """
    return ffmpeg_python.output(
        *streams,
        str(Path(folder, PLAYLIST)),
        f="hls",
        map_metadata=-1,
        map_chapters=-1,
        sn=None,
        dn=None,
        **hls_options(folder),
        **options,
    )


def hls_options(folder: str = "") -> dict[str, Any]:
    """The options of FFmpeg's HLS muxer itself; segments are called by their numbers, in order."""
    return {
        "hls_time": SECONDS,
        "hls_list_size": 0,
        "hls_playlist_type": "vod",
        "hls_segment_type": "mpegts",
        "hls_segment_filename": str(Path(folder, "%05d.ts")),
        "fflags": "+bitexact",
    }


def cut_output(stream: Any, starts: Sequence[int], **options: Any) -> Any:
    """The node that writes sound as segments that begin at `starts`, in ticks, of which the first is time zero."""
    times = ",".join(f"{(start - starts[0]) / mpegts.CLOCK:.3f}" for start in starts[1:])
    return ffmpeg_python.output(
        stream,
        "%05d.ts",
        f="segment",
        segment_format="mpegts",
        **({"segment_times": times} if times else {"segment_time": 2**31}),
        # One muxer for all of them: continuity counters go on.
        individual_header_trailer=0,
        map_metadata=-1,
        map_chapters=-1,
        fflags="+bitexact",
        **options,
    )


@dataclass(frozen=True)
class Written:
    """The segments on disk, read back. Times are 90 kHz ticks on one line across wraps.

    `start` is where playback begins: the first time of any stream. `video` and `audio` are first times.
    """

    files: tuple[RawSegment, ...]
    parts: tuple[mpegts.TsSegment, ...]
    start: int
    video: int | None
    audio: int | None
    starts: tuple[int, ...]  # of each segment: the first time of its leading stream

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files)

    @property
    def begins(self) -> tuple[int, ...]:
        """When each segment begins to play: the first with whatever is first."""
        return self.start, *self.starts[1:]

    def all_times(self, stream_type: int) -> list[int]:
        """Every PTS of one stream, unwrapped, in decoding order."""
        return [time for part in self.parts for time in _times(part, stream_type, self.start)]

    def sound_end(self, sample_rate: int) -> Fraction:
        """Where the sound ends, in ticks: behind the frames of its last PES packet."""
        last = next(found for part in reversed(self.parts) if (found := part.of_type(mpegts.AAC_ADTS)) and found.pts)
        lasts = Fraction(last.last_units * AAC_FRAME * mpegts.CLOCK, sample_rate)
        return mpegts.unwrap(last.pts[-1:], self.starts[-1])[0] + lasts

    def access_units(self, stream_type: int) -> int:
        return sum(found.access_units for part in self.parts if (found := part.of_type(stream_type)))


def _times(part: mpegts.TsSegment, stream_type: int, reference: int) -> list[int]:
    found = part.of_type(stream_type)
    return mpegts.unwrap(found.pts, reference) if found else []


def write(
    output: Any,
    *,
    source: Path,
    folder: Path,
    limits: ffmpeg.Limits,
    subject: str,
    lenient: bool = False,
    on_segment: OnSegment | None = None,
) -> tuple[ffmpeg.Finished, Written]:
    """Run ffmpeg with an output of this module in the empty directory `folder`, and read each segment when it is there.

    Raises DreamlakeError as `ffmpeg.run` and `read_back` do.
    """
    with _Reader(folder, on_segment) as reader:
        finished = ffmpeg.run([output], source=source, cwd=folder, limits=limits, subject=subject, lenient=lenient)
    return finished, reader.finish(subject)


def read_back(folder: Path, subject: str) -> Written:
    """Raises DreamlakeError(OUTPUT_INVALID) when ffmpeg wrote nothing, or something that is no segment."""
    return _Reader(folder, None).finish(subject)


def in_memory(written: Sequence[bytes], subject: str) -> Written:
    """The segments of a stream, in their order. Raises OUTPUT_INVALID when one of them is none."""
    read = []
    for number, data in enumerate(written):
        try:
            part = mpegts.parse_segment(data)
        except mpegts.MalformedSegment as error:
            raise _invalid(number, subject, str(error)) from None
        read.append((RawSegment(data, hashlib.sha256(data).hexdigest(), len(data)), part))
    return _written(read, subject)


def _invalid(number: int, subject: str, why: str) -> DreamlakeError:
    return DreamlakeError(Code.OUTPUT_INVALID, f"Segment {number:05d}.ts of {subject} failed its verification: {why}.")


class _Reader:
    """Reads each segment once, for its hash and for what it holds; as a context, while ffmpeg writes the next ones."""

    def __init__(self, folder: Path, on_segment: OnSegment | None) -> None:
        self._folder, self._on_segment = folder, on_segment
        self._read: list[tuple[RawSegment, mpegts.TsSegment]] = []
        self._buffer = bytearray()  # used again: fresh memory for each segment would cost more than reading it
        self._fault: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read_along, name="read-segments")

    def __enter__(self) -> _Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _read_along(self) -> None:
        try:
            while not self._ended.wait(_TICK):
                # A segment is complete when the next one has been begun.
                while not self._ended.is_set() and self._path(len(self._read) + 1).exists():
                    self._read_next()
        except Exception as fault:
            self._fault = fault

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05d}.ts"

    def _read_next(self) -> None:
        path = self._path(len(self._read))
        with path.open("rb") as opened:
            size = path.stat().st_size
            if size > len(self._buffer):
                self._buffer = bytearray(size)
            data = memoryview(self._buffer)[: opened.readinto(memoryview(self._buffer)[:size])]
        file = RawSegment(path, hashlib.sha256(data).hexdigest(), len(data))
        part = mpegts.parse_segment(data)
        self._read.append((file, part))
        if self._on_segment is not None:
            self._on_segment(file)

    def finish(self, subject: str) -> Written:
        """Read what is left when ffmpeg has ended."""
        (self._folder / PLAYLIST).unlink(missing_ok=True)
        count = sum(1 for _ in self._folder.glob("[0-9]*.ts"))
        if not count:
            raise DreamlakeError(Code.OUTPUT_INVALID, f"Nothing came out of {subject}: no segment was written.")
        if count > MOST:
            raise DreamlakeError(Code.MEDIA_TOO_LARGE, f"{subject} became {count:,} segments; {MOST:,} are the limit.")
        try:
            if self._fault is not None:
                raise self._fault
            while len(self._read) < count:
                self._read_next()
        except (mpegts.MalformedSegment, FileNotFoundError) as error:
            raise _invalid(len(self._read), subject, str(error)) from None
        return _written(self._read, subject)


def _written(read: Sequence[tuple[RawSegment, mpegts.TsSegment]], subject: str) -> Written:
    files, parts = zip(*read, strict=True)
    leading = mpegts.H264 if parts[0].of_type(mpegts.H264) else mpegts.AAC_ADTS
    starts: list[int] = []
    for part in parts:
        times = _times(part, leading, starts[-1] if starts else 0)
        if not times:
            raise _invalid(len(starts), subject, "it is empty")
        starts.append(min(times))
    first = {
        kind: min(times) for kind in (mpegts.H264, mpegts.AAC_ADTS) if (times := _first_times(parts, kind, starts))
    }
    return Written(
        files=files,
        parts=parts,
        start=min(starts[0], *first.values()),
        video=first.get(mpegts.H264),
        audio=first.get(mpegts.AAC_ADTS),
        starts=tuple(starts),
    )


def _first_times(parts: Sequence[mpegts.TsSegment], kind: int, starts: list[int]) -> list[int]:
    """The times of a stream in the first segment that holds any of it."""
    return next((times for part, start in zip(parts, starts, strict=True) if (times := _times(part, kind, start))), [])


def to_stream(written: Written, end: Fraction, *, fps: Fraction | None, independent: bool) -> Stream:
    """The Stream of the segments; `end` is where the last one ends, in ticks."""
    bounds: list[int | Fraction] = [*written.begins, end]
    segments = tuple(
        Segment(
            content=file.content,
            sha256=file.sha256,
            size=file.size,
            duration=Fraction(following - start) / mpegts.CLOCK,
        )
        for file, start, following in zip(written.files, bounds, bounds[1:], strict=False)
    )
    peak, average = bandwidths(segments)
    sps = written.parts[0].sps
    codecs = [sps.codec] if sps else []
    if written.audio is not None:
        codecs.append(AAC_CODEC)
    return Stream(
        segments=segments,
        codecs=",".join(codecs),
        bandwidth=peak,
        average_bandwidth=average,
        width=sps.width if sps else None,
        height=sps.height if sps else None,
        fps=fps,
        independent=independent,
    )
