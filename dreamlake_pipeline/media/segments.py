"""From the TS files that ffmpeg wrote to a Stream: names, exact durations, bandwidths, codecs.

Durations come from the times in the segments really written, never from what was asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python

from ..errors import Code, DreamlakeError
from . import mpegts
from .playlist import bandwidths
from .results import Segment, Stream

SECONDS = 6  # what a segment aims at
MOST = 20_000  # 33 hours of them
PLAYLIST = "index.m3u8"  # ffmpeg's own, used inside the private directory only
AAC_CODEC = "mp4a.40.2"
AAC_FRAME = 1024  # samples

# Priming lies before the start of the presentation, and MPEG-TS has no edit list to hide it.
DROP_PRIMING = "noise=drop=lt(pts\\,0)"


def hls_output(*streams: Any, **options: Any) -> Any:
    """The ffmpeg-python output node that writes PLAYLIST and its segments. Nothing of the source's metadata, nor of
    ffmpeg's version, gets into the bytes: equal pictures and sound make equal chunks."""
    return ffmpeg_python.output(
        *streams,
        PLAYLIST,
        f="hls",
        hls_time=SECONDS,
        hls_list_size=0,
        hls_playlist_type="vod",
        hls_segment_type="mpegts",
        hls_segment_filename="%05d.ts",
        map_metadata=-1,
        map_chapters=-1,
        fflags="+bitexact",
        sn=None,
        dn=None,
        **options,
    )


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

    paths: tuple[Path, ...]
    parts: tuple[mpegts.TsSegment, ...]
    start: int
    video: int | None
    audio: int | None
    starts: tuple[int, ...]  # of each segment: the first time of its leading stream

    @property
    def begins(self) -> tuple[int, ...]:
        """When each segment begins to play: the first with whatever is first."""
        return self.start, *self.starts[1:]

    def all_times(self, stream_type: int) -> list[int]:
        """Every PTS of one stream, unwrapped, in decoding order."""
        return [time for part in self.parts for time in _times(part, stream_type, self.start)]

    def access_units(self, stream_type: int) -> int:
        return sum(found.access_units for part in self.parts if (found := part.of_type(stream_type)))


def _times(part: mpegts.TsSegment, stream_type: int, reference: int) -> list[int]:
    found = part.of_type(stream_type)
    return mpegts.unwrap(found.pts, reference) if found else []


def read_back(out: Path, subject: str) -> Written:
    """Raises DreamlakeError(OUTPUT_INVALID) when ffmpeg wrote nothing, or something that is no segment."""
    (out / PLAYLIST).unlink(missing_ok=True)
    paths = tuple(sorted(out.glob("[0-9]*.ts")))
    if not paths:
        raise DreamlakeError(Code.OUTPUT_INVALID, f"Nothing came out of {subject}: no segment was written.")
    if len(paths) > MOST:
        raise DreamlakeError(Code.MEDIA_TOO_LARGE, f"{subject} became {len(paths):,} segments; {MOST:,} are the limit.")
    parts = []
    for path in paths:
        try:
            parts.append(mpegts.read_segment(path))
        except mpegts.MalformedSegment as error:
            raise DreamlakeError(
                Code.OUTPUT_INVALID, f"Segment {path.name} of {subject} failed its verification: {error}."
            ) from None
    leading = mpegts.H264 if parts[0].of_type(mpegts.H264) else mpegts.AAC_ADTS
    starts: list[int] = []
    for path, part in zip(paths, parts, strict=True):
        times = _times(part, leading, starts[-1] if starts else 0)
        if not times:
            raise DreamlakeError(
                Code.OUTPUT_INVALID, f"Segment {path.name} of {subject} failed its verification: it is empty."
            )
        starts.append(min(times))
    first = {
        kind: min(times) for kind in (mpegts.H264, mpegts.AAC_ADTS) if (times := _first_times(parts, kind, starts))
    }
    return Written(
        paths=paths,
        parts=tuple(parts),
        start=min(starts[0], *first.values()),
        video=first.get(mpegts.H264),
        audio=first.get(mpegts.AAC_ADTS),
        starts=tuple(starts),
    )


def _first_times(parts: list[mpegts.TsSegment], kind: int, starts: list[int]) -> list[int]:
    """The times of a stream in the first segment that holds any of it."""
    return next((times for part, start in zip(parts, starts, strict=True) if (times := _times(part, kind, start))), [])


def to_stream(written: Written, end: Fraction, *, fps: Fraction | None, independent: bool) -> Stream:
    """The Stream of the segments; `end` is where the last one ends, in ticks."""
    bounds: list[int | Fraction] = [*written.begins, end]
    segments = tuple(
        Segment(
            path=path,
            sha256=_sha256(path),
            size=path.stat().st_size,
            duration=Fraction(following - start) / mpegts.CLOCK,
        )
        for path, start, following in zip(written.paths, bounds, bounds[1:], strict=False)
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
