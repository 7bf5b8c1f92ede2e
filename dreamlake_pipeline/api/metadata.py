"""What is known of a processed file, per kind: the `metadata` of a record, and most of its meta.json."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from .common import Model


class Mode(StrEnum):
    COPY = "copy"
    TRANSCODE = "transcode"


class Processing(Model):
    """How it was made: the recipe's id, the mode, why it was re-encoded, and the seconds it took."""

    recipe: str
    mode: Mode | None = None
    transcode_reasons: list[str] = Field(default_factory=list)
    seconds: float


class Chunks(Model):
    """The segments in the pool; `new` were stored by this file, `reused` were there already."""

    count: int
    bytes: int
    new: int
    reused: int


class TimeOrigin(Model):
    """Where the file's clock starts. Playback time p seconds shows source time `sourceStart` + p.

    `sourceStart` is the first presentation time of the source in seconds, exact as `pts` * `timeBase`;
    `streamStart` is the PTS in seconds at which the first segment starts (what X-TIMESTAMP-MAP needs).
    """

    source_start: float
    pts: int
    time_base: str
    stream_start: float


class SourceInfo(Model):
    """The uploaded file, as probed: container, and one entry per stream."""

    container: str
    extension_agrees: bool = True
    streams: list[dict[str, Any]] = Field(default_factory=list)


class AudioTrack(Model):
    """One of several sound tracks. `index` and `codec` are those of the source's stream.

    The default one is in the video's own streams; `stream` is the media playlist's hash of any other.
    """

    name: str
    language: str | None = None
    index: int
    codec: str
    default: bool
    stream: str | None = None


class Rendition(Model):
    """One picture size of a video: `stream` is its media playlist's hash, `codecs` an RFC 6381 list.

    Bandwidths are bits per second, peak and average (RFC 8216 4.3.4.2), without other sound tracks.
    """

    stream: str
    width: int | None
    height: int | None
    bandwidth: int
    average_bandwidth: int
    codecs: str


class VideoMetadata(Model):
    duration_sec: float
    length: int = Field(description="Frames.")
    fps: float
    width: int
    height: int
    codec: str
    has_audio: bool
    streams: list[str] = Field(
        description="Hashes of the media playlists, best first; those of further sound tracks are last."
    )
    renditions: list[Rendition] = Field(default_factory=list, description="The picture in each size, best first.")
    ladder: list[int] = Field(
        default_factory=list,
        description="Heights that were asked for; those of the source's or more have no rendition.",
    )
    audio_tracks: list[AudioTrack] = Field(default_factory=list, description="When there are several.")
    chunks: Chunks
    poster_url: str | None = None
    contact_sheet_url: str | None = None
    time_origin: TimeOrigin
    source: SourceInfo
    conformance: dict[str, Any] = Field(default_factory=dict)
    partial: bool = Field(
        False, description="The file was cut off, and this is its good part; a warning says how much."
    )
    warnings: list[str] = Field(default_factory=list)
    processing: Processing


class Loudness(Model):
    """EBU R128: integrated (LUFS), range (LU), true peak (dBTP); None for silence or too short a file."""

    integrated: float | None
    range: float | None
    true_peak: float | None
    why: str | None = Field(None, description="Why a measure is missing.")


class AudioMetadata(Model):
    duration_sec: float
    sample_rate: int
    channels: int
    codec: str
    streams: list[str]
    chunks: Chunks
    loudness: Loudness
    peak_db: float | None = Field(description="Highest sample, dBFS.")
    rms_db: float | None
    waveform_url: str | None = None
    waveform_image_url: str | None = None
    time_origin: TimeOrigin
    source: SourceInfo
    conformance: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    processing: Processing


class BadLine(Model):
    """A line (1-based) of the source that could not be used, and why."""

    line: int
    reason: str


class TextTrackMetadata(Model):
    cues: int
    duration_sec: float = Field(description="End of the last cue.")
    start_sec: float
    end_sec: float
    words: int
    words_per_minute: float | None
    language: str | None
    encoding: str
    format: str
    bad_cues: int = 0
    bad_lines: list[BadLine] = Field(default_factory=list, description="The first of them.")
    warnings: list[str] = Field(default_factory=list)
    processing: Processing


class FieldStats(Model):
    name: str
    type: str
    nulls: int
    distinct: int | None = None
    min: Any = None
    max: Any = None


class LabelTrackMetadata(Model):
    """`plotUrl` is a picture of the entries over the time from `start` to `end`, where there is a time field."""

    entries: int
    fields: list[FieldStats]
    time_field: str | None = None
    start: float | str | None = None
    end: float | str | None = None
    duration_sec: float | None = None
    plot_url: str | None = None
    encoding: str
    format: str
    bad_entries: int = 0
    bad_lines: list[BadLine] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    processing: Processing
