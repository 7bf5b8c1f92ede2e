"""Whose fault it is that a file has no result. This is the one place that decides it.

A fault of the file is final, and has a reason. Which codes are such is a closed list. A fault of the machinery (a
service that is away, a disk that is full) is never final: the file is put off, and tried again for as long as it takes.
Of what is left, nobody can tell at once whose it is: a process that died may have been killed by the system, one that
took too long may have been stopped, and a fault of this program may show with this file alone. It puts the file off as
well, and is final when it has come back each time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from ..api.bounded import shortened
from ..api.bss import Record
from ..api.common import ErrorBody
from ..errors import ERRORS, Code, DreamlakeError
from ..machine import failed, fault_of_machine
from .excerpt import excerpt_of

log = logging.getLogger(__name__)

OF_FILE = frozenset({
    *(Code.STAGED_OBJECT_MISSING, Code.HASH_MISMATCH, Code.FILE_EMPTY),
    *(Code.NOT_MEDIA, Code.NO_VIDEO, Code.NO_AUDIO),
    *(Code.MEDIA_CORRUPT, Code.MEDIA_TRUNCATED, Code.MEDIA_UNSUPPORTED, Code.MEDIA_ENCRYPTED),
    *(Code.MEDIA_TOO_LARGE, Code.OUTPUT_INVALID),
    *(Code.TEXT_INVALID, Code.LABELS_INVALID),
})  # fmt: skip

OF_MACHINERY = frozenset({
    *(Code.UNREACHABLE, Code.OVERLOADED, Code.REQUEST_TIMEOUT, Code.UNAUTHENTICATED, Code.FORBIDDEN),
    *(Code.STORAGE_FAILED, Code.STORAGE_FULL, Code.STACK_FAILED, Code.MACHINE_FAILED),
})  # fmt: skip

# How many times in a row any other fault must have put a file off before it is final.
_PROVEN = {Code.CRASHES_WORKER: 4, Code.MEDIA_TIMEOUT: 1}
_PROVEN_ELSE = 5

_STORE_AWAY = frozenset({Code.STORAGE_FAILED, Code.UNREACHABLE})
_REFUSALS = frozenset({Code.CONFLICT, Code.INVALID_REQUEST, Code.NOT_FOUND, Code.REQUEST_TOO_LARGE})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a file has no result. `is_final`: it is the file's fault, and trying again would change nothing. `log` are a
    few lines that were logged of it."""

    reason: ErrorBody
    is_final: bool
    log: list[str] = field(default_factory=list)


def judge(record: Record, fault: Exception) -> Verdict:
    """What the fault that the processing of `record` ended with says of it."""
    error = as_error(record, fault)
    body = ErrorBody(code=str(error.code), message=shortened(error.message), hint=error.hint)
    if error.code in OF_FILE:
        return Verdict(body, is_final=True, log=excerpt_of(fault))
    if error.code in OF_MACHINERY:
        return Verdict(body, is_final=False)
    is_final = _times_before(record, error.code) >= _PROVEN.get(error.code, _PROVEN_ELSE)
    return Verdict(body, is_final, log=excerpt_of(fault))


def as_error(record: Record, fault: Exception) -> DreamlakeError:
    """A fault as one of our errors: INTERNAL for one that nobody expected, which is logged with its traceback."""
    if isinstance(fault, DreamlakeError):
        return fault
    if (lack := fault_of_machine(fault)) is not None:
        return lack
    if isinstance(fault, OSError):  # of the run itself: no file's bytes make its system calls fail
        return failed(f"{type(fault).__name__}, {fault.strerror or fault}")
    log.error(
        "processing %s (%s %s) failed unexpectedly",
        record.name,
        record.kind,
        record.id,
        exc_info=fault,
        extra={"fields": {"requestId": record.request_id}},
    )
    return DreamlakeError(
        Code.INTERNAL,
        f"{record.name} could not be processed: {ERRORS[Code.INTERNAL].meaning}",
        hint="Look at the run's log in Dagster.",
    )


def _times_before(record: Record, code: Code) -> int:
    """How many times in a row, before now, a fault of this code put the record off."""
    waiting = record.waiting
    return waiting.tries if waiting is not None and waiting.code == code else 0


def is_of_store(reason: ErrorBody) -> bool:
    """Whether a file was put off since the object store was away: then the next one is put off, too."""
    return reason.code in _STORE_AWAY


def is_refusal(error: DreamlakeError) -> bool:
    """Whether BSS itself says that it will not store what it was sent, whenever it is sent. What else it answers, or
    a proxy in its place, says nothing of that."""
    return error.code in _REFUSALS
