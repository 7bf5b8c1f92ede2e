"""Validates HLS as it is published: playlists, segments, their joins, WebVTT beside them.

It knows nothing of how they were made: it reads the texts and the bytes that a player gets. "must" rules are those of
RFC 8216, of MPEG-TS (ISO/IEC 13818-1), and of this project (VOD without discontinuities, H.264 of at most High profile,
AAC-LC, segments named by their hash); a "should" rule is good practice. DESIGN 6 has the reasons.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...errors import Code, DreamlakeError
from ..containers import h264, mpegts
from .segments import AAC_FRAME, SECONDS

_HIGH_PROFILE = 100
_ROUNDING = 2  # ticks of 90 kHz
_TOLERATED = Fraction(1, 10)  # of a bandwidth
_RATE_TOLERATED = Fraction(1, 500)  # of a frame rate: a file's own figure is kept where it is as near as that


class Report:
    """Checks in the order in which they were first made. `must` marks the rules that stop a publication.

    A rule that is checked of several streams is reported once: as broken when it is broken anywhere.
    """

    def __init__(self) -> None:
        self._checks: dict[str, dict[str, Any]] = {}

    def must(self, rule: str, ok: bool, detail: str = "") -> None:
        self._add(rule, "must", ok, detail)

    def should(self, rule: str, ok: bool, detail: str = "") -> None:
        self._add(rule, "should", ok, detail)

    def _add(self, rule: str, level: str, ok: bool, detail: str) -> None:
        check = {"rule": rule, "level": level, "ok": bool(ok), "detail": detail}
        known = self._checks.setdefault(rule, check)
        if known is not check and not ok:
            details = [detail] if known["ok"] else [known["detail"], detail]
            known |= {"ok": False, "detail": "; ".join(filter(None, details))}

    @property
    def checks(self) -> list[dict[str, Any]]:
        """As they are stored: `{rule, level, ok, detail}`."""
        return list(self._checks.values())

    @property
    def broken(self) -> list[str]:
        """The broken rules that stop a publication, each with its detail."""
        return [
            f"{check['rule']} ({check['detail']})" if check["detail"] else check["rule"]
            for check in self.checks
            if check["level"] == "must" and not check["ok"]
        ]

    def as_dict(self) -> dict[str, Any]:
        return {"checks": self.checks}

    def raise_if_broken(self, subject: str) -> None:
        if self.broken:
            raise DreamlakeError(
                Code.OUTPUT_INVALID,
                f"The result of {subject} failed its verification: {'; '.join(self.broken)}.",
                checks=[check for check in self.checks if not check["ok"]],
            )


@dataclass(frozen=True, slots=True)
class Chunk:
    """One stored segment. `part` is what it holds; None when it is no segment, and `fault` says why."""

    sha256: str
    size: int
    part: mpegts.TsSegment | None
    fault: str = ""


def read_chunk(path: Path) -> Chunk:
    """What is stored in a file; OSError when there is none."""
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        return Chunk(sha256, len(data), mpegts.parse_segment(data))
    except mpegts.MalformedSegment as error:
        return Chunk(sha256, len(data), None, str(error))


def check_hls(master: str, playlists: Mapping[str, str], chunks: Mapping[str, Chunk], report: Report) -> None:
    """A master playlist with all that it names: media playlists and chunks by the URIs that name them.

    Subtitle playlists are checked if they are there; their segments by `check_subtitles`.
    """
    found = _Master(master)
    media = {uri: _Playlist(text, uri) for uri, text in playlists.items()}
    report.must(
        "master: every playlist that it names is there",
        all(uri in media for uri in found.stream_uris),
        ", ".join(uri for uri in found.stream_uris if uri not in media),
    )
    _check_master(found, report)
    streams: dict[str, _Measured] = {}
    for playlist in media.values():
        check_playlist(playlist.text, report, playlist.name)
        if playlist.uri not in found.subtitle_uris:
            measured = _check_chunks(playlist, chunks, found.independent, report)
            if measured:
                streams[playlist.uri] = measured
    _check_figures(found, streams, report)
    _check_alignment(found, media, streams, report)


# Playlists


class _Playlist:
    """A media playlist, taken apart as far as this project's playlists go."""

    def __init__(self, text: str, uri: str = "") -> None:
        self.text, self.uri, self.name = text, uri, _name(uri)
        self.lines = text.splitlines()
        self.uris = [line for line in self.lines if line and not line.startswith("#")]
        self.extinf = re.findall(r"^#EXTINF:(\d+(?:\.\d+)?),", text, re.MULTILINE)
        self.durations = [Fraction(value) for value in self.extinf]
        self.targets = [int(value) for value in re.findall(r"^#EXT-X-TARGETDURATION:(\d+)$", text, re.MULTILINE)]
        self.independent = "#EXT-X-INDEPENDENT-SEGMENTS" in self.lines

    @property
    def total(self) -> Fraction:
        return sum(self.durations, Fraction(0))

    @property
    def bounds(self) -> list[Fraction]:
        """Where each segment ends, in seconds from the start."""
        ends, at = [], Fraction(0)
        for duration in self.durations:
            at += duration
            ends.append(at)
        return ends

    def bandwidths(self, sizes: Sequence[int]) -> tuple[Fraction, Fraction]:
        """Peak and average bits a second; the peak is over runs of 0.5 to 1.5 target durations (RFC 8216 4.1)."""
        average = peak = sum(sizes) * 8 / self.total
        target = self.targets[0]
        for first in range(len(sizes)):
            size, duration = 0, Fraction(0)
            for at in range(first, len(sizes)):
                size, duration = size + sizes[at], duration + self.durations[at]
                if duration * 2 > 3 * target:
                    break
                if duration * 2 >= target:
                    peak = max(peak, size * 8 / duration)
        return peak, average


def _name(uri: str) -> str:
    """The last part of a URI's path: a service may have added a signature or a token."""
    return uri.partition("?")[0].rsplit("/", 1)[-1]


def check_playlist(text: str, report: Report, name: str = "") -> None:
    """A media playlist by itself (RFC 8216 4.3). `name` says which it is where there are several."""
    playlist = _Playlist(text)
    _check_head(playlist.lines, "playlist", report, name)
    report.must("playlist: #EXT-X-ENDLIST is the last line", playlist.lines[-1:] == ["#EXT-X-ENDLIST"], name)
    report.must("playlist: it is VOD", "#EXT-X-PLAYLIST-TYPE:VOD" in playlist.lines, name)
    report.must(
        "playlist: it begins with segment 0, and nothing is discontinuous",
        {line for line in playlist.lines if line.startswith("#EXT-X-MEDIA-SEQUENCE:")} <= {"#EXT-X-MEDIA-SEQUENCE:0"}
        and not any(line.startswith("#EXT-X-DISCONTINUITY") for line in playlist.lines),
        name,
    )
    # 4.1: an EXTINF belongs to the URI after it.
    pairs = [line for line in playlist.lines if line.startswith("#EXTINF:") or (line and not line.startswith("#"))]
    report.must(
        "playlist: every segment has an EXTINF above 0, with 3 decimals or more",
        len(playlist.extinf) == len(playlist.uris) > 0
        and all(line.startswith("#EXTINF:") == (at % 2 == 0) for at, line in enumerate(pairs))
        and all(value > 0 for value in playlist.durations)
        and all(len(value.partition(".")[2]) >= 3 for value in playlist.extinf),
        f"{len(playlist.uris)} segments",
    )
    longest = max(playlist.durations, default=Fraction(0))
    report.must(
        "playlist: one TARGETDURATION, no EXTINF rounds above it",
        len(playlist.targets) == 1 and math.floor(longest + Fraction(1, 2)) <= playlist.targets[0],
        f"longest segment {float(longest):.3f} s",
    )
    report.should(
        "playlist: segments are near the aim of 6 s", longest <= 2 * SECONDS + 1, f"longest {float(longest):.3f} s"
    )


def _check_head(lines: Sequence[str], what: str, report: Report, name: str) -> None:
    report.must(f"{what}: #EXTM3U is the first line, without a byte order mark", lines[:1] == ["#EXTM3U"], name)
    versions = [line.partition(":")[2] for line in lines if line.startswith("#EXT-X-VERSION:")]
    report.must(
        f"{what}: one VERSION, high enough for fractions of a second",
        len(versions) == 1 and versions[0].isdigit() and int(versions[0]) >= 3,
        name,
    )


class _Master:
    """A master playlist, taken apart: variant streams as (attributes, URI), renditions as attributes."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.independent = "#EXT-X-INDEPENDENT-SEGMENTS" in self.lines
        self.variants: list[tuple[dict[str, str], str]] = []
        for line, following in pairwise([*self.lines, ""]):
            if line.startswith("#EXT-X-STREAM-INF:"):
                self.variants.append((_attributes(line), "" if following.startswith("#") else following))
        self.uris = [line for line in self.lines if line and not line.startswith("#")]
        self.renditions = [_attributes(line) for line in self.lines if line.startswith("#EXT-X-MEDIA:")]

    def rendition_uris(self, kind: str) -> list[str]:
        return [found["URI"] for found in self.renditions if found.get("TYPE") == kind and "URI" in found]

    @property
    def subtitle_uris(self) -> list[str]:
        return self.rendition_uris("SUBTITLES")

    @property
    def stream_uris(self) -> list[str]:
        """Playlists of pictures and sound."""
        return [*(uri for _, uri in self.variants), *self.rendition_uris("AUDIO")]


def _attributes(line: str) -> dict[str, str]:
    """The attribute list of a tag (RFC 8216 4.2), quotes taken off."""
    return {
        name: value.strip('"') for name, value in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,"]*)', line.partition(":")[2])
    }


def _check_master(master: _Master, report: Report) -> None:
    _check_head(master.lines, "master", report, "")
    report.must(
        "master: every stream has BANDWIDTH, AVERAGE-BANDWIDTH and CODECS, and its URI in the next line",
        0 < len(master.variants) == len(master.uris)
        and all(
            uri
            and attributes.get("BANDWIDTH", "").isdigit()
            and attributes.get("AVERAGE-BANDWIDTH", "").isdigit()
            and attributes.get("CODECS")
            for attributes, uri in master.variants
        ),
    )
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for rendition in master.renditions:
        groups.setdefault((rendition.get("TYPE", ""), rendition.get("GROUP-ID", "")), []).append(rendition)
    named = {(kind, found[kind]) for found, _ in master.variants for kind in ("AUDIO", "SUBTITLES") if kind in found}
    missing = sorted(group for kind, group in named if (kind, group) not in groups)
    report.must("master: every AUDIO and SUBTITLES group that is named exists", not missing, ", ".join(missing))
    if not groups:
        return
    names = [[rendition.get("NAME", "") for rendition in group] for group in groups.values()]
    report.must(
        "master: the renditions of a group have names of their own",
        all(all(of) and len(set(of)) == len(of) for of in names),
    )
    report.must(
        "master: a group has at most one DEFAULT, which players may choose by themselves",
        all(sum(rendition.get("DEFAULT") == "YES" for rendition in group) <= 1 for group in groups.values())
        and all(found.get("AUTOSELECT") == "YES" for found in master.renditions if found.get("DEFAULT") == "YES"),
    )
    report.should(
        "master: audio and subtitles have a LANGUAGE",
        all("LANGUAGE" in rendition for rendition in master.renditions),
        ", ".join(found.get("NAME", "") for found in master.renditions if "LANGUAGE" not in found),
    )


# Segments


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the bytes of a stream say. `rate` is frames a second; None for sound, or a single picture."""

    codecs: frozenset[str]
    size: tuple[int, int] | None
    rate: Fraction | None
    frame: Fraction  # seconds of a picture, or of an AAC frame
    peak: Fraction
    average: Fraction


def _check_chunks(
    playlist: _Playlist, chunks: Mapping[str, Chunk], independent: bool, report: Report
) -> _Measured | None:
    """The segments of one media playlist and their joins; None when they are no segments at all."""
    named = [chunks[uri] for uri in playlist.uris if uri in chunks]
    report.must(
        "segments: every one that is named is stored",
        len(named) == len(playlist.uris),
        ", ".join(uri for uri in playlist.uris if uri not in chunks)[:200],
    )
    misnamed = [uri for uri in playlist.uris if uri in chunks and _name(uri) != f"{chunks[uri].sha256}.ts"]
    report.must("segments: each is named by the SHA-256 of its bytes", not misnamed, ", ".join(misnamed)[:200])
    parts = [chunk.part for chunk in named if chunk.part]
    faults = [f"segment {at}: {chunk.fault}" for at, chunk in enumerate(named) if chunk.part is None]
    report.must("segments: each is a whole number of MPEG-TS packets with tables", not faults, "; ".join(faults)[:200])
    if faults or not parts:
        return None
    _check_packets(parts, independent or playlist.independent, report)
    times = _Times(parts)
    _check_clock(parts, times, report)
    if len(named) != len(playlist.durations) or not playlist.total or not playlist.targets:
        return None
    _check_durations(playlist, times, report)
    peak, average = playlist.bandwidths([chunk.size for chunk in named])
    sps, sound = parts[0].sps, parts[0].of_type(mpegts.AAC_ADTS)
    codecs = [sps.codec] if sps else []
    if any(part.of_type(mpegts.AAC_ADTS) for part in parts):
        codecs.append(f"mp4a.40.{sound.aac.object_type if sound and sound.aac else 2}")
    return _Measured(
        codecs=frozenset(codecs),
        size=(sps.width, sps.height) if sps else None,
        rate=times.rate,
        frame=times.frame,
        peak=peak,
        average=average,
    )


def _check_packets(parts: Sequence[mpegts.TsSegment], independent: bool, report: Report) -> None:
    report.must("segments: no transport error", not any(part.transport_errors for part in parts))
    report.must("segments: PAT and PMT come before the first picture or sound", all(p.tables_first for p in parts))
    kinds = [sorted(found.stream_type for found in part.streams) for part in parts]
    allowed = [[mpegts.H264], [mpegts.AAC_ADTS], [mpegts.AAC_ADTS, mpegts.H264]]
    report.must(
        "segments: H.264 and AAC only, at most one of each, the same in all",
        kinds[0] in allowed and len({*map(tuple, kinds)}) == 1,
    )
    if mpegts.H264 in kinds[0]:
        starts_idr = [starts_with_idr(part.head_units) for part in parts]
        if independent:
            report.must(
                "segments: each starts with SPS, PPS and an IDR picture",
                all(starts_idr),
                f"{starts_idr.count(False)} of {len(parts)} do not" if not all(starts_idr) else "",
            )
        profiles = [sps for part in parts for sps in part.parameters]
        report.must(
            "segments: profile at most High, 8-bit 4:2:0, progressive",
            all(part.parameters for part in parts)
            and all(
                s.profile <= _HIGH_PROFILE and s.chroma == 1 and s.bit_depth == 8 and s.progressive for s in profiles
            ),
        )
        report.must(
            "segments: one picture size and codec throughout",
            len(set(profiles)) == 1,
            ", ".join(dict.fromkeys(f"{s.codec} {s.width}x{s.height}" for s in profiles))
            if len(set(profiles)) > 1
            else "",
        )
    sounds = [found.aac for part in parts if (found := part.of_type(mpegts.AAC_ADTS)) and found.aac]
    if sounds:
        report.must(
            "segments: sound is AAC-LC, mono or stereo, the same in all",
            len(set(sounds)) == 1 and sounds[0].object_type == 2 and sounds[0].channels in (1, 2),
        )


def starts_with_idr(units: Sequence[int]) -> bool:
    """Whether the NAL unit types are those of a picture that can be decoded without any before it."""
    try:
        idr = units.index(h264.IDR)
    except ValueError:
        return False
    before = units[:idr]
    return h264.SPS in before and h264.PPS in before and not {1, 2, 3, 4} & set(before)


class _Times:
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


def _check_clock(parts: Sequence[mpegts.TsSegment], times: _Times, report: Report) -> None:
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


def _check_durations(playlist: _Playlist, times: _Times, report: Report) -> None:
    """The sum of any run of EXTINF is the distance between the times that the run begins and ends with."""
    begins = [Fraction(0), *playlist.bounds[:-1]]
    apart = [
        begin - Fraction(start - times.start, mpegts.CLOCK)
        for begin, start in zip(begins[1:], times.starts[1:], strict=False)
    ]
    worst = max([*apart, Fraction(0)]) - min([*apart, Fraction(0)])
    report.must(
        "times: EXTINF agree with the times in the segments to a frame, over any run of them",
        len(times.starts) == len(begins) and worst <= times.frame,
        f"off by {float(worst) * 1000:.1f} ms at most",
    )
    if times.last_picture is not None:
        end = Fraction(times.last_picture - times.start, mpegts.CLOCK)
        report.must(
            "times: every picture is shown before the playlist ends",
            end < playlist.total,
            f"the last at {float(end):.3f} s of {float(playlist.total):.3f} s",
        )


# Master and segments


def _check_figures(master: _Master, streams: Mapping[str, _Measured], report: Report) -> None:
    """What the master says of its streams is what their bytes say (RFC 8216 4.3.4.2)."""
    for attributes, uri in master.variants:
        if uri not in streams:
            continue
        stream = streams[uri]
        group = [
            streams[found["URI"]]
            for found in master.renditions
            if found.get("TYPE") == "AUDIO" and found.get("GROUP-ID") == attributes.get("AUDIO")
            if found.get("URI") in streams
        ]
        codecs = stream.codecs.union(*(other.codecs for other in group))
        given = frozenset(attributes.get("CODECS", "").split(","))
        report.must("master: CODECS are those of the segments", given == codecs, ",".join(sorted(codecs)))
        peak = stream.peak + max((other.peak for other in group), default=0)
        average = stream.average + max((other.average for other in group), default=0)
        for name, measured in (("BANDWIDTH", peak), ("AVERAGE-BANDWIDTH", average)):
            said = int(attributes[name]) if attributes.get(name, "").isdigit() else 0
            report.must(
                f"master: {name} is the measured one, to 10 %",
                abs(said - measured) <= _TOLERATED * measured,
                f"{said / 1000:.0f} of {float(measured) / 1000:.0f} kbit/s",
            )
        if stream.size:
            width, height = stream.size
            size = f"{width}x{height}"
            report.must("master: RESOLUTION is that of the pictures", attributes.get("RESOLUTION") == size, size)
        if stream.rate:
            rate = attributes.get("FRAME-RATE", "")
            report.must(
                "master: FRAME-RATE is the measured one, with 3 decimals",
                re.fullmatch(r"\d+\.\d{3}", rate) is not None
                and abs(Fraction(rate) - stream.rate) <= _RATE_TOLERATED * stream.rate + Fraction(1, 2000),
                f"it says {rate or 'none'}, {float(stream.rate):.3f} were measured",
            )


def _check_alignment(
    master: _Master, media: Mapping[str, _Playlist], streams: Mapping[str, _Measured], report: Report
) -> None:
    """Renditions can be changed at every segment: theirs begin and end at the same times (RFC 8216 6.2.4)."""
    variants = list(dict.fromkeys(uri for _, uri in master.variants if uri in streams))
    if not variants:
        return
    best, step = variants[0], streams[variants[0]].frame
    apart = [
        (uri, _apart(media[best], media[uri]), max(step, streams[uri].frame) if uri in streams else step)
        for uri in [*variants[1:], *master.rendition_uris("AUDIO"), *master.subtitle_uris]
        if uri in media
    ]
    if apart:
        report.must(
            "master: streams, sound and subtitles have their segments at the same times, to a frame",
            all(difference <= frame for _, difference, frame in apart),
            ", ".join(media[uri].name for uri, difference, frame in apart if difference > frame),
        )


def _apart(one: _Playlist, other: _Playlist) -> Fraction:
    """By how many seconds the bounds of the segments differ; a day when there are not as many."""
    if len(one.bounds) != len(other.bounds):
        return Fraction(86_400)
    return max((abs(a - b) for a, b in zip(one.bounds, other.bounds, strict=True)), default=Fraction(0))


# WebVTT


_CUE_TIME = r"((?:\d+:)?\d\d:\d\d\.\d{3})"
_CUE = re.compile(rf"{_CUE_TIME} --> {_CUE_TIME}(?: .*)?")
_MAP = re.compile(r"X-TIMESTAMP-MAP=(?=.*\bLOCAL:([\d:.]+))(?=.*\bMPEGTS:(\d+))")


def check_subtitles(playlist: str, segments: Sequence[str], stream_start: float, report: Report) -> None:
    """The WebVTT segments of a subtitle playlist, in its order (RFC 8216 3.5).

    `stream_start` is the time in seconds of the video's first segment in MPEG-TS.
    """
    windows = _Playlist(playlist)
    report.must("subtitles: as many segments as the playlist names", len(segments) == len(windows.uris))
    report.must(
        "subtitles: each segment starts with WEBVTT",
        all(text.split("\n", 1)[0].rstrip("\r") == "WEBVTT" or text.startswith("WEBVTT ") for text in segments),
    )
    ticks = round(stream_start * mpegts.CLOCK) % 2**33
    maps = [_MAP.search(text) for text in segments]
    report.must(
        "subtitles: X-TIMESTAMP-MAP has the first time of the video",
        all(found is not None and int(found[2]) == ticks for found in maps),
        f"MPEGTS:{ticks}",
    )
    if not all(maps):
        return
    # By segment, in milliseconds of playback.
    cues = [
        [(start - _cue_time(found[1]), end - _cue_time(found[1]), cue) for start, end, cue in _cues(text)]
        for text, found in zip(segments, maps, strict=True)
        if found
    ]
    report.must(
        "subtitles: cues are in order, and end after they start",
        all(start < end for of in cues for start, end, _ in of)
        and all(one[:2] <= other[:2] for of in cues for one, other in pairwise(of)),
    )
    known = {cue for of in cues for cue in of}
    bounds = [Fraction(0), *windows.bounds]
    whole = all(
        (cue in of) == (cue[0] < end * 1000 and cue[1] > begin * 1000)
        for of, (begin, end) in zip(map(set, cues), pairwise(bounds), strict=False)
        for cue in known
    )
    report.must("subtitles: each segment holds every cue that overlaps it, whole, and no other", whole)


def _cues(text: str) -> Iterable[tuple[int, int, str]]:
    for block in re.split(r"\n\n+", text.replace("\r\n", "\n").strip("\n")):
        lines = block.split("\n")
        at = next((at for at, line in enumerate(lines[:2]) if _CUE.fullmatch(line)), None)
        if at is not None and (found := _CUE.fullmatch(lines[at])):
            yield _cue_time(found[1]), _cue_time(found[2]), "\n".join(lines[at + 1 :])


def _cue_time(text: str) -> int:
    *hours, minutes, seconds = text.split(":")
    return (int(hours[0] if hours else 0) * 60 + int(minutes)) * 60_000 + int(seconds.replace(".", ""))
