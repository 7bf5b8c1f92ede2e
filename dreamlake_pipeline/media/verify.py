"""Verifies what was made before it is published: nobody trusts an exit code.

Rules are those of RFC 8216, of MPEG-TS, and agreement with the source. A broken MUST raises
DreamlakeError(OUTPUT_INVALID); the report of all checks goes to the record.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ..errors import Code, DreamlakeError
from . import h264, mpegts
from .playlist import master_playlist, media_playlist
from .results import Stream
from .segments import AAC_FRAME, SECONDS, Written


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


class Report:
    """Checks in the order they were made. `must` marks the rules that stop a publication."""

    def __init__(self) -> None:
        self.checks: list[dict[str, Any]] = []
        self.broken: list[str] = []

    def must(self, rule: str, ok: bool, detail: str = "") -> None:
        self.checks.append({"rule": rule, "level": "must", "ok": bool(ok), "detail": detail})
        if not ok:
            self.broken.append(f"{rule} ({detail})" if detail else rule)

    def should(self, rule: str, ok: bool, detail: str = "") -> None:
        self.checks.append({"rule": rule, "level": "should", "ok": bool(ok), "detail": detail})

    def as_dict(self) -> dict[str, Any]:
        return {"checks": self.checks}

    def raise_if_broken(self, subject: str) -> None:
        if self.broken:
            raise DreamlakeError(
                Code.OUTPUT_INVALID,
                f"The result of {subject} failed its verification: {'; '.join(self.broken)}.",
                checks=[check for check in self.checks if not check["ok"]],
            )


def verify(written: Written, stream: Stream, expected: Expected, subject: str) -> dict[str, Any]:
    """The report `{"checks": [{rule, level, ok, detail}, …]}`; raises DreamlakeError(OUTPUT_INVALID)."""
    report = Report()
    check_playlist(media_playlist(stream, lambda sha256: f"{sha256}.ts"), report)
    check_master(master_playlist([stream], lambda name: f"{name}.m3u8"), report)
    _check_segments(written, stream, report)
    _check_times(written, report)
    _check_source(written, stream, expected, report)
    report.raise_if_broken(subject)
    return report.as_dict()


def check_playlist(text: str, report: Report) -> None:
    """A media playlist of ours, by RFC 8216."""
    lines = text.splitlines()
    report.must("playlist: #EXTM3U is the first line", bool(lines) and lines[0] == "#EXTM3U")
    report.must("playlist: #EXT-X-ENDLIST is the last line", lines[-1:] == ["#EXT-X-ENDLIST"])
    report.must("playlist: it is VOD", "#EXT-X-PLAYLIST-TYPE:VOD" in lines)
    targets = re.findall(r"^#EXT-X-TARGETDURATION:(\d+)$", text, re.MULTILINE)
    durations = [Fraction(value) for value in re.findall(r"^#EXTINF:(\d+\.\d{3,}),$", text, re.MULTILINE)]
    uris = [line for line in lines if line and not line.startswith("#")]
    report.must(
        "playlist: every segment has an EXTINF above 0",
        len(durations) == len(uris) > 0 and all(duration > 0 for duration in durations),
        f"{len(uris)} segments",
    )
    longest = max(durations, default=Fraction(0))
    report.must(
        "playlist: one TARGETDURATION, no EXTINF rounds above it",
        len(targets) == 1 and math.floor(longest + Fraction(1, 2)) <= int(targets[0]),
        f"longest segment {float(longest):.3f} s",
    )
    report.should(
        "playlist: segments are near the aim of 6 s", longest <= 2 * SECONDS + 1, f"longest {float(longest):.3f} s"
    )


def check_master(text: str, report: Report) -> None:
    lines = text.splitlines()
    report.must("master: #EXTM3U is the first line", bool(lines) and lines[0] == "#EXTM3U")
    streams = [line for line in lines if line.startswith("#EXT-X-STREAM-INF:")]
    uris = [line for line in lines if line and not line.startswith("#")]
    report.must(
        "master: every stream has BANDWIDTH, AVERAGE-BANDWIDTH and CODECS",
        len(streams) == len(uris) > 0
        and all(re.search(r'BANDWIDTH=\d+,AVERAGE-BANDWIDTH=\d+,CODECS="[^"]+"', line) for line in streams),
    )


def _check_segments(written: Written, stream: Stream, report: Report) -> None:
    parts = written.parts
    report.must("segments: no transport error", not any(part.transport_errors for part in parts))
    report.must("segments: PAT and PMT come before the first picture or sound", all(p.tables_first for p in parts))
    kinds = [sorted(found.stream_type for found in part.streams) for part in parts]
    allowed = [[mpegts.H264], [mpegts.AAC_ADTS], [mpegts.AAC_ADTS, mpegts.H264]]
    report.must(
        "segments: H.264 and AAC only, at most one of each, the same in all",
        kinds[0] in allowed and len({*map(tuple, kinds)}) == 1,
    )
    if written.video is not None:
        starts_idr = [_starts_with_idr(part.head_units) for part in parts]
        if stream.independent:
            report.must(
                "segments: each starts with SPS, PPS and an IDR picture",
                all(starts_idr),
                f"{starts_idr.count(False)} of {len(parts)} do not" if not all(starts_idr) else "",
            )
        profiles = [part.sps for part in parts if part.sps]
        report.must(
            "segments: profile at most High, 8-bit 4:2:0, progressive",
            len(profiles) == len(parts)
            and all(s.profile <= 100 and s.chroma == 1 and s.bit_depth == 8 and s.progressive for s in profiles),
        )
        report.must(
            "segments: one picture size and codec throughout",
            len({(s.codec, s.width, s.height) for s in profiles}) == 1,
        )


def _starts_with_idr(units: list[int]) -> bool:
    try:
        idr = units.index(h264.IDR)
    except ValueError:
        return False
    before = units[:idr]
    return h264.SPS in before and h264.PPS in before and not {1, 2, 3, 4} & set(before)


def _check_times(written: Written, report: Report) -> None:
    for kind, name in ((mpegts.H264, "video"), (mpegts.AAC_ADTS, "audio")):
        found = [stream for part in written.parts if (stream := part.of_type(kind)) and stream.dts]
        if not found:
            continue
        counters = all(stream.continuous for stream in found) and all(
            (before.last_counter + 1) & 15 == after.first_counter for before, after in pairwise(found)
        )
        report.must(f"times: continuity counters of {name} continue across joins", counters)
        dts, pts, last = [], [], written.start
        for stream in found:
            dts += mpegts.unwrap(stream.dts, last)
            pts += mpegts.unwrap(stream.pts, last)
            last = dts[-1]
        report.must(
            f"times: DTS of {name} strictly increase across joins",
            all(before < after for before, after in pairwise(dts)),
        )
        report.must(f"times: no two PTS of {name} are the same", len(set(pts)) == len(pts))
        report.must(f"times: DTS of {name} are never after PTS", all(d <= p for d, p in zip(dts, pts, strict=True)))
    report.must("times: the programme clock is never after DTS", not any(part.pcr_after_dts for part in written.parts))


def _check_source(written: Written, stream: Stream, expected: Expected, report: Report) -> None:
    total = sum((segment.duration for segment in stream.segments), Fraction(0))
    report.must(
        "source: the duration agrees to one frame",
        abs(total - expected.duration) <= expected.tolerance,
        f"{float(total):.3f} s of {float(expected.duration):.3f} s",
    )
    if expected.frames is not None:
        frames = written.access_units(mpegts.H264)
        report.must(
            "source: as many frames as came in", frames == expected.frames, f"{frames} of {expected.frames} frames"
        )
        times = written.all_times(mpegts.H264)
        span = Fraction(max(times) - min(times), mpegts.CLOCK)
        if expected.span is not None:
            report.must(
                "source: first and last frame are as far apart as in the source",
                abs(span - expected.span) <= expected.tolerance,
                f"{float(span):.3f} s of {float(expected.span):.3f} s",
            )
    if expected.samples is not None:
        samples = written.access_units(mpegts.AAC_ADTS) * AAC_FRAME
        report.must(
            "source: the sound is as long as the source's, to an AAC frame",
            abs(samples - expected.samples) <= expected.samples_tolerance,
            f"{samples} of {float(expected.samples):.0f} samples",
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
