"""What a person does about an error that a page meets, for each code; where the error has a hint, that one."""

from __future__ import annotations

import re

from ..errors import ERRORS, Code, DreamlakeError

_BY_ITSELF = "Try again in a moment; it usually passes by itself."
_OPERATOR = "Tell whoever runs this DreamLake, with the id of the request: the log of the service has the details."
_FILE = "The page of the file says more; `Try again` there processes it anew."
_UPLOAD = "Send the file again: `dreamlake ingest` goes on where it stopped."
_ADDRESS = "Check the address, or start from the list of projects."

NEXT: dict[Code, str] = {
    Code.INVALID_REQUEST: _ADDRESS,
    Code.INVALID_NAME: _ADDRESS,
    Code.UNKNOWN_KIND: _FILE,
    Code.SYSTEM_FILE: "Leave it out; it holds nothing that anybody recorded.",
    Code.USAGE: _OPERATOR,
    Code.REQUEST_TOO_LARGE: "Ask for less at once, such as fewer files.",
    Code.REQUEST_TIMEOUT: _BY_ITSELF,
    Code.UNAUTHENTICATED: "Log in again.",
    Code.FORBIDDEN: "Log in with a key that reaches this and may do it: whoever runs this DreamLake makes one.",
    Code.NOT_FOUND: "It was deleted or renamed, or this key does not reach it. Start from the list of projects.",
    Code.NOT_READY: "Wait until it is processed: the page of ingests shows how far that is.",
    Code.CONFLICT: "Load the page again: something has changed since.",
    Code.STAGED_OBJECT_MISSING: _UPLOAD,
    Code.UPLOAD_EXPIRED: _UPLOAD,
    Code.FILE_MISSING: _ADDRESS,
    Code.FILE_EMPTY: "Look at what recorded it: nothing arrived.",
    Code.FILE_UNREADABLE: _UPLOAD,
    Code.FILE_CHANGED: _UPLOAD,
    Code.HASH_MISMATCH: _UPLOAD,
    Code.NOT_MEDIA: "Check what the file is: its content is not what its name says.",
    Code.NO_VIDEO: _FILE,
    Code.NO_AUDIO: _FILE,
    Code.MEDIA_CORRUPT: "Record or copy it again, if it can be had.",
    Code.MEDIA_TRUNCATED: "Copy it again, if the whole of it can be had.",
    Code.MEDIA_UNSUPPORTED: "Convert it to a common codec, such as H.264, and send that.",
    Code.MEDIA_ENCRYPTED: "Send it without encryption.",
    Code.MEDIA_TOO_LARGE: "Cut it into parts, and send these.",
    Code.MEDIA_TIMEOUT: _FILE,
    Code.OUTPUT_INVALID: _FILE,
    Code.TEXT_INVALID: _FILE,
    Code.LABELS_INVALID: _FILE,
    Code.CRASHES_WORKER: _FILE,
    Code.RUN_DIED: _BY_ITSELF,
    Code.UNREACHABLE: "Try again in a moment. `dreamlake status` shows which process of an embedded stack is down.",
    Code.STORAGE_FAILED: _BY_ITSELF,
    Code.STORAGE_FULL: "Whoever runs this DreamLake has to make room; what is there can be read meanwhile.",
    Code.STACK_FAILED: _OPERATOR,
    Code.MACHINE_FAILED: _OPERATOR,
    Code.OVERLOADED: _BY_ITSELF,
    Code.TIMED_OUT: _BY_ITSELF,
    Code.SCHEMA_NEWER: "Whoever runs this DreamLake has to start the newer version of it.",
    Code.INTERNAL: _OPERATOR,
}  # fmt: skip


# What these codes mean where one looks at pages; what the others mean is said in errors.py.
_MEANING: dict[Code, str] = {
    Code.INVALID_REQUEST: "That is no question that this page answers.",
    Code.REQUEST_TOO_LARGE: "There is more of it than a page shows or takes.",
    Code.NOT_FOUND: "There is no such page, project, episode or file.",
}


def meaning_of(code: Code) -> str:
    """What a code means, for who looks at pages."""
    return _MEANING.get(code, ERRORS[code].meaning)


# What services and their client call a route: a method of HTTP and a path.
_ROUTE = re.compile(r"`?\b(?:GET|HEAD|POST|PUT|PATCH|DELETE) (?:https?://)?\S*/\S*")


def of_pages(error: DreamlakeError) -> DreamlakeError:
    """The error for who looks at pages: it names no route of a service, which they neither know nor can ask."""
    message, hint = error.message, error.hint
    if _ROUTE.search(message):
        message = meaning_of(error.code)
    if hint and _ROUTE.search(hint):
        hint = None
    if (message, hint) == (error.message, error.hint):
        return error
    worded = DreamlakeError(error.code, message, hint=hint, **error.details)
    worded.request_id = error.request_id
    return worded


def next_for_file(code: str, hint: str | None) -> str | None:
    """What to do about a file that failed, for who sees all that is known of it."""
    known = NEXT[Code(code)] if code in [*Code] else _FILE
    return hint or (None if known in (_FILE, _ADDRESS) else known)


def what_next(error: DreamlakeError) -> str:
    """What to do about it, as a sentence for a person."""
    return error.hint or NEXT[error.code]
