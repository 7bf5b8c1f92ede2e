"""Segments of MPEG-TS: what is stored, and what their packets hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ...containers import fmp4, h264, mpegts
from .playlists import Playlist, name_of
from .report import Report
from .times import Times, check_clock, check_durations

_HIGH_PROFILE = 100


@dataclass(frozen=True, slots=True)
class Chunk:
    """One stored segment. `part` is what it holds; None when it is no segment, and `fault` says why."""

    sha256: str
    size: int
    part: mpegts.TsSegment | fmp4.Fragment | fmp4.Init | None
    fault: str = ""


def read_chunk(path: Path, init: fmp4.Init | None = None) -> Chunk:
    """What is stored in a file; OSError when there is none. `init` is what a segment of fragmented MP4 belongs to."""
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        if init is not None:
            return Chunk(sha256, len(data), fmp4.parse_fragment(data, init))
        if data[4:8] == b"ftyp":
            return Chunk(sha256, len(data), fmp4.parse_init(data))
        return Chunk(sha256, len(data), mpegts.parse_segment(data))
    except (mpegts.MalformedSegment, fmp4.MalformedFragment) as error:
        return Chunk(sha256, len(data), None, str(error))


@dataclass(frozen=True, slots=True)
class Measured:
    """What the bytes of a stream say. `rate` is frames a second; None for sound, or a single picture."""

    codecs: frozenset[str]
    size: tuple[int, int] | None
    rate: Fraction | None
    frame: Fraction  # seconds of a picture, or of an AAC frame
    peak: Fraction
    average: Fraction


def check_chunks(playlist: Playlist, chunks: Mapping[str, Chunk], independent: bool, report: Report) -> Measured | None:
    """The segments of one media playlist and their joins; None when they are no segments at all."""
    named = [chunks[uri] for uri in playlist.uris if uri in chunks]
    report.must(
        "segments: every one that is named is stored",
        len(named) == len(playlist.uris),
        ", ".join(uri for uri in playlist.uris if uri not in chunks)[:200],
    )
    misnamed = [uri for uri in playlist.uris if uri in chunks and name_of(uri) != f"{chunks[uri].sha256}.ts"]
    report.must("segments: each is named by the SHA-256 of its bytes", not misnamed, ", ".join(misnamed)[:200])
    parts = [chunk.part for chunk in named if isinstance(chunk.part, mpegts.TsSegment)]
    faults = [
        f"segment {at}: {chunk.fault}" for at, chunk in enumerate(named) if not isinstance(chunk.part, mpegts.TsSegment)
    ]
    report.must("segments: each is a whole number of MPEG-TS packets with tables", not faults, "; ".join(faults)[:200])
    if faults or not parts:
        return None
    _check_packets(parts, independent or playlist.independent, report)
    times = Times(parts)
    check_clock(parts, times, report)
    if len(named) != len(playlist.durations) or not playlist.total or not playlist.targets:
        return None
    check_durations(playlist, times, report)
    peak, average = playlist.bandwidths([chunk.size for chunk in named])
    sps, sound = parts[0].sps, parts[0].of_type(mpegts.AAC_ADTS)
    codecs = [sps.codec] if sps else []
    if any(part.of_type(mpegts.AAC_ADTS) for part in parts):
        codecs.append(f"mp4a.40.{sound.aac.object_type if sound and sound.aac else 2}")
    return Measured(
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
