"""Segments of fragmented MP4: what is stored, and what their boxes hold (RFC 8216 3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from ...containers import fmp4
from ...containers.mpegts import CLOCK
from .playlists import Playlist, name_of
from .report import Report
from .segments import Chunk, Measured
from .times import check_durations

_KINDS: tuple[Literal["video", "audio"], ...] = ("video", "audio")


@dataclass(frozen=True)
class _Times:
    """The times of the pictures, in ticks of 90 kHz, as `check_durations` asks for them."""

    start: Fraction
    starts: list[int]
    last_picture: int
    frame: Fraction
    rate: Fraction | None


def check_fragments(playlist: Playlist, chunks: Mapping[str, Chunk], report: Report) -> Measured | None:
    """The initialization segment and the media segments of one media playlist; None when they are none."""
    named = [chunks[uri] for uri in playlist.uris if uri in chunks]
    first = chunks.get(playlist.map) if playlist.map is not None else None
    report.must(
        "segments: every one that is named is stored, and the initialization segment",
        len(named) == len(playlist.uris) and first is not None,
    )
    expected = {uri: f"{chunks[uri].sha256}.m4s" for uri in playlist.uris if uri in chunks}
    if playlist.map is not None and first is not None:
        expected[playlist.map] = f"{first.sha256}.mp4"
    misnamed = [uri for uri, name in expected.items() if name_of(uri) != name]
    report.must("segments: each is named by the SHA-256 of its bytes", not misnamed, ", ".join(misnamed)[:200])
    init = first.part if first is not None and isinstance(first.part, fmp4.Init) else None
    parts = [chunk.part for chunk in named if isinstance(chunk.part, fmp4.Fragment)]
    faults = [f"segment {at}: {chunk.fault}" for at, chunk in enumerate(named) if chunk.fault]
    faults += [] if init is not None else [f"initialization segment: {first.fault if first is not None else 'missing'}"]
    report.must("segments: each is one `moof` and one `mdat` box", not faults, "; ".join(faults)[:200])
    if init is None or faults or len(parts) != len(named) or not parts:
        return None
    picture = init.of_kind("video")
    report.must(
        "segments: one track of pictures, at most one of sound, and no edit list that would move them",
        sorted(track.kind for track in init.tracks) in (["video"], ["audio", "video"]) and not init.edits,
    )
    report.must("segments: pictures are in each", picture is not None and all(part.of(picture) for part in parts))
    if picture is None or not all(part.of(picture) for part in parts):
        return None
    begun = [part.begins_anew for part in parts]
    report.must(
        "segments: each starts with a keyframe that can be decoded without anything before it",
        all(begun),
        f"{begun.count(False)} of {len(begun)} do not" if not all(begun) else "",
    )
    report.must(
        "segments: their sequence numbers go on by one",
        all(before.number + 1 == after.number for before, after in pairwise(parts)),
    )
    for kind in _KINDS:
        track = init.of_kind(kind)
        if track is not None:
            _check_clock(kind, [found for part in parts if (found := part.of(track)) is not None], report)
    times = _times(init, picture, parts)
    if len(named) != len(playlist.durations) or not playlist.total or not playlist.targets:
        return None
    check_durations(playlist, times, report)
    peak, average = playlist.bandwidths([chunk.size for chunk in named])
    return Measured(
        codecs=frozenset(track.codec for track in init.tracks),
        size=(picture.width, picture.height),
        rate=times.rate,
        frame=times.frame,
        peak=peak,
        average=average,
    )


def _check_clock(kind: str, parts: Sequence[fmp4.Samples], report: Report) -> None:
    """One track in all segments: ISO/IEC 14496-12 8.8.12, and what Media Source Extensions take for a gap."""
    report.must(
        f"times: no sample of {kind} lasts no time, or is shown before it is decoded",
        all((part.durations > 0).all() and (part.pts >= part.dts).all() for part in parts),
    )
    apart = [(after.dts[0] - before.end, before.durations[-1]) for before, after in pairwise(parts)]
    report.must(
        f"times: each segment's {kind} begins where the one before ends, to one sample",
        all(abs(off) <= lasts and off + lasts > 0 for off, lasts in apart),
        f"off by {max(abs(int(off)) for off, _ in apart)} ticks at most" if apart else "",
    )
    report.must(
        f"times: PTS of {kind} are all different, and those of a segment come after the one before",
        all(len(set(part.pts.tolist())) == len(part.pts) for part in parts)
        and all(before.pts.max() < after.pts.min() for before, after in pairwise(parts)),
    )


def _times(init: fmp4.Init, picture: fmp4.Track, parts: Sequence[fmp4.Fragment]) -> _Times:
    pictures = [found for part in parts if (found := part.of(picture)) is not None]
    starts = [round(Fraction(int(found.pts.min()) * CLOCK, picture.timescale)) for found in pictures]
    sound = init.of_kind("audio")
    heard = next((found for part in parts if (found := part.of(sound)) is not None), None)
    firsts = [Fraction(starts[0])]
    if sound is not None and heard is not None:
        firsts.append(Fraction(int(heard.pts[0]) * CLOCK, sound.timescale))
    last = round(Fraction(max(int(found.pts.max()) for found in pictures) * CLOCK, picture.timescale))
    count, span = sum(len(found.pts) for found in pictures), last - starts[0]
    rate = Fraction((count - 1) * CLOCK, span) if span else None
    return _Times(min(firsts), starts, last, max(1 / rate, Fraction(2, CLOCK)) if rate else Fraction(1), rate)
