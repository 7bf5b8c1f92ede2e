"""The manners of a service: errors in one form, never a trace; health; metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from dreamlake_pipeline.admission import Reader
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.web import create_service

SECRET = "a secret for tests only, 32 bytes or more"


class Body(BaseModel):
    count: int


@pytest.fixture
def health() -> list[Exception]:
    """What is wrong with the service; empty when it is well."""
    return []


@pytest.fixture
def service(health: list[Exception]) -> FastAPI:
    def check() -> None:
        if health:
            raise health[0]

    service = create_service(title="Test", description="", keys=[SECRET], is_healthy=check)

    @service.get("/lab/{name}")
    def read(name: str, caller: Reader) -> dict[str, str]:
        caller.require("lab", Scope.READ)
        if name == "broken":
            raise RuntimeError("secret detail")
        if name == "taken":
            raise DreamlakeError(Code.CONFLICT, "The name is taken.", hint="Choose another.", name=name)
        return {"name": name, "sub": caller.sub}

    @service.post("/lab")
    def write(body: Body) -> dict[str, int]:
        return {"count": body.count}

    return service


@pytest.fixture
def client(service: FastAPI) -> Iterator[TestClient]:
    with TestClient(service, raise_server_exceptions=False) as client:
        yield client


def bearer(*namespaces: str, ttl: float = 60) -> dict[str, str]:
    token = issue_token(SECRET, sub="robot", namespaces=list(namespaces), scope=Scope.READ, ttl=ttl)
    return {"Authorization": f"Bearer {token}"}


def error_of(response: httpx.Response, status: int, code: Code) -> dict[str, Any]:
    """The error, after everything that holds for all of them was asserted."""
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    assert isinstance(error["message"], str) and error["message"]
    assert "Traceback" not in response.text and "secret" not in response.text
    return error


def test_a_good_call(client: TestClient) -> None:
    response = client.get("/lab/x", headers=bearer("lab"))
    assert (response.status_code, response.json()) == (200, {"name": "x", "sub": "robot"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic dTpw"},
        {"Authorization": "Bearer"},
        bearer("lab", ttl=-120),
    ],
)
def test_401(client: TestClient, headers: dict[str, str]) -> None:
    response = client.get("/lab/x", headers=headers)
    assert error_of(response, 401, Code.UNAUTHENTICATED)["hint"]
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_403(client: TestClient) -> None:
    assert "lab" in error_of(client.get("/lab/x", headers=bearer("demo")), 403, Code.FORBIDDEN)["message"]


def test_404(client: TestClient) -> None:
    assert "GET /nowhere" in error_of(client.get("/nowhere"), 404, Code.NOT_FOUND)["message"]


def test_405(client: TestClient) -> None:
    response = client.delete("/lab")
    error_of(response, 405, Code.INVALID_REQUEST)
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"count": "many"}'])
def test_422(client: TestClient, content: bytes) -> None:
    response = client.post("/lab", content=content, headers={"Content-Type": "application/json"})
    error = error_of(response, 422, Code.INVALID_REQUEST)
    assert "body" in error["message"]
    assert error["problems"]


def test_a_body_that_is_no_text(client: TestClient) -> None:
    response = client.post("/lab", content=b"\xff\xfe{", headers={"Content-Type": "application/json"})
    error_of(response, response.status_code, Code.INVALID_REQUEST)
    assert 400 <= response.status_code < 500


def test_our_errors_keep_hint_and_details(client: TestClient) -> None:
    error = error_of(client.get("/lab/taken", headers=bearer("lab")), 409, Code.CONFLICT)
    assert error == {"code": "conflict", "message": "The name is taken.", "hint": "Choose another.", "name": "taken"}


def test_500_says_nothing_and_logs_everything(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    error_of(client.get("/lab/broken", headers=bearer("lab")), 500, Code.INTERNAL)
    assert "secret detail" in caplog.text and "GET /lab/broken" in caplog.text


def test_healthz(client: TestClient, health: list[Exception]) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    health.append(OSError("secret detail"))
    error_of(client.get("/healthz"), 503, Code.UNREACHABLE)


def test_metrics_count_every_answer_by_route(client: TestClient) -> None:
    for path in ("/lab/x", "/lab/y", "/lab/broken", "/nowhere"):
        client.get(path, headers=bearer("lab"))
    response = client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    counted = set(response.text.splitlines())
    for route, status, count in (("/lab/{name}", 200, 2), ("/lab/{name}", 500, 1), ("unknown", 404, 1)):
        line = f'dreamlake_http_requests_total{{method="GET",route="{route}",status="{status}"}} {count}.0'
        assert line in counted
    assert any(line.startswith("dreamlake_http_request_seconds_count") for line in counted)
    assert {f'dreamlake_errors_total{{code="{code}"}} 1.0' for code in ("internal", "not_found")} <= counted


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "forwarded", "Via", "X-Real-IP"])
def test_metrics_are_not_told_through_a_proxy(client: TestClient, header: str) -> None:
    error_of(client.get("/metrics", headers={header: "192.0.2.7"}), 404, Code.NOT_FOUND)


def test_metrics_may_ask_for_a_token() -> None:
    service = create_service(
        title="Test", description="", keys=[SECRET], is_healthy=lambda: None, metrics_token="of the scraper"
    )
    client = TestClient(service)
    for headers in ({}, {"Authorization": "Bearer of somebody"}, bearer("lab"), {"Authorization": b"Bearer \xff"}):
        error_of(client.get("/metrics", headers=headers), 401, Code.UNAUTHENTICATED)
    proxied = {"Authorization": "Bearer of the scraper", "X-Forwarded-For": "192.0.2.7"}
    assert client.get("/metrics", headers=proxied).status_code == 200


def test_two_services_in_one_process_count_apart(service: FastAPI) -> None:
    other = create_service(title="Other", description="", keys=[SECRET], is_healthy=lambda: None)
    TestClient(service).get("/healthz")
    assert "/healthz" not in TestClient(other).get("/metrics").text


def test_openapi_is_offered(client: TestClient) -> None:
    assert "/lab/{name}" in client.get("/openapi.json").json()["paths"]


def test_the_documentation_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    loaded = re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', page)
    assert len(loaded) >= 2
    for url in loaded:
        assert client.get(url).status_code == 200, url
