"""Requests, against servers that say one thing each."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import _host_from_url

from dreamlake_pipeline.remote.http1 import Connections, ProtocolError, Range, _Connection, host_header

OK = b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\n\r\n'


class Server:
    """Reads requests and answers each with the next of `answers`; None closes the connection instead."""

    def __init__(self, answers: list[bytes | None], *, reads_bodies: bool = True) -> None:
        self.answers = answers
        self.requests: list[tuple[bytes, bytes]] = []
        self.connections = 0
        self.reads_bodies = reads_bodies
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/bucket/key?X-Amz-Signature=1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while self.answers:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            with connection, connection.makefile("rb") as incoming:
                while self.answers and self._answer(connection, incoming):
                    pass

    def _answer(self, connection: socket.socket, incoming: Any) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = incoming.readline()
            if not line:
                return False
            head += line
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        body = incoming.read(length) if self.reads_bodies else b""
        self.requests.append((head, body))
        answer = self.answers.pop(0)
        if answer is None:
            return False
        connection.sendall(answer)
        return b"close" not in answer and self.reads_bodies

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*answers: bytes | None, reads_bodies: bool = True) -> Server:
        servers.append(Server(list(answers), reads_bodies=reads_bodies))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def connections() -> Iterator[Connections]:
    one = Connections()
    yield one
    one.close()


def headers(size: int) -> dict[str, str]:
    return {"Content-Length": str(size), "x-amz-meta-name": "/a b.wav"}


def go_on() -> None:
    pass


def test_requests_share_a_connection(serve: Callable[..., Server], connections: Connections) -> None:
    server = serve(OK, OK, OK)
    for n in range(3):
        response = connections.request("PUT", server.url, headers(3), b"%03d" % n)
        assert (response.status, response.headers["etag"], response.body) == (200, '"abc"', b"")
    assert (server.connections, [body for _, body in server.requests]) == (1, [b"000", b"001", b"002"])
    assert server.requests[0][0].startswith(b"PUT /bucket/key?X-Amz-Signature=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"x-amz-meta-name: /a b.wav\r\n" in server.requests[0][0]


def test_a_part_of_a_file_is_sent_and_counted(
    serve: Callable[..., Server], connections: Connections, tmp_path: Path
) -> None:
    data = os.urandom(5_000_000)
    (tmp_path / "file").write_bytes(data)
    server, counted = serve(OK), []
    with (tmp_path / "file").open("rb") as file:
        body = Range(file.fileno(), 1_000_000, 3_500_000, counted.append, go_on)
        assert connections.request("PUT", server.url, headers(3_500_000), body).status == 200
    assert server.requests[0][1] == data[1_000_000:4_500_000]
    assert (sum(counted), body.sent) == (3_500_000, 3_500_000)
    assert len(counted) > 2


def test_a_file_that_became_shorter_is_said_to_be(
    serve: Callable[..., Server], connections: Connections, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"short")
    server = serve(OK)
    with (tmp_path / "file").open("rb") as file, pytest.raises(EOFError):
        connections.request("PUT", server.url, headers(100), Range(file.fileno(), 0, 100, lambda _: None, go_on))


def test_sending_stops_when_it_is_called_off(
    serve: Callable[..., Server], connections: Connections, tmp_path: Path
) -> None:
    class CalledOff(Exception):
        pass

    def call_off() -> None:
        raise CalledOff

    (tmp_path / "file").write_bytes(b"data")
    server = serve(OK)
    with (tmp_path / "file").open("rb") as file, pytest.raises(CalledOff):
        connections.request("PUT", server.url, headers(4), Range(file.fileno(), 0, 4, lambda _: None, call_off))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 19\r\n\r\n<Code>Denied</Code>",
        b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"6\r\n<Code>\r\nd;x=y\r\nDenied</Code>\r\n0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<Code>Denied</Code>",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 19\r\n\r\n<Code>Denied</Code>",
    ],
    ids=["length", "chunked", "until closed", "after a 100"],
)
def test_the_text_of_a_refusal_is_read_whatever_its_form(
    serve: Callable[..., Server], connections: Connections, answer: bytes
) -> None:
    server = serve(answer, OK)
    refusal = connections.request("PUT", server.url, headers(1), b"x")
    assert (refusal.status, refusal.body) == (403, b"<Code>Denied</Code>")
    assert connections.request("PUT", server.url, headers(1), b"x").status == 200


def test_a_refusal_before_everything_was_sent_is_heard(
    serve: Callable[..., Server], connections: Connections, tmp_path: Path
) -> None:
    refusal = b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull"
    server = serve(refusal, reads_bodies=False)
    with (tmp_path / "file").open("wb") as out:
        out.truncate(200_000_000)
    with (tmp_path / "file").open("rb") as file:
        try:
            response = connections.request(
                "PUT", server.url, headers(200_000_000), Range(file.fileno(), 0, 200_000_000, lambda _: None, go_on)
            )
            assert (response.status, response.body) == (507, b"full")
        except ConnectionError:
            pass  # the reset may overtake the answer (RFC 9112, 9.6)


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 200 OK\r\nETag", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"])
def test_no_answer_or_half_a_one_is_an_error(
    serve: Callable[..., Server], connections: Connections, answer: bytes | None
) -> None:
    server = serve(answer and answer + b"", None)
    server.answers = [answer]
    with pytest.raises(OSError):
        connections.request("PUT", server.url + "&close", headers(1), b"x")


def test_a_connection_that_was_closed_meanwhile_is_not_used_again(
    serve: Callable[..., Server], connections: Connections
) -> None:
    server = serve(OK.replace(b"\r\n\r\n", b"\r\nX-Note: close\r\n\r\n"), OK)
    assert connections.request("PUT", server.url, headers(1), b"x").status == 200
    assert connections.request("PUT", server.url, headers(1), b"y").status == 200
    assert server.connections == 2


def test_a_header_with_a_line_break_is_refused(serve: Callable[..., Server], connections: Connections) -> None:
    with pytest.raises(ValueError, match="line break"):
        connections.request("PUT", serve(OK).url, {"Content-Length": "1", "x": "1\r\nHost: evil"}, b"x")


def test_an_answer_is_read_as_it_comes(serve: Callable[..., Server], connections: Connections) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", OK)
    with connections.open("GET", server.url, {}) as answer:
        assert (answer.status, answer.read(4), answer.read(100), answer.read(1)) == (200, b"0123", b"456789", b"")
    assert connections.request("PUT", server.url, headers(1), b"x").status == 200
    assert server.connections == 1


@pytest.mark.parametrize(
    "form",
    [
        b"Content-Length: 10\r\n\r\n0123456789",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\n012\r\n7\r\n3456789\r\n0\r\n\r\n",
    ],
)
def test_an_answer_is_read_into_memory(serve: Callable[..., Server], connections: Connections, form: bytes) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\n" + form, OK)
    memory = bytearray(b"........")
    with connections.open("GET", server.url, {}) as answer:
        assert (answer.read_into(memoryview(memory)), bytes(memory)) == (8, b"01234567")
        assert (answer.read_into(memoryview(memory)), bytes(memory)) == (2, b"89234567")
        assert answer.read_into(memoryview(memory)) == 0
    assert connections.request("PUT", server.url, headers(1), b"x").status == 200
    assert server.connections == 1


def test_an_answer_that_nobody_read_to_its_end_takes_its_connection_with_it(
    serve: Callable[..., Server], connections: Connections
) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Note: close\r\n\r\n0123456789", OK)
    with connections.open("GET", server.url, {}) as answer:
        assert answer.read(4) == b"0123"
    assert connections.request("PUT", server.url, headers(1), b"x").status == 200
    assert server.connections == 2


def test_an_answer_whose_connection_is_gone_is_closed_in_peace(
    serve: Callable[..., Server], connections: Connections
) -> None:
    # As the garbage collector does it, which may finalize the socket before the answer.
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123", OK)
    answer = connections.open("GET", server.url, {})
    assert answer.read(4) == b"0123"
    answer._connection.close()
    answer.close()
    assert connections.request("PUT", server.url, headers(1), b"x").status == 200
    assert server.connections == 2


def test_an_answer_that_ends_too_early_is_an_error(serve: Callable[..., Server], connections: Connections) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Note: close\r\n\r\n0123", OK)
    with connections.open("GET", server.url, {}) as answer, pytest.raises(ConnectionError):
        answer.read(10)


def test_an_answer_that_ends_too_early_is_no_memory_full(
    serve: Callable[..., Server], connections: Connections
) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Note: close\r\n\r\n0123", OK)
    with connections.open("GET", server.url, {}) as answer, pytest.raises(ConnectionError):
        answer.read_into(memoryview(bytearray(100)))


def test_the_answer_to_a_head_has_no_body(serve: Callable[..., Server], connections: Connections) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", OK)
    found = connections.request("HEAD", server.url, {})
    assert (found.status, found.headers["content-length"], found.body) == (200, "1000", b"")
    assert connections.request("PUT", server.url, headers(1), b"x").status == 200
    assert server.connections == 1


def test_a_long_refusal_is_cut_and_its_connection_closed(
    serve: Callable[..., Server], connections: Connections
) -> None:
    text = b"x" * 100_000
    server = serve(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100000\r\nX-Note: close\r\n\r\n" + text, OK)
    assert connections.request("PUT", server.url, headers(1), b"x").body == text[: 1 << 16]
    assert connections.request("PUT", server.url, headers(1), b"x").status == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("port", [None, 80, 443, 9000])
@pytest.mark.parametrize("host", ["store.example", "Store.EXAMPLE", "127.0.0.1", "[::1]", "[2001:db8::80]"])
def test_the_host_that_is_sent_is_the_one_that_botocore_signs(scheme: str, port: int | None, host: str) -> None:
    url = f"{scheme}://{host}{'' if port is None else f':{port}'}/bucket/key"
    ours, server = socket.socketpair()
    with ours, server:
        _Connection(ours).send("GET", urlsplit(url), {}, b"")
        head = server.recv(10_000).decode()
    sent = head.partition("Host: ")[2].partition("\r\n")[0]
    assert sent == host_header(urlsplit(url)) == _host_from_url(url)


BEHIND = {
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a head": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
}


@pytest.mark.parametrize("form", BEHIND)
@pytest.mark.parametrize("more", [OK.replace(b"abc", b"evil"), b"o", b"\r\n", b"HTTP/1.1 200"])
def test_what_comes_behind_an_answer_is_not_the_next_one(
    serve: Callable[..., Server], connections: Connections, form: str, more: bytes
) -> None:
    """RFC 9112, 9.3: an answer belongs to the request that it follows, so nobody else's may lie in the buffer."""
    server = serve(BEHIND[form] + more + b"", OK, OK)
    method = "HEAD" if form == "a head" else "GET"
    assert connections.request(method, server.url, {}).status in (200, 204)
    assert connections.request("PUT", server.url, headers(1), b"x").headers["etag"] == '"abc"'
    assert server.connections == 2


def test_what_comes_behind_an_answer_closes_its_connection(
    serve: Callable[..., Server], connections: Connections
) -> None:
    server = serve(OK + OK.replace(b"abc", b"evil"))
    assert connections.request("PUT", server.url, headers(1), b"x").status == 200
    assert not any(connections._idle.values())


@pytest.mark.parametrize(
    "head",
    [
        *(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n" % text for text in (
            b"-1", b"+2", b"0x2", b"2_0", b"\xb2", b"2, 2", b"2,3", b"", b"2 2", b"9" * 5000,
        )),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n folded: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 2 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/2 200\r\n\r\n",
        *(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\nok\r\n0\r\n\r\n" % text for text in (
            b"-5", b"+2", b"0x2", b"0_2", b"\xb2", b" 2", b"", b"g", b"2 2", b"1", b"f" * 5000, b";x",
        )),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_an_error_of_one_sort(
    serve: Callable[..., Server], connections: Connections, head: bytes
) -> None:
    server = serve(head)
    with pytest.raises(ProtocolError, match="answer"):
        connections.request("GET", server.url, {})
    assert not any(connections._idle.values())


def test_blanks_in_a_header_take_no_time(serve: Callable[..., Server], connections: Connections) -> None:
    started = time.process_time()
    server = serve(b"HTTP/1.1 200 OK\r\nX: " + b" " * 60_000 + b"y\r\nContent-Length:\t2 \r\n\r\nok")
    assert connections.request("GET", server.url, {}).body == b"ok"
    assert time.process_time() - started < 0.5
