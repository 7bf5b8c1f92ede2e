"""Lists of many items: the same as pages of few, and in memory only as far as their clients take them."""

from __future__ import annotations

import json
import secrets
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bounded import MOST_BYTES
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.longlists import AT_A_TIME
from dreamlake_pipeline.storage import ObjectStore
from tests.conftest import SECRET

MIB = 2**20
COUNT = 3 * AT_A_TIME + 5  # three readings


@pytest.fixture
def ask(services: Any, owner: str) -> Any:
    http = httpx.Client(headers={"Authorization": f"Bearer {services.token(owner)}"}, timeout=60)

    def asked(method: str, url: str, **more: Any) -> Any:
        answer = http.request(method, url, **more)
        assert answer.is_success, answer.text
        return answer.json()

    return asked


@pytest.fixture
def bss_list(services: Any, ask: Any, object_store: ObjectStore, owner: str) -> tuple[str, dict[str, Any]]:
    sha256 = secrets.token_hex(32)
    object_store.put(layout.staging_key(owner, "lab", sha256), b"a,b", content_type="text/csv")
    files = [{"kind": "label-track", "name": f"/{n:03}.csv", "hash": sha256, "size": 3} for n in range(COUNT)]
    ask("POST", f"{services.bss_url}/uploads/finish", json={"owner": owner, "project": "lab", "files": files})
    return f"{services.bss_url}/labels", {"owner": owner}


@pytest.fixture
def index_list(services: Any, ask: Any, owner: str) -> tuple[str, dict[str, Any]]:
    assets = [
        {
            "namespace": owner,
            "project": "lab",
            "name": f"/{n % 7}/{n:03}.mp4",
            "kind": "video",
            "bssVideoId": secrets.token_hex(12),
            "metadata": {"t": "\u00e9\n", "n": None},
        }
        for n in range(COUNT)
    ]
    ask("POST", f"{services.remote}/assets/batch", json={"assets": assets})
    return f"{services.remote}/assets/video", {"namespace": owner}


@pytest.fixture
def tree_list(services: Any, index_list: Any, owner: str) -> tuple[str, dict[str, Any]]:
    return f"{services.remote}/namespaces/{owner}/projects/lab/nodes", {"recursive": True}


@pytest.mark.parametrize("place", ["bss_list", "index_list", "tree_list"])
def test_a_long_page_is_what_short_pages_are(place: str, ask: Any, request: pytest.FixtureRequest) -> None:
    url, query = request.getfixturevalue(place)

    def walk(limit: int) -> tuple[list[Any], list[int]]:
        items, sizes, cursor = [], [], None
        while True:
            page = ask("GET", url, params=query | {"limit": limit} | ({"cursor": cursor} if cursor else {}))
            assert page.keys() == {"items", "cursor"}
            items += page["items"]
            sizes.append(len(page["items"]))
            if not (cursor := page["cursor"]):
                return items, sizes

    items, _ = walk(7)
    total = len(items)
    assert total >= COUNT
    for limit in (AT_A_TIME, AT_A_TIME + 1, 2 * AT_A_TIME, total - 1, total, total + 1, 1000):
        found, sizes = walk(limit)
        assert found == items and sizes[:-1] == [limit] * (len(sizes) - 1), limit


def test_many_records_come_in_the_order_of_their_ids(services: Any, ask: Any, bss_list: Any) -> None:
    url, query = bss_list
    records = ask("GET", url, params=query | {"limit": 1000})["items"][::-1]
    ids = [record["id"] for record in records]
    asked = [*ids[:5], "0" * 24, *ids]
    assert ask("POST", f"{services.bss_url}/records/query", json={"ids": asked}) == {"items": records}
    again = ask("POST", f"{services.bss_url}/records/requeue", json={"ids": asked})["items"]
    assert [record["id"] for record in again] == ids
    assert ask("POST", f"{services.bss_url}/records/query", json={"ids": ["0" * 24]}) == {"items": []}


@pytest.fixture
def large(process: Any) -> Any:
    """A project of 1,000 records with as much metadata as one may have."""
    metadata = json.dumps({"fields": [{"name": secrets.token_hex(140)} for _ in range(MOST_BYTES // 320)]})
    with psycopg.connect(process.database) as connection:
        connection.execute(
            """
            INSERT INTO bss.records (id, kind, owner, project, name, staging_key, status, metadata, ready_at, size)
            SELECT lpad(n::text, 24, '0'), 'label-track', 'large', 'lab', '/' || n, 'large/lab/staging/' || n, 'ready',
                %s::jsonb, now(), 5
            FROM generate_series(1, 1000) AS s(n) ON CONFLICT DO NOTHING""",
            (metadata,),
        )
    return process


def test_lists_of_large_records_do_not_grow_the_service(large: Any) -> None:
    """Twelve lists at once, whose clients take nothing; then one whose client takes all."""
    token = issue_token(SECRET, sub="t", namespaces=["large"], scope=Scope.READ, ttl=600)
    headers = {"Authorization": f"Bearer {token}"}
    httpx.get(f"{large.url}/labels?owner=large&limit=20", headers=headers).raise_for_status()
    before = large.running.memory_info().rss
    address = urlsplit(large.url)
    waiting = []
    for _ in range(12):
        client = socket.create_connection((address.hostname, address.port), timeout=30)
        client.sendall(
            f"GET /labels?owner=large&limit=1000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        waiting.append(client)
    most, until = 0, time.monotonic() + 8
    while time.monotonic() < until:
        most = max(most, large.running.memory_info().rss)
        time.sleep(0.05)
    for client in waiting:
        client.close()
    answer = httpx.get(f"{large.url}/labels?owner=large&limit=1000", headers=headers, timeout=60)
    assert len(answer.json()["items"]) == 1000 and len(answer.content) > 50 * MIB
    most = max(most, large.running.memory_info().rss)
    assert most - before < 200 * MIB, (most - before) / MIB


def test_lists_that_nobody_takes_are_bounded_in_number(large: Any) -> None:
    """Of one tenant's, whatever the number of his tokens."""
    address = urlsplit(large.url)
    clients = []
    for _ in range(40):
        token = issue_token(SECRET, sub="t", namespaces=["large"], scope=Scope.READ, ttl=600)
        client = socket.create_connection((address.hostname, address.port), timeout=60)
        client.sendall(
            f"GET /labels?owner=large&limit=1000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        clients.append(client)
    statuses = [int(client.recv(12).split()[1]) for client in clients]
    for client in clients:
        client.close()
    assert set(statuses) == {200, 503} and statuses.count(200) < 30


def test_stalled_players_do_not_grow_the_service(process: Any, object_store: ObjectStore) -> None:
    """Who has a playback URL opens as many segments as he likes, and reads none."""
    record, chunk, data = secrets.token_hex(12), secrets.token_hex(32), bytes(8 * MIB)
    object_store.put(layout.chunk_key(chunk), data, content_type=layout.CHUNK_TYPE)
    with psycopg.connect(process.database) as connection:
        connection.execute(
            """
            INSERT INTO bss.records (id, kind, owner, project, name, staging_key, status, metadata, ready_at, size)
            VALUES (%s, 'video', 'stalled', 'lab', '/v.mp4', 'stalled/lab/staging/v', 'ready', '{}', now(), 5)""",
            (record,),
        )
        connection.execute("INSERT INTO bss.chunks VALUES (%s, %s, now(), now())", (chunk, len(data)))
        connection.execute("INSERT INTO bss.chunk_refs (record_id, sha256) VALUES (%s, %s)", (record, chunk))
    token = issue_token(SECRET, sub="t", namespaces=[], scope=Scope.PLAY, ttl=600, asset=record)
    path = f"/videos/{record}/stream/{chunk}.ts?token={token}"
    assert httpx.get(process.url + path, timeout=60).content == data
    before, address, players = process.running.memory_info().rss, urlsplit(process.url), []
    for _ in range(150):
        client = socket.create_connection((address.hostname, address.port), timeout=60)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        players.append(client)
    assert {client.recv(12).split()[1] for client in players} == {b"200"}
    time.sleep(2)
    grown = process.running.memory_info().rss - before
    for client in players:
        client.close()
    assert grown < 100 * MIB, grown / MIB
