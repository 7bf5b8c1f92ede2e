"""What a service reads of strangers: nothing before it knows them, and never more than the route takes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dreamlake_pipeline import admission, connections
from dreamlake_pipeline.auth import Scope

MIB = 2**20
ENDLESS = 10**15


class Wire:
    """A connection to a service, on which any bytes may be sent."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=30)

    def head(self, method: str, path: str, token: str | None = None, **headers: Any) -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def answer(self) -> tuple[int, dict[str, Any]]:
        """Status and error of what the service answers, before anything more is sent."""
        received = b""
        while b"\r\n\r\n" not in received or b"}}" not in received:
            block = self.socket.recv(65536)
            assert block, received
            received += block
        return int(received.split(b" ", 2)[1]), json.loads(received.split(b"\r\n\r\n", 1)[1])["error"]

    def sent_until_cut_off(self, block: bytes, *, pause: float = 0) -> int:
        """How many bytes may be sent before the service ends the connection."""
        sent, deadline = 0, time.monotonic() + 15
        while sent < 64 * MIB and time.monotonic() < deadline:
            try:
                self.socket.sendall(block)
            except ConnectionError:
                return sent
            sent += len(block)
            time.sleep(pause)
        raise AssertionError(f"not cut off after {sent} bytes")


@pytest.fixture(params=["bss_url", "remote"])
def url(request: pytest.FixtureRequest, services: Any) -> str:
    found: str = getattr(services, request.param)
    return found


@pytest.fixture
def wire(url: str) -> Iterator[Callable[[], Wire]]:
    made: list[Wire] = []

    def connect() -> Wire:
        made.append(Wire(url))
        return made[-1]

    yield connect
    for one in made:
        one.socket.close()


def bodied(url: str) -> list[tuple[str, str, int]]:
    """Every route of a service that takes a body: method, path, and how many bytes it says that it takes."""
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    return [
        (method.upper(), path.replace("{kind}", "video").replace("{owner}", "a").replace("{project}", "b"), limit)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "requestBody" in operation
        for limit in [operation.get("x-max-body-bytes", admission.DEFAULT_BYTES)]
    ]


# A reader may ask these, and gives up its own token.
READERS = (
    "/uploads/compare",
    "/records/changed",
    "/records/logs",
    "/records/query",
    "/records/urls",
    "/fsck/step",
    "/fsck/projects",
    "/fsck/lookup",
    "/auth/revoke",
)


def test_nobody_is_read_before_he_is_known(url: str, wire: Callable[[], Wire], services: Any, owner: str) -> None:
    routes = bodied(url)
    assert len(routes) >= 3
    reader = services.token(owner, scope=Scope.READ)
    for method, path, limit in routes:
        for token, status in ((None, 401), ("nonsense", 401), (reader, 403)):
            if token is reader and path in READERS:
                continue
            one = wire()
            # Not a byte of the body is sent: the answer does not wait for it.
            one.head(method, path, token, Content_Type="application/json", Content_Length=limit)
            assert one.answer()[0] == status, (method, path, token)
            one.socket.close()


def test_no_route_reads_more_than_it_takes(url: str, wire: Callable[[], Wire], services: Any) -> None:
    token = services.token("*")
    for method, path, limit in bodied(url):
        assert limit <= 64 * MIB
        told = wire()
        told.head(method, path, token, Content_Type="application/json", Content_Length=limit + 1)
        status, error = told.answer()
        assert (status, error["code"]) == (413, "request_too_large") and str(limit) in error["message"]
        told.socket.close()
        if limit > MIB:
            continue  # it would take the test long to send
        chunked = wire()
        chunked.head(method, path, token, Content_Type="application/json", Transfer_Encoding="chunked")
        chunked.socket.sendall(b"%x\r\n%s\r\n" % (limit, b" " * limit))
        chunked.socket.sendall(b"1\r\n \r\n")
        assert chunked.answer()[0] == 413, path
        chunked.socket.close()


def test_a_length_that_lies_or_is_none(url: str, wire: Callable[[], Wire], services: Any) -> None:
    path = next(path for method, path, _ in bodied(url) if method == "POST")
    for length in (ENDLESS, 2**63, 10**40):
        one = wire()
        one.head("POST", path, services.token("*"), Content_Type="application/json", Content_Length=length)
        received = one.socket.recv(4096)
        assert received.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 ")), received
    for length in ("-1", "x", "²"):
        one = wire()
        one.head("POST", path, services.token("*"), Content_Length=length)
        assert one.socket.recv(4096).startswith(b"HTTP/1.1 400 ")
    short = wire()
    short.head("POST", path, services.token("*"), Content_Type="application/json", Content_Length=1000)
    short.socket.sendall(b"{}")
    short.socket.shutdown(socket.SHUT_WR)
    assert not short.socket.recv(4096).startswith(b"HTTP/1.1 2")
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_a_tenant_with_many_tokens_leaves_room_for_others(
    url: str, wire: Callable[[], Wire], services: Any, owner: str
) -> None:
    """Bodies that are announced and do not come, by twelve tokens."""
    path = "/assets/batch" if url == services.remote else "/uploads/finish"
    held = []
    for _ in range(12):
        one = wire()
        one.head("POST", path, services.token(owner), Content_Type="application/json", Content_Length=30 * MIB)
        one.socket.sendall(b"{")
        held.append(one)
    refused = [one for one in held if _is_answered(one)]
    assert len(refused) == 12 - 3
    other = services.token(f"{owner}-2")
    answer = httpx.post(url + path, json={}, headers={"Authorization": f"Bearer {other}"})
    assert answer.status_code == 422


def _is_answered(one: Wire) -> bool:
    one.socket.settimeout(1)
    try:
        return one.answer()[0] == 503
    except TimeoutError:
        return False


def test_encoded_bodies_are_refused(url: str, wire: Callable[[], Wire], services: Any) -> None:
    for method, path, _ in bodied(url):
        for encoding in ("gzip", "br", "deflate, gzip", "GZIP"):
            one = wire()
            one.head(method, path, services.token("*"), Content_Encoding=encoding, Content_Length=100)
            status, error = one.answer()
            assert (status, error["code"]) == (422, "invalid_request") and "Content-Encoding" in error["message"]
            one.socket.close()


@pytest.mark.parametrize("pair", ["[]", '{"a":}'], ids=["arrays", "objects"])
@pytest.mark.parametrize("depth", [201, 1000, 30_000])
def test_deep_json_is_refused(url: str, services: Any, pair: str, depth: int) -> None:
    content = pair[:-1] * depth + "1" + pair[-1] * depth
    for method, path, limit in bodied(url):
        if len(content) > limit:
            continue
        answer = httpx.request(
            method,
            url + path,
            content=content,
            headers={"Authorization": f"Bearer {services.token('*')}", "Content-Type": "application/json"},
        )
        assert answer.status_code == 422, (path, answer.text)
        assert "recursion limit" in answer.json()["error"]["message"]


def test_a_slow_body_ends(url: str, wire: Callable[[], Wire], services: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "BODY_SECONDS", 0.5)
    path = next(path for method, path, _ in bodied(url) if method == "POST")
    one = wire()
    one.head("POST", path, services.token("*"), Content_Type="application/json", Content_Length=1000)
    one.socket.sendall(b"{")
    status, error = one.answer()
    assert (status, error["code"]) == (408, "request_timeout")


def test_long_urls_and_headers_are_refused(url: str, wire: Callable[[], Wire], services: Any) -> None:
    for path, headers in (("/healthz?" + "x" * 50_000, {}), ("/healthz", {"X_Long": "x" * 50_000})):
        one = wire()
        one.head("GET", path, **headers)
        status, error = one.answer()
        assert (status, error["code"]) == (431, "request_too_large")
    many = wire()
    many.head("GET", "/healthz", **{f"X_{n}": "x" for n in range(10_000)})
    assert many.answer()[0] == 431


def test_a_head_without_end_is_cut_off(url: str, wire: Callable[[], Wire]) -> None:
    for start in (b"GET /healthz?", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n"):
        one = wire()
        one.socket.sendall(start)
        block = b"x: y\r\n" * 1000 if start.endswith(b"1.1\r\n") else b"x" * 6000
        assert one.sent_until_cut_off(block) < 8 * MIB  # what lay in the buffers of both ends


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\r\n",
        b"POST /videos HTTP/1.1\r\nA: b\r\n",
    ],
)
def test_no_connection_waits_for_ever(wire: Callable[[], Wire], monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.4)
    one = wire()
    one.socket.sendall(sent)
    began = time.monotonic()
    while one.socket.recv(65536):
        pass
    assert time.monotonic() - began < 15


def test_the_rest_of_a_body_that_was_refused_is_waited_for_a_while(
    wire: Callable[[], Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 1.0)
    one = wire()
    one.head("POST", "/auth/revoke", Content_Length=ENDLESS)
    assert one.answer()[0] == 401
    # A client that sends first and reads then gets its answer; one that never ends is cut off.
    began = time.monotonic()
    one.sent_until_cut_off(b" " * 1000, pause=0.01)
    assert 0.5 < time.monotonic() - began < 15


def test_an_answer_that_nobody_reads_ends(
    wire: Callable[[], Wire], monkeypatch: pytest.MonkeyPatch, services: Any
) -> None:
    monkeypatch.setattr(connections, "STALL_SECONDS", 0.5)
    one = wire()
    one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.sent_until_cut_off(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", pause=0.02)


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_300_mib_without_a_token_do_not_grow_the_service(
    process: Any, authorization: str | None, chunked: bool
) -> None:
    url, running, _ = process
    httpx.post(f"{url}/uploads/finish", json={})
    before, most = running.memory_info().rss, 0
    headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})

    def body() -> Iterator[bytes]:
        nonlocal most
        for _ in range(300):
            most = max(most, running.memory_info().rss)
            yield b"[" * MIB

    length = {} if chunked else {"Content-Length": str(300 * MIB)}
    answer = httpx.post(f"{url}/uploads/finish", content=body(), headers=headers | length, timeout=60)
    assert answer.status_code == 401
    assert most - before < 16 * MIB, (most - before) / MIB
