"""Both services as a machine reaches them: health, version, clock and token."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from dreamlake_pipeline.checks import Finding, Level, clock
from dreamlake_pipeline.checks.services import check
from dreamlake_pipeline.settings import Settings


def found(*, is_pipeline: bool = False, **given: Any) -> dict[str, Finding]:
    settings = Settings(**({"namespace": "lab"} | given))
    return {finding.part: finding for finding in check(settings, is_pipeline=is_pipeline)}


def test_what_is_well(services: Any) -> None:
    findings = found(bss_url=services.bss_url, remote=services.remote, api_key=services.token("*", ttl=10**7))
    assert {finding.level for finding in findings.values()} == {Level.OK}, findings
    assert "every namespace" in findings["token at DreamLake Server"].what


def test_a_machine_that_is_told_of_nothing() -> None:
    findings = found(bss_url=None, remote=None, api_key=None)
    assert {finding.level for finding in findings.values()} == {Level.LEFT_OUT}


def test_nothing_answers(services: Any) -> None:
    findings = found(bss_url="http://127.0.0.1:9", remote=services.remote, api_key=None)
    assert findings["BSS"].level is Level.WRONG and "nothing answers at http://127.0.0.1:9" in findings["BSS"].what
    assert findings["DreamLake Server"].level is Level.OK


def test_tls_where_none_is_spoken(services: Any) -> None:
    fault = found(bss_url=services.bss_url.replace("http:", "https:"), remote=None, api_key=None)["BSS"]
    assert fault.level is Level.WRONG and "without the s" in fault.hint


def test_a_token_of_another_key(services: Any) -> None:
    from dreamlake_pipeline.auth import Scope, issue_token

    token = issue_token("x" * 32, sub="test", namespaces=["*"], scope=Scope.WRITE, ttl=600)
    findings = found(bss_url=services.bss_url, remote=services.remote, api_key=token)
    for part in ("token at BSS", "token at DreamLake Server"):
        assert findings[part].level is Level.WRONG and "is refused" in findings[part].what
        assert token not in str(findings[part])


def test_a_token_of_the_pipeline_writes_everywhere(services: Any, owner: str) -> None:
    given = {"bss_url": services.bss_url, "remote": services.remote, "api_key": services.token(owner, ttl=10**7)}
    assert found(**given, namespace=owner)["token at DreamLake Server"].level is Level.OK
    elsewhere = found(**given)["token at DreamLake Server"]
    assert elsewhere.level is Level.WARNING and "DREAMLAKE_NAMESPACE" in elsewhere.hint
    soon = found(**given | {"api_key": services.token(owner)}, namespace=owner)["token at DreamLake Server"]
    assert soon.level is Level.WARNING and "ends in 0 days" in soon.what
    assert found(**given, is_pipeline=True)["token at DreamLake Server"].level is Level.WRONG


@pytest.mark.parametrize(("seconds", "level"), [(7200, Level.WRONG), (-20, Level.WARNING)])
def test_another_clock(
    seconds: int, level: Level, services: Any, standing_before: Callable[..., AbstractContextManager[str]]
) -> None:
    told = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    with standing_before(services.bss_url, date=told) as url:
        finding = found(bss_url=url, remote=None, api_key=None)["BSS clock"]
    assert finding.level is level, finding
    assert ("ahead of" if seconds > 0 else "behind") in finding.what


def test_a_date_within_its_own_second_is_no_difference() -> None:
    date = "Mon, 30 Nov 2026 12:00:00 GMT"
    at = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
    assert clock.skew_of(date, at + 0.9, at + 0.95) == 0
    assert clock.skew_of(date, at - 5, at + 5) == 0
    assert clock.skew_of(date, at - 100, at - 90) == 90
    assert clock.skew_of(date, at + 11, at + 20) == -10
    assert clock.skew_of(None, at, at) is None
    assert clock.skew_of("yesterday", at, at) is None


def test_another_version(services: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamlake_pipeline.checks.services.__version__", "9.9.9")
    fault = found(bss_url=services.bss_url, remote=None, api_key=None)["BSS"]
    assert fault.level is Level.WARNING and "9.9.9 here" in fault.what
