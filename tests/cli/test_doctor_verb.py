"""`dreamlake doctor`: what it exits with, prints, and never prints."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from dreamlake_pipeline.checks.finding import Finding, Level
from dreamlake_pipeline.checks.installation import without_secrets
from dreamlake_pipeline.storage import ObjectStore


@pytest.fixture
def whole(
    environment: dict[str, str],
    services: Any,
    object_store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    postgres: str,
) -> dict[str, str]:
    """The environment of a machine that is told of services, bucket and database."""
    more = {
        "DREAMLAKE_BUCKET": object_store.bucket,
        "DREAMLAKE_POSTGRES_URL": postgres,
        "DREAMLAKE_API_KEY": services.token("*"),
    }
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    return environment | more


def test_a_machine_that_is_only_a_client_is_well(environment: dict[str, str], dreamlake: Callable[..., Any]) -> None:
    done = dreamlake("doctor", "--json")
    assert done.code == 0
    parts = {one["part"]: one["level"] for one in done.events}
    assert parts["BSS"] == parts["DreamLake Server"] == parts["token at BSS"] == "ok"
    assert parts["postgres"] == parts["bucket"] == parts["dagster tables"] == "left out"
    assert {"ffmpeg", "scratch"}.isdisjoint(parts)


def test_what_is_wrong_is_a_line_and_makes_it_exit_1(whole: dict[str, str], dreamlake: Callable[..., Any]) -> None:
    # The cluster's own database has no schema of ours.
    done = dreamlake("doctor")
    assert done.code == 1
    [line] = [line for line in done.out.splitlines() if line.startswith("wrong")]
    assert "schemas" in line and "roles.sql" in line
    assert done.out.splitlines()[-1].startswith("1 wrong, ")
    assert "Traceback" not in done.out + done.err


def test_no_secret_is_printed(
    whole: dict[str, str], dreamlake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = secrets.token_hex(20)
    monkeypatch.setenv("DREAMLAKE_POSTGRES_URL", f"postgresql://bss:{secret}@127.0.0.1:9/dreamlake")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", f"postgresql+psycopg2://bss:{secret}@[nowhere:9/dreamlake")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("DREAMLAKE_API_KEY", secret)
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRETS", f"{secret},{secret}")
    for arguments in ([], ["--json"]):
        done = dreamlake("doctor", *arguments)
        assert done.code == 1
        assert secret not in done.out + done.err


def test_whatever_quotes_a_secret_is_printed_without_it() -> None:
    finding = Finding(Level.WRONG, "x", "refused hunter2hunter2 and p4ssw0rd", "not hunter2hunter2")
    known = {"AWS_SECRET_ACCESS_KEY": "hunter2hunter2", "DREAMLAKE_POSTGRES_URL": "postgresql://me:p4ssw0rd@there/x"}
    assert without_secrets(finding, known) == Finding(Level.WRONG, "x", "refused *** and ***", "not ***")


def test_a_setting_that_cannot_be_used_is_named(
    environment: dict[str, str], dreamlake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMLAKE_SLOTS", "many")
    done = dreamlake("doctor")
    assert done.code == 2 and "DREAMLAKE_SLOTS" in done.err
