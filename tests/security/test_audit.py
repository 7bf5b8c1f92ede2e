"""The audit trail: a line for every request that asks for a change, and none for others."""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest

from dreamlake_pipeline import audit
from dreamlake_pipeline.auth import Scope, token_id


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines that were written since the last look."""
    caplog.set_level(logging.INFO, "dreamlake.audit")

    def read(count: int = 1) -> list[dict[str, Any]]:
        """A line is written when the answer is on its way."""
        deadline = time.monotonic() + 5
        found: list[str] = []
        while len(found) < count and time.monotonic() < deadline:
            time.sleep(0.05)
            found = [record.getMessage() for record in caplog.records if record.name == "dreamlake.audit"]
        time.sleep(0.1 if count else 0.5)
        caplog.clear()
        assert all(text.isascii() and text.isprintable() for text in found)
        return [json.loads(text) for text in found]

    return read


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_write_says_who_what_and_from_where(services: Any, owner: str, lines: Any) -> None:
    token = services.token(owner)
    files = [{"kind": "video", "name": f"/{n}.mp4", "hash": secrets.token_hex(32), "size": 1} for n in range(3)]
    body = {"owner": owner, "project": "lab", "files": files}
    assert httpx.post(f"{services.bss_url}/uploads/plan", json=body, headers=bearer(token)).status_code == 200
    [line] = lines()
    assert line.pop("at").endswith("Z")
    assert line.pop("requestId")
    assert line == {
        "service": "BSS",
        "from": "127.0.0.1",
        "sub": "test",
        "token": token_id(token),
        "method": "POST",
        "route": "/uploads/plan",
        "status": 200,
        "what": {"owner": owner, "project": "lab", "files": 3},
    }
    asset = {"namespace": owner, "project": "lab", "name": "/a.mp4", "bssVideoId": "0" * 24}
    batch = {"assets": [asset | {"kind": "video"}]}
    assert httpx.post(f"{services.remote}/assets/batch", json=batch, headers=bearer(token)).status_code == 200
    [line] = lines()
    assert (line["service"], line["what"]) == ("DreamLake Server", {"assets": 1, "namespace": [owner]})
    httpx.delete(f"{services.bss_url}/labels/{'0' * 24}", headers=bearer(token))
    [line] = lines()
    assert (line["method"], line["route"], line["status"]) == ("DELETE", "/labels/{id}", 404)
    assert line["what"] == {"id": "0" * 24}


def test_reading_leaves_no_line(services: Any, owner: str, lines: Any) -> None:
    headers = bearer(services.token(owner))
    httpx.get(f"{services.bss_url}/videos", params={"owner": owner}, headers=headers).raise_for_status()
    httpx.post(f"{services.bss_url}/records/query", json={"ids": ["0" * 24]}, headers=headers).raise_for_status()
    httpx.get(f"{services.remote}/auth/me", headers=headers).raise_for_status()
    httpx.post(f"{services.bss_url}/nowhere", json={}, headers=headers)
    assert lines(0) == []


def test_who_is_refused_leaves_one_too(services: Any, owner: str, lines: Any) -> None:
    url = f"{services.bss_url}/uploads/plan"
    httpx.post(url, json={})
    httpx.post(url, json={}, headers=bearer("nonsense"))
    httpx.post(url, json={}, headers=bearer(reader := services.token(owner, scope=Scope.READ)))
    found = [(line["status"], line["sub"], line["token"]) for line in lines(3)]
    assert found == [(401, None, None), (401, None, None), (403, "test", token_id(reader))]


def test_no_caller_writes_a_line_of_its_own(services: Any, owner: str, lines: Any) -> None:
    odd = 'x"}\n{"sub": "somebody else", "\x1b]0;title\x07\u202e\u2028'
    body = {"owner": odd, "project": odd, "hash": odd, "name": odd * 100, "ids": [odd], "key": {"deep": [odd]}}
    httpx.post(f"{services.bss_url}/videos/upload/multipart/init", json=body, headers=bearer(services.token(owner)))
    [line] = lines()
    assert line["status"] == 422 and line["what"]["owner"] == odd and len(line["what"]["name"]) == 256


@pytest.mark.parametrize("service", ["bss_url", "remote"])
def test_what_a_route_does_not_read_is_in_no_line(services: Any, lines: Any, service: str) -> None:
    """Otherwise a caller has it written of his changes that they were somebody else's."""
    url, headers = getattr(services, service), bearer(services.token("*"))
    forged = dict.fromkeys(audit._NAMED | audit._COUNTED, "forged")
    values = {"id": "0" * 24, "kind": "video", "owner": "o", "namespace": "o", "project": "p"}
    document = httpx.get(f"{url}/openapi.json").json()
    seen = 0
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            if method == "get":
                continue
            parameters = {one["name"] for one in route.get("parameters", [])}
            fields: set[str] = set()
            if "requestBody" in route:
                model = route["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
                fields = set(document["components"]["schemas"][model]["properties"])
            query = {name: value for name, value in forged.items() if name not in parameters}
            body = {name: value for name, value in forged.items() if name not in fields}
            httpx.request(method, url + path.format_map(values), params=query, json=body, headers=headers)
            for line in lines():
                assert "forged" not in json.dumps(line), line
                seen += 1
    assert seen > 4


def test_fields_are_named_as_on_the_wire_and_of_items_only_what_counts(services: Any, owner: str, lines: Any) -> None:
    headers = bearer(services.token(owner))
    key = f"{owner}/lab/staging/{'0' * 64}"
    body = {"upload_id": "x", "key": key}
    url = f"{services.bss_url}/videos/upload/multipart/abort"
    httpx.post(url, json=body, headers=headers)
    httpx.post(url, json=body | {"uploadId": "y"}, headers=headers)
    assert [line["what"] for line in lines(2)] == [{"uploadId": "x", "key": key}, {"uploadId": "y", "key": key}]
    asset = {"namespace": owner, "project": "lab", "name": "/a.mp4", "kind": "video", "bss_video_id": "0" * 24}
    httpx.post(f"{services.remote}/assets/batch", json={"assets": [asset | {"owner": "forged"}]}, headers=headers)
    httpx.post(f"{services.remote}/assets/video", json=asset | {"episode_name": "e"}, headers=headers)
    [batch, one] = lines(2)
    assert batch["what"] == {"assets": 1, "namespace": [owner]}
    assert one["what"]["bssVideoId"] == "0" * 24 and one["what"]["episodeName"] == "e"


def test_odd_bodies_leave_a_line_and_no_fault(services: Any, owner: str, lines: Any) -> None:
    long = json.dumps({"ids": ["x"] * 500})
    for content in ("[]", "7", '{"files": {}, "ids": 7}', "{", "", long):
        headers = bearer(services.token(owner)) | {"Content-Type": "application/json"}
        httpx.post(f"{services.bss_url}/records/requeue", content=content, headers=headers)
    found = lines(6)
    assert [line["status"] for line in found] == [422] * 6
    assert len(found[-1]["what"]["ids"]) == 21 and found[-1]["what"]["ids"][-1] == "and 480 more"


@pytest.mark.parametrize(("trusted", "seen"), [("127.0.0.1", "192.0.2.7"), ("10.0.0.1", "127.0.0.1")])
def test_a_forwarded_address_counts_from_a_trusted_proxy_only(trusted: str, seen: str) -> None:
    """As uvicorn decides: FORWARDED_ALLOW_IPS names the proxies."""
    program = """
import asyncio, logging, sys
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from dreamlake_pipeline import audit
from dreamlake_pipeline.admission import Writer
from dreamlake_pipeline.web import create_service
from fastapi.testclient import TestClient

service = create_service(title="T", description="", keys=["k" * 32], is_healthy=lambda: None)

@service.post("/x")
def write(caller: Writer) -> None: ...

app = ProxyHeadersMiddleware(service, trusted_hosts=sys.argv[1])
with TestClient(app, client=("127.0.0.1", 5)) as client:
    client.post("/x", headers={"X-Forwarded-For": "192.0.2.7"})
"""
    done = subprocess.run(
        [sys.executable, "-c", program, trusted], capture_output=True, text=True, check=True, env=os.environ
    )
    # The line is bare, on standard error, and there once.
    [line] = [json.loads(text) for text in done.stderr.splitlines() if text.startswith("{")]
    assert line["from"] == seen and line["status"] == 401


def test_ids_and_paths_reach_no_log_as_they_are(services: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for path in ("/videos/%1b%5d0;x%07", "/%1b[31m%e2%80%ae", "/videos/%0a%0d/raw"):
        answer = httpx.get(services.bss_url + path, headers=bearer(services.token("*")))
        assert answer.status_code in (404, 422)
        assert "\x1b" not in answer.json()["error"]["message"] and "\u202e" not in answer.json()["error"]["message"]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("dreamlake", "uvicorn"))]
    assert not any(char in text for text in ours for char in "\x1b\x07\n\r\u202e")
