"""Each asset check on input that passes and on input that does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import AssetCheckSeverity

from dreamlake_pipeline.api.bss import Record, Status
from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.failures import BatchFile, Failures
from dreamlake_pipeline.api.server import AssetRef
from dreamlake_pipeline.assets import checks
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def item(name: str = "/a.mp4", *, error: ErrorBody | None = None, **metadata: Any) -> Record:
    """An item after its processing."""
    return Record(
        id=new_id(),
        kind=Kind.VIDEO,
        owner="o",
        project="p",
        episode="run-1",
        name=name,
        staging_hash=None,
        staging_key="o/p/staging/a",
        sha256=None if error else "0" * 64,
        size=1,
        content_type=None,
        status=Status.FAILED if error else Status.PROCESSING,
        error=error,
        metadata=None if error else metadata,
        created_at=NOW,
        updated_at=NOW,
    )


def failed(code: str, message: str, name: str = "/bad.mp4") -> Record:
    return item(name, error=ErrorBody(code=code, message=message))


def rule(name: str, *, ok: bool, level: str = "must") -> dict[str, Any]:
    return {"rule": name, "level": level, "ok": ok, "detail": "3.1 s"}


def with_rules(*rules: dict[str, Any]) -> Record:
    return item(conformance={"checks": list(rules)})


def test_every_file_processed() -> None:
    assert checks.every_file_processed([item(), item()]).passed
    for code in ("media_corrupt", "internal"):
        result = checks.every_file_processed([item(), failed(code, "It is damaged.")])
        assert not result.passed and result.severity is AssetCheckSeverity.ERROR
        assert result.description == "1 of 2 files have no result. p:run-1/bad.mp4: It is damaged."


def test_a_failure_counts_though_an_earlier_result_stands() -> None:
    stands = item().model_copy(update={"status": Status.READY, "last_error": ErrorBody(code="internal", message="No.")})
    result = checks.every_file_processed([item(), stands])
    assert not result.passed and result.severity is AssetCheckSeverity.ERROR
    assert result.metadata["files"].records[0].data["code"] == "internal"


def test_what_is_only_put_off_is_a_warning() -> None:
    away = failed("unreachable", "S3 is away.").model_copy(update={"status": Status.QUEUED})
    result = checks.every_file_processed([item(), away])
    assert not result.passed and result.severity is AssetCheckSeverity.WARN
    both = checks.every_file_processed([failed("no_video", "No video."), away])
    assert both.severity is AssetCheckSeverity.ERROR


def test_a_batch_that_lost_its_files_says_so() -> None:
    result = checks.every_file_processed([], moved=2)
    assert result.passed and "2 more files that it had are in other batches" in str(result.description)


def test_nothing_failed() -> None:
    assert checks.nothing_failed(Failures(count=0, counted_to=10_000, by_code={}, items=[])).passed
    one = failed("no_video", "No video.")
    row = BatchFile.model_validate(one.model_dump())
    result = checks.nothing_failed(Failures(count=3, counted_to=10_000, by_code={"no_video": 3}, items=[row]))
    assert not result.passed and result.severity is AssetCheckSeverity.ERROR
    assert result.description == "3 files are failed (3 no_video). The last: p:run-1/bad.mp4: No video."


def test_a_batch_without_such_files_is_well() -> None:
    assert checks.every_file_processed([]).passed
    assert checks.hls_conformance([]).passed


def test_bytes_match_hash() -> None:
    assert checks.bytes_match_hash([item(), failed("no_video", "No video.")]).passed
    result = checks.bytes_match_hash([item(), failed("hash_mismatch", "Other bytes.")])
    assert not result.passed and result.severity is AssetCheckSeverity.ERROR
    assert result.metadata["checked"].value == 2


@pytest.mark.parametrize(
    ("check", "name", "other"),
    [
        (checks.hls_conformance, "segments: each starts with an IDR", "source: the duration agrees"),
        (checks.durations_agree, "source: the duration agrees", "segments: each starts with an IDR"),
    ],
)
def test_conformance(check: Any, name: str, other: str) -> None:
    assert check([with_rules(rule(name, ok=True), rule(other, ok=False))]).passed
    wanting = check([with_rules(rule(name, ok=False, level="should"))])
    assert not wanting.passed and wanting.severity is AssetCheckSeverity.WARN
    broken = check([failed("output_invalid", f"The result of bad.mp4 failed its verification: {name} (3.1 s).")])
    assert not broken.passed and broken.severity is AssetCheckSeverity.ERROR and name in broken.description
    assert check([failed("output_invalid", f"The result of bad.mp4 failed its verification: {other}.")]).passed


def test_nothing_dropped() -> None:
    assert checks.nothing_dropped([item(badCues=0), item(badEntries=0)]).passed
    result = checks.nothing_dropped([item(badEntries=2, badLines=[{"line": 7, "reason": "not JSON"}])])
    assert not result.passed and result.severity is AssetCheckSeverity.WARN
    assert "2 left out, the first in line 7: not JSON" in result.description


def test_index_complete() -> None:
    older, newer = item("/a.mp4"), item("/b.mp4")
    refs = [
        AssetRef(
            id=new_id(), project_id=new_id(), episode_id=None, node_id=new_id(), filename=name, status=Status.READY
        )
        for name in ("a.mp4", "b.mp4")
    ]
    at = older.created_at
    good = {refs[0].id: (older.id, "ready", at), refs[1].id: (newer.id, "ready", at)}
    assert checks.index_complete([older, newer], refs, good).passed
    for bss_id in ("0" * 24, "f" * 24):  # another record, whose content was uploaded under that name later or earlier
        later, earlier = (bss_id, "queued", at + timedelta(seconds=1)), (bss_id, "ready", at - timedelta(seconds=1))
        assert checks.index_complete([older, newer], refs, good | {refs[0].id: later}).passed
        assert not checks.index_complete([older, newer], refs, good | {refs[0].id: earlier}).passed
    stale = checks.index_complete([older, newer], refs, good | {refs[1].id: (newer.id, "queued", at)})
    assert not stale.passed and "p:run-1/b.mp4: The index says queued, not ready." in stale.description
    assert not checks.index_complete([older, newer], refs, {}).passed


def test_every_row_written() -> None:
    assert checks.every_row_written(3, 3).passed
    assert not checks.every_row_written(3, 2).passed
