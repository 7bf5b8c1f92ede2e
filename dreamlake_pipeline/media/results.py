"""What `make_video` and `make_audio` hand back or raise: values only, no behaviour but a stream's name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ..errors import DreamlakeError

Mode = Literal["copy", "transcode"]


class SoundOnly(DreamlakeError):
    """A file that was to be a video has no picture that can be decoded, and sound that can."""


@dataclass(frozen=True, slots=True)
class RawSegment:
    """One segment of MPEG-TS or of fragmented MP4, or the initialization segment of the latter: a file on the local
    disk, or its bytes where they are few; `size` in bytes."""

    content: Path | bytes = field(repr=False)
    sha256: str
    size: int

    @property
    def path(self) -> Path:
        """The file of one that is in a file."""
        assert isinstance(self.content, Path)
        return self.content

    def read(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


@dataclass(frozen=True, slots=True)
class Segment(RawSegment):
    """A segment with its place in a stream; `duration` in seconds."""

    duration: Fraction


@dataclass(frozen=True)
class Stream:
    """One HLS rendition: its segments in playing order and what a master playlist says about it.

    `codecs` is an RFC 6381 list (`avc1.64001f,mp4a.40.2`); bandwidths are bits per second: the peak over runs of
    0.5 to 1.5 target durations, and the average. `independent` is true when every segment starts with an IDR.
    `init` is the initialization segment of one in fragmented MP4 (RFC 8216 3.3); None for MPEG-TS.
    """

    segments: tuple[Segment, ...]
    codecs: str
    bandwidth: int
    average_bandwidth: int
    width: int | None
    height: int | None
    fps: Fraction | None
    independent: bool
    init: RawSegment | None = None

    @property
    def files(self) -> tuple[RawSegment, ...]:
        """All that its playlist names."""
        return (*([] if self.init is None else [self.init]), *self.segments)

    def name_of(self, segment: RawSegment) -> str:
        """What a segment, or the initialization segment, is called in the pool: its hash and its form."""
        if self.init is None:
            return f"{segment.sha256}.ts"
        return f"{segment.sha256}.mp4" if segment is self.init else f"{segment.sha256}.m4s"

    @cached_property
    def hash(self) -> str:
        """32 hex digits: SHA-256 over canonical JSON of the parameters and of the chunks' hashes and durations."""
        body = {
            "bandwidth": [self.bandwidth, self.average_bandwidth],
            "codecs": self.codecs,
            "fps": str(self.fps) if self.fps is not None else None,
            "independent": self.independent,
            "size": [self.width, self.height],
            "segments": [[segment.sha256, str(segment.duration)] for segment in self.segments],
        }
        if self.init is not None:
            body["init"] = self.init.sha256
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class AudioRendition:
    """One of several sound tracks of a video: `index` and `codec` are those of its stream in the source.

    `name` is its own among them; `language` a BCP 47 tag. `stream` is None for the track that the video's own streams
    carry, which is the default one.
    """

    name: str
    language: str | None
    index: int
    codec: str
    stream: Stream | None


@dataclass(frozen=True, slots=True)
class TimeOrigin:
    """Where the file's clock starts: playback time p shows source time `source_start` + p.

    `source_start` is `pts` * `time_base` in seconds; `stream_start` is the PTS in seconds of the first segment.
    """

    source_start: float
    pts: int
    time_base: str
    stream_start: float


@dataclass(frozen=True, slots=True)
class VideoResult:
    """A video made into HLS. `duration` in seconds, `fps` the source's average rate, `width` x `height` as displayed.

    `frames` is the number of pictures that the source presents. The output has as many, at the same times, unless it
    has more than 60 a second: `streams` then show fewer, each at its time, and a warning says so.
    `codec` is the source's. `container` is what the content is, whatever the file's extension says.
    `streams` go from the best to the smallest. `audio` lists the sound tracks when there are several. `poster` and
    `contact_sheet` are JPEGs; None where no picture of the segments could be decoded.
    `partial`: the file was cut off, and this is its good part; a warning says how much.
    """

    duration: float
    frames: int
    fps: float
    width: int
    height: int
    codec: str
    has_audio: bool
    streams: tuple[Stream, ...]
    audio: tuple[AudioRendition, ...]
    poster: bytes | None
    contact_sheet: bytes | None
    time_origin: TimeOrigin
    container: str
    source_streams: list[dict[str, Any]]
    mode: Mode
    transcode_reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    conformance: dict[str, Any]
    partial: bool

    @property
    def all_streams(self) -> tuple[Stream, ...]:
        """The streams, and behind them those of the other sound tracks."""
        return *self.streams, *(track.stream for track in self.audio if track.stream is not None)


@dataclass(frozen=True, slots=True)
class AudioResult:
    """An audio file made into HLS, and measured.

    `integrated` in LUFS, `loudness_range` in LU, `true_peak` in dBTP (EBU R128), `peak_db` and `rms_db` in dBFS:
    each None where there is nothing to measure; `unmeasured` says why one of the first three is. `waveform_json` is in
    the form of BBC audiowaveform 2 (8 bits, 100 peaks a second), which waveform players read; `waveform_png` has a
    transparent ground. `partial`: the file was cut off, and this is its good part; a warning says how much.
    """

    duration: float
    sample_rate: int
    channels: int
    codec: str
    streams: tuple[Stream, ...]
    integrated: float | None
    loudness_range: float | None
    true_peak: float | None
    unmeasured: str | None
    peak_db: float | None
    rms_db: float | None
    waveform_json: bytes
    waveform_png: bytes
    time_origin: TimeOrigin
    container: str
    source_streams: list[dict[str, Any]]
    mode: Mode
    transcode_reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    conformance: dict[str, Any]
    partial: bool = False
