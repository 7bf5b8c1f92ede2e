"""Connections whose clients are silent are closed, on a real server; slow but honest ones are not."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from websockets.sync.client import connect

from dreamlake_pipeline import connections

LARGE = 64 * 2**20


@pytest.fixture(scope="module", autouse=True)
def _impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for bound in ("HEAD_SECONDS", "BODY_PAUSE_SECONDS", "STALL_SECONDS"):
            patch.setattr(connections, bound, 1.5)
        yield


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/slow` thinks for two seconds, `/large` answers with more than any buffer holds, others with what was sent.

    A WebSocket hears something after three seconds.
    """
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(3)
        await send({"type": "websocket.send", "text": "still here"})
        await receive()
        return
    if scope["type"] != "http":
        return
    if scope["path"] == "/lazy":
        await asyncio.sleep(2)  # it has not taken the body yet
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(2)
    answer = bytes(LARGE) if scope["path"] == "/large" else str(len(body)).encode()
    length = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture(scope="module")
def port(_impatient: None) -> Iterator[int]:
    config = uvicorn.Config(
        app, port=0, http=connections.Connection, lifespan="off", log_level="warning", timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.settimeout(60)
        yield client


def is_closed_within(client: socket.socket, seconds: float) -> bool:
    """Whether the other side ends the connection, whatever it sends before."""
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            client.settimeout(max(0.01, deadline - time.monotonic()))
            if not client.recv(1 << 20):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


HALF = b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: "


def nothing(_: socket.socket) -> None:
    pass


def half_a_line(client: socket.socket) -> None:
    client.sendall(b"GE")


def half_the_headers(client: socket.socket) -> None:
    client.sendall(HALF)


def a_byte_at_a_time(client: socket.socket) -> None:
    client.sendall(HALF)
    for _ in range(30):
        time.sleep(0.1)
        client.sendall(b"a")


def empty_lines(client: socket.socket) -> None:
    for _ in range(30):
        client.sendall(b"\r\n")
        time.sleep(0.1)


def half_a_body(client: socket.socket) -> None:
    client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")


def half_a_chunk(client: socket.socket) -> None:
    client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc")


def idle_between_requests(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def half_a_second_request(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    client.recv(4096)
    half_the_headers(client)


def empty_lines_after_a_request(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    client.recv(4096)
    empty_lines(client)


def half_a_pipelined_request(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + HALF)


@pytest.mark.parametrize(
    "silence",
    [
        nothing,
        half_a_line,
        half_the_headers,
        a_byte_at_a_time,
        empty_lines,
        half_a_body,
        half_a_chunk,
        idle_between_requests,
        half_a_second_request,
        empty_lines_after_a_request,
        half_a_pipelined_request,
    ],
)
def test_a_silent_client_is_left(port: int, silence: Callable[[socket.socket], None]) -> None:
    with connected(port) as client:
        try:
            silence(client)
        except OSError:
            return  # closed while it spoke
        assert is_closed_within(client, 30)


def test_who_reads_nothing_is_left(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(5)
        got = 0
        client.settimeout(2)
        try:
            while block := client.recv(1 << 20):
                got += len(block)
        except OSError:
            pass
        assert got < LARGE


def test_who_reads_slowly_gets_everything(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = 0
        begun = time.monotonic()
        while block := client.recv(1 << 20):
            got += len(block)
            if time.monotonic() - begun < 2:
                time.sleep(0.02)
        assert got > LARGE


def test_a_body_that_comes_slowly_is_taken(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\nConnection: close\r\n\r\n")
        for _ in range(8):
            time.sleep(0.3)  # far from the bound, and longer than it in all
            client.sendall(b"a")
        assert client.recv(4096).endswith(b"8")


@pytest.mark.parametrize("path", [b"/slow", b"/lazy"])
def test_an_answer_may_take_its_time(port: int, path: bytes) -> None:
    body = bytes(3 * 2**20)
    with connected(port) as client:
        head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        client.sendall(head + body)
        got = b""
        while block := client.recv(4096):
            got += block
        assert got.endswith(str(len(body)).encode())


def test_a_websocket_may_be_silent(port: int) -> None:
    with connect(f"ws://127.0.0.1:{port}/") as talk:
        assert talk.recv(60) == "still here"


def test_the_longest_idle_connection_makes_room_for_a_new_one(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 30.0)
    with connected(port) as busy, connected(port) as first, connected(port) as second:
        busy.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        first.sendall(b"GET / HTTP/1.1\r\n")
        time.sleep(0.5)
        second.sendall(b"GET / HTTP/1.1\r\n")
        time.sleep(0.5)
        with connected(port) as new:
            assert is_closed_within(first, 30)
            new.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert new.recv(100).startswith(b"HTTP/1.1 200")
            assert busy.recv(100).startswith(b"HTTP/1.1 200")
            second.sendall(b"Host: a\r\n\r\n")
            assert second.recv(100).startswith(b"HTTP/1.1 200")
