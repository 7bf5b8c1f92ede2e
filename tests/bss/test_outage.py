"""What a caller sees when the database or the object store goes away, or is too busy."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, make_url, text

from dreamlake_pipeline.bss import app
from dreamlake_pipeline.bss.app import create_app
from dreamlake_pipeline.database import open_engine, with_driver
from dreamlake_pipeline.storage import ObjectStore, open_client
from dreamlake_pipeline.web import create_service
from tests.certificates import Authority
from tests.conftest import SECRET, free_port
from tests.tlsproxy import TlsProxy


def test_a_database_that_is_gone_is_a_503(database, postgres, settings_for, as_caller) -> None:
    with TestClient(create_app(settings_for(database)), raise_server_exceptions=False) as client:
        headers = dict(as_caller("*").headers)
        assert client.get("/videos", headers=headers).json() == {"items": [], "cursor": None}
        admin = create_engine(with_driver(postgres, "psycopg"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{make_url(database).database}" WITH (FORCE)'))
        admin.dispose()
        answer = client.get("/videos", headers=headers)
        assert answer.status_code == 503 and answer.json()["error"]["message"]
        assert client.get("/healthz").status_code == 503


def test_starting_again_finds_the_schema(database, settings_for, as_caller) -> None:
    for _ in range(2):
        with TestClient(create_app(settings_for(database))) as client:
            assert client.get("/healthz").status_code == 200


@pytest.fixture
def failing(new_database) -> Iterator[tuple[TestClient, list[str]]]:
    """A service whose statement fails with the SQLSTATEs of the list, one after the other, and then succeeds."""
    engine = open_engine(new_database(), schema="public")
    states: list[str] = []
    service = create_service(title="Test", description="", keys=[SECRET], is_healthy=lambda: None)

    @service.get("/statement")
    def statement() -> dict[str, bool]:
        with engine.begin() as connection:
            if states:
                raise_ = f"DO $$ BEGIN RAISE EXCEPTION 'it failed' USING ERRCODE = '{states.pop(0)}'; END $$"
                connection.execute(text(raise_))
        return {"good": True}

    with TestClient(service, raise_server_exceptions=False) as client:
        yield client, states
    engine.dispose()


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_what_another_transaction_undid_is_done_once_more(failing, state) -> None:
    client, states = failing
    states += [state]
    assert client.get("/statement").json() == {"good": True}
    states += [state, state]
    answer = client.get("/statement")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert int(answer.headers["Retry-After"]) >= 1 and states == []


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("57P01", "unreachable"),  # admin_shutdown
        ("57P02", "unreachable"),  # crash_shutdown
        ("57P03", "unreachable"),  # cannot_connect_now
        ("08006", "unreachable"),  # connection_failure
        ("25006", "unreachable"),  # read_only_sql_transaction: a standby
        ("58030", "unreachable"),  # io_error
        ("53100", "unreachable"),  # disk_full
        ("53200", "overloaded"),  # out_of_memory
        ("53300", "overloaded"),  # too_many_connections
        ("55P03", "overloaded"),  # lock_not_available
        ("57014", "overloaded"),  # query_canceled
    ],
)
def test_a_database_that_is_away_or_busy_is_a_503(failing, state, code) -> None:
    client, states = failing
    states += [state]
    answer = client.get("/statement")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, code)
    assert "Retry-After" in answer.headers
    assert client.get("/statement").status_code == 200


@pytest.mark.parametrize("state", ["42P01", "23505", "22P02", "XX000"])
def test_a_fault_of_our_own_stays_one(failing, state) -> None:
    client, states = failing
    states += [state]
    answer = client.get("/statement")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "Retry-After" not in answer.headers


def test_connections_that_the_database_ended_are_a_503_at_the_most(failing, postgres) -> None:
    client, _ = failing
    assert client.get("/statement").status_code == 200
    admin = create_engine(with_driver(postgres, "psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dreamlake-public'")
        )
    admin.dispose()
    assert client.get("/statement").status_code in (200, 503)
    assert client.get("/statement").status_code == 200


BODY = {
    "owner": "lab",
    "project": "lab",
    "files": [{"kind": "video", "name": "/a.mp4", "hash": "0" * 64, "size": 10**8}],
}


@pytest.mark.parametrize("fault", ["refuses", "silent"])
def test_a_store_that_is_away_is_said_to_be_and_passes(
    database, settings_for, as_caller, monkeypatch, fault, s3_server
) -> None:
    """Large files are looked for in the store when their upload is planned."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if fault == "silent":
            listener.listen(64)  # connections come about, and nobody answers
            monkeypatch.setattr(app, "_STORE_SILENCE", 1.0)
            monkeypatch.setattr(app, "_HEALTH_SILENCE", 60.0)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        with TestClient(create_app(settings_for(database)), raise_server_exceptions=False) as client:
            began = time.monotonic()
            answer = client.post("/uploads/plan", json=BODY, headers=dict(as_caller("*").headers))
            assert answer.status_code == 502 and int(answer.headers["Retry-After"]) >= 1
            error = answer.json()["error"]
            assert error["code"] == "storage_failed" and error["passing"] is True
            assert time.monotonic() - began < 20
            began = time.monotonic()
            assert client.get("/healthz").status_code == 503
            assert time.monotonic() - began < 30  # 0.7 s, on a machine that is not busy
            assert client.get("/videos", headers=dict(as_caller("*").headers)).status_code == 200


def test_what_the_store_refuses_for_good_does_not_pass(
    database, settings_for, as_caller, monkeypatch, s3_server
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another one")
    with TestClient(create_app(settings_for(database)), raise_server_exceptions=False) as client:
        answer = client.post("/uploads/plan", json=BODY, headers=dict(as_caller("*").headers))
        assert answer.status_code == 502 and "Retry-After" not in answer.headers
        assert "passing" not in answer.json()["error"]


def _new_bucket() -> str:
    """One without files of another database."""
    store = ObjectStore(open_client(), f"outage-{secrets.token_hex(4)}")
    store.create_bucket()
    return store.bucket


def test_a_store_whose_certificate_is_not_trusted_is_said_to_be(
    database, settings_for, as_caller, monkeypatch, tmp_path, s3_server
) -> None:
    authority, front = Authority(tmp_path), free_port()
    for variable in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    back = int(s3_server.rpartition(":")[2])
    settings = settings_for(database).model_copy(update={"bucket": _new_bucket()})
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{front}")
    with TlsProxy({front: [back]}, authority.issue("localhost"), fault_every=0):
        headers = dict(as_caller("*").headers)
        with TestClient(create_app(settings), raise_server_exceptions=False) as client:
            error = client.post("/uploads/plan", json=BODY, headers=headers).json()["error"]
            assert "is not trusted here" in error["message"] and "SSL_CERT_FILE" in error["hint"]
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        with TestClient(create_app(settings), raise_server_exceptions=False) as client:
            assert client.post("/uploads/plan", json=BODY, headers=headers).status_code == 200
