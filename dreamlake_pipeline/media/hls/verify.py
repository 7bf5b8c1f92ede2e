"""Verifies what was made before it is published: nobody trusts an exit code.

Two sorts of rules: that it is right in itself (`conformance`), and that it agrees with its source. A broken "must"
raises DreamlakeError(OUTPUT_INVALID); the report of all checks goes to the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ..containers import fmp4, mpegts
from ..results import AudioRendition, Stream
from . import cmaf
from .conformance.published import check_hls
from .conformance.report import Report
from .conformance.segments import Chunk
from .playlist import master_playlist, media_playlist
from .segments import AAC_FRAME, Written


@dataclass(frozen=True, slots=True)
class Expected:
    """What the source asks of the result. Durations in seconds; `tolerance` is one frame of video or of AAC.

    `span` is the time from the first frame's start to the last one's.
    """

    duration: Fraction
    tolerance: Fraction
    frames: int | None = None
    span: Fraction | None = None
    keyframe_seconds: Fraction | None = None
    samples: Fraction | None = None  # of sound, at the output's rate
    samples_tolerance: int = AAC_FRAME


def verify(written: Written | cmaf.Written, stream: Stream, expected: Expected, subject: str) -> dict[str, Any]:
    """The report `{"checks": [{rule, level, ok, detail}, …]}`; raises DreamlakeError(OUTPUT_INVALID)."""
    report = Report()
    check_streams([(stream, written)], (), report)
    _check_source(written, stream, expected, report)
    report.raise_if_broken(subject)
    return report.as_dict()


def check_streams(
    streams: Sequence[tuple[Stream, Written | cmaf.Written]],
    audio: Sequence[tuple[AudioRendition, Written | None]],
    report: Report,
) -> None:
    """The master playlist with all that it names: streams, and sound tracks, the first of which is in the streams."""
    renditions = [(one.stream, made) for one, made in audio if one.stream is not None and made is not None]
    everything: list[tuple[Stream, Written | cmaf.Written]] = [*streams, *renditions]
    playlists = {f"{stream.hash}.m3u8": media_playlist(stream, lambda name: name) for stream, _ in everything}
    chunks = {name: chunk for stream, written in everything for name, chunk in _chunks(stream, written)}
    master = master_playlist(
        [stream for stream, _ in streams], lambda name: f"{name}.m3u8", [rendition for rendition, _ in audio]
    )
    check_hls(master, playlists, chunks, report)


def _chunks(stream: Stream, written: Written | cmaf.Written) -> Iterator[tuple[str, Chunk]]:
    if isinstance(written, cmaf.Written) and stream.init is not None:
        yield stream.name_of(stream.init), Chunk(stream.init.sha256, stream.init.size, written.init)
    parts: Sequence[mpegts.TsSegment | fmp4.Fragment] = written.parts
    for segment, part in zip(stream.segments, parts, strict=True):
        yield stream.name_of(segment), Chunk(segment.sha256, segment.size, part)


def _check_source(written: Written | cmaf.Written, stream: Stream, expected: Expected, report: Report) -> None:
    total = sum((segment.duration for segment in stream.segments), Fraction(0))
    report.must(
        "source: the duration agrees to one frame",
        abs(total - expected.duration) <= expected.tolerance,
        f"{float(total):.3f} s came out, the file presents {float(expected.duration):.3f} s",
    )
    if expected.frames is not None:
        if isinstance(written, cmaf.Written):
            times, frames = written.times, len(written.times)
        else:
            times, frames = written.all_times(mpegts.H264), written.access_units(mpegts.H264)
        report.must(
            "source: as many frames as came in",
            frames == expected.frames,
            f"{frames} pictures came out, the file presents {expected.frames}",
        )
        span = Fraction(max(times) - min(times), mpegts.CLOCK)
        if expected.span is not None:
            report.must(
                "source: first and last frame are as far apart as in the source",
                abs(span - expected.span) <= expected.tolerance,
                f"{float(span):.3f} s came out, they are {float(expected.span):.3f} s apart in the file",
            )
    if isinstance(written, cmaf.Written):
        return
    if expected.samples is not None:
        samples = written.access_units(mpegts.AAC_ADTS) * AAC_FRAME
        second = expected.duration / expected.samples  # of one sample
        report.must(
            "source: the sound is as long as the source's, to an AAC frame",
            abs(samples - expected.samples) <= expected.samples_tolerance,
            f"{float(samples * second):.3f} s of {float(expected.samples * second):.3f} s",
        )
    if expected.keyframe_seconds is not None and written.video is not None:
        keys = sorted(
            time
            for part, start in zip(written.parts, written.starts, strict=True)
            if (found := part.of_type(mpegts.H264))
            for time in mpegts.unwrap(found.keyframes, start)
        )
        gaps = [Fraction(after - before, mpegts.CLOCK) for before, after in pairwise(keys)]
        longest = max(gaps, default=Fraction(0))
        report.should(
            "source: a keyframe every 2 s",
            longest <= expected.keyframe_seconds + 2 * expected.tolerance,
            f"longest distance {float(longest):.3f} s",
        )
