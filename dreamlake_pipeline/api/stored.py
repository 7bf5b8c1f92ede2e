"""What the bucket says of a record: its meta.json, and the outputs that lie beside it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .bss import ProjectSettings, Record
from .common import Id, Model, Timestamp

META = "meta.json"


class Output(Model):
    """One file that was made from a record: how many bytes it has, and the SHA-256 of these."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


# By the key below the record's folder (layout.asset_prefix), such as `stream/master.m3u8` or `poster.jpg`.
Outputs = dict[Annotated[str, Field(min_length=1, max_length=200)], Output]


class Meta(Record):
    """A meta.json: the whole record as it is when it is ready, what made it, and what it is made of.

    What is null is left out of it. One that was written before outputs were noted has none.
    """

    episode: str | None = None
    staging_hash: str | None = None
    size: int | None = None
    content_type: str | None = None
    recipe: str | None = None
    outputs: Outputs = Field(default_factory=dict)


class Noted(Model):
    """A line of a project's journal (bss/journal.py): a record as it was `at` that time, without what was found in its
    file; or that a record was deleted; or what was decided about the project."""

    at: Timestamp
    record: Meta | None = None
    deleted: Id | None = None
    settings: ProjectSettings | None = None
