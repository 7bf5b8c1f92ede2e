"""The bucket: each right that is missing is named, and nothing of the trial stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from dreamlake_pipeline.checks import Finding, Level, bucket
from dreamlake_pipeline.storage import ObjectStore

Before = Callable[..., AbstractContextManager[str]]


def found(store: ObjectStore) -> dict[str, Finding]:
    return {finding.part: finding for finding in bucket.check(store.bucket)}


def left(store: ObjectStore) -> list[str]:
    uploads = [one.key for one in store.list_uploads().uploads if one.key.startswith("dreamlake-doctor/")]
    return [one.key for one in store.list_all("dreamlake-doctor/")] + uploads


def test_all_rights_are_there_and_nothing_stays(object_store: ObjectStore) -> None:
    findings = found(object_store)
    assert {finding.level for finding in findings.values()} == {Level.OK}, findings
    assert {part.removeprefix("bucket ") for part in findings} >= {*bucket._RIGHTS, "clock", "CORS"}
    assert left(object_store) == []


# What a policy may refuse, as the request that S3 gets for it.
REFUSED: dict[str, Callable[[Any], bool]] = {
    "list": lambda asked: asked.method == "GET" and "list-type=2" in asked.target,
    "put": lambda asked: asked.method == "PUT" and asked.target.endswith("/object") and "?" not in asked.target,
    "head": lambda asked: asked.method == "HEAD" and asked.target.endswith("/object"),
    "get": lambda asked: asked.method == "GET" and asked.target.endswith("/object"),
    "copy": lambda asked: "x-amz-copy-source" in asked.headers,
    "multipart": lambda asked: asked.method == "POST" and asked.target.endswith("?uploads"),
    "uploads": lambda asked: asked.method == "GET" and re.search(r"\?uploads", asked.target) is not None,
    "presigned PUT": lambda asked: asked.method == "PUT" and "X-Amz-Signature" in asked.target,
    "presigned GET": lambda asked: asked.method == "GET" and "X-Amz-Signature" in asked.target,
    "delete": lambda asked: asked.method == "POST" and "?delete" in asked.target,
}


def test_every_right_is_refused_by_one_of_these() -> None:
    assert REFUSED.keys() == bucket._RIGHTS.keys()


@pytest.mark.parametrize("right", REFUSED)
def test_a_right_that_is_missing_is_named_with_what_a_policy_calls_it(
    right: str, object_store: ObjectStore, standing_before: Before, monkeypatch: pytest.MonkeyPatch, s3_server: str
) -> None:
    with standing_before(s3_server, refuses=REFUSED[right]) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        findings = found(object_store)
    fault = findings[f"bucket {right}"]
    assert fault.level is (Level.WARNING if right == "uploads" else Level.WRONG)
    assert "403" in fault.what or "AccessDenied" in fault.what
    assert bucket._RIGHTS[right].split()[0] in fault.hint
    others = {part for part, finding in findings.items() if finding.level is Level.WRONG} - {f"bucket {right}"}
    # A presigned part is refused like any presigned PUT; where nothing can be looked at, nothing is surely deleted.
    assert others <= {"presigned PUT": {"bucket multipart"}, "head": {"bucket delete"}}.get(right, set())
    if right == "delete":
        assert left(object_store)
        object_store.delete(left(object_store))
    assert left(object_store) == []


def test_a_wrong_key_is_one_line(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not the secret of anybody")
    [fault] = found(object_store).values()
    assert fault.level is Level.WRONG
    assert "refuses the key" in fault.what and "AWS_SECRET_ACCESS_KEY" in fault.hint


def test_a_bucket_that_is_not_there_is_one_line(s3_server: str) -> None:
    [fault] = bucket.check("no-such-bucket")
    assert fault.level is Level.WRONG
    assert "no bucket 'no-such-bucket'" in fault.what and "DREAMLAKE_BUCKET" in fault.hint


def test_no_object_store_is_one_line(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    [fault] = found(object_store).values()
    assert fault.level is Level.WRONG and "AWS_ENDPOINT_URL" in fault.hint


@pytest.mark.parametrize(("seconds", "level"), [(-3600, Level.WRONG), (30, Level.WARNING), (0, Level.OK)])
def test_another_clock_is_seen_by_the_date_of_the_answer(
    seconds: int,
    level: Level,
    object_store: ObjectStore,
    standing_before: Before,
    monkeypatch: pytest.MonkeyPatch,
    s3_server: str,
) -> None:
    told = None if seconds == 0 else format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    with standing_before(s3_server, date=told) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        clock = found(object_store)["bucket clock"]
    assert clock.level is level, clock
