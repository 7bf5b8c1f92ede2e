"""Subtitles of a video: the ready text tracks that lie beside it, as renditions of its master playlist.

What belongs together is decided whenever a playlist is served, so it does not matter which of the two came first.
A track lies beside a video when owner, project, episode and folder are the same, and its filename is the video's with
another extension (`front.vtt`), or with a language and flags before it (`front.en.forced.vtt`, see subtitlenames.py).
The cues of a track count from the start of the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from sqlalchemy import Connection

from .. import webvtt
from ..api.bss import Record
from ..names import split_name
from ..subtitlenames import SubtitleName, read_suffixes
from . import playlists, records
from .timelines import Cues

CONTENT_TYPE = "text/vtt; charset=utf-8"
_GROUP = "subtitles"
_CLOCK = 90_000  # ticks a second of MPEG-TS, whose times have 33 bits
# RFC 8216 4.3.4.1 names both for subtitles for the deaf and hard of hearing.
_FOR_THE_DEAF = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"


@dataclass(frozen=True, slots=True)
class Subtitles:
    """A text track as a rendition of a video. `says` is what its name says, or, of the language, its own header.

    `named_alike` tells whether nothing but the extension is behind the video's stem.
    """

    record: Record
    says: SubtitleName
    named_alike: bool

    @property
    def kind(self) -> tuple[str | None, bool, bool]:
        """What players choose by: of one kind, they take only the first by themselves."""
        return self.says.language, self.says.forced, self.says.for_the_deaf


def of_video(connection: Connection, video: Record) -> list[Subtitles]:
    """A video's subtitles in the order in which players list them: those named like it first, then by language, and
    of one language those for everybody first.
    """
    folder, filename = split_name(video.name)
    stem = PurePosixPath(filename).stem
    found = []
    for record in records.text_tracks_beside(connection, video, f"{folder.rstrip('/')}/{stem}."):
        suffix = PurePosixPath(split_name(record.name).filename).stem.removeprefix(stem)
        says = read_suffixes(suffix.removeprefix("."))
        if says is None:
            continue
        language = says.language or (record.metadata or {}).get("language")
        found.append(Subtitles(record, replace(says, language=language), not suffix))
    return sorted(found, key=_order)


def _order(track: Subtitles) -> tuple[bool, str, bool, bool, str]:
    says = track.says
    return not track.named_alike, says.language or "", says.forced, says.for_the_deaf, track.record.name


def add_to_master(master: str, tracks: Sequence[Subtitles]) -> str:
    """The master playlist with the tracks as the subtitles of its every stream (RFC 8216 4.3.4.1 and 4.3.4.2.1).

    Of several of one kind, players choose by themselves only the first.
    """
    default = _default_of(tracks)
    media = [
        playlists.tag(
            "EXT-X-MEDIA",
            TYPE="SUBTITLES",
            GROUP_ID=f'"{_GROUP}"',
            NAME=f'"{name}"',
            LANGUAGE=f'"{track.says.language}"' if track.says.language else None,
            DEFAULT="YES" if track is default else "NO",
            AUTOSELECT="YES" if _is_first_of_kind(track, tracks, default) else "NO",
            FORCED="YES" if track.says.forced else None,
            CHARACTERISTICS=f'"{_FOR_THE_DEAF}"' if track.says.for_the_deaf else None,
            URI=f'"subtitles/{track.record.id}.m3u8"',
        )
        for track, name in zip(tracks, _names(tracks), strict=True)
    ]
    lines = master.split("\n")
    streams = [at for at, line in enumerate(lines) if line.startswith("#EXT-X-STREAM-INF:")]
    for at in streams:
        lines[at] += f',SUBTITLES="{_GROUP}"'
    return "\n".join([*lines[: streams[0]], *media, *lines[streams[0] :]])


def _default_of(tracks: Sequence[Subtitles]) -> Subtitles | None:
    """The track that is shown where nobody chose one: what a name says is the default, else the first for everybody.

    Forced subtitles need no default: players show those of the language that is heard.
    """
    for wanted in (
        [track for track in tracks if track.says.default and not track.says.forced],
        [track for track in tracks if not track.says.forced and not track.says.for_the_deaf],
        [track for track in tracks if not track.says.forced],
    ):
        if wanted:
            return wanted[0]
    return None


def _is_first_of_kind(track: Subtitles, tracks: Sequence[Subtitles], default: Subtitles | None) -> bool:
    """RFC 8216 4.3.4.1.1: those with AUTOSELECT differ in LANGUAGE, FORCED or CHARACTERISTICS; a default has it."""
    alike = [other for other in tracks if other.kind == track.kind]
    return track is (default if default in alike else alike[0])


def media_playlist(stream: str, track_id: str) -> str:
    """The media playlist of a track: one WebVTT segment for each segment of the video's playlist `stream`."""
    number = iter(range(len(playlists.durations(stream))))
    segments = playlists.replace_uris(stream, lambda _: f"{track_id}/{next(number)}.vtt")
    return segments.replace("#EXT-X-INDEPENDENT-SEGMENTS\n", "")


def clock_start(stream_start: float) -> int:
    """By how many milliseconds the cues of a track are moved to the clock of the video, whose first segment starts
    `stream_start` seconds into MPEG-TS."""
    return round(stream_start * 1000)


def segment(cues: Cues, start: float, end: float, stream_start: float) -> bytes:
    """The WebVTT segment beside a segment of the video that is shown from `start` to `end` (milliseconds).

    `cues` are those of a track, moved by `clock_start`; every one of them that overlaps the segment is there, whole
    (RFC 8216 3.5). They are on the clock of MPEG-TS, and the map says so too: players that pass over X-TIMESTAMP-MAP,
    as FFmpeg does, still show them at the right time.
    """
    local, ticks = clock_start(stream_start), round(stream_start * _CLOCK) % 2**33
    title = f"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:{webvtt.format_time(local)},MPEGTS:{ticks}".encode()
    blocks = [title, *([cues.head] if cues.head else []), *cues.between(start, end)]
    return b"\n\n".join(blocks) + b"\n"


def _names(tracks: Sequence[Subtitles]) -> list[str]:
    """What players call the tracks, each name once: the language and the flags, or the filename."""
    names: list[str] = []
    for track in tracks:
        filename = split_name(track.record.name).filename.replace('"', "'")
        flags = [*(["forced"] if track.says.forced else []), *(["SDH"] if track.says.for_the_deaf else [])]
        name = track.says.language or filename
        if track.says.language and flags:
            name += f" ({', '.join(flags)})"
        if name in names:
            name = filename if filename not in names else f"{filename} {track.record.id}"
        names.append(name)
    return names
