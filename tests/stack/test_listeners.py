"""Everything of the stack that listens for HTTP, and a client without a token that sends what it likes."""

from __future__ import annotations

import socket
import time

import httpx
import pytest

from dreamlake_pipeline.connections import HEAD_BYTES
from dreamlake_pipeline.stack.state import Stack

# One worker of a parallel run has the stack.
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

MIB = 2**20


@pytest.mark.parametrize("beginning", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: "])
def test_no_listener_reads_a_head_without_end(running_stack: Stack, beginning: bytes) -> None:
    """What a server keeps of an endless head, it keeps in memory; one that cuts it off closes idle connections, too
    (`connections.py`, which has its own tests)."""
    listeners = running_stack.ports.keys() - {"postgres"}
    assert listeners >= {"s3", "bss", "server", "viewer", "dagster-webserver"}
    for name in sorted(listeners):
        with socket.create_connection(("127.0.0.1", running_stack.ports[name]), timeout=30) as client:
            client.sendall(beginning)
            assert bytes_until_cut_off(client) < 16 * MIB, name  # the buffers of both sockets hold some


def bytes_until_cut_off(client: socket.socket) -> int:
    """How many bytes are taken before the other side ends the connection; 64 MiB when it does not."""
    sent = 0
    try:
        while sent < 64 * MIB:
            client.sendall(b"a" * HEAD_BYTES)
            sent += HEAD_BYTES
    except ConnectionError:
        pass
    return sent


def test_no_client_says_where_it_is(running_stack: Stack) -> None:
    """`X-Forwarded-For` is a proxy's word, and none stands before the stack unless somebody says so."""
    url = f"http://127.0.0.1:{running_stack.ports['bss']}/uploads/plan"
    log = running_stack.home / "logs" / "bss.log"
    before = log.stat().st_size
    httpx.post(url, json={}, headers={"X-Forwarded-For": "192.0.2.7"})
    deadline = time.monotonic() + 20
    text = ""
    while "/uploads/plan" not in text and time.monotonic() < deadline:  # the supervisor writes the log
        time.sleep(0.1)
        with log.open() as lines:
            lines.seek(before)
            text = lines.read()
    assert '"from": "127.0.0.1"' in text and "192.0.2.7" not in text
