"""How a client meets services that are down, restarting, or something else altogether."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dreamlake_pipeline.api.server import Me
from dreamlake_pipeline.client.http import ServiceClient
from dreamlake_pipeline.errors import Code, DreamlakeError

ME = b'{"sub": "me", "namespaces": [], "scope": "read", "expiresAt": null}'


@contextmanager
def answering(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A web server that is not ours; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
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
