"""What a maker of one kind is given, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..api.bss import Record
from ..api.metadata import AudioMetadata, LabelTrackMetadata, SoundOnlyMetadata, TextTrackMetadata, VideoMetadata
from ..api.stored import Outputs
from ..media.run.workers import Workers
from ..names import split_name
from ..playback import PlaybackMode
from ..remote.pipeline import PipelineClient
from ..storage import ObjectStore
from .fetch import Source

Metadata = VideoMetadata | AudioMetadata | SoundOnlyMetadata | TextTrackMetadata | LabelTrackMetadata


@dataclass(frozen=True, slots=True)
class Job:
    """One item at work: its verified source, where outputs are made, and where results go.

    `folder` is private to this item, and not there yet. `workers` are the processes that read the source: this one
    never does. `ladder` are heights of further, smaller pictures of a video, `playback` says for which
    browsers it is made; `csv` are options of a label file.
    """

    record: Record
    source: Source
    folder: Path
    recipe: str
    pipeline: PipelineClient
    store: ObjectStore
    workers: Workers
    ladder: tuple[int, ...] = ()
    playback: PlaybackMode = PlaybackMode.EVERYWHERE
    csv: Mapping[str, str] = field(default_factory=dict)

    @property
    def filename(self) -> str:
        return split_name(self.record.name).filename


@dataclass(frozen=True, slots=True)
class Product:
    """What was made and stored: `outputs` in the record's folder, `chunks` in the pool, those that the playlists name,
    each once.

    `preview` is a small picture (JPEG or PNG) of the result, for people.
    """

    metadata: Metadata
    outputs: Outputs
    chunks: list[str] = field(default_factory=list)
    preview: bytes | None = None
