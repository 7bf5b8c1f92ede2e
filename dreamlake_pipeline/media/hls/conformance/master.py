"""The master playlist: by itself, and beside the streams that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

from .playlists import Playlist, check_head
from .report import Report
from .segments import Measured

_TOLERATED = Fraction(1, 10)  # of a bandwidth
_RATE_TOLERATED = Fraction(1, 500)  # of a frame rate: a file's own figure is kept where it is as near as that


class Master:
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


def check_master(master: Master, report: Report) -> None:
    check_head(master.lines, "master", report, "")
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
    report.must(
        "master: FORCED is said of subtitles only",
        all(found.get("TYPE") == "SUBTITLES" for found in master.renditions if "FORCED" in found),
    )
    chosen = [[_preference(found) for found in group if found.get("AUTOSELECT") == "YES"] for group in groups.values()]
    report.should(
        "master: renditions of a group that players choose by themselves differ in LANGUAGE, FORCED or CHARACTERISTICS",
        all(len(set(of)) == len(of) for of in chosen),
    )
    report.should(
        "master: audio and subtitles have a LANGUAGE",
        all("LANGUAGE" in rendition for rendition in master.renditions),
        ", ".join(found.get("NAME", "") for found in master.renditions if "LANGUAGE" not in found),
    )


def _preference(rendition: Mapping[str, str]) -> tuple[str, ...]:
    """What players choose a rendition by (RFC 8216 4.3.4.1.1)."""
    names = ("LANGUAGE", "ASSOC-LANGUAGE", "CHARACTERISTICS")
    return *(rendition.get(name, "") for name in names), rendition.get("FORCED", "NO")


def check_figures(master: Master, streams: Mapping[str, Measured], report: Report) -> None:
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


def check_alignment(
    master: Master, media: Mapping[str, Playlist], streams: Mapping[str, Measured], report: Report
) -> None:
    """Renditions can be changed at every segment: theirs begin and end at the same times (RFC 8216 6.2.4).

    That is so of those in one form. Fragmented MP4 is cut where its source has keyframes, MPEG-TS beside it elsewhere:
    players do not go from one to the other, and need the whole to be as long in both.
    """
    variants = list(dict.fromkeys(uri for _, uri in master.variants if uri in streams))
    if not variants:
        return
    step = streams[variants[0]].frame
    first = {media[uri].is_fragmented: media[uri] for uri in reversed(variants)}
    best = media[variants[0]]
    others = [*variants[1:], *master.rendition_uris("AUDIO"), *master.subtitle_uris]
    apart = [
        (
            uri,
            _apart(first.get(media[uri].is_fragmented, best) if uri in streams else best, media[uri]),
            max(step, streams[uri].frame) if uri in streams else step,
        )
        for uri in others
        if uri in media
    ]
    totals = [found.total for found in first.values()]
    if len(totals) > 1:
        report.must(
            "master: streams of both forms are as long, to a frame",
            max(totals) - min(totals) <= max(streams[uri].frame for uri in variants),
        )
    if apart:
        report.must(
            "master: streams, sound and subtitles have their segments at the same times, to a frame",
            all(difference <= frame for _, difference, frame in apart),
            ", ".join(media[uri].name for uri, difference, frame in apart if difference > frame),
        )


def _apart(one: Playlist, other: Playlist) -> Fraction:
    """By how many seconds the bounds of the segments differ; a day when there are not as many."""
    if len(one.bounds) != len(other.bounds):
        return Fraction(86_400)
    return max((abs(a - b) for a, b in zip(one.bounds, other.bounds, strict=True)), default=Fraction(0))
