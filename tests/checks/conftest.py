"""A proxy in front of any HTTP server that refuses what a test names, or tells another time."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest


class Asked(NamedTuple):
    """A request: its method, its path with query, and its headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]


Refuses = Callable[[Asked], bool]

_DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>by a policy</Message></Error>'


@contextmanager
def _standing_before(url: str, *, refuses: Refuses = lambda _: False, date: str | None = None) -> Iterator[str]:
    """The URL of a proxy that answers 403, as S3 does, to what it `refuses`, and with another `Date` where one is
    given. It passes on Host as it came, which is signed."""
    upstream = urlsplit(url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            if refuses(asked):
                self._send(403, [("Content-Type", "application/xml")], b"" if self.command == "HEAD" else _DENIED)
                return
            connection = http.client.HTTPConnection(upstream, timeout=30)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            kept = [
                (name, value)
                for name, value in answer.getheaders()
                if name.lower() not in ("connection", "transfer-encoding", "date")
                and not (name.lower() == "content-length" and self.command != "HEAD")
            ]
            told = date or answer.getheader("date")
            self._send(answer.status, [*kept, *([("Date", told)] if told else [])], content)
            connection.close()

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

        def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def standing_before() -> Callable[..., AbstractContextManager[str]]:
    return _standing_before
