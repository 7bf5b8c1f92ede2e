"""Dagster's own webserver behind the guard, asked over HTTP and WebSocket as programs and browsers would ask it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_graphql.schema import create_schema
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from dreamlake_pipeline.auth import Scope as TokenScope
from dreamlake_pipeline.auth import issue_token
from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.instance.webserver.app import guarded
from dreamlake_pipeline.instance.webserver.guard import MOST_BYTES
from dreamlake_pipeline.instance.webserver.hosts import allowed_hosts
from dreamlake_pipeline.settings import Settings

SECRET = "a login secret for tests only, 32 bytes or more"
BEARER = {"Authorization": f"Bearer {SECRET}"}
JSON = {"Content-Type": "application/json"}

# Every mutation of Dagster's GraphQL, and what it reaches. A new one fails the test until somebody has looked at it:
# does it start or configure something that a person with a session should not?
MUTATIONS = {
    # Runs: their config is validated by the code location (tests/dagster/test_definitions.py).
    **dict.fromkeys(
        [
            "launchRun",
            "launchMultipleRuns",
            "launchPipelineExecution",
            "launchPipelineReexecution",
            "launchRunReexecution",
        ],
        "runs",
    ),
    **dict.fromkeys(["launchPartitionBackfill", "reexecutePartitionBackfill", "resumePartitionBackfill"], "runs"),
    **dict.fromkeys(["terminateRun", "terminateRuns", "terminatePipelineExecution", "cancelPartitionBackfill"], "runs"),
    # What Dagster keeps. BSS's tables are the truth: none of it loses a file.
    **dict.fromkeys(["deleteRun", "deletePipelineRun", "wipeAssets"], "history"),
    **dict.fromkeys(["reportRunlessAssetEvents", "reportAssetCheckEvaluations"], "history"),
    **dict.fromkeys(["addDynamicPartition", "deleteDynamicPartitions"], "partitions"),
    **dict.fromkeys(["startSensor", "stopSensor", "resetSensor", "setSensorCursor", "sensorDryRun"], "sensors"),
    **dict.fromkeys(["startSchedule", "stopRunningSchedule", "resetSchedule", "scheduleDryRun"], "sensors"),
    **dict.fromkeys(["setAutoMaterializePaused"], "sensors"),
    **dict.fromkeys(["setConcurrencyLimit", "deleteConcurrencyLimit"], "limits"),
    **dict.fromkeys(["freeConcurrencySlots", "freeConcurrencySlotsForRun"], "limits"),
    # The code location: it is loaded again by who supervises it.
    **dict.fromkeys(["reloadWorkspace", "reloadRepositoryLocation", "shutdownRepositoryLocation"], "code"),
    # Components that an application manages: this code location has none.
    **dict.fromkeys(["setAppManagedComponent", "deleteAppManagedComponent", "refreshComponentState"], "components"),
    **dict.fromkeys(["setNuxSeen", "logTelemetry"], "nothing"),
}

# Every route of the webserver but those of its static files.
ROUTES = {
    *("/server_info", "/dagit_info", "/graphql", "/logs/{path:path}", "/notebook", "/dagit/notebook"),
    *("/download_debug/{run_id:str}", "/{path:path}", "/"),
    *("/report_asset_materialization/{asset_key:path}", "/report_asset_check/{asset_key:path}"),
    "/report_asset_observation/{asset_key:path}",
}

LIMIT = 'mutation { setConcurrencyLimit(concurrencyKey: "k", limit: 7) }'


@dataclass
class Site:
    """The guarded webserver, and what of all that it was asked has come through to Dagster."""

    url: str
    instance: DagsterInstance
    dagster: Starlette
    http: httpx.Client
    came_through: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        return self.http.request(method, f"{self.url}{path}", **given)

    def log_in(self) -> dict[str, str]:
        """The header of a browser that has followed the link."""
        answer = self.ask("GET", f"/login?secret={SECRET}")
        self.http.cookies.clear()
        assert answer.status_code == 303
        return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}

    @property
    def cookie_name(self) -> str:
        return self.log_in()["Cookie"].partition("=")[0]

    def is_limited(self) -> bool:
        """Whether LIMIT was executed; it is undone."""
        pools = {one.name for one in self.instance.event_log_storage.get_pool_limits()}
        if "k" in pools:
            self.instance.event_log_storage.delete_concurrency_limit("k")
        return "k" in pools

    def open(self, path: str = "/graphql", **headers: str) -> ClientConnection:
        origin = headers.pop("Origin", None)
        return connect(
            f"ws://{self.host}{path}",
            subprotocols=["graphql-ws"],  # type: ignore[list-item]
            origin=origin,  # type: ignore[arg-type]
            additional_headers=headers,
            proxy=None,
            open_timeout=30,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., AbstractContextManager[str]]) -> Iterator[Site]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with (
        DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as process_context,
        # Cookies are sent by hand; certificates, which take long to load, are not needed.
        httpx.Client(trust_env=False, verify=False, timeout=30) as http,
    ):
        dagster = create_app_from_workspace_process_context(process_context)
        site = Site(f"http://127.0.0.1:{port}", instance, dagster, http)

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "lifespan":
                site.came_through.append(f"{scope['type']} {scope['path']}")
            await dagster(scope, receive, send)

        settings = Settings(dagster_secret=SECRET, dagster_hosts=("dagster.example.com", "10.0.0.5:3000"))
        with serve(guarded(counted, port, settings), port):
            yield site


@pytest.fixture(autouse=True)
def nothing_came_through(site: Site) -> None:
    site.came_through.clear()


def forged_cookies(name: str) -> dict[str, str]:
    """Values of the cookie that open nothing."""
    claims = {"aud": name, "exp": int(time.time()) + 600}
    bss = issue_token(SECRET, sub="x", namespaces=["*"], scope=TokenScope.WRITE, ttl=600)
    return {
        "empty": "",
        "garbage": "garbage",
        "the secret itself": SECRET.replace(" ", "").replace(",", ""),
        "expired": jwt.encode(claims | {"exp": int(time.time()) - 1}, SECRET, "HS256"),
        "never ends": jwt.encode({"aud": name}, SECRET, "HS256"),
        "ends at a word": jwt.encode({"aud": name}, SECRET, "HS256", headers={"exp": "never"}),
        "another webserver's": jwt.encode(claims | {"aud": "dreamlake-dagster-00000000"}, SECRET, "HS256"),
        "for nobody": jwt.encode({"exp": claims["exp"]}, SECRET, "HS256"),
        "another key": jwt.encode(claims, "another secret for tests, 32 bytes or more", "HS256"),
        "another algorithm": jwt.encode(claims, SECRET * 2, "HS512"),
        "alg none": jwt.encode(claims, "", "none"),
        "a token of BSS with the same key": bss,
    }


def credentials(site: Site) -> Iterator[tuple[str, dict[str, str]]]:
    """What callers without a session send instead of one."""
    yield "nothing", {}
    for scheme in (
        "Bearer",
        "Bearer garbage",
        f"Basic {SECRET}",
        f"Bearer {SECRET[:-1]}",
        f"Bearer {SECRET}x",
        SECRET,
    ):
        yield scheme, {"Authorization": scheme}
    name = site.cookie_name
    for what, value in forged_cookies(name).items():
        yield what, {"Cookie": f"{name}={value}"}
    yield "a session under another name", {"Cookie": site.log_in()["Cookie"].replace(name, f"{name}x")}


def transports(document: str) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Every way in which Dagster, a browser or an attacker may send a document: name, method, path, request."""
    body = json.dumps({"query": document})
    yield "JSON", "POST", "/graphql", {"content": body, "headers": JSON}
    yield "GET", "GET", "/graphql", {"params": {"query": document}}
    yield "GET of a page", "GET", "/graphql", {"params": {"query": document}, "headers": {"Accept": "text/html"}}
    yield "HEAD", "HEAD", "/graphql", {"params": {"query": document}}
    yield "text", "POST", "/graphql", {"content": body, "headers": {"Content-Type": "text/plain"}}
    kinds = "text/plain;application/json", "application/graphql", "application/json-patch+json", "application/jsonx"
    for kind in kinds:
        yield kind, "POST", "/graphql", {"content": body, "headers": {"Content-Type": kind}}
    yield "no type", "POST", "/graphql", {"content": body}
    yield "query of a POST", "POST", "/graphql", {"params": {"query": document}}
    yield "form", "POST", "/graphql", {"data": {"query": document}}
    yield "multipart", "POST", "/graphql", {"files": {"operations": (None, body)}}
    two = httpx.Headers([("Content-Type", "text/plain"), *JSON.items()])
    yield "two types", "POST", "/graphql", {"content": body, "headers": two}
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"):
        yield method, method, "/graphql", {"content": body, "headers": JSON}
    yield "escaped path", "POST", "/%67raphql", {"content": body, "headers": JSON}


def test_the_list_of_mutations_is_complete() -> None:
    mutations = create_schema().graphql_schema.mutation_type
    assert mutations is not None and set(mutations.fields) == set(MUTATIONS)


@pytest.mark.parametrize("mutation", sorted(MUTATIONS))
def test_no_mutation_comes_through_without_a_session(site: Site, mutation: str) -> None:
    document = f"mutation {{ {mutation} {{ __typename }} }}"
    for name, method, path, request in transports(document):
        headers = [("Authorization", "Bearer garbage"), *httpx.Headers(request.pop("headers", {})).multi_items()]
        assert site.ask(method, path, headers=headers, **request).status_code == 401, name
    for headers in ({}, {"Origin": site.url}, {"Origin": "http://evil.example"}, {"Cookie": "a=b", "Origin": site.url}):
        with pytest.raises(InvalidStatus, match="403"):
            site.open(**headers)
    assert site.came_through == []


def test_no_credentials_but_ours_open_a_session(site: Site) -> None:
    for what, headers in credentials(site):
        answer = site.ask("POST", "/graphql", json={"query": LIMIT}, headers=headers)
        assert (answer.status_code, answer.headers.get("www-authenticate")) == (401, "Bearer"), what
        with pytest.raises(InvalidStatus):
            site.open(Origin=site.url, **headers)
    assert site.came_through == [] and not site.is_limited()


def test_with_a_session_a_mutation_runs_by_json_and_by_nothing_else(site: Site) -> None:
    session = site.log_in()
    ran = {}
    for name, method, path, request in transports(LIMIT):
        headers = [*session.items(), *httpx.Headers(request.pop("headers", {})).multi_items()]
        answer = site.ask(method, path, headers=headers, **request)
        ran[name] = site.is_limited()
        assert answer.status_code in ((200,) if name in ("JSON", "escaped path", "GET of a page") else (405, 415)), name
    assert {name for name, has in ran.items() if has} == {"JSON", "escaped path"}
    with site.open(Origin=site.url, **session) as conversation:
        conversation.send(json.dumps({"type": "start", "id": "1", "payload": {"query": LIMIT}}))
        assert json.loads(conversation.recv(timeout=30))["type"] in ("error", "data")
    assert not site.is_limited()
    assert site.ask("POST", "/graphql", json={"query": LIMIT}, headers=BEARER).status_code == 200
    assert site.is_limited()


def test_every_route_is_in_the_list_and_needs_a_session(site: Site) -> None:
    routes = {str(getattr(route, "path", "")) for route in site.dagster.routes}
    static = {path for path in routes if "." in path or path in ("/_next", "/vendor")}
    assert routes - static == ROUTES
    for path in routes | {"/_next/static/chunks/main.js", "/docs", "//graphql", "/graphql/", "/x/../graphql"}:
        for method in ("GET", "POST", "PUT"):
            answer = site.ask(method, path, headers=JSON)
            assert answer.status_code == 401, (method, path)
        with pytest.raises(InvalidStatus):
            site.open(path=path.partition("{")[0], Origin=site.url)
    assert site.came_through == []
    assert site.ask("GET", "/healthz").text == "ok"


@pytest.mark.parametrize("path", sorted(path for path in ROUTES if path.startswith("/report_asset")))
def test_reports_are_json_from_our_own_pages(site: Site, path: str) -> None:
    path = path.replace("{asset_key:path}", "a")
    session = site.log_in()
    for headers in ({}, {"Content-Type": "text/plain"}, JSON | {"Origin": "http://evil.example"}):
        refused = site.ask("POST", path, params={"metadata": "{}"}, headers=session | headers)
        assert refused.status_code == (403 if "Origin" in headers else 415)
    assert site.came_through == []
    assert site.ask("POST", path, content=b"{}", headers=session | JSON).status_code != 415
    assert len(site.came_through) == 1


def foreign(host: str) -> list[dict[str, str]]:
    """Headers of browsers that ask for somebody else's page, or that an attacker's name led here."""
    port = host.partition(":")[2]
    above = int(port) + 1
    names = [
        *("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{above}", f"127.0.0.1.:{port}", ""),
        *(f"127.0.0.1:{port}@evil.example", f"evil.example#127.0.0.1:{port}", f"[::]:{port}", f"0.0.0.0:{port}"),
    ]
    origins = [
        *("null", "http://evil.example", f"http://127.0.0.1:{above}", "http://127.0.0.1", "file://", ""),
        *(f"http://{host}.evil.example", f"http://evil.example:{port}", f"http://localhost:{port}"),
        *(f"ftp://{host}", f"http://{host}/", f"http://{host} http://evil.example"),
    ]
    sites = ["cross-site", "same-site", "nonsense"]
    return [
        *({"Host": name} for name in names),
        *({"Origin": origin} for origin in origins),
        *({"Sec-Fetch-Site": one} for one in sites),
        # Frames, pictures and scripts, which send cookies to another port of the same host.
        *(
            {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
            for mode, dest in [("navigate", "iframe"), ("navigate", "object"), ("no-cors", "image"), ("cors", "empty")]
        ),
    ]


def test_a_page_of_another_origin_gets_nothing_through_whatever_it_has(site: Site) -> None:
    for session in (site.log_in(), BEARER, {}):
        for headers in foreign(site.host):
            for method, path in [
                ("POST", "/graphql"),
                ("GET", "/"),
                ("GET", "/server_info"),
                ("GET", f"/login?secret={SECRET}"),
            ]:
                given = {"json": {"query": LIMIT}} if method == "POST" else {}
                answer = site.ask(method, path, headers=session | headers, **given)
                assert answer.status_code == 403 and "set-cookie" not in answer.headers, (headers, method, path)
            with pytest.raises(InvalidStatus, match=r"403|400"):
                site.open(**session | headers)
    assert site.came_through == [] and not site.is_limited()


def test_two_hosts_or_none_are_no_host(site: Site) -> None:
    for hosts in ("", f"Host: {site.host}\r\nHost: evil.example\r\n", f"Host: evil.example\r\nHost: {site.host}\r\n"):
        with socket.create_connection(("127.0.0.1", int(site.host.partition(":")[2])), timeout=10) as connection:
            connection.sendall(f"GET /server_info HTTP/1.1\r\n{hosts}Authorization: Bearer {SECRET}\r\n\r\n".encode())
            assert connection.recv(100).split()[1] in (b"403", b"400")
    assert site.came_through == []


def test_our_own_pages_and_names_come_through(site: Site) -> None:
    session, port = site.log_in(), site.host.partition(":")[2]
    for host in (
        site.host,
        f"localhost:{port}",
        f"LOCALHOST:{port}",
        f"[::1]:{port}",
        "dagster.example.com",
        "10.0.0.5:3000",
    ):
        for origin in (f"http://{host}", f"https://{host}"):
            headers = {"Host": host, "Origin": origin, "Sec-Fetch-Site": "same-origin"}
            answer = site.ask("POST", "/graphql", json={"query": "{ version }"}, headers=session | headers)
            assert answer.status_code == 200 and "version" in answer.json()["data"], headers


def test_the_link_logs_in_once_and_its_secret_stays_nowhere(site: Site) -> None:
    answer = site.ask("GET", f"/login?secret={SECRET}")
    site.http.cookies.clear()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    name, _, attributes = answer.headers["set-cookie"].partition("=")
    assert name.startswith("dreamlake-dagster-")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {one.strip() for one in attributes.split(";")}
    assert "Secure" not in attributes and SECRET not in str(answer.headers) + answer.text
    behind_tls = site.ask("GET", f"/login?secret={SECRET}", headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in behind_tls.headers["set-cookie"]
    site.http.cookies.clear()
    for wrong in ("", "?secret=", "?secret=x", f"?secret={SECRET}x", f"?Secret={SECRET}", "?secret=%ff"):
        refused = site.ask("GET", f"/login{wrong}")
        assert refused.status_code == 403 and "set-cookie" not in refused.headers
        assert "dreamlake status" in refused.text
    assert site.ask("POST", "/login", data={"secret": SECRET}).status_code == 401


def test_without_a_session_a_person_reads_how_to_get_one_and_a_program_too(site: Site) -> None:
    page = site.ask("GET", "/runs", headers={"Accept": "text/html,*/*"})
    assert page.status_code == 401 and "dreamlake status" in page.text and "<script" not in page.text
    said = site.ask("GET", "/runs").json()["error"]
    assert said["code"] == "unauthenticated" and "dreamlake status" in said["hint"]


def test_a_link_from_another_site_opens_the_page_anew_and_leads_nowhere_else(site: Site) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for asked, led in {
        "/runs/1?a=b&c=%22": "/runs/1?a=b&amp;c=%22",
        "//evil.example/x": "/evil.example/x",
        "/\\evil.example": "/evil.example",
        "///\\/evil.example": "/evil.example",
    }.items():
        request = f"GET {asked} HTTP/1.1\r\nHost: {site.host}\r\nConnection: close\r\n"
        headers = "".join(f"{name}: {value}\r\n" for name, value in (followed | site.log_in()).items())
        with socket.create_connection(("127.0.0.1", int(site.host.partition(":")[2])), timeout=10) as connection:
            connection.sendall(f"{request}{headers}\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        assert f'content="0;url={led}"' in answer
        assert "evil" not in answer.replace(led, "")
    assert site.ask("POST", "/", headers=followed).status_code == 403
    assert site.came_through == []


def test_every_answer_says_that_no_other_page_may_show_it(site: Site) -> None:
    session = site.log_in()
    answers = [
        site.ask("GET", "/", headers=session),
        site.ask("GET", "/graphql", headers=session | {"Accept": "text/html"}),
        site.ask("POST", "/graphql", json={"query": "{ version }"}, headers=session),
        site.ask("GET", "/favicon.ico", headers=session),
        site.ask("GET", "/", headers={"Accept": "text/html"}),
        site.ask("GET", "/healthz"),
        site.ask("GET", "/", headers={"Host": "evil.example"}),
        site.ask("GET", "/login?secret=x"),
    ]
    for answer in answers:
        policies = answer.headers.get_list("content-security-policy")
        assert "frame-ancestors 'none'" in policies
        assert answer.headers.get_list("x-frame-options") == ["DENY"]
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert answer.headers.get_list("referrer-policy") == ["same-origin"]
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert len(answers[0].headers.get_list("content-security-policy")) == 2  # Dagster's own is still there


def test_bodies_are_bounded_and_not_read_before_the_login(site: Site) -> None:
    def answer_to(head: str, body: bytes = b"") -> bytes:
        with socket.create_connection(("127.0.0.1", int(site.host.partition(":")[2])), timeout=10) as connection:
            lines = f"POST /graphql HTTP/1.1\r\nHost: {site.host}\r\nContent-Type: application/json\r\n{head}\r\n"
            connection.sendall(lines.encode() + body)
            return connection.recv(4096).split()[1]

    length = f"Content-Length: {300 * 2**20}\r\n"
    assert answer_to(length) == b"401"
    assert answer_to(f"{length}Authorization: Bearer {SECRET}\r\n") == b"413"
    chunks = (b"%x\r\n" % 2**16 + bytes(2**16) + b"\r\n") * (MOST_BYTES // 2**16 + 1)
    assert answer_to(f"Transfer-Encoding: chunked\r\nAuthorization: Bearer {SECRET}\r\n", chunks) == b"413"
    assert site.came_through == []
    large = {"query": "{ version }", "variables": {"a": "x" * (MOST_BYTES - 100)}}
    assert site.ask("POST", "/graphql", json=large, headers=BEARER).status_code == 200


def test_subscriptions_work_for_our_pages_and_for_programs(site: Site) -> None:
    document = "subscription { locationStateChangeEvents { event { message } } }"
    for headers in (site.log_in() | {"Origin": site.url}, BEARER, BEARER | {"Origin": site.url}):
        with site.open(**headers) as conversation:
            assert conversation.subprotocol == "graphql-ws"
            conversation.send(json.dumps({"type": "connection_init"}))
            assert json.loads(conversation.recv(timeout=30)) == {"type": "connection_ack"}
            conversation.send(json.dumps({"type": "start", "id": "1", "payload": {"query": document}}))
            conversation.send(json.dumps({"type": "connection_terminate"}))
            with pytest.raises(ConnectionClosed):
                conversation.recv(timeout=30)
    assert len(site.came_through) == 3
    # A browser always sends its Origin: a cookie without one is not a browser's.
    with pytest.raises(InvalidStatus, match="403"):
        site.open(**site.log_in())
    with pytest.raises(InvalidStatus, match="403"):
        site.open(path="/", Origin=site.url, **site.log_in())


def test_it_does_not_start_without_a_secret_or_with_a_short_one() -> None:
    with pytest.raises(DreamlakeError, match="DREAMLAKE_DAGSTER_SECRET is not set"):
        guarded(Starlette(), 3000, Settings(dagster_secret=None))
    with pytest.raises(DreamlakeError, match="DREAMLAKE_DAGSTER_SECRET cannot be used"):
        Settings(dagster_secret="short")


def test_further_hosts_are_named_as_browsers_name_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMLAKE_DAGSTER_HOSTS", "Dagster.example.com, 10.0.0.5:3000,[fd00::1]:80,")
    hosts = allowed_hosts(3000, Settings().dagster_hosts)
    assert {"dagster.example.com", "10.0.0.5:3000", "[fd00::1]:80", "localhost:3000"} < hosts and len(hosts) == 6
    for wrong in ("https://dagster.example.com", "a/b", "*", "a b", "a:b", "a@b"):
        with pytest.raises(DreamlakeError, match="DREAMLAKE_DAGSTER_HOSTS"):
            allowed_hosts(3000, [wrong])
