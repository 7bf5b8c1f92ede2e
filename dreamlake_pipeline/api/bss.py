"""BSS: uploads, records, playback, and the bulk routes of the client."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, model_validator

from ..kinds import Kind
from ..playback import PlaybackMode
from .common import (
    Bytes,
    ContentType,
    CsvOptions,
    Episode,
    ErrorBody,
    FileTypes,
    Hash,
    Id,
    Instant,
    Ladder,
    Model,
    Name,
    Owner,
    Printable,
    Project,
    Timestamp,
)


class Status(StrEnum):
    """The life of a record. `failed` and `ready` are its ends; a requeue starts it over.

    A result that a record has stays, and plays, until a new one takes its place: a record that is queued or processed
    again is playable all the while (`Record.is_playable`). When that attempt fails, the record is `ready` again with
    its earlier result, and has a `lastError`.
    """

    REGISTERED = "registered"
    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in (Status.READY, Status.FAILED)


# POST R/upload/multipart/…


class UploadInit(Model):
    owner: Owner
    project: Project
    hash: Hash
    size: Bytes | None = None
    content_type: ContentType | None = None
    name: Name | None = None
    episode: Episode | None = None
    checksum: Literal["sha256"] | None = Field(
        None, description="Set when every part will be sent with its SHA-256, so that S3 checks it."
    )


class UploadInitiated(Model):
    upload_id: str
    key: str
    part_size: int


class UploadRef(Model):
    upload_id: Printable
    key: Printable


class PartPlan(Model):
    part_number: int = Field(ge=1, le=10_000)
    size: int = Field(ge=1, le=5 * 2**30)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class UploadParts(UploadRef):
    """Either bare numbers, or plans whose length and checksum are signed into the URLs."""

    part_numbers: list[int] = Field(default_factory=list, max_length=1000)
    parts: list[PartPlan] = Field(default_factory=list, max_length=1000)

    @model_validator(mode="after")
    def _has_one_form(self) -> UploadParts:
        if bool(self.part_numbers) == bool(self.parts):
            raise ValueError("give either partNumbers or parts")
        if any(not 1 <= number <= 10_000 for number in self.part_numbers):
            raise ValueError("part numbers go from 1 to 10000")
        return self


class PartUrl(Model):
    part_number: int
    url: str
    headers: dict[str, str] = Field(default_factory=dict, description="Signed: send exactly these.")


class PartUrls(Model):
    parts: list[PartUrl]


class DonePart(Model):
    part_number: int
    etag: str
    size: int


class PartsDone(Model):
    """What has arrived; `expired` when the upload is no longer there and must be started again."""

    expired: bool
    parts: list[DonePart]


class CompletedPart(Model):
    part_number: int = Field(ge=1, le=10_000)
    etag: Printable


class UploadComplete(UploadRef):
    parts: list[CompletedPart] = Field(min_length=1, max_length=10_000)


class Success(Model):
    success: Literal[True] = True


# POST R, GET R…

_LADDER = (
    "Heights of further, smaller streams of a video; none given: as before, else as its project or installation says."
)

_PLAYBACK = (
    "For which browsers a video is made: every one, those of today (what these play is copied), or both; none given: "
    "as before, else as its project says."
)

_CSV = (
    "How a CSV file is written (`--csv`), in the place of what would be found out; empty: all is found out; "
    "none given: as before, else as its project says."
)


_UPLOADED_AT = (
    "When the file was last uploaded under its name. Of the records of one name, the last uploaded holds it: the index"
    " is told (`AssetIn.uploadedAt`)."
)


class Register(Model):
    """Registration of a staged file. The same file under the same name again is the same record."""

    name: Name
    owner: Owner
    project: Project
    episode: Episode | None = None
    staging_hash: Hash
    size: Bytes | None = None
    content_type: ContentType | None = None
    ladder: Ladder | None = Field(None, description=_LADDER)
    playback: PlaybackMode | None = Field(None, description=_PLAYBACK)
    csv: CsvOptions | None = Field(None, description=_CSV)


class Registered(Model):
    """`id` is also given under the kind's own key; the others are absent."""

    id: Id
    status: Status
    uploaded_at: Timestamp | None = Field(None, description=_UPLOADED_AT)
    video_id: Id | None = None
    audio_id: Id | None = None
    label_id: Id | None = None
    text_track_id: Id | None = None


class Waiting(Model):
    """Why a queued file was put off, by no fault of its own, and until when: it is tried again for as long as it takes.

    `since`: when it was first put off for this reason, `tries`: how often it was since then, `until`: when it is due.
    """

    code: str
    message: str
    hint: str | None = None
    since: Timestamp
    tries: int
    until: Timestamp


class Record(Model):
    """One file, as BSS knows it. `metadata` has the shape of `api.metadata` for its kind once it is known."""

    id: Id
    kind: Kind
    owner: str
    project: str
    episode: str | None
    name: str
    staging_hash: str | None = Field(description="As promised at upload; verified when first read.")
    staging_key: str
    sha256: str | None = Field(None, description="Of the stored bytes, once they were read.")
    size: int | None
    content_type: str | None
    ladder: tuple[int, ...] | None = Field(
        None, description="Of this video; null: as its project or installation says."
    )
    playback: PlaybackMode | None = Field(
        None, description="For which browsers this video is made; null: as its project says."
    )
    csv: dict[str, str] | None = Field(
        None, description="How this CSV file is written, as its owner told; null: as its project says."
    )
    status: Status
    error: ErrorBody | None = None
    last_error: ErrorBody | None = Field(
        None,
        description="Why its last processing failed, though its earlier result, that of `metadata`, stands.",
    )
    waiting: Waiting | None = Field(
        None, description="Of a file that is queued, or tried again: which fault of the machinery put it off."
    )
    warnings: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] | None = None
    attempts: int = 0
    partition: str | None = Field(None, description="The batch that processes or processed it.")
    request_id: str | None = Field(
        None, description="The `X-Request-ID` of its registration, which the logs of services and runs name."
    )
    created_at: Timestamp
    uploaded_at: Timestamp | None = Field(None, description=_UPLOADED_AT)
    updated_at: Timestamp
    moved_at: Timestamp | None = Field(
        None, description="When it was given the episode and name that it has; null: it was uploaded under them."
    )
    reported_at: Timestamp | None = Field(None, description="When the current attempt reported its result.")
    ready_at: Timestamp | None = Field(None, description="When its result was published: the one that it has now.")

    @property
    def is_playable(self) -> bool:
        """Whether it has a result that is published: also while another one is made."""
        if self.status in (Status.QUEUED, Status.PROCESSING):
            return self.ready_at is not None and self.metadata is not None
        return self.status is Status.READY


class Playback(Model):
    """A URL that a browser can open with no header."""

    url: str
    expires_at: Timestamp


class Curve(Model):
    """The values of a field at the `times` of its `Series`, null where it has none: those of entries (`values`), or
    the lowest and the highest of each bucket."""

    values: list[int | float | None] | None = None
    min: list[int | float | None] | None = None
    max: list[int | float | None] | None = None


class Mark(Model):
    """A run of equal values, in seconds; `count` where it stands for several that are too close to be told apart."""

    start: float
    end: float
    text: str
    count: int = 1


class Series(Model):
    """The curves and marks of a span of a track. Times are seconds since its first one, which is `start`.

    `raw`: `times` are those of the entries, and of the nearest one on either side of the span; else they are the
    beginnings of equal buckets. Where entries are much farther apart than is usual, a time without any value lies
    between them. A field that not all entries have is null at the times of others: `gaps` are its real ones.
    """

    start: float | str | None = None
    duration_sec: float
    from_: float = Field(alias="from")
    to: float
    raw: bool
    bucket_sec: float | None = Field(None, description="The length of a bucket, where it is none of entries.")
    entries: int = Field(description="In the span; of buckets, in those that overlap it.")
    times: list[float]
    fields: dict[str, Curve]
    gaps: dict[str, list[tuple[float, float]]] = Field(
        default_factory=dict, description="Of each field, where from and to it has no value for far longer than usual."
    )
    marks: dict[str, list[Mark]]


class Rows(Model):
    """Rows of a table in its order; `first` is the number of the first, from 0, of `total`.

    What JSON has no number for is text: decimals, NaN and infinities; so are times, lists and objects. `times` are
    seconds since the track's first one; null where a row, or the track, has none.
    """

    fields: list[str]
    rows: list[list[Any]]
    times: list[float | None] | None = None
    first: int
    total: int


class HlsSplit(Model):
    video_id: Id


class AudioProcess(Model):
    audio_id: Id


class Queued(Model):
    status: Status


# Bulk


class PlannedFile(Model):
    """What a client wants to store; `hash` is the whole SHA-256."""

    kind: Kind
    name: Name
    episode: Episode | None = None
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=1, le=5 * 2**40)
    content_type: ContentType | None = None


class PlanUploads(Model):
    owner: Owner
    project: Project
    files: list[PlannedFile] = Field(min_length=1, max_length=1000)


class PlanAction(StrEnum):
    STAGED = "staged"  # the bytes are there: send nothing
    PUT = "put"  # one PUT to `url` with `headers`
    # `uploadId`, `partSize`: ask for part URLs with sizes and checksums (the upload demands a SHA-256 of every part);
    # parts that arrived earlier are kept.
    MULTIPART = "multipart"


class Plan(Model):
    action: PlanAction
    key: str
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    upload_id: str | None = None
    part_size: int | None = None
    record_id: Id | None = Field(
        None, description="Set when this file is registered under this name already, and was the last to be."
    )
    status: Status | None = Field(None, description="The status of that record.")
    uploaded_at: Timestamp | None = Field(None, description=_UPLOADED_AT)


class PlannedUploads(Model):
    """In the order of the request."""

    files: list[Plan]


class FinishedFile(PlannedFile):
    """A file whose bytes were sent. `uploadId` and `parts` complete a multipart upload first."""

    upload_id: Printable | None = None
    parts: list[CompletedPart] = Field(default_factory=list, max_length=10_000)
    etag: Printable | None = Field(
        None,
        description="What S3 answered the planned PUT with. BSS then takes the bytes for arrived until they are read;"
        " without it, it asks S3 now.",
    )
    process: bool = Field(True, description="Queue it for processing, as POST /lambdas/… does.")
    ladder: Ladder | None = Field(None, description=_LADDER)
    playback: PlaybackMode | None = Field(None, description=_PLAYBACK)
    csv: CsvOptions | None = Field(None, description=_CSV)

    @model_validator(mode="after")
    def _is_of_the_kind(self) -> FinishedFile:
        if self.ladder is not None and self.kind is not Kind.VIDEO:
            raise ValueError("ladder: only a video has one")
        if self.playback is not None and self.kind is not Kind.VIDEO:
            raise ValueError("playback: only a video has it")
        if self.csv is not None and self.kind is not Kind.LABEL_TRACK:
            raise ValueError("csv: only a label file has it")
        return self


class FinishUploads(Model):
    owner: Owner
    project: Project
    files: list[FinishedFile] = Field(min_length=1, max_length=1000)


class Finished(Model):
    """Either `id` and `status`, or the `error` of this one file; its neighbours are not affected."""

    id: Id | None = None
    status: Status | None = None
    created: bool = Field(False, description="False: it was registered before.")
    uploaded_at: Timestamp | None = Field(None, description=_UPLOADED_AT)
    error: ErrorBody | None = None


class FinishedUploads(Model):
    files: list[Finished]


class ComparedFile(Model):
    """A file that a client may want to store; without a `hash` (its whole SHA-256), only name and size are compared."""

    kind: Kind
    name: Name
    episode: Episode | None = None
    size: int = Field(ge=1, le=5 * 2**40)
    hash: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")


class CompareFiles(Model):
    owner: Owner
    project: Project
    files: list[ComparedFile] = Field(min_length=1, max_length=1000)


class Difference(StrEnum):
    """How a file differs from what is registered in its project; the first three have bytes to send."""

    NEW = "new"  # no file has this name
    CHANGED = "changed"  # what has this name has another size or hash, or turned out not to be stored
    SAME_SIZE = "same-size"  # perhaps: what has this name has this size as well, and no hash was given
    STORED = "stored"  # another file has this content, or this name stood for it before
    UNCHANGED = "unchanged"  # the name stands for this content
    # Said by clients only, which hear of it beside (`Differences.failed`): it is unchanged, or perhaps (`same-size`),
    # and failed the last time; storing it again tries again.
    FAILED_BEFORE = "failed-before"


class Differences(Model):
    """In the order of the request."""

    files: list[Difference]
    failed: list[int] = Field(
        default_factory=list,
        description="Places (from 0) of files that are unchanged or perhaps so, and whose processing failed.",
    )


class Ids(Model):
    ids: list[Id] = Field(min_length=1, max_length=1000)


class Requeue(Ids):
    force: bool = Field(False, description="Also what is ready; else only what failed or was never processed.")
    playback: PlaybackMode | None = Field(
        None, description="For which browsers videos are made from now on, beside those that they are made for."
    )


class Records(Model):
    """Those of the ids that exist and that the caller may read."""

    items: list[Record]


class KnownRecord(Model):
    """A record, and when it was updated last as far as the asker knows; null: he knows nothing of it."""

    id: Id
    updated_at: Instant | None = None


class KnownRecords(Model):
    known: list[KnownRecord] = Field(min_length=1, max_length=1000)


class ChangedRecords(Model):
    """Which of `KnownRecords` were updated since, and which do not exist or may not be read by the caller."""

    changed: list[Id]
    gone: list[Id]


MOST_LOGS = 100  # files of a call


class LogsOf(Model):
    """Files of which it is asked what was logged."""

    ids: list[Id] = Field(min_length=1, max_length=MOST_LOGS)


class FileLog(Model):
    """A few lines that were logged of a file whose last processing failed: what ffmpeg complained of, or the traceback
    of a fault that nobody expected."""

    id: Id
    lines: list[str]


class FileLogs(Model):
    """Those of the ids that exist, that the caller may read and of which a line was kept."""

    items: list[FileLog]


# Bytes of many files


class FileUrls(Ids):
    file: str = Field(
        "raw",
        max_length=64,
        description="`raw`, the file as it was uploaded; or a result's filename, such as `poster.jpg`.",
    )


class FileUrl(Model):
    """Where the bytes of one record's file are read, with no header; or why they cannot be.

    Of a raw file also its size in bytes and its SHA-256 (hex, as long as it is known), which the bytes must have. That
    a result is stored is not looked up: some kinds of content have no poster, for example.
    """

    id: Id
    url: str | None = None
    size: int | None = None
    sha256: str | None = None
    error: ErrorBody | None = None


class FoundUrls(Model):
    """Those of the ids whose records exist and that the caller may read, in the order of the ids."""

    items: list[FileUrl]


# What is under way


class ProjectUnderway(Model):
    """Files of a project that are not done, by how far they are; `bytes` is what those have whose size is known.

    `uploading` are those whose upload was begun lately and that are not registered yet, as far as BSS was asked for it.
    """

    owner: str
    project: str
    uploading: int = 0
    registered: int = 0
    queued: int = 0
    processing: int = 0
    bytes: int = 0


class Underway(Model):
    """The projects in which something is under way, by name; `more`: not all files are counted, there are so many."""

    items: list[ProjectUnderway]
    more: bool


# Deletion


class RecordRef(Model):
    """What tells of a record without all that was found in its file."""

    id: Id
    kind: Kind
    owner: str
    project: str
    episode: str | None
    name: str
    size: int | None
    status: Status
    uploaded_at: Timestamp | None = Field(None, description=_UPLOADED_AT)


class DeletedRecord(RecordRef):
    """A record that was deleted and can be restored; `status` is the one that it had."""

    deleted_at: Timestamp
    deleted_by: str = Field(description="The `sub` of the token that deleted it.")
    restorable_until: Timestamp = Field(description="From then on, garbage collection may free it.")


class Deleted(Model):
    """The records that are deleted, and can be restored: those that this call found deleted are among them."""

    ids: list[Id]


class Undelete(Ids):
    replace: bool = Field(
        False,
        description="Also where a later upload has the name by now: it is as if the record were uploaded again now.",
    )


class Taken(Model):
    """A record that was not restored, since another one was uploaded under its name: `by`."""

    id: Id
    by: Id


class Undeleted(Model):
    """The records that are there, those that this call found there among them, and those whose names are taken; the
    others never were, or are purged."""

    ids: list[Id]
    taken: list[Taken]


# Other names


class Move(Model):
    """The episode (null: none) and name that a record is to have, within its project."""

    id: Id
    episode: Episode | None = None
    name: Name


class Moves(Model):
    moves: list[Move] = Field(min_length=1, max_length=1000)
    replace: bool = Field(
        False, description="Also to names that are taken: what has them is deleted, and can be restored for a time."
    )


class Moved(Model):
    """The records that have their new names, those that this call found under them among them; those whose names are
    taken, which stay as they were; and the records that were replaced."""

    ids: list[Id]
    taken: list[Taken]
    replaced: list[Id] = Field(default_factory=list)


# A project


class ProjectSettings(Model):
    """What a project's owner decided about it; what is absent or null is left to the installation."""

    ladder: Ladder | None = Field(
        None,
        description="Heights of further, smaller streams of its videos; empty: none, whatever the installation says.",
    )
    playback: PlaybackMode | None = Field(
        None, description="For which browsers its videos are made, where a file says nothing of it itself."
    )
    csv: CsvOptions | None = Field(
        None, description="How its CSV files are written (`--csv`), where a file says nothing of it itself."
    )
    types: FileTypes | None = Field(
        None,
        description="What kind the files of some extensions are (`--type`), for clients that store files of it.",
    )
