"""HTTP PUTs over kept connections, at little cost each: thousands of small files are mostly requests, and a large one
goes from the page cache to the socket without passing through Python.

A request of urllib3 costs about 350 µs of one core, one of `http.client` 120, one of these 20.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple
from urllib.parse import SplitResult, urlsplit

_BLOCK = 1 << 20
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 120.0
_MOST_OF_ANSWER = 1 << 16  # of an error's text, nobody needs more

Count = Callable[[int], None]


class Response(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclass(slots=True)
class Range:
    """A part of an open file as a request body, from which it is sent in blocks: none is ever whole in memory.

    `on_bytes` hears of every block that left; `check` is called before each and may raise. `sent` counts an attempt.
    """

    descriptor: int
    offset: int
    size: int
    on_bytes: Count
    check: Callable[[], None]
    sent: int = field(default=0, init=False)

    def read(self, size: int = -1) -> bytes:
        """The next block, as for a file."""
        self.check()
        left = self.size - self.sent
        block = os.pread(self.descriptor, left if size < 0 else min(size, left), self.offset + self.sent)
        self._add(len(block))
        return block

    def send(self, connection: socket.socket) -> None:
        """Send all of it. Raises OSError, or EOFError when the file is too short by now."""
        is_plain = not isinstance(connection, ssl.SSLSocket)
        writable = select.poll()
        writable.register(connection, select.POLLOUT)
        while self.sent < self.size:
            if not is_plain:
                block = self.read(_BLOCK)
                connection.sendall(block)
                count = len(block)
            else:
                self.check()
                most = min(_BLOCK, self.size - self.sent)
                try:
                    count = os.sendfile(connection.fileno(), self.descriptor, self.offset + self.sent, most)
                except BlockingIOError:
                    if not writable.poll(_SILENCE_SECONDS * 1000):
                        raise TimeoutError("nothing was taken for too long") from None
                    continue
                self._add(count)
            if not count:
                raise EOFError("the file ends before the range does")

    def _add(self, count: int) -> None:
        self.sent += count
        self.on_bytes(count)


class Putter:
    """Connections to HTTP servers, reused. Safe to share between threads."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str], list[_Connection]] = {}
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def put(self, url: str, headers: Mapping[str, str], body: bytes | Range) -> Response:
        """The response to a PUT. Raises OSError when there is none, and what the body raises."""
        parts = urlsplit(url)
        place = (parts.scheme, parts.netloc)
        kept = self._take(place)
        connection = kept or self._connect(parts)
        try:
            response = connection.put(parts, headers, body)
        except ConnectionError:
            connection.close()
            # The server may have closed a kept connection at that moment; a PUT may be sent again (RFC 9112, 9.3.1).
            # A range counts what it sends, so it is its sender who begins anew.
            if kept is None or isinstance(body, Range):
                raise
            return self.put(url, headers, body)
        except BaseException:
            connection.close()
            raise
        if connection.is_reusable:
            with self._lock:
                self._idle.setdefault(place, []).append(connection)
        else:
            connection.close()
        return response

    def close(self) -> None:
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()

    def _take(self, place: tuple[str, str]) -> _Connection | None:
        while True:
            with self._lock:
                idle = self._idle.get(place)
                connection = idle.pop() if idle else None
            if connection is None or not connection.is_dropped:
                return connection
            connection.close()

    def _connect(self, parts: SplitResult) -> _Connection:
        is_secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if is_secure else 80)
        plain = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
        plain.settimeout(_SILENCE_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not is_secure:
            return _Connection(plain)
        with self._lock:
            self._tls = self._tls or ssl.create_default_context()
        try:
            return _Connection(self._tls.wrap_socket(plain, server_hostname=host))
        except BaseException:
            plain.close()
            raise


class _Connection:
    """One connection, HTTP/1.1 (RFC 9112)."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._answers: BinaryIO = connection.makefile("rb")
        self.is_reusable = True

    @property
    def is_dropped(self) -> bool:
        """Whether the server has closed it, or said something that nobody asked for."""
        readable = select.poll()
        readable.register(self._socket, select.POLLIN)
        return bool(readable.poll(0))

    def put(self, parts: SplitResult, headers: Mapping[str, str], body: bytes | Range) -> Response:
        lines = [f"PUT {parts.path or '/'}{'?' if parts.query else ''}{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header with a line break")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        try:
            if isinstance(body, Range):
                self._socket.sendall(head)
                body.send(self._socket)
            else:
                self._socket.sendall(head + body)
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses does so before it has read everything: its reason is what counts.
            self.is_reusable = False
        return self._response()

    def _response(self) -> Response:
        status = 100
        while status < 200:  # 1xx: the real response follows
            version, code, *_ = [*self._line().split(None, 2), b"", b""]
            if not version.startswith(b"HTTP/1.") or not code.isdigit():
                raise ConnectionError("the answer is not HTTP")
            status, headers = int(code), self._headers()
        has_no_end = False
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = self._chunks()
        elif (length := headers.get("content-length")) is not None and length.isdigit():
            body = self._exactly(int(length))
        else:
            has_no_end = status not in (204, 304)
            body = self._answers.read(_MOST_OF_ANSWER) if has_no_end else b""
        if has_no_end or version == b"HTTP/1.0" or "close" in headers.get("connection", "").lower():
            self.is_reusable = False
        return Response(status, headers, body)

    def _headers(self) -> dict[str, str]:
        headers = {}
        while line := self._line():
            name, _, value = line.partition(b":")
            headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        return headers

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._line().split(b";")[0] or b"0", 16):
            body += self._exactly(size)
            self._line()
        self._headers()  # trailers
        return body

    def _line(self) -> bytes:
        line = self._answers.readline(_MOST_OF_ANSWER)
        if not line.endswith(b"\n"):
            raise ConnectionError("the connection was closed before the answer was whole")
        return line.rstrip(b"\r\n")

    def _exactly(self, size: int) -> bytes:
        body = self._answers.read(min(size, _MOST_OF_ANSWER))
        if size > _MOST_OF_ANSWER:
            self.is_reusable = False
        elif len(body) < size:
            raise ConnectionError("the connection was closed before the answer was whole")
        return body

    def close(self) -> None:
        self._answers.close()
        self._socket.close()
