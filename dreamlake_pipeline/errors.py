"""Every way in which this tool fails, as data: one row per code.

A code is stable: clients branch on it, records keep it, the documentation lists it (a test holds
`docs/errors.md` to this table). Raise `DreamlakeError(code, message)`; each edge (HTTP, CLI,
asset check) turns it into its own form and none of them shows a traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any


class ExitCode(IntEnum):
    """What the CLI exits with."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    TIMED_OUT = 4


class Code(StrEnum):
    # What a caller got wrong
    INVALID_REQUEST = "invalid_request"
    INVALID_NAME = "invalid_name"
    UNKNOWN_KIND = "unknown_kind"
    SYSTEM_FILE = "system_file"
    USAGE = "usage"
    REQUEST_TOO_LARGE = "request_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    # Who may do what
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    # What is or is not there
    NOT_FOUND = "not_found"
    NOT_READY = "not_ready"
    CONFLICT = "conflict"
    STAGED_OBJECT_MISSING = "staged_object_missing"
    UPLOAD_EXPIRED = "upload_expired"
    # Files on the client's side
    FILE_MISSING = "file_missing"
    FILE_EMPTY = "file_empty"
    FILE_UNREADABLE = "file_unreadable"
    FILE_CHANGED = "file_changed"
    # What processing found in a file
    HASH_MISMATCH = "hash_mismatch"
    NOT_MEDIA = "not_media"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    MEDIA_CORRUPT = "media_corrupt"
    MEDIA_TRUNCATED = "media_truncated"
    MEDIA_UNSUPPORTED = "media_unsupported"
    MEDIA_ENCRYPTED = "media_encrypted"
    MEDIA_TOO_LARGE = "media_too_large"
    MEDIA_TIMEOUT = "media_timeout"
    OUTPUT_INVALID = "output_invalid"
    TEXT_INVALID = "text_invalid"
    LABELS_INVALID = "labels_invalid"
    CRASHES_WORKER = "crashes_worker"
    RUN_DIED = "run_died"
    # Machinery
    UNREACHABLE = "unreachable"
    STORAGE_FAILED = "storage_failed"
    STORAGE_FULL = "storage_full"
    STACK_FAILED = "stack_failed"
    MACHINE_FAILED = "machine_failed"
    OVERLOADED = "overloaded"
    TIMED_OUT = "timed_out"
    SCHEMA_NEWER = "schema_newer"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """What follows from a code: HTTP status, CLI exit code, and whether the same call may succeed later."""

    status: int
    exit_code: ExitCode
    retryable: bool
    meaning: str


_FILE = ExitCode.SOME_FAILED

ERRORS: dict[Code, ErrorSpec] = {
    Code.INVALID_REQUEST: ErrorSpec(422, ExitCode.USAGE, False, "The request is not of the route's form."),
    Code.INVALID_NAME: ErrorSpec(
        422, ExitCode.USAGE, False, "A namespace, project, episode, name or hash breaks the naming rules."
    ),
    Code.UNKNOWN_KIND: ErrorSpec(
        422,
        ExitCode.USAGE,
        False,
        "The file's extension is none of the known ones; name the kind with --type.",
    ),
    Code.SYSTEM_FILE: ErrorSpec(
        422, ExitCode.USAGE, False, "The file is what a system or tool left beside people's files, and nobody's data."
    ),
    Code.USAGE: ErrorSpec(400, ExitCode.USAGE, False, "The command's words do not fit together."),
    Code.REQUEST_TOO_LARGE: ErrorSpec(
        413, ExitCode.USAGE, False, "The request has more bytes than the route takes: send it in several calls."
    ),
    Code.REQUEST_TIMEOUT: ErrorSpec(408, _FILE, True, "The request did not arrive whole in time."),
    Code.UNAUTHENTICATED: ErrorSpec(401, ExitCode.USAGE, False, "No valid bearer token came with the request."),
    Code.FORBIDDEN: ErrorSpec(403, ExitCode.USAGE, False, "The token does not reach this namespace or may only read."),
    Code.NOT_FOUND: ErrorSpec(404, _FILE, False, "There is no such record, route or path."),
    Code.NOT_READY: ErrorSpec(409, _FILE, True, "The record is not processed yet."),
    Code.CONFLICT: ErrorSpec(409, _FILE, False, "The request contradicts what is stored."),
    Code.STAGED_OBJECT_MISSING: ErrorSpec(
        409, _FILE, True, "Nothing is stored under this hash yet: upload the bytes first."
    ),
    Code.UPLOAD_EXPIRED: ErrorSpec(410, _FILE, True, "The multipart upload is gone: start it again."),
    Code.FILE_MISSING: ErrorSpec(404, _FILE, False, "The local file or directory does not exist."),
    Code.FILE_EMPTY: ErrorSpec(422, _FILE, False, "The file holds no bytes."),
    Code.FILE_UNREADABLE: ErrorSpec(422, _FILE, False, "The operating system refuses to read the file."),
    Code.FILE_CHANGED: ErrorSpec(409, _FILE, True, "The file changed while it was being read."),
    Code.HASH_MISMATCH: ErrorSpec(422, _FILE, False, "The stored bytes are not those that the hash promised."),
    Code.NOT_MEDIA: ErrorSpec(422, _FILE, False, "The content is no audio or video that is known here."),
    Code.NO_VIDEO: ErrorSpec(422, _FILE, False, "The file holds no video stream that can be decoded."),
    Code.NO_AUDIO: ErrorSpec(422, _FILE, False, "The file holds no audio stream that can be decoded."),
    Code.MEDIA_CORRUPT: ErrorSpec(422, _FILE, False, "The media data is damaged."),
    Code.MEDIA_TRUNCATED: ErrorSpec(422, _FILE, False, "The file ends before its media does."),
    Code.MEDIA_UNSUPPORTED: ErrorSpec(422, _FILE, False, "A codec or feature of the file is not supported."),
    Code.MEDIA_ENCRYPTED: ErrorSpec(422, _FILE, False, "The media is encrypted."),
    Code.MEDIA_TOO_LARGE: ErrorSpec(422, _FILE, False, "Duration, picture size or output exceed the limits."),
    Code.MEDIA_TIMEOUT: ErrorSpec(422, _FILE, True, "Processing took longer than the limit and was stopped."),
    Code.OUTPUT_INVALID: ErrorSpec(500, _FILE, True, "The result failed its verification and was not published."),
    Code.TEXT_INVALID: ErrorSpec(422, _FILE, False, "The text track holds no cue that can be read."),
    Code.LABELS_INVALID: ErrorSpec(
        422,
        _FILE,
        False,
        "The label file holds no entry that can be read, or more rows that can't be read than others; `--csv` says how "
        "it is written.",
    ),
    Code.CRASHES_WORKER: ErrorSpec(
        422, _FILE, True, "Each run that worked on this file alone was killed or crashed, and others were not."
    ),
    Code.RUN_DIED: ErrorSpec(
        503, _FILE, True, "The run that worked on this file alone was killed, crashed or was lost: it is tried again."
    ),
    Code.UNREACHABLE: ErrorSpec(503, ExitCode.UNREACHABLE, True, "A service does not answer."),
    Code.STORAGE_FAILED: ErrorSpec(502, _FILE, True, "The object store refused or broke off an operation."),
    Code.STORAGE_FULL: ErrorSpec(507, _FILE, True, "A disk or bucket is full."),
    Code.STACK_FAILED: ErrorSpec(500, ExitCode.UNREACHABLE, True, "The embedded stack did not start."),
    Code.MACHINE_FAILED: ErrorSpec(
        503, _FILE, True, "The machine that processes files lacks memory, open files or processes, or its disk fails."
    ),
    Code.OVERLOADED: ErrorSpec(503, ExitCode.UNREACHABLE, True, "Too much is under way; try again later."),
    Code.TIMED_OUT: ErrorSpec(
        504, ExitCode.TIMED_OUT, True, "The time that was given to wait for ran out; what was waited for goes on."
    ),
    Code.SCHEMA_NEWER: ErrorSpec(
        500, ExitCode.UNREACHABLE, False, "A newer version of this program has upgraded the database."
    ),
    Code.INTERNAL: ErrorSpec(500, _FILE, True, "A fault of this program; its log has the details."),
}


_PASSING = frozenset({Code.UNREACHABLE, Code.OVERLOADED, Code.REQUEST_TIMEOUT})


class DreamlakeError(Exception):
    """A failure with a stable code, a sentence for a person, and what to do next.

    `message` names what happened and to which file; `hint` says what to do, when there is something.
    `details` are further JSON values for programs (`{"path": …}`), never secrets. `passing: true` among them says of
    an error whose code does not that it will probably pass by itself.
    """

    request_id: str | None = None
    """The `X-Request-ID` of the call that ended so, by which the logs of the services tell of it."""

    def __init__(self, code: Code, message: str, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details = details

    @property
    def spec(self) -> ErrorSpec:
        return ERRORS[self.code]

    @property
    def is_passing(self) -> bool:
        """Whether the same call may succeed in a moment without anybody's doing: something is away, or overloaded."""
        return self.code in _PASSING or self.details.get("passing") is True

    def as_dict(self) -> dict[str, Any]:
        """The wire form: `{code, message, hint?, …details}`."""
        body: dict[str, Any] = {"code": str(self.code), "message": self.message}
        if self.hint:
            body["hint"] = self.hint
        return body | self.details

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message
