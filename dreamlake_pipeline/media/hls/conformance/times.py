"""The clocks of a stream: inside its segments, across their joins, and beside what its playlist says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

from ...containers import mpegts
from ..segments import AAC_FRAME
from .playlists import Playlist
from .report import Report

_ROUNDING = 2  # ticks of 90 kHz


class Times:
    """The times of a stream's segments, in ticks of 90 kHz on one line across wraps, by segment."""

    def __init__(self, parts: Sequence[mpegts.TsSegment]) -> None:
        self.leading = mpegts.H264 if parts[0].of_type(mpegts.H264) else mpegts.AAC_ADTS
        self.pts: dict[int, list[list[int]]] = {}
        self.dts: dict[int, list[list[int]]] = {}
        for kind in (mpegts.H264, mpegts.AAC_ADTS):
            last: int | None = None
            for part in parts:
                found = part.of_type(kind)
                if found is None or not found.dts:
                    continue
                last = found.dts[0] if last is None else last
                dts = mpegts.unwrap(found.dts, last)
                self.dts.setdefault(kind, []).append(dts)
                self.pts.setdefault(kind, []).append(mpegts.unwrap(found.pts, last))
                last = dts[-1]
        self.starts = [min(pts) for pts in self.pts.get(self.leading, [])]
        firsts = [min(pts[0]) for pts in self.pts.values()]
        self.start = min(firsts, default=0)
        pictures = sorted(time for pts in self.pts.get(mpegts.H264, []) for time in pts)
        self.last_picture = pictures[-1] if pictures else None
        self.rate = None
        self.frame = Fraction(1)
        if len(pictures) > 1 and pictures[-1] > pictures[0]:
            self.rate = Fraction((len(pictures) - 1) * mpegts.CLOCK, pictures[-1] - pictures[0])
            self.frame = max(1 / self.rate, Fraction(2, mpegts.CLOCK))
        elif not pictures:
            sound = next((found.aac for part in parts if (found := part.of_type(mpegts.AAC_ADTS)) and found.aac), None)
            self.frame = Fraction(AAC_FRAME, sound.sample_rate) if sound else Fraction(1)


def check_clock(parts: Sequence[mpegts.TsSegment], times: Times, report: Report) -> None:
    for kind, name in ((mpegts.H264, "video"), (mpegts.AAC_ADTS, "audio")):
        found = [stream for part in parts if (stream := part.of_type(kind)) and stream.dts]
        if not found:
            continue
        counters = all(stream.continuous for stream in found) and all(
            (before.last_counter + 1) & 15 == after.first_counter for before, after in pairwise(found)
        )
        report.must(f"times: continuity counters of {name} continue across joins", counters)
        dts, pts = _flat(times.dts[kind]), _flat(times.pts[kind])
        report.must(
            f"times: DTS of {name} strictly increase across joins",
            all(before < after for before, after in pairwise(dts)),
        )
        report.must(
            f"times: PTS of {name} are all different, and those of a segment come after the one before",
            len(set(pts)) == len(pts) and all(max(before) < min(after) for before, after in pairwise(times.pts[kind])),
        )
        report.must(f"times: DTS of {name} are never after PTS", all(d <= p for d, p in zip(dts, pts, strict=True)))
        if kind == mpegts.H264:
            gaps = _gaps(dts, pts)
            report.must(
                "times: no step of DTS is a gap for a browser, more than twice as long as the picture before is shown",
                not gaps,
                f"{len(gaps)} are, the first at {(gaps[0] - times.start) / mpegts.CLOCK:.3f} s" if gaps else "",
            )
    report.must("times: the programme clock is never after DTS", not any(part.pcr_after_dts for part in parts))


def _gaps(dts: Sequence[int], pts: Sequence[int]) -> list[int]:
    """DTS after which browsers drop pictures up to the next keyframe (W3C Media Source Extensions, coded frame
    processing): the next one is later by more than twice the time for which the picture is shown."""
    shown = {before: after - before for before, after in pairwise(sorted(pts))}
    return [
        before
        for (before, at), (after, _) in pairwise(zip(dts, pts, strict=True))
        if at in shown and after - before > 2 * shown[at] + _ROUNDING
    ]


def _flat(lists: Iterable[list[int]]) -> list[int]:
    return [time for inner in lists for time in inner]


class Shown(Protocol):
    """When segments begin and the last picture is shown, in ticks of 90 kHz, and seconds of a picture or AAC frame."""

    @property
    def start(self) -> int | Fraction: ...
    @property
    def starts(self) -> Sequence[int]: ...
    @property
    def last_picture(self) -> int | None: ...
    @property
    def frame(self) -> Fraction: ...


def check_durations(playlist: Playlist, times: Shown, report: Report) -> None:
    """The sum of any run of EXTINF is the distance between the times that the run begins and ends with."""
    begins = [Fraction(0), *playlist.bounds[:-1]]
    apart = [
        begin - Fraction(start - times.start) / mpegts.CLOCK
        for begin, start in zip(begins[1:], times.starts[1:], strict=False)
    ]
    worst = max([*apart, Fraction(0)]) - min([*apart, Fraction(0)])
    report.must(
        "times: EXTINF agree with the times in the segments to a frame, over any run of them",
        len(times.starts) == len(begins) and worst <= times.frame,
        f"off by {float(worst) * 1000:.1f} ms at most",
    )
    if times.last_picture is not None:
        end = Fraction(times.last_picture - times.start) / mpegts.CLOCK
        report.must(
            "times: every picture is shown before the playlist ends",
            end < playlist.total,
            f"the last at {float(end):.3f} s of {float(playlist.total):.3f} s",
        )
