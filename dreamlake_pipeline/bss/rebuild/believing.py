"""What is believed of the bucket: more than keys to a part of it may have written there.

A meta.json and a line of a journal are taken for true only in the folder of their own project, only as far as BSS could
have written them, and only where they name nothing of another project: a record reads what its staging key says, and a
deletion hides what its id says.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from ... import layout, names
from ...api.common import (
    Bytes,
    ContentType,
    CsvOptions,
    Episode,
    Hash,
    Instant,
    Ladder,
    Name,
    ObjectKey,
    Owner,
    Project,
    Text,
)
from ...api.stored import Meta, Noted, Outputs
from ...playback import PlaybackMode

_MOST_STREAMS = 256
_DEEPEST = 64  # of metadata, which is five deep or so; what is 200 deep can't be told as JSON

_OUTPUT = re.compile(r"(stream/)?[A-Za-z0-9_-][A-Za-z0-9._-]*")


class Believed(Meta):
    """A record that BSS could have written: every value of the type that its route takes, or that a run reports."""

    owner: Owner
    project: Project
    episode: Episode | None = None
    name: Name
    staging_key: ObjectKey
    staging_hash: Hash | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    size: Bytes | None = None
    content_type: ContentType | None = None
    ladder: Ladder | None = None
    playback: PlaybackMode | None = None
    csv: CsvOptions | None = None
    warnings: list[Text] = Field(default_factory=list, max_length=10_000)
    attempts: int = Field(0, ge=0, lt=2**31)
    recipe: Text | None = None
    request_id: Text | None = None
    created_at: Instant
    uploaded_at: Instant | None = None
    updated_at: Instant
    moved_at: Instant | None = None
    reported_at: Instant | None = None
    ready_at: Instant | None = None

    @property
    def streams(self) -> list[str]:
        """The hashes of its streams."""
        return list((self.metadata or {}).get("streams", ()))

    @field_validator("metadata")
    @classmethod
    def _can_be_told(cls, metadata: dict[str, Any] | None) -> dict[str, Any] | None:
        streams = (metadata or {}).get("streams", [])
        if not isinstance(streams, list) or len(streams) > _MOST_STREAMS:
            raise ValueError("its streams are none")
        if not all(isinstance(stream, str) and names.is_hash(stream) for stream in streams):
            raise ValueError("its streams are no hashes")
        if not _is_flat(metadata, _DEEPEST):
            raise ValueError(f"is more than {_DEEPEST} deep")
        return metadata

    @field_validator("outputs")
    @classmethod
    def _lie_in_its_folder(cls, outputs: Outputs) -> Outputs:
        if not all(_OUTPUT.fullmatch(name) for name in outputs):
            raise ValueError("its outputs are not in its folder")
        return outputs

    @model_validator(mode="after")
    def _reads_what_is_its_own(self) -> Believed:
        key = layout.parse_staging_key(self.staging_key)
        if key is None or (key.owner, key.project) != (self.owner, self.project):
            raise ValueError("its staged object is not one of its project")
        if self.staging_hash != (key.rest if names.is_hash(key.rest) else None):
            raise ValueError("its staged object has another hash")
        return self


class Line(Noted):
    """A line of a journal that BSS could have written."""

    at: Instant
    record: Believed | None = None


def _is_flat(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(_is_flat(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_is_flat(item, levels - 1) for item in value)
    return True
