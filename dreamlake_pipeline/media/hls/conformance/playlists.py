"""Media playlists by themselves (RFC 8216 4.3)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction

from ..segments import SECONDS
from .report import Report


class Playlist:
    """A media playlist, taken apart as far as this project's playlists go."""

    def __init__(self, text: str, uri: str = "") -> None:
        self.text, self.uri, self.name = text, uri, name_of(uri)
        self.lines = text.splitlines()
        self.uris = [line for line in self.lines if line and not line.startswith("#")]
        self.extinf = re.findall(r"^#EXTINF:(\d+(?:\.\d+)?),", text, re.MULTILINE)
        self.durations = [Fraction(value) for value in self.extinf]
        self.targets = [int(value) for value in re.findall(r"^#EXT-X-TARGETDURATION:(\d+)$", text, re.MULTILINE)]
        self.independent = "#EXT-X-INDEPENDENT-SEGMENTS" in self.lines
        found = re.findall(r'^#EXT-X-MAP:URI="([^"]*)"$', text, re.MULTILINE)
        # The URI of the initialization segment; None for MPEG-TS, or where there are several.
        self.map = found[0] if len(found) == 1 else None

    @property
    def is_fragmented(self) -> bool:
        """Whether its segments are fragmented MP4."""
        return self.map is not None

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


def name_of(uri: str) -> str:
    """The last part of a URI's path: a service may have added a signature or a token."""
    return uri.partition("?")[0].rsplit("/", 1)[-1]


def check_playlist(text: str, report: Report, name: str = "") -> None:
    """A media playlist by itself (RFC 8216 4.3). `name` says which it is where there are several."""
    playlist = Playlist(text)
    check_head(playlist.lines, "playlist", report, name)
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
    maps = [at for at, line in enumerate(playlist.lines) if line.startswith("#EXT-X-MAP:")]
    report.must(
        "playlist: at most one EXT-X-MAP, before the first segment, with a VERSION of 6 or more",
        not maps
        or (
            playlist.map is not None
            and len(maps) == 1
            and not any(line.startswith("#EXTINF:") for line in playlist.lines[: maps[0]])
            and any(re.fullmatch(r"#EXT-X-VERSION:([6-9]|\d\d)", line) for line in playlist.lines)
        ),
        name,
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


def check_head(lines: Sequence[str], what: str, report: Report, name: str) -> None:
    report.must(f"{what}: #EXTM3U is the first line, without a byte order mark", lines[:1] == ["#EXTM3U"], name)
    versions = [line.partition(":")[2] for line in lines if line.startswith("#EXT-X-VERSION:")]
    report.must(
        f"{what}: one VERSION, high enough for fractions of a second",
        len(versions) == 1 and versions[0].isdigit() and int(versions[0]) >= 3,
        name,
    )
