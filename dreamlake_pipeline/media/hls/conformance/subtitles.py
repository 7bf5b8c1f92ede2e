"""WebVTT segments beside a video.

Cues are read here once more, by the letter of the standard, and not by what wrote them (webvtt.py): a check that shares
its reader with the writer finds no fault that both have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

from ...containers import mpegts
from .playlists import Playlist
from .report import Report

_CUE_TIME = r"((?:\d+:)?\d\d:\d\d\.\d{3})"
_CUE = re.compile(rf"{_CUE_TIME} --> {_CUE_TIME}(?: .*)?")
_MAP = re.compile(r"X-TIMESTAMP-MAP=(?=.*\bLOCAL:([\d:.]+))(?=.*\bMPEGTS:(\d+))")


def check_subtitles(playlist: str, segments: Sequence[str], stream_start: float, report: Report) -> None:
    """The WebVTT segments of a subtitle playlist, in its order (RFC 8216 3.5).

    `stream_start` is the time in seconds of the video's first segment in MPEG-TS.
    """
    windows = Playlist(playlist)
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
        "subtitles: cues are in the order of their starts, and end after them",
        all(start < end for of in cues for start, end, _ in of)
        and all(one[0] <= other[0] for of in cues for one, other in pairwise(of)),
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
