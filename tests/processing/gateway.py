"""A proxy before a real server, which breaks what passes through it, as servers and proxies break it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Gateway:
    """`fault` is what happens to requests whose path holds `where`: `500`, `502`, `503`, `cut` (half of the body),
    `no length` (half of the body, and nothing says how long it is), `gone` (the connection ends without an answer),
    `silent` (nothing comes, for as long as it serves).

    It is done `times` times, or for as long as it is set. `broken` counts, and `objects` are those that were asked for.
    """

    def __init__(self, upstream: str) -> None:
        self.fault: str | None = None
        self.where = ""
        self.times: int | None = None
        self.broken = 0
        self.objects: set[str] = set()
        self.upstream = urlsplit(upstream)
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    def fault_of(self, path: str) -> str | None:
        with self._lock:
            if self.fault is None or self.where not in path or self.times == 0:
                return None
            if self.times is not None:
                self.times -= 1
            self.broken += 1
            self.objects.add(path)
            return self.fault

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its URL while it serves."""
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = gateway.fault_of(self.path)
                if fault == "silent":
                    gateway._is_over.wait()
                if fault in ("gone", "silent"):
                    self.close_connection = True
                    return
                if fault in ("500", "502", "503"):
                    said = _SLOW_DOWN if fault == "503" else b"<html>Bad Gateway</html>" if fault == "502" else b""
                    self._answer(int(fault), {"Content-Type": "text/html"}, said)
                    return
                upstream = http.client.HTTPConnection(gateway.upstream.hostname, gateway.upstream.port, timeout=60)
                upstream.request(self.command, self.path, body or None, dict(self.headers))
                answer = upstream.getresponse()
                data = answer.read()
                kept = {
                    name: value
                    for name, value in answer.getheaders()
                    if name.lower() not in ("content-length", "transfer-encoding", "connection")
                }
                length = answer.headers.get("Content-Length")
                upstream.close()
                self._answer(answer.status, kept, data, fault, length)

            def _answer(
                self,
                status: int,
                headers: dict[str, str],
                data: bytes,
                fault: str | None = None,
                length: str | None = None,
            ) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if fault != "no length":
                    self.send_header("Content-Length", length or str(len(data)))
                if fault:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data[: len(data) // 2] if fault else data)

            do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            self._is_over.set()
            server.shutdown()
            server.server_close()
