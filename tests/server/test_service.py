"""What operators and API users see of the service as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, make_url, text

from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.server.app import create_app
from dreamlake_pipeline.settings import Settings


def test_health_and_metrics_need_no_token(service: TestClient) -> None:
    assert service.get("/healthz").json()["status"] == "ok"
    service.get("/assets/video/0123")
    metrics = service.get("/metrics").text
    assert 'dreamlake_http_requests_total{method="GET",route="/assets/{kind}/{id}",status="401"}' in metrics


def test_the_api_describes_itself(service: TestClient) -> None:
    api = service.get("/openapi.json").json()
    assert api["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    operations = [
        (f"{method} {path}", operation)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    ]
    assert {name for name, _ in operations} == {
        "post /assets/batch",
        "post /assets/delete",
        "post /assets/{kind}",
        "get /assets/{kind}",
        "get /assets/{kind}/download",
        "get /assets/{kind}/{id}",
        "patch /assets/{kind}/{id}",
        "delete /assets/{kind}",
        "delete /assets/{kind}/{id}",
        "get /namespaces",
        "get /namespaces/{namespace}/projects",
        "get /namespaces/{namespace}/projects/{project}/episodes",
        "get /namespaces/{namespace}/projects/{project}/nodes",
        "get /namespaces/{namespace}/projects/{project}/episodes/summaries",
        "get /namespaces/{namespace}/projects/{project}/episode",
        "patch /namespaces/{namespace}/projects/{project}/episode",
        "get /projects/totals",
        "get /auth/me",
        "post /auth/revoke",
        "get /auth/revoked",
        "get /healthz",
        "get /metrics",
    }
    ids = [operation["operationId"] for _, operation in operations]
    assert len(set(ids)) == len(ids)
    for name, operation in operations:
        assert operation["summary"] and operation["tags"], name
        if operation["tags"] != ["operations"]:
            assert operation["security"] == [{"HTTPBearer": []}], name
            error = operation["responses"]["422"]["content"]["application/json"]["schema"]
            assert error == {"$ref": "#/components/schemas/ErrorResponse"}, name
            if "204" in operation["responses"]:
                assert operation["responses"]["204"].keys() == {"description"}, name
                continue
            assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"], name


def test_a_setting_that_is_missing_is_named() -> None:
    with pytest.raises(DreamlakeError, match="DREAMLAKE_BSS_URL") as caught:
        create_app(Settings(auth_secret="x" * 32, postgres_url="postgresql://127.0.0.1/none", bss_url=None))
    assert caught.value.code is Code.USAGE


def test_without_its_database_it_says_that_it_is_not_well(server_database: str) -> None:
    gone = make_url(server_database).set(database="gone").render_as_string(hide_password=False)
    app = create_app(Settings(auth_secret="x" * 32, postgres_url=gone, bss_url="http://127.0.0.1:1"))
    client = TestClient(app)  # not started, or it would fail to migrate
    headers = {"Authorization": f"Bearer {issue_token('x' * 32, sub='a', namespaces=['*'], scope=Scope.READ, ttl=60)}"}
    for path in ("/healthz", "/namespaces"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "unreachable", path


def test_a_lock_that_is_held_too_long_is_an_answer(engine: Engine, server_database: str) -> None:
    app = create_app(Settings(auth_secret="x" * 32, postgres_url=server_database, bss_url="http://127.0.0.1:1"))

    @event.listens_for(app.state.engine, "connect")
    def be_impatient(connection: Any, _: object) -> None:
        connection.execute("SET lock_timeout = '100ms'")
        connection.commit()

    headers = {"Authorization": f"Bearer {issue_token('x' * 32, sub='a', namespaces=['*'], scope=Scope.READ, ttl=60)}"}
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE namespaces"))
        answer = TestClient(app).get("/namespaces", headers=headers)
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "overloaded"
