"""BSS's routes for the pipeline: what the staging sensor and the assets say to it.

Only a token that writes in every namespace may use them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from .. import names
from ..errors import DreamlakeError
from ..kinds import Kind
from ..layout import ChunkForm
from ..playback import PlaybackMode
from .bss import Record, Success
from .common import (
    Bytes,
    ContentType,
    Episode,
    ErrorBody,
    Id,
    Instant,
    Model,
    Name,
    ObjectKey,
    Owner,
    Printable,
    Text,
    Timestamp,
)
from .stored import Outputs

_SHA256 = r"^[0-9a-f]{64}$"
Seconds = Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)]
MOST_LOG_LINES, MOST_LOG_CHARS = 40, 300  # of a file's excerpt of a log
LogLine = Annotated[Text, Field(max_length=MOST_LOG_CHARS)]
UnixTime = Annotated[float, Field(ge=0, le=2**33, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=_SHA256)]


class StagedKeys(Model):
    """Keys as listed. With `etags` (as many, in the same order), a refused object whose content changed is unknown;
    with `modified` (Unix times, likewise), so is one that was laid there again since it was refused."""

    keys: list[ObjectKey] = Field(max_length=1000)
    etags: list[Printable] = Field(default_factory=list, max_length=1000)
    modified: list[UnixTime] = Field(default_factory=list, max_length=1000)

    @model_validator(mode="after")
    def _has_an_etag_for_each(self) -> StagedKeys:
        if {len(self.etags), len(self.modified)} - {0, len(self.keys)}:
            raise ValueError("give as many etags as keys, or none, and as many times")
        return self


class UnknownKeys(Model):
    """Those of the keys that no record, no upload under way and no earlier refusal accounts for."""

    keys: list[str]


class StagedObject(Model):
    """An object that nobody registered, as the sensor understood it.

    Without a kind it is remembered as ignored, with `code` and `reason`, and not offered again; the folder that it lies
    in need then be no project.
    """

    key: ObjectKey
    owner: Owner
    project: Text
    size: Bytes
    etag: Printable
    kind: Kind | None = None
    name: Name | None = None
    episode: Episode | None = None
    content_type: ContentType | None = None
    code: Printable | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _lies_in_a_project(self) -> StagedObject:
        if self.kind is not None:
            try:
                names.check_project(self.project)
            except DreamlakeError as error:
                raise ValueError(error.message) from None
        return self


class AdoptObjects(Model):
    objects: list[StagedObject] = Field(max_length=1000)


class Adopted(Model):
    registered: int
    ignored: int


class Build(Model):
    """What results are made with: the version of this package, ffmpeg's version line, and the recipe of each kind
    without options (media/recipe.py). Where two builds are equal, equal bytes become equal results."""

    version: Text
    ffmpeg: Text
    recipes: dict[Kind, Text]


class KnownBuild(Model):
    """The build of the code location that claimed batches last; null until one did."""

    build: Build | None = None
    told_at: Timestamp | None = None


class ClaimBatches(Model):
    """Limits of one claim. A batch whose lease ended is offered again.

    `max_open`: most batches that are leased at a time, `max_open_per_owner`: most of one owner's. `wait_seconds`: how
    long the answer may wait for a batch. `store_answers`: the object store has just answered, so what waits for it is
    due. `max_attempts`: runs at one file alone that may be killed or crash before the file is failed. `build`: what the
    pipeline makes results with. `slots`: runs that one owner has at a time; what is queued is cut into batches so that
    they end together.
    """

    max_batches: int = Field(10, ge=1, le=100)
    max_open: int = Field(10_000, ge=1)
    max_open_per_owner: int = Field(10_000, ge=1)
    wait_seconds: float = Field(0, ge=0, le=50)
    max_files: int = Field(ge=1, le=2**31 - 1)
    max_bytes: int = Field(ge=1, le=2**63 - 1)
    settle_seconds: Seconds
    processing_grace_seconds: Seconds
    lease_seconds: Seconds
    max_attempts: int = Field(ge=1)
    store_answers: bool = False
    build: Build | None = None
    slots: int | None = Field(None, ge=1, le=100_000)


class Deletion(Model):
    """A record that was deleted, and the name that the index may still have for it; or, if `restored`, one that is
    there, and of which the index may not know the latest: it was restored, or failed."""

    record_id: Id
    kind: Kind
    owner: str
    project: str
    episode: str | None
    name: str
    restored: bool = False
    at: Timestamp


class PendingDeletions(Model):
    """Which deletions and restorations are asked for: those that happened `minAgeSeconds` ago or
    earlier, the oldest first."""

    min_age_seconds: Seconds
    limit: int = Field(1000, ge=1, le=1000)


class Deletions(Model):
    items: list[Deletion]


class ToldDeletion(Model):
    """`at` is that of the deletion: one that was restored, or deleted again, since then is still to be told."""

    record_id: Id
    at: Instant | None = None


class ForgetDeletions(Model):
    """The index was told of these."""

    deletions: list[ToldDeletion] = Field(max_length=1000)


class BatchOffer(Model):
    """A batch to launch: one attempt at it is one run with `run_key` = `{partition}#{attempt}`, which works on `kinds`:
    those of the files that are to be done."""

    partition: str
    owner: str
    project: str
    attempt: int
    files: int
    bytes: int
    kinds: list[Kind]


class BatchOffers(Model):
    batches: list[BatchOffer]


class LeasedBatch(Model):
    """A batch that is offered or worked on. `run_id`: the run that began it, null until one has.

    `age`: seconds since this attempt was offered.
    """

    partition: str
    attempt: int
    run_id: str | None = None
    age: float


class LeasedBatches(Model):
    batches: list[LeasedBatch]


class Release(Model):
    """What is known of an attempt at a batch: it is over, and the batch was not finished.

    `run_id` is the run that had begun it, null for an offer that no run took. `died`: the run was killed or crashed; a
    run that failed plainly, since a service was away, says nothing of its files. `proven`: nothing else is known that
    may have ended it, and its end is known as far as anybody can know it.
    """

    partition: Printable
    attempt: int = Field(ge=0)
    run_id: Printable | None = None
    died: bool = False
    proven: bool = False


class ReleaseBatches(Model):
    """What is known at a time: runs that died together did not die of one of their files.

    `max_attempts`: deaths of runs at one file alone after which it fails.
    """

    releases: list[Release] = Field(max_length=1000)
    max_attempts: int = Field(ge=1)


class Released(Model):
    """Which batches were released: not those that another run has, or that were offered anew, since then."""

    partitions: list[str]


class BeginBatch(Model):
    """A run takes the batch; the run that had it before loses it.

    With an `attempt`, a later offer of the batch is not taken: CONFLICT.

    Handed out are the items that have no result yet; of a batch that was closed, also those that failed. `force`
    hands out all, `only` those named, done or not: what they had reported no longer counts.

    With `max_files` and `max_bytes`, a batch that no run has begun yet takes what was queued in its project since it
    was formed, of the `kinds` that the run works on, until it has so many or, with `slots`, its share of the work.
    """

    partition: Printable
    run_id: Printable
    lease_seconds: Seconds
    attempt: int | None = None
    max_files: int | None = Field(None, ge=1, le=2**31 - 1)
    max_bytes: int | None = Field(None, ge=1, le=2**63 - 1)
    slots: int | None = Field(None, ge=1, le=100_000)
    kinds: list[Kind] = Field(default_factory=lambda: list(Kind))
    force: bool = False
    only: list[Id] = Field(default_factory=list)


class BatchItems(Model):
    """The items to work on, in a stable order. `attempt` counts offers, `begun` the runs that took one.

    `is_whole`: a run that takes the batch is told that there are no others in it.
    """

    partition: str
    owner: str
    project: str
    attempt: int
    begun: int
    ladder: tuple[int, ...] | None = Field(None, description="The project's, for videos without their own.")
    csv: dict[str, str] | None = Field(None, description="The project's, for label files without their own.")
    playback: PlaybackMode | None = Field(None, description="The project's, for videos without their own.")
    is_whole: bool = False
    items: list[Record]


class BatchRef(Model):
    partition: Printable
    run_id: Printable
    lease_seconds: Seconds


class Held(Model):
    """The run has the batch still. `others_wait`: another owner's files wait for a place, and no run works for them."""

    others_wait: bool


class GiveBack(Model):
    """Items that the run has not worked on go back to the queue, and out of the batch."""

    partition: Printable
    run_id: Printable
    ids: list[Id] = Field(max_length=10_000)


class Postponement(Model):
    """One item that a fault of the machinery kept from being processed."""

    id: Id
    reason: ErrorBody


class Postpone(Model):
    """Items that leave the batch and are queued, to be claimed after a while: nothing is said against them."""

    partition: Printable
    run_id: Printable
    items: list[Postponement] = Field(max_length=1000)


class Chunk(Model):
    sha256: str = Field(pattern=_SHA256)
    size: int = Field(ge=1, le=2**40)
    form: ChunkForm = Field(ChunkForm.TS, description="How the name of its object ends.")


class LeaseChunks(Model):
    """The writer's side of the pool: the rows are upserted and leased before the pool is trusted."""

    chunks: list[Chunk] = Field(max_length=10_000)
    lease_seconds: Seconds = 3600
    owner: Owner | None = Field(None, description="Whose file has them: `known` then says what he has already.")


class LeasedChunks(Model):
    """`missing` must be stored; the others are in the pool and stay there while the lease lasts. `known` are those that
    files of the owner play: the pool is everybody's, and no owner is told what is in it beside his own."""

    missing: list[str]
    known: list[str] = Field(default_factory=list)


class StoredChunks(Model):
    chunks: list[Sha256] = Field(max_length=10_000)


class ItemResult(Model):
    """What became of one item: `metadata`, or `error`. Its chunks are referenced in the same transaction."""

    id: Id
    sha256: str | None = Field(None, pattern=_SHA256)
    size: Bytes | None = None
    recipe: Printable | None = Field(
        None, description="Id of how it was made; results are shared by sha256 and recipe."
    )
    metadata: dict[str, Any] | None = None
    warnings: list[str] = Field(default_factory=list)
    error: ErrorBody | None = None
    log: list[LogLine] = Field(
        default_factory=list, max_length=MOST_LOG_LINES, description="What was logged of it, beside an error."
    )
    chunks: list[Sha256] = Field(default_factory=list)
    outputs: Outputs = Field(
        default_factory=dict, description="What lies in the record's folder of the bucket, meta.json too."
    )


class ReportResults(Model):
    """Results are stored; items with an error become `failed` (`ready`, where an earlier result stands), the others
    stay `processing` until they are indexed."""

    partition: Printable
    run_id: Printable
    results: list[ItemResult] = Field(max_length=1000)


class Reported(Success):
    """`passedOver`: records that were deleted or moved meanwhile, or left the batch. The index is told nothing of
    these by the run, which knows them as they were."""

    passed_over: list[Id] = Field(default_factory=list)


class FinishBatch(Model):
    """What has a result and is in the index is `ready`: those of `ids`, or everything. The batch is then closed if
    nothing is left."""

    partition: Printable
    run_id: Printable
    ids: list[Id] | None = Field(None, max_length=1000)


class BatchSummary(Model):
    partition: str
    ready: int
    failed: int
    unfinished: int


class ResultKey(Model):
    kind: Kind
    sha256: str = Field(pattern=_SHA256)
    recipe: Printable


class LookupResults(Model):
    """Has this content been processed by this recipe before, for this owner?"""

    owner: Owner
    keys: list[ResultKey] = Field(max_length=1000)


class KnownResults(Model):
    """In the order of the request: the ready record that has the result, or null."""

    items: list[Record | None]
