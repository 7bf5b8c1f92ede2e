"""Verifies what was made before it is published: nobody trusts an exit code.

Two sorts of rules: that it is right in itself (`conformance`), and that it agrees with its source. A broken "must"
raises DreamlakeError(OUTPUT_INVALID); the report of all checks goes to the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ..containers import mpegts
from ..results import Stream
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


def verify(written: Written, stream: Stream, expected: Expected, subject: str) -> dict[str, Any]:
    """The report `{"checks": [{rule, level, ok, detail}, …]}`; raises DreamlakeError(OUTPUT_INVALID)."""
    report = Report()
    master = master_playlist([stream], lambda name: f"{name}.m3u8")
    playlist = media_playlist(stream, lambda sha256: f"{sha256}.ts")
    chunks = {
        f"{segment.sha256}.ts": Chunk(segment.sha256, segment.size, part)
        for segment, part in zip(stream.segments, written.parts, strict=True)
    }
    check_hls(master, {f"{stream.hash}.m3u8": playlist}, chunks, report)
    _check_source(written, stream, expected, report)
    report.raise_if_broken(subject)
    return report.as_dict()


def _check_source(written: Written, stream: Stream, expected: Expected, report: Report) -> None:
    total = sum((segment.duration for segment in stream.segments), Fraction(0))
    report.must(
        "source: the duration agrees to one frame",
        abs(total - expected.duration) <= expected.tolerance,
        f"{float(total):.3f} s came out, the file presents {float(expected.duration):.3f} s",
    )
    if expected.frames is not None:
        frames = written.access_units(mpegts.H264)
        report.must(
            "source: as many frames as came in",
            frames == expected.frames,
            f"{frames} pictures came out, the file presents {expected.frames}",
        )
        times = written.all_times(mpegts.H264)
        span = Fraction(max(times) - min(times), mpegts.CLOCK)
        if expected.span is not None:
            report.must(
                "source: first and last frame are as far apart as in the source",
                abs(span - expected.span) <= expected.tolerance,
                f"{float(span):.3f} s came out, they are {float(expected.span):.3f} s apart in the file",
            )
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
