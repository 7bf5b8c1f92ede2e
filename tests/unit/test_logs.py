"""What services log: one line for each request, in text or JSON, that a request's id finds and no secret is in."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from dreamlake_pipeline import logs
from dreamlake_pipeline.admission import Reader
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.web import create_service

SECRET = "a secret for tests only, 32 bytes or more"
TOKEN = issue_token(SECRET, sub="robot-7", namespaces=["lab"], scope=Scope.READ, ttl=86_400)
SPOOFED = ["", "a b", "x" * 129, "-begins-badly", "ünicode", 'quo"te', "tab\t"]

Lines = Callable[[], list[str]]


@pytest.fixture
def service() -> FastAPI:
    service = create_service(title="Test", description="", keys=[SECRET], is_healthy=lambda: None)
    log = logging.getLogger("dreamlake_pipeline.tests")

    @service.get("/lab/{name}")
    def read(name: str, caller: Reader) -> dict[str, str | None]:
        if name == "broken":
            raise RuntimeError("it broke")
        log.warning("reading %s", name)
        return {"id": logs.request_id()}

    return service


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DREAMLAKE_LOG_FORMAT", request.param)
    return str(request.param)


@pytest.fixture
def client(form: str, service: FastAPI) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(service, raise_server_exceptions=False, headers=headers) as client:
        yield client
    logs.configure("other")


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """The lines that were written since the last look."""
    return lambda: [line for line in capsys.readouterr().err.splitlines() if line]


def test_one_id_is_answered_and_in_every_line(client: TestClient, form: str, lines: Lines) -> None:
    given = "5c1f0a9d3b7e-17"
    answer = client.get("/lab/x?token=hidden", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == answer.json()["id"] == given
    said, access = lines()
    assert given in said and given in access
    assert "hidden" not in access and "/lab/x" not in access and TOKEN not in access
    if form == "json":
        line = json.loads(access)
        assert line.pop("at").endswith("Z") and line.pop("ms") >= 0
        assert line == {
            "level": "info",
            "process": "Test",
            "logger": "dreamlake.access",
            "message": "answered",
            "method": "GET",
            "route": "/lab/{name}",
            "status": 200,
            "bytes": len(answer.content),
            "sub": "robot-7",
            "requestId": given,
        }
        assert json.loads(said)["message"] == "reading x"
    else:
        assert " INFO Test: answered | method=GET route=/lab/{name} status=200 " in access
        assert access.endswith(f" sub=robot-7 requestId={given}")
        assert " WARNING Test: reading x | requestId=" in said


@pytest.mark.parametrize("given", SPOOFED)
def test_an_id_that_is_none_is_not_taken(client: TestClient, lines: Lines, given: str) -> None:
    answer = client.get("/lab/x", headers={b"X-Request-ID": given.encode()})
    made = answer.headers["X-Request-ID"]
    assert made != given and made == answer.json()["id"] and len(made) == 16
    assert all(line.rstrip('"}').endswith(made) for line in lines())


def test_a_fault_of_ours_has_the_id_too(client: TestClient, lines: Lines) -> None:
    answer = client.get("/lab/broken", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "mine")
    logged = "\n".join(lines())
    assert logged.count("mine") == 2 and "it broke" in logged


@pytest.mark.parametrize("path", ["/nowhere", "/lab/x"])
def test_who_is_refused_has_a_line(service: FastAPI, form: str, lines: Lines, path: str) -> None:
    with TestClient(service) as client:
        status = client.get(path).status_code
    [line] = lines()
    assert str(status) in line and ("sub=" not in line if form == "text" else json.loads(line)["sub"] is None)


def test_looking_after_a_service_is_no_news(client: TestClient, lines: Lines) -> None:
    for path in ("/healthz", "/metrics"):
        assert client.get(path).headers["X-Request-ID"]
    assert lines() == []


def test_uvicorn_logs_no_query(client: TestClient, lines: Lines) -> None:
    """Its own access log, which is on by default, has the query in it, and so a playback token."""
    uvicorn.Config(client.app, access_log=True)  # sets its loggers up, as at the start of a server
    logs.configure("Test")
    access = logging.getLogger("uvicorn.access")
    assert not access.hasHandlers()
    access.info("GET /x?token=hidden")
    assert lines() == []


def test_a_line_of_others_cannot_begin_in_ours(client: TestClient, lines: Lines) -> None:
    client.get("/lab/%0Aforged%1b[2J")
    logged = lines()
    assert all("\x1b" not in line and not line.startswith("forged") for line in logged)


def test_a_value_is_taken_for_nothing_else(client: TestClient, lines: Lines, form: str) -> None:
    """Also one that was made to look like other fields, or another line."""
    for sub in ("ops status=200 requestId=forged", "a | b=c", 'a"b', "a\nb INFO Test: answered | status=200"):
        token = issue_token(SECRET, sub=sub, namespaces=["lab"], scope=Scope.READ, ttl=60)
        client.get("/lab/x", headers={"Authorization": f"Bearer {token}"})
        [access] = [line for line in lines() if "answered" in line.partition("|")[0] or '"answered"' in line]
        if form == "json":
            assert json.loads(access)["sub"] == sub
        else:
            rest = access.replace(f"sub={json.dumps(sub)}", "")
            assert rest != access and rest.count("status=") == rest.count("requestId=") == rest.count("|") == 1
