"""Who may do what in the viewer: every route with every kind of session, and nothing read of who has none."""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from dreamlake_pipeline.api.server import Me
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.remote.services import Services as Clients
from dreamlake_pipeline.storage import ObjectStore
from dreamlake_pipeline.viewer import routes
from dreamlake_pipeline.viewer.app import create_app
from dreamlake_pipeline.viewer.onetime import Login, OnceCodes
from dreamlake_pipeline.viewer.session import Sessions
from tests.conftest import SECRET
from tests.viewer.conftest import VIEWER_SECRET, Seen, viewer_settings
from tests.viewer.ingest import Lab
from tests.viewer.test_tracks import joints

SCRIPT = {"X-Requested-With": "dreamlake"}
COOKIE = Sessions(VIEWER_SECRET).cookie

# Columns: sessions of keys that read and write another namespace, that read and write this one. Figures are statuses.
PUBLIC, BY_KEY = "everybody", "bearer"
ANY = "200 200 200 200"
NAMED = "403 403 200 200"
BY_ID = "404 404 200 200"
LED = "404 404 307 307"


@dataclass(frozen=True)
class Line:
    """`values` stand for the variables of the path, where the common ones do not fit."""

    row: str
    ok: int = 200
    values: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] | None = None


VIEWER = {
    "GET /healthz": Line(PUBLIC),
    "GET /metrics": Line(PUBLIC),
    "GET /login": Line(PUBLIC),
    "POST /login": Line(PUBLIC, 401),
    "POST /logout": Line("403 403 403 403"),  # it needs the form of the session
    "POST /login/links": Line(BY_KEY, json={}),
    "GET /login/once/{code}": Line(PUBLIC, 410),
    "GET /static/{name:path}": Line(PUBLIC),
    "GET /favicon.ico": Line(PUBLIC),
    "GET /.json": Line(PUBLIC, 307),
    "GET /": Line(ANY),
    "GET /projects.json": Line(ANY),
    "GET /p/{namespace}/{project}": Line(NAMED),
    "GET /p/{namespace}/{project}/running.json": Line(NAMED),
    "GET /p/{namespace}/{project}/e/{episode:path}": Line(NAMED),
    "GET /f/{file_id}": Line(BY_ID),
    "GET /download/{kind}/{record_id}": Line(LED),
    "GET /download/{kind}/{record_id}/{filename}": Line(LED),
    "GET /failed": Line(ANY),
    "GET /failed.json": Line(ANY),
    "GET /ingest": Line(ANY),
    "GET /ingest.json": Line(ANY),
    "GET /ingest/events": Line(ANY),
    "GET /play/{kind}/{record_id}": Line(BY_ID, values={"kind": "video", "record_id": "0" * 24}, ok=404),
    "GET /results/{kind}/{record_id}/{filename}": Line(BY_ID, values={"filename": "plot.png"}),
    "GET /cues/{record_id}": Line(BY_ID, values={"record_id": "0" * 24}, ok=404),
    "GET /series/{record_id}": Line(BY_ID),
    "GET /rows/{record_id}": Line(BY_ID),
    "GET /series/{kind}/{record_id}": Line(BY_ID),
    "GET /rows/{kind}/{record_id}": Line(BY_ID),
    "GET /{path:path}": Line(PUBLIC, 404, values={"path": "nowhere"}),
    "POST /actions/retry": Line("403 200 403 200", json={"ids": ["record"]}),
    "POST /actions/offset": Line(
        "403 404 403 200", json={"assetId": "asset", "kind": "label-track", "timeOffsetSec": 1.0}
    ),
    "POST /actions/episode": Line(
        "403 403 403 200", json={"namespace": "namespace", "project": "project", "episode": "run-1", "flag": "good"}
    ),
}


@dataclass
class World:
    seen: Seen
    lab: Lab
    names: dict[str, str]
    http: httpx.Client

    def status(self, name: str, line: Line, cookie: str | None, **more: Any) -> int:
        method, path = name.split(" ")
        values = self.names | line.values
        path = re.sub(r"{(\w+)(?::path)?}", lambda found: values[found[1]], path)
        body = line.json and {key: self._value(value) for key, value in line.json.items()}
        headers = {"Accept": "*/*"} | more.pop("headers", {})
        if cookie is not None:
            headers["Cookie"] = f"{COOKIE}={cookie}"
        self.http.cookies.clear()
        with self.http.stream(method, path, json=body, headers=headers, **more) as answer:
            return answer.status_code

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.names["record_id"] for _ in value]
        return {"asset": self.names["file_id"]}.get(value, self.names.get(value, value))


def _session(key: str, *, write: bool) -> str:
    """The cookie of a login with this key."""
    claims = {"aud": COOKIE, "jti": "x", "key": key, "sub": "x", "write": write, "exp": int(time.time()) + 600}
    return jwt.encode(claims, VIEWER_SECRET, "HS256")


@pytest.fixture(scope="module")
def world(viewer: Seen, object_store: ObjectStore) -> Iterator[World]:
    services = viewer.services
    with (
        closing(Clients(remote=services.remote, bss_url=services.bss_url, api_key=services.token("*"))) as clients,
        httpx.Client(base_url=viewer.url, timeout=60) as http,
    ):
        lab = Lab(services, object_store, clients)
        lab.ingest({"/a.csv": joints(20)}, "run-1")
        [record] = clients.bss.list_page(Kind.LABEL_TRACK, owner=lab.namespace, project=lab.project, limit=5).items
        names = {
            "namespace": lab.namespace, "project": lab.project, "episode": "run-1", "kind": "label-track",
            "record_id": record.id, "file_id": record.id, "filename": "data.parquet", "name": "css/base.css",
            "code": "made-up",
        }  # fmt: skip
        led = http.get(f"/f/{record.id}", headers={"Cookie": f"{COOKIE}={_session(services.token('*'), write=True)}"})
        names["file_id"] = led.headers["location"].rpartition("/")[2]
        yield World(viewer, lab, names, http)


def test_every_route_has_its_line(viewer: Seen) -> None:
    app = create_app(viewer_settings(viewer.services))
    modules = [
        importlib.import_module(f"{routes.__name__}.{one.name}") for one in pkgutil.iter_modules(routes.__path__)
    ]
    found = [*app.routes, *(route for module in modules for route in module.router.routes)]
    named = {f"{method} {route.path}" for route in found if isinstance(route, APIRoute) for method in route.methods}
    assert named == set(VIEWER)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _nobodies(world: World) -> dict[str, str | None]:
    """Cookies that are no session."""
    key = world.seen.services.token("*")
    claims = {"aud": COOKIE, "jti": "x", "key": key, "sub": "x", "write": True, "exp": int(time.time()) + 60}
    return {
        "none": None,
        "garbage": "garbage",
        "the key itself": key,
        "wrong secret": jwt.encode(claims, "another secret, of 32 bytes or more", "HS256"),
        "wrong algorithm": jwt.encode(claims, VIEWER_SECRET, "HS384"),
        "alg none": f"{_b64(json.dumps({'alg': 'none'}).encode())}.{_b64(json.dumps(claims).encode())}.",
        "another viewer's": jwt.encode(claims | {"aud": "dreamlake-viewer-00000000"}, VIEWER_SECRET, "HS256"),
        "expired": jwt.encode(claims | {"exp": int(time.time()) - 1}, VIEWER_SECRET, "HS256"),
        "without end": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, VIEWER_SECRET, "HS256"),
        "without key": jwt.encode({k: v for k, v in claims.items() if k != "key"}, VIEWER_SECRET, "HS256"),
        "a deep head": f"{_b64(b'[' * 20_000)}.e30.AA",
        "deep claims": f"{_b64(json.dumps({'alg': 'HS256'}).encode())}.{_b64(b'[' * 20_000)}.AA",
    }


@pytest.mark.parametrize("name", VIEWER)
def test_everybody_gets_what_the_line_says(world: World, name: str) -> None:
    line, services, lab = VIEWER[name], world.seen.services, world.lab
    if line.row == PUBLIC:
        for cookie in _nobodies(world).values():
            assert world.status(name, line, cookie) == line.ok
        return
    if line.row == BY_KEY:
        asked = {
            who: world.status(name, line, None, headers={"Authorization": sent})
            for who, sent in {
                "none": "", "no bearer": "Basic eDp5", "garbage": "Bearer x.y.z", "expired": f"Bearer {_expired()}",
                "playback": f"Bearer {_playback()}", "reads": f"Bearer {services.token('x', scope=Scope.READ)}",
            }.items()
        }  # fmt: skip
        assert asked == dict.fromkeys(("none", "no bearer", "garbage", "expired"), 401) | {
            "playback": 403,
            "reads": 200,
        }
        return
    sent = {"headers": SCRIPT} if name.startswith("POST /actions") else {}
    if name != "POST /logout":  # who has no session is led to the form
        refused = {why: world.status(name, line, cookie, **sent) for why, cookie in _nobodies(world).items()}
        assert refused == dict.fromkeys(refused, 401)
    keys = [
        services.token("another", scope=Scope.READ), services.token("another", scope=Scope.WRITE),
        services.token(lab.namespace, scope=Scope.READ), services.token(lab.namespace, scope=Scope.WRITE),
    ]  # fmt: skip
    expected = [int(figure) for figure in line.row.split()]
    if line.ok != 200:
        expected = [line.ok if figure == 200 else figure for figure in expected]
    assert [
        world.status(name, line, _session(key, write=at % 2 == 1), **sent) for at, key in enumerate(keys)
    ] == expected
    if sent:
        assert world.status(name, line, _session(keys[3], write=True)) == 403, "without the header of a script"
        # What the cookie says of the key gives nothing that the key does not.
        assert world.status(name, line, _session(keys[2], write=True), **sent) == 403


def _expired() -> str:
    return issue_token(SECRET, sub="x", namespaces=["*"], scope=Scope.WRITE, ttl=-3600)


def _playback() -> str:
    return issue_token(SECRET, sub="x", namespaces=[], scope=Scope.PLAY, ttl=60, asset="0" * 24)


@pytest.mark.parametrize("path", ["/actions/retry", "/actions/offset", "/actions/episode", "/login/links"])
def test_of_who_is_not_let_in_no_body_is_read(viewer: Seen, path: str) -> None:
    """A body is announced and never sent: the answer comes all the same."""
    place = urlsplit(viewer.url)
    assert place.hostname and place.port
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 60000\r\nX-Requested-With: dreamlake\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_as_many_files_are_tried_again_as_the_route_says(viewer: Seen) -> None:
    with viewer.browser(viewer.services.token("*")) as browser:
        for count, status in ((10_000, 200), (10_001, 422), (20_000, 413)):
            answer = browser.post("/actions/retry", json={"ids": ["0" * 24] * count}, headers=SCRIPT)
            assert answer.status_code == status, answer.text


def test_a_change_is_audited_with_the_address_of_who_asked_for_it(
    viewer: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level("INFO", logger="dreamlake.audit"),
        TestClient(create_app(viewer_settings(viewer.services)), client=("192.0.2.7", 1)) as client,
    ):
        client.post("/login", data={"key": viewer.services.token("lab")})
        body = {"namespace": "other", "project": "p", "episode": "e", "flag": "good", "note": "a secret"}
        assert client.post("/actions/episode", json=body, headers=SCRIPT).status_code == 403
    told = [json.loads(record.getMessage()) for record in caplog.records if record.name == "dreamlake.audit"]
    [line] = [line for line in told if line["service"] == "Viewer" and line["from"] == "192.0.2.7"]
    assert (line["from"], line["sub"], line["route"], line["status"]) == ("192.0.2.7", "test", "/actions/episode", 403)
    assert line["what"] == {"namespace": "other", "project": "p", "episode": "e", "flag": "good"}


@pytest.mark.parametrize("path", ["//evil.example/x", "///evil.example", "//evil.example/%2e%2e", "/\\evil.example/"])
def test_no_page_leads_to_another_server(viewer: Seen, path: str) -> None:
    """Also not by a link on it: an address with two slashes in front is that of a server (RFC 3986, 4.2)."""
    place = urlsplit(viewer.url)
    assert place.hostname and place.port
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert "Try again" in answer
    for attribute in ("href", "action", "src", "content"):
        for value in answer.split(f'{attribute}="')[1:]:
            assert not value.startswith(("//", "/\\", "http")), value[:80]


def test_links_of_one_key_push_out_its_own_alone() -> None:
    codes = OnceCodes(VIEWER_SECRET)
    me = Me(sub="x", namespaces=["*"], scope="read", expires_at=None)
    other = codes.make(Login("another key", me, "/"))
    made = [codes.make(Login("key", me, "/")) for _ in range(1000)]
    assert codes.take(other) is not None
    assert [code for code in made if codes.take(code) is not None] == made[-20:]


def test_all_sessions_of_a_key_share_the_streams_of_it(viewer: Seen) -> None:
    """Whoever has a key logs in as often as they like, and takes no place of others by that."""
    key = viewer.reader("streams")
    with TestClient(create_app(viewer_settings(viewer.services)), follow_redirects=False) as client:
        progress = client.app.state.viewer.progress  # type: ignore[attr-defined]
        sessions = client.app.state.viewer.sessions  # type: ignore[attr-defined]
        tenants = set()
        for _ in range(3):
            client.cookies.clear()
            client.post("/login", data={"key": key})
            [cookie] = client.cookies.jar
            claims = jwt.decode(str(cookie.value), VIEWER_SECRET, algorithms=["HS256"], audience=sessions.cookie)
            tenants.add(claims["jti"])
        assert len(tenants) == 3
        held = [progress.stream(_token_id(key)) for _ in range(6)]
        for place in held:
            place.__enter__()
        refused = client.get("/ingest/events")
        assert refused.status_code == 503 and refused.headers["retry-after"]
        for place in held:
            place.__exit__(None, None, None)


def _token_id(key: str) -> str:
    return str(jwt.decode(key, options={"verify_signature": False})["jti"])
