"""Asset checks: what is wrong with the items of a batch, by name. A bad file fails a check, never the run.

Each asset evaluates its own checks on the items it has at hand, in its own step: a check costs one event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec

from ..api.bss import Record, Status
from ..api.failures import Failures
from ..api.server import AssetRef
from ..errors import Code
from . import display

EVERY_FILE_PROCESSED = "every_file_processed"
BYTES_MATCH_HASH = "bytes_match_hash"
HLS_CONFORMANCE = "hls_conformance"
DURATIONS_AGREE = "durations_agree"
NOTHING_DROPPED = "nothing_dropped"
INDEX_COMPLETE = "index_complete"
EVERY_ROW_WRITTEN = "every_row_written"
NOTHING_FAILED = "nothing_failed"

_DESCRIPTIONS = {
    EVERY_FILE_PROCESSED: "Every file of the batch has a result; those that have none, and why.",
    NOTHING_FAILED: "No file of any batch is failed; those that are, and why, are in the asset's table.",
    BYTES_MATCH_HASH: "The stored bytes of every file are those whose SHA-256 was promised at upload.",
    HLS_CONFORMANCE: "Every playlist and segment obeys RFC 8216 and this project's stricter rules.",
    DURATIONS_AGREE: "Every rendition lasts as long as its source, to one frame.",
    NOTHING_DROPPED: "Every cue or line of the sources was readable; those that were not are located.",
    INDEX_COMPLETE: "Every finished file of the batch is in the folder tree, with its status.",
    EVERY_ROW_WRITTEN: "The stored catalog has as many rows as were read from the index.",
}

_AGAINST_SOURCE = "source:"
_NO_FILE = "The batch has no such file. What failed in other batches is listed by the asset failed_files."
_WARN, _ERROR = AssetCheckSeverity.WARN, AssetCheckSeverity.ERROR

# By id in the index: the record that it points to, that one's status, and when that one was last uploaded.
Statuses = Mapping[str, tuple[str, str, datetime]]


def specs(asset: str, *names: str) -> list[AssetCheckSpec]:
    return [AssetCheckSpec(name, asset=asset, description=_DESCRIPTIONS[name]) for name in names]


def every_file_processed(items: Sequence[Record], *, moved: int = 0) -> AssetCheckResult:
    """An error where any file has failed, a warning where files were only put off: they are tried again by themselves.

    `moved`: how many files the batch has had that are in other batches by now; of these, it says nothing.
    """
    bad = {item.id: fault.message for item in items if (fault := display.fault_of(item))}
    failed = any(item.id in bad and item.status is not Status.QUEUED for item in items)
    result = _result(EVERY_FILE_PROCESSED, items, bad, severity=_ERROR if failed else _WARN, what="have no result")
    if not moved:
        return result
    elsewhere = f"{moved} more files that it had are in other batches by now: see `moved` of staging_objects."
    return result._replace(description=f"{result.description} {elsewhere}")


def nothing_failed(failures: Failures) -> AssetCheckResult:
    """An error while any file of any batch is failed."""
    reasons = ", ".join(f"{count} {code}" for code, count in failures.by_code.items())
    latest = next((f" The last: {display.place(one)}: {one.error.message}" for one in failures.items if one.error), "")
    return AssetCheckResult(
        check_name=NOTHING_FAILED,
        passed=not failures.count,
        severity=_ERROR,
        description=f"{failures.count} files are failed ({reasons}).{latest}" if failures.count else "None is failed.",
        metadata={"failed": failures.count},
    )


def bytes_match_hash(items: Sequence[Record]) -> AssetCheckResult:
    """An error: what was uploaded is not what is stored. Files that were not read are not counted."""
    bad = {item.id: item.error.message for item in items if item.error and item.error.code == Code.HASH_MISMATCH}
    return _result(BYTES_MATCH_HASH, [item for item in items if item.sha256 or item.id in bad], bad, severity=_ERROR)


def hls_conformance(items: Sequence[Record]) -> AssetCheckResult:
    """An error for a broken rule that stopped a publication, a warning for one that ought to hold."""
    return _conformance(HLS_CONFORMANCE, items, lambda rule: not rule.startswith(_AGAINST_SOURCE))


def durations_agree(items: Sequence[Record]) -> AssetCheckResult:
    """As `hls_conformance`, of the rules that compare a rendition with its source."""
    return _conformance(DURATIONS_AGREE, items, lambda rule: rule.startswith(_AGAINST_SOURCE))


def nothing_dropped(items: Sequence[Record]) -> AssetCheckResult:
    """A warning that locates the first cue or line that was left out of each file."""
    bad = {}
    for item in items:
        found = item.metadata or {}
        dropped = found.get("badCues", 0) or found.get("badEntries", 0)
        if dropped and not item.error:
            first = next(iter(found.get("badLines", [])), None)
            where = f", the first in line {first['line']}: {first['reason']}" if first else ""
            bad[item.id] = f"{dropped} left out{where}"
    return _result(NOTHING_DROPPED, [item for item in items if not item.error], bad, severity=_WARN)


def index_complete(items: Sequence[Record], refs: Sequence[AssetRef], found: Statuses) -> AssetCheckResult:
    """An error unless the index holds each of `items` (or a later upload of the same name) with its status.

    `refs` are their references in the index, in order; `found` is what was read there afterwards.
    """
    bad = {}
    for item, ref in zip(items, refs, strict=True):
        expected = Status.FAILED if item.status is Status.FAILED else Status.READY
        bss_id, status, uploaded_at = found.get(ref.id, ("", "nowhere", item.created_at))
        is_older = (uploaded_at, bss_id) < (item.uploaded_at or item.created_at, item.id)
        if status != expected if bss_id == item.id else is_older:
            bad[item.id] = f"The index says {status}, not {expected}."
    return _result(INDEX_COMPLETE, items, bad, severity=_ERROR)


def every_row_written(read: int, stored: int) -> AssetCheckResult:
    """An error unless the stored file has as many rows as were read."""
    return AssetCheckResult(
        check_name=EVERY_ROW_WRITTEN,
        passed=read == stored,
        severity=_ERROR,
        description=f"{stored} rows are stored of {read} in the index.",
        metadata={"read": read, "stored": stored},
    )


def _conformance(name: str, items: Sequence[Record], concerns: Callable[[str], bool]) -> AssetCheckResult:
    bad, severity = {}, _WARN
    for item in items:
        if item.error:
            if item.error.code == Code.OUTPUT_INVALID and concerns(_first_rule(item.error.message)):
                bad[item.id], severity = item.error.message, _ERROR
            continue
        rules = (item.metadata or {}).get("conformance", {}).get("checks", [])
        if broken := [rule for rule in rules if not rule["ok"] and concerns(rule["rule"])]:
            bad[item.id] = "; ".join(
                f"{rule['rule']} ({rule['detail']})" if rule["detail"] else rule["rule"] for rule in broken
            )
            if any(rule["level"] == "must" for rule in broken):
                severity = _ERROR
    made = [item for item in items if not item.error or item.id in bad]
    return _result(name, made, bad, severity=severity)


def _first_rule(message: str) -> str:
    """The first broken rule that an OUTPUT_INVALID names (media/hls/conformance/): `… verification: rule; …`."""
    return message.partition("verification: ")[2]


def _result(
    name: str,
    items: Sequence[Record],
    bad: Mapping[str, str],
    *,
    severity: AssetCheckSeverity,
    what: str = "are at fault",
) -> AssetCheckResult:
    """`bad` says by id what is wrong with which of the items, `what` in three words."""
    faulty = [item for item in items if item.id in bad]
    # A check shows its latest evaluation, of whatever batch that was; its history says which batch each one was of.
    batch = items[0].partition if items else None
    metadata: dict[str, Any] = {"checked": len(items), "failed": len(faulty)} | ({"batch": batch} if batch else {})
    description = f"{len(items)} checked, none at fault." if items else _NO_FILE
    if faulty:
        metadata["files"] = display.problem_table(faulty, bad)
        others = f" {len(faulty) - 1} more are in the table." if len(faulty) > 1 else ""
        first = f"{display.place(faulty[0])}: {bad[faulty[0].id]}"
        description = f"{len(faulty)} of {len(items)} files {what}. {first}{others}"
    return AssetCheckResult(
        check_name=name, passed=not faulty, severity=severity, description=description, metadata=metadata
    )
