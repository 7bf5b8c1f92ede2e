"""Subtitles of a video: the ready text tracks that lie beside it, as renditions of its master playlist.

What belongs together is decided whenever a playlist is served, so it does not matter which of the two came first.
A track lies beside a video when owner, project, episode and folder are the same, and its filename is the video's with
another extension (`front.vtt`), or with a language before it (`front.en.vtt`). The cues of a track count from the
start of the video.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sqlalchemy import Connection

from ..api.bss import Record
from ..languages import normalize_language
from ..names import split_name
from . import playlists, records

CONTENT_TYPE = "text/vtt; charset=utf-8"
_GROUP = "subtitles"
_CLOCK = 90_000  # ticks a second of MPEG-TS, whose times have 33 bits
_TIME = re.compile(r"(?:\d+:)?\d\d:\d\d\.\d{3}")
# A line of times, or a time tag inside a cue's text.
_TIMING = re.compile(rf"^{_TIME.pattern} --> {_TIME.pattern}|<{_TIME.pattern}>", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Subtitles:
    """A text track as a rendition of a video; `language` is a BCP 47 tag, `named_alike`: nothing is behind the stem."""

    record: Record
    language: str | None
    named_alike: bool


def of_video(connection: Connection, video: Record) -> list[Subtitles]:
    """A video's subtitles in the order in which players list them: those named like it first, then by language."""
    folder, filename = split_name(video.name)
    stem = PurePosixPath(filename).stem
    found = []
    for record in records.text_tracks_beside(connection, video, f"{folder.rstrip('/')}/{stem}."):
        suffix = PurePosixPath(split_name(record.name).filename).stem.removeprefix(stem)
        language = normalize_language(suffix.removeprefix("."))
        if suffix and language is None:
            continue
        found.append(Subtitles(record, language or (record.metadata or {}).get("language"), not suffix))
    return sorted(found, key=lambda track: (not track.named_alike, track.language or "", track.record.name))


def add_to_master(master: str, tracks: Sequence[Subtitles]) -> str:
    """The master playlist with the tracks as the subtitles of its every stream (RFC 8216 4.3.4.1 and 4.3.4.2.1).

    The first is the default. Of several in one language, players choose by themselves only the first.
    """
    media = [
        playlists.tag(
            "EXT-X-MEDIA",
            TYPE="SUBTITLES",
            GROUP_ID=f'"{_GROUP}"',
            NAME=f'"{name}"',
            LANGUAGE=f'"{track.language}"' if track.language else None,
            DEFAULT="YES" if track is tracks[0] else "NO",
            AUTOSELECT="YES" if track.language not in {before.language for before in tracks[:at]} else "NO",
            URI=f'"subtitles/{track.record.id}.m3u8"',
        )
        for at, (track, name) in enumerate(zip(tracks, _names(tracks), strict=True))
    ]
    lines = master.split("\n")
    streams = [at for at, line in enumerate(lines) if line.startswith("#EXT-X-STREAM-INF:")]
    for at in streams:
        lines[at] += f',SUBTITLES="{_GROUP}"'
    return "\n".join([*lines[: streams[0]], *media, *lines[streams[0] :]])


def media_playlist(stream: str, track_id: str) -> str:
    """The media playlist of a track: one WebVTT segment for each segment of the video's playlist `stream`."""
    number = iter(range(len(playlists.durations(stream))))
    segments = playlists.replace_uris(stream, lambda _: f"{track_id}/{next(number)}.vtt")
    return segments.replace("#EXT-X-INDEPENDENT-SEGMENTS\n", "")


def segment(track: str, stream: str, number: int, stream_start: float) -> str | None:
    """The WebVTT segment beside segment `number` (from 0) of the video's playlist `stream`; None when it has no such.

    `track` is a track.vtt; every cue of it that overlaps the segment is there, whole (RFC 8216 3.5). `stream_start` is
    the time in seconds of the video's first segment in MPEG-TS. Cues are moved to that clock, and the map says so
    too: players that pass over X-TIMESTAMP-MAP, as FFmpeg does, still show them at the right time.
    """
    durations = playlists.durations(stream)
    if number >= len(durations):
        return None
    start, end = sum(durations[:number]) * 1000, sum(durations[: number + 1]) * 1000
    local, ticks = round(stream_start * 1000), round(stream_start * _CLOCK) % 2**33
    blocks = [f"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:{_format_time(local)},MPEGTS:{ticks}"]
    for block in track.rstrip("\n").split("\n\n")[1:]:
        times = _times(block)
        if times is None and block.startswith(("STYLE", "REGION")):
            blocks.append(block)
        elif times and times[0] < end and times[1] > start:
            blocks.append(_later(block, local))
    return "\n\n".join(blocks) + "\n"


def _times(block: str) -> tuple[int, int] | None:
    """When a cue starts and ends, in milliseconds; None when the block is no cue."""
    for line in block.split("\n", 2)[:2]:
        if found := _TIMING.match(line):
            start, end = _TIME.findall(found[0])
            return _milliseconds(start), _milliseconds(end)
    return None


def _later(block: str, milliseconds: int) -> str:
    """The cue with its times, and those inside its text, so much later."""

    def moved(timing: re.Match[str]) -> str:
        return _TIME.sub(lambda time: _format_time(_milliseconds(time[0]) + milliseconds), timing[0])

    return _TIMING.sub(moved, block)


def _milliseconds(time: str) -> int:
    *hours, minutes, seconds = time.split(":")
    return (int(hours[0] if hours else 0) * 60 + int(minutes)) * 60_000 + int(seconds.replace(".", ""))


def _format_time(milliseconds: int) -> str:
    seconds, fraction = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:03}"


def _names(tracks: Sequence[Subtitles]) -> list[str]:
    """What players call the tracks, each name once: the language where it is known, else the filename."""
    names: list[str] = []
    for track in tracks:
        filename = split_name(track.record.name).filename.replace('"', "'")
        name = track.language or filename
        if name in names:
            name = filename if filename not in names else f"{filename} {track.record.id}"
        names.append(name)
    return names
