"""What an upload or ingest tells while it goes on: a stream of typed events, whose end is a `Summary`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, TypedDict

from ..api.bss import Difference, Record
from ..errors import Code, DreamlakeError
from ..kinds import Kind, extension_of
from ..remote.patience import Waiting as Waiting
from .fields import OLD_JSON_NAMES, FileFields

NO_EXTENSION = "no extension"
OTHER_EXTENSIONS = "others"
_MOST_EXTENSIONS = 1000  # are counted one by one


MOST_NAMES = 3  # of files that are being worked on are told


class FileStatus(StrEnum):
    PLANNED = "planned"  # --dry-run only: it would be stored; `plan` says what that takes
    UPLOADED = "uploaded"  # its bytes were sent; it is registered and in the index
    DUPLICATE = "duplicate"  # its bytes were stored already, nothing was sent; it is registered and in the index
    SKIPPED = "skipped"  # left out: no known kind, a system's file, or a link to a folder that is walked anyway
    INDEXED = "indexed"  # retry only: it was missing or out of date in the index
    QUEUED = "queued"  # retry only: it will be processed again
    GONE = "gone"  # watch only: it was deleted, or got another name, before it was sent
    READY = "ready"  # processed
    DOWNLOADED = "downloaded"  # download only: it came, and has the hash that was promised
    UNCHANGED = "unchanged"  # download only: it was there whole already
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FileEvent:
    """One change of one file.

    The first fields are those of `FileFields` (fields.py), which says what each is. `warning` is what was odd about its
    content, `request_id` what the services' logs call the request. `plan`, of a dry run, is how it differs from what is
    stored; None where nobody could be asked. `is_pattern`: what failed is no file, but a pattern that none matches.
    """

    path: str | None
    status: FileStatus
    name: str | None = None
    episode: str | None = None
    kind: Kind | None = None
    size: int = 0
    code: str | None = None
    reason: str | None = None
    bss_id: str | None = None
    asset_id: str | None = None
    sha256: str | None = None
    warning: str | None = None
    plan: Difference | None = None
    request_id: str | None = None
    is_pattern: bool = False

    @property
    def id(self) -> str | None:
        """What `bss_id` was called before."""
        return self.bss_id

    def fields(self) -> FileFields:
        """The fields that everything has that tells of a file."""
        return {
            "path": self.path,
            "name": self.name,
            "episode": self.episode,
            "kind": self.kind and str(self.kind),
            "size": self.size,
            "status": str(self.status),
            "code": self.code,
            "reason": self.reason,
            "bssId": self.bss_id,
            "assetId": self.asset_id,
        }

    def as_json(self) -> dict[str, Any]:
        """The event as a line of `--json` has it: its fields, and what only some files have."""
        plan = self.plan and str(self.plan)
        seldom = {"sha256": self.sha256, "warning": self.warning, "plan": plan, "requestId": self.request_id}
        told = {"event": "file", **self.fields(), **{name: value for name, value in seldom.items() if value}}
        return told | {old: told[new] for old, new in OLD_JSON_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that is odd about a file, told as soon as it is seen; it is sent all the same."""

    path: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is, in totals so far; `is_walking` until all files are found. Sent a few times a second.

    `names` are the first few of those that are being sent: those that are at it for longest.
    """

    files_found: int
    bytes_found: int
    files_done: int
    bytes_done: int  # of files that are done, and what was sent of those on their way
    bytes_read: int  # read and hashed
    bytes_sent: int  # or fetched
    is_walking: bool
    is_fetching: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Processing:
    """How many of the awaited files are in which state; `idle_seconds` since anything changed.

    Of those in state `processing`, `made` have a result, which is being indexed. Of those `queued`, `put_off` were,
    by no fault of theirs: how many, by the code of the reason. `names` are the first few of those without a result that
    are being worked on.
    """

    states: dict[str, int]
    idle_seconds: float
    made: int = 0
    put_off: dict[str, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Amount:
    files: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Count a file of so many bytes."""
        self.files += 1
        self.bytes += size

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.files + other.files, self.bytes + other.bytes)


@dataclass(slots=True)
class Summary:
    """The last event. `files` are all that were walked, `bytes` those that were sent, or would be.

    Where nobody waited for processing, `ready` and `failed` count what is known by then.
    """

    files: int = 0
    uploaded: int = 0
    duplicate: int = 0
    skipped: int = 0
    system_files: int = 0  # of those skipped
    unknown: dict[str, int] = field(default_factory=dict)  # of those skipped, the ones of no known kind, by extension
    ready: int = 0
    failed: int = 0
    unmatched: int = 0  # of those failed, patterns that no file matches, which are none of `files`
    bytes: int = 0
    seconds: float = 0.0
    failures: list[FileEvent] = field(default_factory=list)
    planned: int = 0  # --dry-run only, as are `plan` and `unasked`
    plan: dict[Kind, dict[Difference | None, Amount]] = field(default_factory=dict)  # None: it could not be asked
    unasked: str | None = None  # why not
    unread: int = 0  # --dry-run only: of those with bytes to send, files whose content is not known and may be stored
    queued: int = 0  # retry only
    indexed: int = 0  # retry only
    downloaded: int = 0  # download only, as is `unchanged`; `bytes` are those that were fetched
    unchanged: int = 0
    gone: int = 0  # watch only
    unfinished: int = 0  # still processed when the wait timed out
    warnings: int = 0
    passed: int = 0  # with `most_failures`: of those that failed, the ones that did the last time too, and don't count
    is_remembered: bool = False  # whether the same run again would pass what failed in this one
    stopped: int = 0  # 1 when it ended before all files were looked at, since too many failed

    def add(self, event: FileEvent) -> None:
        """Count a change of a file; `files` is for its teller to count, since a file may change more than once."""
        setattr(self, event.status, getattr(self, event.status) + 1)
        if event.status is FileStatus.FAILED:
            self.failures.append(event)
            self.unmatched += event.is_pattern
        if event.status is FileStatus.SKIPPED and event.code == Code.SYSTEM_FILE:
            self.system_files += 1
        if event.status is FileStatus.SKIPPED and event.code == Code.UNKNOWN_KIND:
            extension = extension_of((event.path or "").rpartition("/")[2]) or NO_EXTENSION
            if extension not in self.unknown and len(self.unknown) >= _MOST_EXTENSIONS:
                extension = OTHER_EXTENSIONS
            self.unknown[extension] = self.unknown.get(extension, 0) + 1

    def add_planned(self, kind: Kind, difference: Difference | None, size: int, *, is_read: bool) -> None:
        """Count a file of so many bytes that a dry run found. What may be stored already does not count as sent.

        `is_read`: its hash is known, so that it is not stored under another name.
        """
        self.plan.setdefault(kind, {}).setdefault(difference, Amount()).add(size)
        if difference in (None, Difference.NEW, Difference.CHANGED):
            self.bytes += size
            self.unread += not is_read

    def as_json(self) -> dict[str, Any]:
        always = ("files", "uploaded", "duplicate", "skipped", "ready", "failed")
        seldom = (
            "planned",
            "unread",
            "queued",
            "indexed",
            "downloaded",
            "unchanged",
            "gone",
            "unfinished",
            "passed",
            "stopped",
            "unmatched",
        )
        counts = {name: getattr(self, name) for name in always}
        counts |= {name: count for name in seldom if (count := getattr(self, name))}
        if self.system_files:
            counts["systemFiles"] = self.system_files
        summary: dict[str, Any] = {"event": "summary", **counts}
        summary |= {"bytes": self.bytes, "seconds": round(self.seconds, 3)}
        if self.unknown:
            summary["unknown"] = self.unknown
        if self.plan:
            summary["plan"] = {
                str(kind): {str(difference or "unasked"): asdict(amount) for difference, amount in amounts.items()}
                for kind, amounts in self.plan.items()
            }
        return summary | ({"unasked": self.unasked} if self.unasked else {})


Event = FileEvent | Warned | Waiting | Progress | Processing | Summary


class Reason(TypedDict):
    """Why a file failed: a code of errors.py (or of BSS), a sentence, and the request by which the logs tell of it."""

    code: str
    reason: str
    request_id: str | None


def failure(error: DreamlakeError) -> Reason:
    """`code` and `reason` of a FileEvent, from an error."""
    return {"code": str(error.code), "reason": str(error), "request_id": error.request_id}


def record_failure(record: Record) -> Reason:
    """`code` and `reason` of a FileEvent, from a record whose last processing failed."""
    error = record.error or record.last_error
    if error is None:
        reason = "It failed, and nothing more is known."
        return {"code": str(Code.INTERNAL), "reason": reason, "request_id": record.request_id}
    stands = "" if record.error else "Its earlier result still plays."
    reason = " ".join(filter(None, (error.message, error.hint, stands)))
    return {"code": error.code, "reason": reason, "request_id": record.request_id}
