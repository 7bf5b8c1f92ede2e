"""BSS's routes for the pipeline: what the staging sensor and the assets say to it.

Only a token that writes in every namespace may use them.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..kinds import Kind
from .bss import Record
from .common import Bytes, Episode, ErrorBody, Id, Model, Name, Owner, Project

_SHA256 = r"^[0-9a-f]{64}$"


class StagedKeys(Model):
    keys: list[str] = Field(max_length=1000)


class UnknownKeys(Model):
    """Those of the keys that no record, no upload under way and no earlier refusal accounts for."""

    keys: list[str]


class StagedObject(Model):
    """An object that nobody registered, as the sensor understood it.

    Without a kind it is remembered as ignored, with `reason`, and not offered again.
    """

    key: str
    owner: Owner
    project: Project
    size: Bytes
    etag: str
    kind: Kind | None = None
    name: Name | None = None
    episode: Episode | None = None
    content_type: str | None = None
    reason: str | None = None


class AdoptObjects(Model):
    objects: list[StagedObject] = Field(max_length=1000)


class Adopted(Model):
    registered: int
    ignored: int


class ClaimBatches(Model):
    """Limits of one claim. `run` states are BSS's own: a batch whose lease ended is offered again."""

    max_batches: int = Field(10, ge=1, le=100)
    max_files: int = Field(ge=1)
    max_bytes: int = Field(ge=1)
    settle_seconds: float = Field(ge=0)
    processing_grace_seconds: float = Field(ge=0)
    lease_seconds: float = Field(gt=0)
    max_attempts: int = Field(ge=1)


class BatchOffer(Model):
    """A batch to launch: one attempt at it is one run with `run_key` = `{partition}#{attempt}`."""

    partition: str
    owner: str
    project: str
    attempt: int
    files: int
    bytes: int


class BatchOffers(Model):
    batches: list[BatchOffer]


class BeginBatch(Model):
    """A run takes the batch. Without `force`, only items that are not done are handed out."""

    partition: str
    run_id: str
    lease_seconds: float = Field(gt=0)
    force: bool = False
    only: list[Id] = Field(default_factory=list)


class BatchItems(Model):
    """The items to work on, in a stable order."""

    partition: str
    owner: str
    project: str
    attempt: int
    items: list[Record]


class BatchRef(Model):
    partition: str
    run_id: str
    lease_seconds: float = Field(gt=0)


class Chunk(Model):
    sha256: str = Field(pattern=_SHA256)
    size: int = Field(ge=1)


class LeaseChunks(Model):
    """The writer's side of the pool: the rows are upserted and leased before the pool is trusted."""

    chunks: list[Chunk] = Field(max_length=10_000)
    lease_seconds: float = Field(3600, gt=0)


class LeasedChunks(Model):
    """Those that must be stored; the others are in the pool and stay there while the lease lasts."""

    missing: list[str]


class StoredChunks(Model):
    chunks: list[str] = Field(max_length=10_000)


class ItemResult(Model):
    """What became of one item: `metadata`, or `error`. Its chunks are referenced in the same transaction."""

    id: Id
    sha256: str | None = Field(None, pattern=_SHA256)
    size: int | None = None
    recipe: str | None = Field(None, description="Id of how it was made; results are shared by sha256 and recipe.")
    metadata: dict[str, Any] | None = None
    warnings: list[str] = Field(default_factory=list)
    error: ErrorBody | None = None
    chunks: list[str] = Field(default_factory=list)


class ReportResults(Model):
    """Results are stored; items with an error become `failed`, the others stay `processing` until they are indexed."""

    partition: str
    results: list[ItemResult] = Field(max_length=1000)


class FinishBatch(Model):
    """The last step: everything that has a result is `ready`; the batch is closed if nothing is left."""

    partition: str
    run_id: str


class BatchSummary(Model):
    partition: str
    ready: int
    failed: int
    unfinished: int


class ResultKey(Model):
    kind: Kind
    sha256: str = Field(pattern=_SHA256)
    recipe: str


class LookupResults(Model):
    """Has this content been processed by this recipe before, for this owner?"""

    owner: Owner
    keys: list[ResultKey] = Field(max_length=1000)


class KnownResults(Model):
    """In the order of the request: the ready record that has the result, or null."""

    items: list[Record | None]
