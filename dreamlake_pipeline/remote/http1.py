"""HTTP/1.1 over kept connections (RFC 9112), at little cost each: thousands of small files are mostly requests, and a
large one goes from the page cache to the socket without passing through Python.

A small file's PUT takes 293 µs of CPU by these, 416 by `http.client` with `os.sendfile`, 847 by urllib3 (`python -m
benchmarks.transport`, a busy machine): the 123 µs between the former are 6 % of what row 2 of `make bench` takes for a
file.
"""

from __future__ import annotations

import io
import os
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, NamedTuple, cast
from urllib.parse import SplitResult, urlsplit

from .. import tls

_BLOCK = 1 << 20
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 120.0
_MOST_OF_ANSWER = 1 << 16  # of an error's text, nobody needs more
_MOST_OF_LINE = 1 << 16
_MOST_OF_HEAD = 1 << 17  # bytes of all header or trailer lines
_MOST_INTERIM = 10  # answers (1xx) before the real one

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?")  # RFC 9112, 4
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)")  # RFC 9112, 5
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")  # RFC 9112, 7.1
_LENGTH = re.compile(r"[0-9]{1,18}")  # RFC 9110, 8.6

_DEFAULT_PORTS = {"http": 80, "https": 443}

Count = Callable[[int], None]


def host_header(url: SplitResult) -> str:
    """The value of the header Host of a request to `url`: without the scheme's default port, as every client sends it
    (RFC 9110, 4.2.1 and 7.2). A signature over this header holds only when signer and sender agree on it."""
    host = url.hostname or ""
    host = f"[{host}]" if ":" in host else host  # an IPv6 literal (RFC 3986, 3.2.2)
    is_default = url.port in (None, _DEFAULT_PORTS.get(url.scheme))
    return host if is_default else f"{host}:{url.port}"


class ProtocolError(ConnectionError):
    """What came is no answer by RFC 9112: nothing of it, and nothing behind it, can be relied on."""


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
    on_bytes: Count = lambda _: None
    check: Callable[[], None] = lambda: None
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
                    if not writable.poll((connection.gettimeout() or _SILENCE_SECONDS) * 1000):
                        raise TimeoutError("nothing was taken for too long") from None
                    continue
                self._add(count)
            if not count:
                raise EOFError("the file ends before the range does")

    def _add(self, count: int) -> None:
        self.sent += count
        self.on_bytes(count)


class Connections:
    """Connections to HTTP servers, reused. Safe to share between threads."""

    def __init__(
        self,
        *,
        connect: float = _CONNECT_SECONDS,
        silence: float = _SILENCE_SECONDS,
        trust: Callable[[], ssl.SSLContext] = tls.context,
    ) -> None:
        """`connect`: seconds until a connection has come about; `silence`: without a byte from the server; `trust` says
        which certificates are good, and is asked once, when the first server speaks TLS."""
        self._connect_seconds, self._silence = connect, silence
        self._idle: dict[tuple[str, str], list[_Connection]] = {}
        self._lock = threading.Lock()
        self._trust = trust
        self._tls: ssl.SSLContext | None = None

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Range = b"") -> Response:
        """The response to a request that may be sent twice (GET, HEAD, PUT), with up to 64 KiB of its body.

        Raises OSError when there is none, and what the body raises.
        """
        with self.open(method, url, headers, body) as answer:
            return Response(answer.status, answer.headers, answer.read(_MOST_OF_ANSWER))

    def open(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Range = b"") -> StreamedResponse:
        """The same, as a context whose body is still to be read."""
        parts = urlsplit(url)
        server = (parts.scheme, parts.netloc)
        kept = self._take(server)
        connection = kept or self._connect(parts)
        try:
            connection.send(method, parts, headers, body)
            return connection.answer(method, lambda: self._give_back(server, connection))
        except ProtocolError:
            connection.close()
            raise
        except ConnectionError:
            connection.close()
            # The server may have closed a kept connection at that moment; such a request may be sent again (RFC 9112,
            # 9.3.1). A range counts what it sends, so it is its sender who begins anew.
            if kept is None or isinstance(body, Range):
                raise
            return self.open(method, url, headers, body)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close those that nobody uses; one that is in use is kept or closed as its answer ends."""
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()

    def _take(self, server: tuple[str, str]) -> _Connection | None:
        while True:
            with self._lock:
                idle = self._idle.get(server)
                connection = idle.pop() if idle else None
            if connection is None or not connection.is_dropped:
                return connection
            connection.close()

    def _give_back(self, server: tuple[str, str], connection: _Connection) -> None:
        with self._lock:
            self._idle.setdefault(server, []).append(connection)

    def _connect(self, parts: SplitResult) -> _Connection:
        is_secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
        plain = socket.create_connection((host, port), timeout=self._connect_seconds)
        plain.settimeout(self._silence)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not is_secure:
            return _Connection(plain, self._silence)
        with self._lock:
            self._tls = self._tls or self._trust()
        try:
            return _Connection(self._tls.wrap_socket(plain, server_hostname=host), self._silence)
        except BaseException:
            plain.close()
            raise


class StreamedResponse:
    """A response whose body comes as it is read. A context: at its end, the connection is kept if the body was read to
    its end, and closed if not."""

    def __init__(
        self, connection: _Connection, status: int, headers: dict[str, str], left: int | None, keep: Callable[[], None]
    ) -> None:
        """`left`: bytes of the body; None when it ends with the connection, or comes in chunks."""
        self.status, self.headers = status, headers
        self._connection, self._left, self._keep = connection, left, keep
        self._is_chunked = left is None and "transfer-encoding" in headers
        self._in_chunk = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, fewer only at the end of the body. Raises ConnectionError when that comes too early."""
        if self._is_chunked:
            return self._read_chunks(size)
        if self._left is None:
            return self._connection.read(size)
        data = self._connection.read(min(size, self._left))
        if len(data) < min(size, self._left):
            raise ConnectionError("the connection was closed before the answer was whole")
        self._left -= len(data)
        return data

    def read_into(self, memory: memoryview) -> int:
        """The same into memory, as much as it has room for; how many bytes."""
        if self._is_chunked or self._left is None:
            data = self.read(len(memory))
            memory[: len(data)] = data
            return len(data)
        size = min(len(memory), self._left)
        count = self._connection.read_into(memory[:size])
        if count < size:
            raise ConnectionError("the connection was closed before the answer was whole")
        self._left -= count
        return count

    def _read_chunks(self, size: int) -> bytes:
        blocks, read = [], 0
        while read < size and self._is_chunked:
            if not self._in_chunk:
                self._in_chunk = self._next_chunk()
            if not self._in_chunk:
                self._connection.fields()  # trailers, of no use here
                self._is_chunked, self._left = False, 0
                break
            some = self._connection.read(min(size - read, self._in_chunk))
            if not some:
                raise ConnectionError("the connection was closed before the answer was whole")
            blocks.append(some)
            read += len(some)
            self._in_chunk -= len(some)
            if not self._in_chunk and self._connection.line():
                raise ProtocolError("the answer is not HTTP: a chunk is longer than it says")
        return b"".join(blocks)

    def _next_chunk(self) -> int:
        found = _CHUNK_LINE.fullmatch(self._connection.line())
        if not found:
            raise ProtocolError("the answer is not HTTP: a chunk has no size")
        return int(found[1], 16)

    def __enter__(self) -> StreamedResponse:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """No more of it is read."""
        connection = self._connection
        if self._left == 0 and connection.is_reusable and not connection.is_closed and not connection.has_more:
            self._left = None
            self._keep()
        else:
            self._connection.close()


class _Connection:
    """One connection, with one request at a time."""

    def __init__(self, connection: socket.socket, silence: float = _SILENCE_SECONDS) -> None:
        self._socket = connection
        self._silence = silence
        self._answers: BinaryIO = connection.makefile("rb")
        self.is_reusable = True

    @property
    def is_closed(self) -> bool:
        """Whether this side has closed it: by `close`, or as an object that nothing refers to any more."""
        return self._socket.fileno() < 0

    @property
    def is_dropped(self) -> bool:
        """Whether the server has closed it, or said something that nobody asked for."""
        readable = select.poll()
        readable.register(self._socket, select.POLLIN)
        return bool(readable.poll(0))

    @property
    def has_more(self) -> bool:
        """Whether anything came behind the answer. It would be taken for the next request's."""
        self._socket.settimeout(0)
        try:
            return bool(cast(io.BufferedReader, self._answers).peek(1))
        except OSError:  # as TLS says that nothing came; what else is wrong, the next request finds out
            return False
        finally:
            self._socket.settimeout(self._silence)

    def send(self, method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes | Range) -> None:
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host_header(parts)}"]
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

    def answer(self, method: str, keep: Callable[[], None]) -> StreamedResponse:
        """The answer to the request that was sent. Raises ProtocolError for one whose end is not certain: a server
        that is trusted with the next request too does not leave that open (RFC 9112, 6.1 and 6.3)."""
        for _ in range(_MOST_INTERIM):  # 1xx: the real response follows
            found = _STATUS_LINE.fullmatch(self.line())
            if not found or found[2] == b"101":
                raise ProtocolError("the answer is not HTTP")
            status, headers = int(found[2]), self.fields()
            if status >= 200:
                break
        else:
            raise ProtocolError("the answer does not come to an end")
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None and (coding.lower() != "chunked" or length is not None or found[1] == b"0"):
            raise ProtocolError("the answer is not HTTP: its transfer coding is not known here, or it has a length too")
        if length is not None and not _LENGTH.fullmatch(length):
            raise ProtocolError("the answer is not HTTP: its length is no number, or there are several")
        left = None if length is None else int(length)
        if method == "HEAD" or status in (204, 304):  # RFC 9112, 6.3
            left = 0
        ends_with_connection = left is None and coding is None
        if ends_with_connection or found[1] == b"0" or "close" in headers.get("connection", "").lower():
            self.is_reusable = False
        return StreamedResponse(self, status, headers, left, keep)

    def fields(self) -> dict[str, str]:
        """Header or trailer lines. Those of one name are joined with commas (RFC 9110, 5.3)."""
        fields: dict[str, str] = {}
        left = _MOST_OF_HEAD
        while line := self.line():
            left -= len(line) + 2
            found = _FIELD_LINE.fullmatch(line)
            if left < 0 or not found:
                raise ProtocolError("the answer is not HTTP: its headers are too many, or none")
            name, value = found[1].decode("ascii").lower(), found[2].strip(b" \t").decode("latin-1")
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        return fields

    def line(self) -> bytes:
        line = self._answers.readline(_MOST_OF_LINE)
        if not line.endswith(b"\n"):
            if len(line) >= _MOST_OF_LINE:
                raise ProtocolError("the answer is not HTTP: a line does not come to an end")
            raise ConnectionError("the connection was closed before the answer was whole")
        return line[:-2] if line.endswith(b"\r\n") else line[:-1]

    def read(self, size: int) -> bytes:
        return self._answers.read(size)

    def read_into(self, memory: memoryview) -> int:
        return cast(io.BufferedReader, self._answers).readinto(memory)

    def close(self) -> None:
        self._answers.close()
        self._socket.close()
