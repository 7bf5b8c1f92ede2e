"""What is known of a processed file, per kind: the `metadata` of a record, and most of its meta.json.

What is null is left out of both, so every field that may be None is None by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field

from ..kinds import Kind
from ..playback import PlaybackMode
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
    """The segments in the pool; `reused` are those that other files of the same owner play too, `new` the others. What
    other owners have stored does not count."""

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
    width: int | None = None
    height: int | None = None
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
    playback: PlaybackMode = Field(
        PlaybackMode.EVERYWHERE,
        description="For which browsers it was asked for; `renditions` say what came of that by their codecs.",
    )
    audio_tracks: list[AudioTrack] = Field(default_factory=list, description="When there are several.")
    chunks: Chunks
    poster_url: str | None = None
    contact_sheet_url: str | None = Field(None, description="Of a video with more than one keyframe.")
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

    integrated: float | None = None
    range: float | None = None
    true_peak: float | None = None
    why: str | None = Field(None, description="Why a measure is missing.")


class AudioMetadata(Model):
    duration_sec: float
    sample_rate: int
    channels: int
    codec: str
    streams: list[str]
    chunks: Chunks
    loudness: Loudness
    peak_db: float | None = Field(None, description="Highest sample, dBFS.")
    rms_db: float | None = None
    waveform_url: str | None = None
    waveform_image_url: str | None = None
    time_origin: TimeOrigin
    source: SourceInfo
    conformance: dict[str, Any] = Field(default_factory=dict)
    kind_by_content: Kind | None = Field(
        None, description="The kind of the content, where the record's is another: that of its name or its uploader."
    )
    partial: bool = Field(
        False, description="The file was cut off, and this is its good part; a warning says how much."
    )
    warnings: list[str] = Field(default_factory=list)
    processing: Processing


class SoundOnlyMetadata(AudioMetadata):
    """Of a record that is a video by its name, whose content is sound only: it is made as audio is.

    `ladder`: heights that were asked for, of which there can be none.
    """

    has_audio: bool = True
    ladder: list[int] = Field(default_factory=list)
    playback: PlaybackMode = PlaybackMode.EVERYWHERE


class BadLine(Model):
    """A line (1-based) of the source that could not be used, and why."""

    line: int
    reason: str


class TelemetryField(Model):
    """A column of telemetry. `unit` is what stood behind its numbers; `min` and `max` are of numbers and times."""

    name: str
    type: str
    unit: str | None = None
    nulls: int
    distinct: int | None = None
    min: Any = None
    max: Any = None


class Telemetry(Model):
    """The measurements that the cues of a text track hold, as a table: a row a cue, with its `start` and `end`.

    `start_sec` and `end_sec` are the earliest and the latest `start`; null: an earlier version processed it.
    """

    entries: int
    start_sec: float | None = None
    end_sec: float | None = None
    fields: list[TelemetryField]
    data_url: str


class TextTrackMetadata(Model):
    cues: int
    duration_sec: float = Field(description="End of the last cue.")
    start_sec: float
    end_sec: float
    words: int
    words_per_minute: float | None = None
    language: str | None = None
    encoding: str
    format: str
    telemetry: Telemetry | None = Field(None, description="Where the cues hold a camera's measurements.")
    bad_cues: int = 0
    bad_lines: list[BadLine] = Field(default_factory=list, description="The first of them.")
    warnings: list[str] = Field(default_factory=list)
    processing: Processing


class FieldStats(Model):
    """`distinct` is exact; null where there are more than `distinctAbove` different values, and for lists."""

    name: str
    source: str | None = Field(None, description="The name in the source, where the column has another one.")
    type: str
    nulls: int
    distinct: int | None = None
    distinct_above: int | None = None
    min: Any = None
    max: Any = None


class CsvForm(Model):
    """How a CSV file is written, as it was read. Line numbers are 1-based; None: the file has no such thing.

    `delimiter` is a character, `tab` or `blanks` (runs of blanks); `units` are those of the row of units, by field.
    `skipped` are the lines before the first row that are neither, and what they are. `agreement` is the share of the
    first lines that agree with the form, `certainty` how sure it is (0 to 1).
    """

    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    decimal: str = "."
    thousands: str | None = None
    comment: str | None = None
    header_line: int | None = None
    units_line: int | None = None
    units: dict[str, str] = Field(default_factory=dict)
    first_line: int = Field(1, description="Of the first row.")
    skipped: list[BadLine] = Field(default_factory=list, description="The first of them.")
    agreement: float
    certainty: float


class LabelTimeMetadata(Model):
    """Which fields tell the time of an entry, and how they were read."""

    fields: list[str] = Field(description="Dotted names are within objects.")
    unit: str | None = Field(
        None, description="What the numbers count: ns, us, ms, s, min, h or d; null for dates and clocks."
    )
    origin: str = Field(description="What they count from: unix, date, gps, midnight, or relative (an unknown start).")
    why: str
    left_out: int = Field(description="Entries without a time, or with one that does not count for the span.")
    goes_back: int = Field(description="Entries whose time is before that of the entry above.")


class LabelTrackMetadata(Model):
    """`plotUrl` is a picture of the entries over the time from `start` to `end`, where there is a time field.

    Of many fields, `fields` are the first; `fieldsTotal` counts them, and `fieldsUrl` has all, as a JSON list.
    """

    entries: int
    fields: list[FieldStats]
    fields_total: int | None = Field(None, description="Where not all of them are in `fields`.")
    fields_url: str | None = None
    time_field: str | None = None
    start: float | str | None = None
    end: float | str | None = None
    duration_sec: float | None = None
    time: LabelTimeMetadata | None = None
    plot_url: str | None = None
    series_url: str | None = Field(
        None, description="What curves are read from; of a small table with plain times, that is `data.parquet`."
    )
    encoding: str
    format: str
    csv: CsvForm | None = Field(None, description="How a CSV file is written.")
    csv_options: dict[str, str] = Field(
        default_factory=dict, description="What its owner, or its project's, told of how it is written (`--csv`)."
    )
    bad_entries: int = 0
    bad_lines: list[BadLine] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    processing: Processing


def model_of(kind: Kind, metadata: Mapping[str, Any]) -> type[Model]:
    """The model that the metadata of a record of this kind have."""
    if kind is Kind.VIDEO and metadata.get("kindByContent") == Kind.AUDIO:
        return SoundOnlyMetadata
    return _MODELS[kind]


_MODELS: dict[Kind, type[Model]] = {
    Kind.VIDEO: VideoMetadata,
    Kind.AUDIO: AudioMetadata,
    Kind.TEXT_TRACK: TextTrackMetadata,
    Kind.LABEL_TRACK: LabelTrackMetadata,
}
