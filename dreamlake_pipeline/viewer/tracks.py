"""One file of an episode as a track: what a page shows of it, and what is known of its times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from ..api.bss import Record
from ..api.common import ErrorBody
from ..api.server import Asset
from ..dagsterpaths import runs_of_batch
from ..kinds import Kind
from ..names import split_name
from ..subtitlenames import read_suffixes
from .alignment import Clock, Timed

_MOST_MEASURED = 50  # fields of telemetry that a page is told of

_LEAST_ABSOLUTE = 1e8  # seconds: a container whose clock starts later than this counts since 1970
_CLOCKS = {
    "unix": Clock.UNIX,
    "gps": Clock.UNIX,  # `start` is told in UTC
    "date": Clock.LOCAL,
    "midnight": Clock.MIDNIGHT,
    "relative": Clock.RELATIVE,
}


def describe(asset: Asset, record: Record, *, dagster_url: str | None = None, most_fields: int = 100) -> dict[str, Any]:
    """A file as JSON has it, with so many fields of a label track; whoever aligns it with others adds its times.

    `kind` is that of the content: a video that holds sound only is `audio`. `recordKind` is the one that routes take.
    URLs are paths of the viewer, null for what the file does not have.
    """
    metadata = record.metadata or {} if record.is_playable else {}
    kind = Kind(metadata.get("kindByContent") or record.kind)
    return {
        "assetId": asset.id,
        "recordId": record.id,
        "kind": kind,
        "recordKind": record.kind,
        "name": record.name,
        "filename": asset.filename,
        "folder": asset.folder,
        "status": record.status,
        "playable": record.is_playable,
        "error": _error(record.error or record.last_error),
        "warnings": record.warnings or metadata.get("warnings", []),
        "partial": bool(metadata.get("partial")),
        "file": f"/f/{asset.id}",
        "run": runs_of_batch(dagster_url, record.partition),
        "streamStart": (metadata.get("timeOrigin") or {}).get("streamStart"),
        **_OF_KIND[kind](record, metadata),
        **({"fields": _fields(metadata, most_fields)} if kind is Kind.LABEL_TRACK else {}),
    }


def timed(record: Record, *, offset: float, video: int | None) -> Timed:
    """What is known of its times; `video` is the place of the video whose subtitles it is."""
    metadata = record.metadata or {} if record.is_playable else {}
    clock, start, created = None, 0.0, None
    if record.kind is Kind.LABEL_TRACK:
        clock, start = _label_clock(metadata)
    elif record.kind is not Kind.TEXT_TRACK:
        source_start = (metadata.get("timeOrigin") or {}).get("sourceStart") or 0.0
        if source_start >= _LEAST_ABSOLUTE:
            clock, start = Clock.UNIX, source_start
        created = _created(metadata)
    return Timed(
        name=split_name(record.name).filename,
        duration=metadata.get("durationSec") or 0.0,
        clock=clock,
        start=start,
        created=created,
        beside=video,
        offset=offset,
    )


def has_times(record: Record) -> bool:
    """Whether it can be placed on a clock: it is playable, and not a table whose entries have no time."""
    if not record.is_playable:
        return False
    return record.kind is not Kind.LABEL_TRACK or (record.metadata or {}).get("timeField") is not None


def video_of(track: Record, videos: Mapping[int, Record]) -> int | None:
    """The key of the video that a text track lies beside, as BSS has it (bss/subtitles.py): it has the video's folder
    and stem, and between that and its extension nothing but a language and flags. None for other kinds."""
    if track.kind is not Kind.TEXT_TRACK:
        return None
    folder, filename = split_name(track.name)
    stem = PurePosixPath(filename).stem
    for key, video in videos.items():
        other = split_name(video.name)
        beginning = PurePosixPath(other.filename).stem
        is_alike = other.folder == folder and (stem == beginning or stem.startswith(f"{beginning}."))
        if is_alike and read_suffixes(stem.removeprefix(beginning).removeprefix(".")) is not None:
            return key
    return None


def _label_clock(metadata: Mapping[str, Any]) -> tuple[Clock | None, float]:
    """The clock of a label track's entries, and its first time on it; (None, 0) where they have no time."""
    start = metadata.get("start")
    clock = _CLOCKS.get((metadata.get("time") or {}).get("origin", ""))
    if isinstance(start, str):
        start = _seconds(start)
    return (None, 0.0) if start is None or clock is None else (clock, float(start))


def _created(metadata: Mapping[str, Any]) -> float | None:
    """When the container says that it was recorded, in seconds since 1970."""
    streams = (metadata.get("source") or {}).get("streams", [])
    times = [_seconds(stream["created"]) for stream in streams if stream.get("created")]
    return min((time for time in times if time is not None), default=None)


def _seconds(text: str) -> float | None:
    """A time of RFC 3339 in seconds since 1970; one without a zone is taken for UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:  # the year 12000
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _video(record: Record, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "width": metadata.get("width"),
        "height": metadata.get("height"),
        "fps": metadata.get("fps"),
        "frames": metadata.get("length"),
        "codec": metadata.get("codec"),
        "mode": (metadata.get("processing") or {}).get("mode"),
        "poster": _result(record, "poster.jpg") if metadata.get("posterUrl") else None,
        "hasAudio": bool(metadata.get("hasAudio")),
        "audioTracks": metadata.get("audioTracks", []),
    }


def _audio(record: Record, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "waveform": _result(record, "waveform.json") if metadata.get("waveformUrl") else None,
        "lufs": (metadata.get("loudness") or {}).get("integrated"),
    }


def _labels(record: Record, metadata: Mapping[str, Any]) -> dict[str, Any]:
    has_time = metadata.get("timeField") is not None
    return {
        "entries": metadata.get("entries"),
        "fieldsTotal": metadata.get("fieldsTotal") or len(metadata.get("fields", [])),
        "allFields": _result(record, "fields.json") if metadata.get("fieldsUrl") else None,
        "timeField": metadata.get("timeField"),
        "timeFields": (metadata.get("time") or {}).get("fields", []),
        "series": f"/series/{record.id}" if has_time else None,
        "rows": f"/rows/{record.id}" if metadata else None,
    }


def _fields(metadata: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    units = (metadata.get("csv") or {}).get("units") or {}
    told = ("name", "type", "min", "max", "distinct")
    return [
        {name: field.get(name) for name in told} | {"unit": units.get(field.get("name"))}
        for field in metadata.get("fields", [])[:most]
    ]


def _text(record: Record, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cues": metadata.get("cues"),
        "language": metadata.get("language"),
        "cuesUrl": f"/cues/{record.id}{_version(record)}" if metadata else None,
        "telemetry": _telemetry(record, metadata),
    }


def _telemetry(record: Record, metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """The measurements of a text track as a label track has its entries; `startSec` is their first time, in seconds of
    the track. Null: it holds none."""
    found = metadata.get("telemetry")
    if not found:
        return None
    start = found.get("startSec", metadata.get("startSec", 0.0))
    fields = found.get("fields", [])
    told = ("name", "type", "unit", "min", "max", "distinct")
    return {
        "startSec": start,
        "durationSec": found.get("endSec", metadata.get("endSec", start)) - start,
        "entries": found.get("entries"),
        "fields": [{name: field.get(name) for name in told} for field in fields[:_MOST_MEASURED]],
        "fieldsTotal": found.get("fieldsTotal") or len(fields),
        "series": f"/series/{record.kind}/{record.id}",
        "rows": f"/rows/{record.kind}/{record.id}",
    }


_OF_KIND = {Kind.VIDEO: _video, Kind.AUDIO: _audio, Kind.LABEL_TRACK: _labels, Kind.TEXT_TRACK: _text}


def _result(record: Record, filename: str) -> str:
    return f"/results/{record.kind}/{record.id}/{filename}{_version(record)}"


def _version(record: Record) -> str:
    """The end of the address of what browsers keep: a file that is processed again has another."""
    return f"?v={record.ready_at.timestamp():.0f}" if record.ready_at else ""


def _error(error: ErrorBody | None) -> dict[str, Any] | None:
    return None if error is None else {"code": error.code, "message": error.message, "hint": error.hint}
