"""BSS: what became of the objects under a staging prefix, for whoever laid them there."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from ..kinds import Kind
from .bss import Status
from .common import Id, Model, Timestamp


class Fate(StrEnum):
    """What became of a staged object."""

    REGISTERED = "registered"  # a record has its bytes
    IGNORED = "ignored"  # it is none of ours: `code` and `reason` say why
    DELETED = "deleted"  # its record was deleted
    WAITING = "waiting"  # nobody has looked at it yet


class StagedFile(Model):
    """One object. `key` is the whole key in the bucket, `project` the folder of its namespace that it lies in.

    The fields of a record are those of the last that was registered for its bytes; `status` and `code` are how far that
    one is, and why it failed.
    """

    key: str
    namespace: str
    project: str
    size: int | None
    fate: Fate
    code: str | None = None
    reason: str | None = None
    hint: str | None = Field(None, description="What to do about it.")
    seen_at: Timestamp | None = Field(None, description="When it was ignored, or registered.")
    bss_id: Id | None = None
    kind: Kind | None = None
    name: str | None = None
    episode: str | None = None
    status: Status | None = None
