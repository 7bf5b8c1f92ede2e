"""Who may do what, and what bad requests get."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.auth import Scope


def test_namespaces_do_not_see_each_other(api, as_caller, files, owner) -> None:
    record = files.register("/videos", "/a.mp4")["id"]
    other = as_caller(f"{owner}x")
    for path in ("", "/metadata", "/raw", "/playback"):
        answer = other.get(f"/videos/{record}{path}")
        assert answer.status_code == 404 and record in answer.json()["error"]["message"]
    assert other.delete(f"/videos/{record}").status_code == 404
    assert other.post("/lambdas/hls-split", json={"videoId": record}).status_code == 404
    assert other.post("/records/query", json={"ids": [record]}).json() == {"items": []}
    assert other.post("/records/requeue", json={"ids": [record]}).json() == {"items": []}
    assert other.get("/videos", params={"owner": owner}).status_code == 403
    assert other.get("/videos").status_code == 422
    plan = {"kind": "video", "name": "/a.mp4", "hash": "ab" * 32, "size": 1}
    for route in ("/uploads/compare", "/uploads/plan", "/uploads/finish"):
        assert other.post(route, json={"owner": owner, "project": "lab", "files": [plan]}).status_code == 403
    body = {"owner": owner, "project": "lab", "name": "/a.mp4", "stagingHash": "ab" * 32}
    assert other.post("/videos", json=body).status_code == 403
    assert api.get(f"/videos/{record}").json()["status"] == "registered"


def test_a_read_token_only_reads(as_caller, files, owner) -> None:
    record = files.register("/videos", "/a.mp4")["id"]
    reader = as_caller(owner, scope=Scope.READ)
    assert reader.get(f"/videos/{record}").status_code == 200
    assert len(reader.get("/videos", params={"owner": owner}).json()["items"]) == 1
    compared = {"owner": owner, "project": "lab", "files": [{"kind": "video", "name": "/b.mp4", "size": 1}]}
    assert reader.post("/uploads/compare", json=compared).json() == {"files": ["new"], "failed": []}
    for answer in (
        reader.delete(f"/videos/{record}"),
        reader.post("/lambdas/hls-split", json={"videoId": record}),
        reader.post("/records/requeue", json={"ids": [record]}),
        reader.post("/videos/upload/multipart/init", json={"owner": owner, "project": "lab", "hash": "ab" * 32}),
    ):
        assert answer.status_code == 403, answer.request.url


def test_pipeline_routes_are_for_the_pipeline(service, api, as_caller, owner) -> None:
    for caller in (api, as_caller("*", scope=Scope.READ)):
        answer = caller.post("/pipeline/staged/unknown", json={"keys": []})
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "forbidden"
    assert service.post("/pipeline/staged/unknown", json={"keys": []}).status_code == 401
    everywhere = as_caller("*", scope=Scope.READ)
    assert everywhere.get("/videos").status_code == 200


BEGIN = '{"partition": "%s", "runId": "r", "leaseSeconds": 1}'


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", None, 404, "not_found"),
        ("PUT", "/videos", None, 405, "invalid_request"),
        ("GET", "/videos/not-an-id", None, 422, "invalid_request"),
        ("GET", "/videos/123e4567-e89b-12d3-a456-426614174000", None, 422, "invalid_request"),
        ("GET", f"/videos/{'0' * 24}", None, 404, "not_found"),
        ("GET", f"/videos/{'0' * 24}/stream/..%2f..%2fx.m3u8", None, 404, "not_found"),
        ("GET", f"/videos/{'0' * 24}/stream/x.m3u8", None, 422, "invalid_request"),
        ("GET", "/chunks/abc.ts", None, 422, "invalid_request"),
        ("GET", f"/chunks/{'0' * 64}.ts", None, 404, "not_found"),
        ("GET", "/videos?owner=x&status=lost", None, 422, "invalid_request"),
        ("GET", "/videos?owner=x&limit=0", None, 422, "invalid_request"),
        ("GET", "/videos?owner=x&episode=%00", None, 422, "invalid_request"),
        ("POST", "/videos", "{", 422, "invalid_request"),
        ("POST", "/videos", "[]", 422, "invalid_request"),
        ("POST", "/videos", b"\xff\xfe", 422, "invalid_request"),
        ("POST", "/videos", "{}", 422, "invalid_request"),
        ("POST", "/lambdas/hls-split", '{"videoId": 7}', 422, "invalid_request"),
        ("POST", "/records/query", '{"ids": []}', 422, "invalid_request"),
        ("POST", "/pipeline/batches/begin", BEGIN % "a/b/c", 404, "not_found"),
        ("POST", "/pipeline/batches/begin", BEGIN % "\\u0000", 422, "invalid_request"),
        ("POST", "/pipeline/chunks/lease", '{"chunks": [], "leaseSeconds": NaN}', 422, "invalid_request"),
    ],
)  # fmt: skip
def test_bad_requests_get_clear_errors(pipeline, method, path, body, status, code) -> None:
    answer = pipeline.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code and error["message"] and "Traceback" not in answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a.mp4"},
        {"name": "/a/../b.mp4"},
        {"name": "/a\u0000.mp4"},
        {"owner": "Big"},
        {"owner": "chunks"},
        {"project": "a/b"},
        {"stagingHash": "xyz"},
        {"stagingHash": "ab" * 7},
        {"episode": ""},
        {"size": -1},
        {"contentType": "video/mp4\r\nx: y"},
    ],
)
def test_bad_registrations_say_which_field(api, owner, change) -> None:
    body = {"owner": owner, "project": "lab", "name": "/a.mp4", "stagingHash": "ab" * 32}
    answer = api.post("/videos", json=body | change)
    assert answer.status_code == 422
    assert next(iter(change)) in answer.json()["error"]["message"]


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic abc", "Bearer "])
def test_wrong_tokens(service, header) -> None:
    answer = service.get("/videos", headers={"Authorization": header})
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "unauthenticated"


def test_players_on_other_sites_may_read(service) -> None:
    asked = {
        "Origin": "https://viewer.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "Authorization",
    }
    allowed = service.options("/videos/x/stream/master.m3u8", headers=asked)
    assert allowed.status_code == 200 and allowed.headers["Access-Control-Allow-Origin"] == "*"
    assert service.options("/videos", headers=asked | {"Access-Control-Request-Method": "POST"}).status_code == 400


def test_health_metrics_and_openapi(service) -> None:
    assert service.get("/healthz").json()["status"] == "ok"
    assert "dreamlake_http_requests_total" in service.get("/metrics").text
    paths = service.get("/openapi.json").json()["paths"]
    assert "/videos/upload/multipart/init" in paths and "/labels/{id}/playback" in paths
    operations = [operation for methods in paths.values() for operation in methods.values()]
    assert all(operation.get("summary") and operation.get("tags") for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
