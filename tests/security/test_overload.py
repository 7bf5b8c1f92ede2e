"""A real process of BSS that is asked for ten times what it can do: it refuses what is too much, tells its health,
keeps its memory, and is as before when it is over."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.conftest import SECRET, free_port, wait_for_port

HOST = "127.0.0.1"
MIB = 2**20
SECONDS = 6.0
NEW = "0123456789abcdef"
CLIENTS = 500  # of which each has a request under way all the time; a process takes 256


# Asks for /healthz from a process of its own, and prints what came: the status, and how many seconds of CPU time the
# service spent between the request and its answer. These are what the answer had to wait for, however busy the machine
# is with other work; what the service waits for itself is bounded by the timeout.
LOOK = """
import http.client, json, sys, time
import psutil
port, service, found = int(sys.argv[1]), psutil.Process(int(sys.argv[2])), []
ends = time.monotonic() + float(sys.argv[3])
def spent():
    times = service.cpu_times()
    return times.user + times.system
while time.monotonic() < ends:
    began = spent()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    found.append([status, spent() - began])
    time.sleep(0.05)
print(json.dumps(found))
"""


@pytest.fixture
def process(new_database: Callable[[], str], s3_server: str, tmp_path: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The port and the process of a BSS."""
    store = ObjectStore(open_client(), f"flood-{secrets.token_hex(4)}")
    store.create_bucket()
    port, log = free_port(), tmp_path / "log"
    command = [
        *(sys.executable, "-m", "uvicorn", "--factory", "dreamlake_pipeline.bss.app:create_app"),
        *("--host", HOST, "--port", str(port), "--http", "dreamlake_pipeline.connections:Connection"),
        *("--loop", "asyncio", "--no-access-log", "--log-level", "warning"),
    ]
    environment = os.environ | {
        "DREAMLAKE_POSTGRES_URL": new_database(),
        "DREAMLAKE_AUTH_SECRET": SECRET,
        "DREAMLAKE_BUCKET": store.bucket,
    }
    with log.open("wb") as out:
        started = subprocess.Popen(command, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        wait_for_port(port, started, log)
        yield port, psutil.Process(started.pid)
    finally:
        started.kill()
        started.wait(30)


def request(method: str, path: str, namespace: str, body: Any = None) -> bytes:
    content = json.dumps(body).encode() if body is not None else b""
    token = issue_token(SECRET, sub="test", namespaces=[namespace], scope=Scope.WRITE, ttl=600)
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: bss",
        f"Authorization: Bearer {token if namespace else 'none'}",
        f"Content-Length: {len(content)}",
        "Content-Type: application/json",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def requests() -> list[bytes]:
    """Large plans and lists of several tenants, and requests that nobody may make. Where `NEW` stands, each request has
    another number: what was planned before is looked for in the object store, which is not what is flooded here."""
    files = [{"kind": "video", "name": f"/{n}.mp4", "hash": f"{NEW}{n:048x}", "size": 1000 + n} for n in range(300)]
    asked = [request("POST", "/uploads/plan", "", {})]
    for tenant in ("flood-a", "flood-b", "flood-c"):
        plan = {"owner": tenant, "project": "p", "files": files}
        asked.append(request("POST", "/uploads/plan", tenant, plan))
        asked.append(request("GET", f"/videos?owner={tenant}&limit=1000", tenant))
    return asked


async def ask(port: int, sent: bytes) -> tuple[int, bytes]:
    """The status of the answer to one request, and its head."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(sent)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), head.lower()
    finally:
        writer.transport.abort()


async def flood(port: int, process: psutil.Process) -> tuple[Counter[int], list[int]]:
    """How often each status came, and the process's memory meanwhile."""
    ends = time.monotonic() + SECONDS
    statuses: Counter[int] = Counter()
    memory: list[int] = []
    all_requests, numbers = requests(), itertools.count(1)

    async def client(number: int) -> None:
        while time.monotonic() < ends:
            try:
                sent = all_requests[number % len(all_requests)].replace(NEW.encode(), b"%016x" % next(numbers))
                status, head = await ask(port, sent)
            except (OSError, asyncio.IncompleteReadError):
                statuses[0] += 1
                await asyncio.sleep(0.1)
                continue
            statuses[status] += 1
            if status == 503:
                assert b"retry-after: " in head
                await asyncio.sleep(0.05)

    async def weigh() -> None:
        while time.monotonic() < ends:
            memory.append(process.memory_info().rss)
            await asyncio.sleep(0.1)

    await asyncio.gather(weigh(), *(client(number) for number in range(CLIENTS)))
    return statuses, memory


def look(port: int, service: psutil.Process, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LOOK, str(port), str(service.pid), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def seen(looker: subprocess.Popen[str]) -> float:
    """The middle one of the CPU times that it saw, in seconds; the service was healthy each time."""
    found = json.loads(looker.communicate(timeout=120)[0])
    assert {status for status, _ in found} == {200}
    return statistics.median(spent for _, spent in found)


def test_a_flood_is_refused_in_part_and_harms_nothing(process: tuple[int, psutil.Process]) -> None:
    port, bss = process
    one = requests()[1:]
    for sent in one:
        assert asyncio.run(ask(port, sent))[0] == 200
    before = bss.memory_info().rss
    looker = look(port, bss, SECONDS)
    statuses, memory = asyncio.run(flood(port, bss))
    assert seen(looker) < 1.0
    assert set(statuses) <= {200, 401, 429, 503}, statuses
    assert statuses[200] and statuses[503]
    assert max(memory) - before < 400 * MIB

    assert seen(look(port, bss, 1.0)) < 0.5
    for sent in one:
        assert asyncio.run(ask(port, sent))[0] == 200
