"""PUTs, against servers that say one thing each."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client.put import Putter, Range

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
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
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
def putter() -> Iterator[Putter]:
    one = Putter()
    yield one
    one.close()


def headers(size: int) -> dict[str, str]:
    return {"Content-Length": str(size), "x-amz-meta-name": "/a b.wav"}


def go_on() -> None:
    pass


def test_requests_share_a_connection(serve: Callable[..., Server], putter: Putter) -> None:
    server = serve(OK, OK, OK)
    for n in range(3):
        response = putter.put(server.url, headers(3), b"%03d" % n)
        assert (response.status, response.headers["etag"], response.body) == (200, '"abc"', b"")
    assert (server.connections, [body for _, body in server.requests]) == (1, [b"000", b"001", b"002"])
    assert server.requests[0][0].startswith(b"PUT /bucket/key?X-Amz-Signature=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"x-amz-meta-name: /a b.wav\r\n" in server.requests[0][0]


def test_a_part_of_a_file_is_sent_and_counted(serve: Callable[..., Server], putter: Putter, tmp_path: Path) -> None:
    data = os.urandom(5_000_000)
    (tmp_path / "file").write_bytes(data)
    server, counted = serve(OK), []
    with (tmp_path / "file").open("rb") as file:
        body = Range(file.fileno(), 1_000_000, 3_500_000, counted.append, go_on)
        assert putter.put(server.url, headers(3_500_000), body).status == 200
    assert server.requests[0][1] == data[1_000_000:4_500_000]
    assert (sum(counted), body.sent) == (3_500_000, 3_500_000)
    assert len(counted) > 2


def test_a_file_that_became_shorter_is_said_to_be(serve: Callable[..., Server], putter: Putter, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"short")
    server = serve(OK)
    with (tmp_path / "file").open("rb") as file, pytest.raises(EOFError):
        putter.put(server.url, headers(100), Range(file.fileno(), 0, 100, lambda _: None, go_on))


def test_sending_stops_when_it_is_called_off(serve: Callable[..., Server], putter: Putter, tmp_path: Path) -> None:
    class CalledOff(Exception):
        pass

    def call_off() -> None:
        raise CalledOff

    (tmp_path / "file").write_bytes(b"data")
    server = serve(OK)
    with (tmp_path / "file").open("rb") as file, pytest.raises(CalledOff):
        putter.put(server.url, headers(4), Range(file.fileno(), 0, 4, lambda _: None, call_off))


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
    serve: Callable[..., Server], putter: Putter, answer: bytes
) -> None:
    server = serve(answer, OK)
    refusal = putter.put(server.url, headers(1), b"x")
    assert (refusal.status, refusal.body) == (403, b"<Code>Denied</Code>")
    assert putter.put(server.url, headers(1), b"x").status == 200


def test_a_refusal_before_everything_was_sent_is_heard(
    serve: Callable[..., Server], putter: Putter, tmp_path: Path
) -> None:
    refusal = b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull"
    server = serve(refusal, reads_bodies=False)
    with (tmp_path / "file").open("wb") as out:
        out.truncate(200_000_000)
    with (tmp_path / "file").open("rb") as file:
        try:
            response = putter.put(
                server.url, headers(200_000_000), Range(file.fileno(), 0, 200_000_000, lambda _: None, go_on)
            )
            assert (response.status, response.body) == (507, b"full")
        except ConnectionError:
            pass  # the reset may overtake the answer (RFC 9112, 9.6)


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 200 OK\r\nETag", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"])
def test_no_answer_or_half_a_one_is_an_error(
    serve: Callable[..., Server], putter: Putter, answer: bytes | None
) -> None:
    server = serve(answer and answer + b"", None)
    server.answers = [answer]
    with pytest.raises(OSError):
        putter.put(server.url + "&close", headers(1), b"x")


def test_a_connection_that_was_closed_meanwhile_is_not_used_again(serve: Callable[..., Server], putter: Putter) -> None:
    server = serve(OK.replace(b"\r\n\r\n", b"\r\nX-Note: close\r\n\r\n"), OK)
    assert putter.put(server.url, headers(1), b"x").status == 200
    assert putter.put(server.url, headers(1), b"y").status == 200
    assert server.connections == 2


def test_a_header_with_a_line_break_is_refused(serve: Callable[..., Server], putter: Putter) -> None:
    with pytest.raises(ValueError, match="line break"):
        putter.put(serve(OK).url, {"Content-Length": "1", "x": "1\r\nHost: evil"}, b"x")
