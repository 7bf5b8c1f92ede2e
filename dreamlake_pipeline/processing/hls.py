"""What videos and audio files have in common: streams of segments, a clock, and a container."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from ..api import metadata
from ..media import results
from ..media.containers.sniff import extensions_of
from ..media.results import RawSegment, Stream


def segments_of(streams: Sequence[Stream]) -> list[RawSegment]:
    """All that the streams' playlists name, initialization segments too."""
    return [file for stream in streams for file in stream.files]


def hashes_of(streams: Sequence[Stream]) -> list[str]:
    """The chunks that the streams' playlists name, each once."""
    return list(dict.fromkeys(segment.sha256 for segment in segments_of(streams)))


def time_origin_of(origin: results.TimeOrigin) -> metadata.TimeOrigin:
    return metadata.TimeOrigin(
        source_start=origin.source_start,
        pts=origin.pts,
        time_base=origin.time_base,
        stream_start=origin.stream_start,
    )


def source_of(name: str, container: str, streams: list[dict[str, Any]]) -> metadata.SourceInfo:
    """What the content is, and whether the file's name says so too (one without an extension says nothing)."""
    extension = PurePosixPath(name).suffix.lower()
    agrees = extension in ("", *extensions_of(container))
    return metadata.SourceInfo(container=container, extension_agrees=agrees, streams=streams)
