"""How a client meets services that are down, restarting, or something else altogether."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dreamlake_pipeline.api.server import Me
from dreamlake_pipeline.client.transfer import Transfer
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.remote.away import Away
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.patience import Patience
from dreamlake_pipeline.remote.refusal import StoreAway
from tests.certificates import Authority

ME = b'{"sub": "me", "namespaces": [], "scope": "read", "expiresAt": null}'


@contextmanager
def answering(
    answer: Callable[[http.server.BaseHTTPRequestHandler], None], certificate: Path | None = None
) -> Iterator[str]:
    """A web server that is not ours; its URL. With a certificate, it speaks TLS."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def reply(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"items": "of another kind"}', b"[]"])
def test_something_else_answers(body: bytes) -> None:
    with (
        answering(lambda handler: reply(handler, 200, body)) as url,
        ServiceClient("BSS", url, "-") as client,
        pytest.raises(DreamlakeError) as error,
    ):
        client.get("/auth/me", Me)
    assert error.value.code is Code.UNREACHABLE
    assert url in error.value.message


def test_an_overloaded_service_is_asked_again() -> None:
    asked = []

    def busy_twice(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.headers["Authorization"])
        reply(handler, 503 if len(asked) < 3 else 200, ME)

    with answering(busy_twice) as url, ServiceClient("BSS", url, " key\n") as client:
        assert client.get("/auth/me", Me).sub == "me"
    assert asked == ["Bearer key"] * 3


def test_a_refusal_is_not_repeated() -> None:
    asked = []

    def refuse(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(1)
        reply(handler, 403, b'{"error": {"code": "forbidden", "message": "No.", "hint": "Ask."}}')

    with answering(refuse) as url, ServiceClient("BSS", url, "-") as client, pytest.raises(DreamlakeError) as error:
        client.get("/auth/me", Me)
    assert (error.value.code, error.value.message, error.value.hint) == (Code.FORBIDDEN, "No.", "Ask.")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("url", "token", "code"),
    [
        ("localhost:8000", "-", Code.USAGE),
        ("http://127.0.0.1:1", "schlüssel", Code.UNAUTHENTICATED),
        ("http://127.0.0.1:1", "-", Code.UNREACHABLE),
    ],
)
def test_what_cannot_work_is_said_in_a_sentence(url: str, token: str, code: Code) -> None:
    with pytest.raises(DreamlakeError) as error, ServiceClient("BSS", url, token) as client:
        client.get("/auth/me", Me)
    assert error.value.code is code


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with answering(lambda handler: reply(handler, 200, ME)) as url, ServiceClient("BSS", url, "-") as client:
        assert client.get("/auth/me", Me).sub == "me"


@pytest.mark.parametrize("status", [429, 502, 503, 504, 500, 520])
def test_what_a_proxy_says_passes(status: int) -> None:
    """While the replicas behind it restart, it answers with a page of its own."""
    asked: list[str] = []

    def proxy(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.headers["X-Request-ID"])
        reply(handler, *((200, ME) if len(asked) >= 3 else (status, b"<html><h1>Bad Gateway</h1></html>")))

    with answering(proxy) as url, ServiceClient("BSS", url, "-") as client:
        assert client.get("/auth/me", Me).sub == "me"
        client.get("/auth/me", Me)
    assert asked[0] == asked[1] == asked[2] != asked[3]  # one id for all attempts at a call
    assert asked[0].split("-")[0] == asked[3].split("-")[0]  # that of the command


def test_what_a_proxy_says_all_the_time_is_named() -> None:
    page = b"<html><h1>504 Gateway Time-out</h1></html>"
    with (
        answering(lambda handler: reply(handler, 504, page)) as url,
        ServiceClient("BSS", url, "-", patience=Patience(0.3)) as client,
        pytest.raises(Away) as error,
    ):
        client.get("/auth/me", Me)
    assert error.value.code is Code.UNREACHABLE
    assert "504 Gateway Timeout" in error.value.message and "proxy" in (error.value.hint or "")


def test_a_fault_of_a_service_is_not_waited_for() -> None:
    asked = []

    def fail(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(1)
        reply(handler, 500, b'{"error": {"code": "internal", "message": "A fault."}}')

    with answering(fail) as url, ServiceClient("BSS", url, "-") as client, pytest.raises(DreamlakeError):
        client.get("/auth/me", Me)
    assert len(asked) == 1


def test_a_store_that_is_away_behind_a_service_is_waited_for() -> None:
    asked = []

    def fail_once(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(1)
        body = b'{"error": {"code": "storage_failed", "message": "No S3.", "passing": true}}'
        reply(handler, *((502, body) if len(asked) == 1 else (200, ME)))

    with answering(fail_once) as url, ServiceClient("BSS", url, "-") as client:
        assert client.get("/auth/me", Me).sub == "me"


def test_connections_that_break_off_are_tried_again() -> None:
    asked = []

    def cut_twice(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(1)
        if len(asked) == 3:
            reply(handler, 200, ME)
            return
        if len(asked) == 2:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    with answering(cut_twice) as url, ServiceClient("BSS", url, "-") as client:
        assert client.get("/auth/me", Me).sub == "me"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def me(handler: http.server.BaseHTTPRequestHandler) -> None:
    reply(handler, 200, ME)


def complaint(url: str) -> DreamlakeError:
    """What both kinds of clients say of a server, which must be the same but for its name, and must come at once."""
    began = time.monotonic()
    with pytest.raises(DreamlakeError) as of_service, ServiceClient("BSS", url, "-") as client:
        client.get("/auth/me", Me)
    transfer = Transfer(1, Patience(60))
    with pytest.raises(DreamlakeError) as of_store:
        transfer.put_bytes(f"{url}/bucket/key", {"Content-Length": "1"}, 1, lambda: b"x")
    transfer.close()
    assert time.monotonic() - began < 20
    said = of_service.value
    assert not isinstance(said, Away) and not isinstance(of_store.value, StoreAway)
    assert said.code is Code.UNREACHABLE and said.hint
    assert said.message.partition(url)[2] == of_store.value.message.partition(url.partition("//")[2])[2]
    return said


def test_a_certificate_that_is_not_trusted_is_said_to_be(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(me, authority.issue("127.0.0.1")) as url:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        said = complaint(url)
        assert "is not trusted here" in said.message and "SSL_CERT_FILE" in (said.hint or "")
        monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
        assert "SSL_CERT_FILE names /no/such/file.pem, which is no file" in (complaint(url).hint or "")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
def test_an_authority_is_trusted_where_the_environment_names_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority.file))
    with answering(me, authority.issue("127.0.0.1")) as url, ServiceClient("BSS", url, "-") as client:
        assert client.get("/auth/me", Me).sub == "me"
        transfer = Transfer(1, Patience(5))
        transfer.put_bytes(f"{url}/bucket/key", {"Content-Length": "1"}, 1, lambda: b"x")
        transfer.close()


def test_what_is_wrong_with_a_certificate_is_said(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with answering(me, authority.issue("bss.example.com")) as url:
        assert "a certificate for another name than 127.0.0.1" in complaint(url).message
    with answering(me, authority.issue("127.0.0.1", days=-1)) as url:
        assert "has a certificate that has expired" in complaint(url).message


def test_tls_where_there_is_none_and_none_where_there_is(authority: Authority) -> None:
    with answering(me) as url:
        said = complaint(url.replace("http:", "https:"))
        assert "does not speak TLS" in said.message and url in (said.hint or "")
    with answering(me, authority.issue("127.0.0.1")) as url:
        said = complaint(url.replace("https:", "http:"))
        assert "speaks TLS" in said.message and url in (said.hint or "")
