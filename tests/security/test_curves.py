"""Curves in as many points as there may be, whose clients take nothing: bounded in memory, for each tenant."""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.storage import ObjectStore
from tests.conftest import SECRET

MIB = 2**20
ROWS, FIELDS = 4000, 100


@pytest.fixture
def wide(process: Any, object_store: ObjectStore, tmp_path: Path) -> str:
    """The path of the curves of all fields of a track, which have about 8 MB."""
    record, path = secrets.token_hex(12), tmp_path / "data.parquet"
    columns = {f"c{number}": np.random.default_rng(number).random(ROWS) for number in range(FIELDS)}
    pq.write_table(pa.table({"t": np.arange(ROWS) / 100} | columns), path)
    key = layout.result_key("curves", "lab", Kind.LABEL_TRACK, record, path.name)
    object_store.upload(key, path, content_type="application/vnd.apache.parquet")
    metadata = psycopg.types.json.Jsonb({"time": {"fields": ["t"], "unit": "s", "origin": "relative"}, "start": 0})
    with psycopg.connect(process.database) as connection:
        connection.execute(
            """
            INSERT INTO bss.records (id, kind, owner, project, name, staging_key, status, metadata, ready_at, size)
            VALUES (%s, 'label-track', 'curves', 'lab', '/w.csv', 'curves/lab/staging/w', 'ready', %s, now(), 5)""",
            (record, metadata),
        )
    return f"/labels/{record}/series?width=8192&" + "&".join(f"fields={name}" for name in columns)


def test_curves_that_nobody_takes_do_not_grow_the_service(process: Any, wide: str) -> None:
    token = issue_token(SECRET, sub="t", namespaces=["curves"], scope=Scope.READ, ttl=600)
    headers = {"Authorization": f"Bearer {token}"}
    whole = httpx.get(process.url + wide, headers=headers, timeout=120)
    assert whole.status_code == 200 and len(whole.content) > 6 * MIB
    assert int(whole.headers["content-length"]) == len(whole.content)
    before, address, clients = process.running.memory_info().rss, urlsplit(process.url), []
    statuses = []
    for _ in range(40):
        client = socket.create_connection((address.hostname, address.port), timeout=120)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(f"GET {wide} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        statuses.append(client.recv(12).split()[1])
        clients.append(client)
    time.sleep(1)
    grown = process.running.memory_info().rss - before
    other = issue_token(SECRET, sub="t", namespaces=["other"], scope=Scope.READ, ttl=600)
    asked = httpx.get(f"{process.url}/records/underway", headers={"Authorization": f"Bearer {other}"}, timeout=120)
    for client in clients:
        client.close()
    assert set(statuses) == {b"200", b"503"} and 5 < statuses.count(b"200") < 20
    assert grown < 200 * MIB, grown / MIB
    assert asked.status_code == 200
