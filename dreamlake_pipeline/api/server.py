"""DreamLake Server: the index and the folder tree."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from ..flags import Flag
from ..kinds import KINDS, Kind
from .bounded import MOST_BYTES
from .bss import Status
from .common import Bytes, Change, Episode, Id, Instant, Model, Name, Note, Owner, Project, Timestamp, storable_json

# The field of AssetIn that takes a record's id, by the record's kind.
BSS_ID_FIELDS = {
    Kind.VIDEO: "bss_video_id",
    Kind.AUDIO: "bss_audio_id",
    Kind.LABEL_TRACK: "bss_label_id",
    Kind.TEXT_TRACK: "bss_text_track_id",
}


# As much as a record of BSS's has of it (`bounded.py`), and as much again: so a list of files is bounded, too.
_MOST_METADATA_BYTES = 2 * MOST_BYTES


def _check_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(storable_json(metadata).encode()) > _MOST_METADATA_BYTES:
        raise ValueError(f"has more than {_MOST_METADATA_BYTES} bytes as JSON")
    return metadata


Metadata = Annotated[dict[str, Any], AfterValidator(_check_metadata)]


class FormerName(Model):
    """The name that a record had until now, in the same project."""

    episode: Episode | None = None
    name: Name


class AssetIn(Model):
    """Registration of one file in the index; the same name again is the same asset.

    `status`, `size`, `sha256` and `metadata` are what BSS knows of the file at the time; the pipeline sends
    them when it has them. Where they are absent, an upsert with the same BSS id keeps what is stored;
    an upsert with another BSS id (new content under an old name) forgets it. `ready` and `failed` of a record
    give way to each other, but not to an earlier status that arrives late.

    A name stands for the record that was last uploaded under it. Where it stands for another record with a later
    `uploadedAt`, an upsert changes nothing and answers with the asset that is there. BSS says when; of a caller who
    does not, the record counts as uploaded when it was made (BSS ids hold their time of creation), or now if `restore`
    is set. Of two records of the same time, the one with the greater id counts.
    """

    namespace: Owner
    project: Project
    episode_name: Episode | None = None
    name: Name
    bss_video_id: Id | None = None
    bss_audio_id: Id | None = None
    bss_label_id: Id | None = None
    bss_text_track_id: Id | None = None
    status: Status | None = None
    size: Bytes | None = None
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{16,64}$")
    metadata: Metadata | None = Field(None, description="128 KiB at the most, as JSON.")
    uploaded_at: Instant | None = Field(
        None, description="When the record was last uploaded under this name, as BSS says (`Record.uploadedAt`)."
    )
    restore: bool = Field(
        False,
        description="Without `uploadedAt`: earlier content was uploaded again under its old name, just now.",
    )

    moved_from: FormerName | None = Field(
        None,
        description="The record was moved: what people said of it goes along, its offset, and the flag and note of an "
        "episode that nothing else is left in.",
    )

    def bss_id(self, kind: Kind) -> str:
        """The record's id under the key of its kind. Raises ValueError when it is missing."""
        value: str | None = getattr(self, BSS_ID_FIELDS[kind])
        if value is None:
            raise ValueError(f"{KINDS[kind].bss_id_field} is missing")
        return value


class BatchAsset(AssetIn):
    kind: Kind

    @model_validator(mode="after")
    def _has_its_id(self) -> BatchAsset:
        self.bss_id(self.kind)
        return self


class AssetBatch(Model):
    assets: list[BatchAsset] = Field(min_length=1, max_length=10_000)


class AssetName(Model):
    """A file of the index by its name; with a `bssId`, only as long as the name stands for that record."""

    kind: Kind
    namespace: Owner
    project: Project
    episode: Episode | None = None
    path: Name
    bss_id: Id | None = None


class RemoveAssets(Model):
    assets: list[AssetName] = Field(min_length=1, max_length=1000)


class RemovedAssets(Model):
    """How many of the files were there."""

    removed: int


class AssetRef(Model):
    id: Id
    project_id: Id
    episode_id: Id | None
    node_id: Id = Field(description="The folder that holds the file.")
    filename: str
    status: Status = Field(description="What the index now says of the file; BSS knows the present one.")


class AssetRefs(Model):
    """In the order of the request."""

    items: list[AssetRef]


class Asset(Model):
    id: Id
    kind: Kind
    namespace: str
    project: str
    project_id: Id
    episode: str | None
    episode_id: Id | None
    node_id: Id
    name: str
    folder: str
    filename: str
    bss_id: Id
    status: Status = Field(description="As the index was last told; BSS knows the present one.")
    size: int | None = None
    sha256: str | None = None
    duration_sec: float | None = Field(None, description="As `metadata.durationSec`, once it is known.")
    time_offset_sec: float | None = Field(
        None, description="By how many seconds the file is later than its own times say; null: nobody said so."
    )
    metadata: dict[str, Any] | None = None
    created_at: Timestamp
    updated_at: Timestamp


# A hundred days each way, and some more: no recording is aligned by more, and a float holds each microsecond of it.
MOST_OFFSET_SEC = 1e7
TimeOffset = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-MOST_OFFSET_SEC, le=MOST_OFFSET_SEC)]


class AssetChange(Change):
    """What people say of a file. An offset of null is none."""

    time_offset_sec: TimeOffset | None = Field(
        description="Seconds to add to the file's times; it stays with the name, whatever is uploaded under it."
    )


class NodeType(StrEnum):
    FOLDER = "folder"
    ASSET = "asset"


class Node(Model):
    """A folder, or a file in it. `path` is absolute within the episode; `asset` is set for files."""

    type: NodeType
    id: Id
    name: str
    path: str
    parent_id: Id | None
    asset: Asset | None = None


class NamespaceInfo(Model):
    id: Id
    name: str


class ProjectInfo(Model):
    id: Id
    namespace: str
    name: str
    assets: int
    created_at: Timestamp


class EpisodeInfo(Model):
    """`name` is null for files that belong to no episode, which have no flag and no note."""

    id: Id | None
    name: str | None
    assets: int
    created_at: Timestamp | None
    flag: Flag | None = None
    note: str | None = None


class EpisodeChange(Change):
    """What people say of an episode. Null takes the flag or the note away, and so does an empty note."""

    flag: Flag | None = None
    note: Note | None = None


class Poster(Model):
    """A video whose `poster.jpg` BSS has."""

    kind: Kind
    bss_id: Id


class EpisodeSummary(Model):
    """An episode in short; `id`, `name`, `flag` and `note` are null for the files that belong to none."""

    id: Id | None
    name: str | None
    created_at: Timestamp = Field(description="When its first file was registered.")
    updated_at: Timestamp = Field(description="When a file of it was registered, changed or removed last.")
    files: int
    bytes: int
    duration_sec: float | None = Field(None, description="Of its longest file; null before any is known.")
    counts: dict[Kind, int] = Field(description="Files by kind; kinds of which there is none are left out.")
    statuses: dict[Status, int] = Field(description="Files by status, as the index was last told.")
    flag: Flag | None = None
    note: str | None = None
    posters: list[Poster] = Field(default_factory=list, description="Of its first videos that are ready, at most 4.")


class EpisodeDetails(EpisodeSummary):
    """`previous` and `next` are the episodes beside it by name, as in the list of episodes: null where it is the first
    or the last, and empty for the files that belong to none."""

    previous: str | None = None
    next: str | None = None


class ProjectTotals(Model):
    """A project in figures. `durationSec` is that of all its videos and audio files together."""

    namespace: str
    project: str
    files: int
    bytes: int
    duration_sec: float
    counts: dict[Kind, int] = Field(description="Files by kind; kinds of which there is none are left out.")
    statuses: dict[Status, int] = Field(description="Files by status, as the index was last told.")
    updated_at: Timestamp


class Download(Model):
    url: str = Field(description="BSS's URL of the raw file; send the same bearer token.")


class Me(Model):
    sub: str
    namespaces: list[str]
    scope: str
    expires_at: Timestamp | None
