"""Two replicas of each service and the object store behind a proxy with TLS, of a private authority, as in production:
replicas restart in turn during an ingest, and the proxy says 502 and 504. Nothing fails, nothing is lost."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.client.events import FileEvent
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.patience import Patience
from dreamlake_pipeline.remote.server import IndexClient
from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.certificates import Authority
from tests.cli.conftest import Pipeline
from tests.conftest import SECRET, free_port, wait_for_port
from tests.replicas import APPS, Replica
from tests.tlsproxy import HOST, TlsProxy

MIB = 2**20
FILES = 40  # in one directory; as many directories are ingested as the restarts last


@contextmanager
def nginx(fronts: dict[int, Sequence[int]], certificate: Path, folder: Path) -> Iterator[None]:
    """Debian's nginx, configured as deploy/README.md says."""
    (folder / "nginx").mkdir()
    servers = "".join(
        f"""
    upstream u{front} {{ {" ".join(f"server {HOST}:{port} max_fails=0;" for port in replicas)} }}
    server {{
        listen {HOST}:{front} ssl;
        location / {{
            proxy_pass http://u{front};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header Connection "";
        }}
    }}"""
        for front, replicas in fronts.items()
    )
    # Its workers write bodies into this test's folder, which is its user's alone.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx/nginx.conf").write_text(f"""
{user} daemon off; pid {folder}/nginx/pid; error_log {folder}/nginx/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx/body; proxy_temp_path {folder}/nginx/proxy; fastcgi_temp_path {folder}/nginx/f;
    uwsgi_temp_path {folder}/nginx/u; scgi_temp_path {folder}/nginx/s;
    client_max_body_size 65m; proxy_read_timeout 330s;
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    {servers}
}}""")
    process = subprocess.Popen(
        ["nginx", "-c", folder / "nginx/nginx.conf", "-e", folder / "nginx/log"], stdin=subprocess.DEVNULL
    )
    try:
        for port in fronts:
            wait_for_port(port, process, folder / "nginx/log")
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["a proxy of our own", "nginx"])
def proxy(request: pytest.FixtureRequest) -> Callable[..., AbstractContextManager[Any]]:
    if request.param == "nginx":
        if shutil.which("nginx") is None:
            pytest.skip("nginx is not installed; the other proxy stands for it")
        return nginx
    return lambda fronts, certificate, _: TlsProxy(fronts, certificate, fault_every=7)


@pytest.mark.timeout(200)
def test_rolling_restarts_behind_a_proxy_lose_nothing(
    proxy: Callable[..., AbstractContextManager[Any]],
    new_database: Callable[[], str],
    s3_server: str,
    owner: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = ObjectStore(open_client(), f"proxy-{secrets.token_hex(4)}")
    store.create_bucket()
    authority = Authority(tmp_path)
    fronts = {name: free_port() for name in ("bss", "server", "s3")}
    ports = {name: [free_port(), free_port()] for name in APPS} | {"s3": [int(s3_server.rpartition(":")[2])]}
    urls = {name: f"https://localhost:{port}" for name, port in fronts.items()}
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    environment = os.environ | {
        "AWS_ENDPOINT_URL": urls["s3"],
        "DREAMLAKE_POSTGRES_URL": new_database(),
        "DREAMLAKE_AUTH_SECRET": SECRET,
        "DREAMLAKE_BUCKET": store.bucket,
        "DREAMLAKE_BSS_URL": urls["bss"],
        "DREAMLAKE_PART_SIZE": str(5 * MIB),
        "DREAMLAKE_DATABASE_CONNECTIONS": "4",
    }
    key = issue_token(SECRET, sub="test", namespaces=[owner], ttl=600, scope=Scope.WRITE)
    replicas = [Replica(name, port, environment, tmp_path / f"{port}.log") for name in APPS for port in ports[name]]
    try:
        for replica in replicas:
            replica.wait()
        with (
            proxy({fronts[name]: ports[name] for name in fronts}, authority.issue("localhost"), tmp_path) as front,
            DreamLake(remote=urls["server"], bss_url=urls["bss"], api_key=key, namespace=owner) as lake,
        ):
            stored = _ingest_while(lambda: _restart_in_turn(replicas), lake, tmp_path)
            if isinstance(front, TlsProxy):
                assert front.faults >= 5
                front.fault_every = 0  # a batch whose offer is lost waits for its lease to end
            assert _work(urls, owner) == len(stored)
            found = [record for kind in Kind for record in lake.bss.list_all(kind, owner=owner)]
            assert {record.name for record in found} == set(stored)
            assert {record.status for record in found} == {Status.READY}
            nodes = [node.asset for node in lake.index.nodes(owner, "robot", recursive=True) if node.asset]
            assert {asset.name: str(asset.status) for asset in nodes} == dict.fromkeys(stored, "ready")
            for record in found:
                assert store.read(record.staging_key) == stored[record.name]
    finally:
        for replica in replicas:
            if replica.process.poll() is None:
                replica.end()


def _restart_in_turn(replicas: list[Replica]) -> None:
    """One replica of each service, and when these answer, the others: some are asked to end, some are killed."""
    for turn, how in ((0, signal.SIGTERM), (1, signal.SIGKILL)):
        for replica in replicas[turn::2]:
            replica.restart(how)
        for replica in replicas[turn::2]:
            replica.wait()


def _ingest_while(work: Callable[[], None], lake: DreamLake, folder: Path) -> dict[str, bytes]:
    """Ingest directory after directory until `work` has ended; what was stored, by name."""
    faults: list[BaseException] = []

    def watched() -> None:
        try:
            work()
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=watched)
    thread.start()
    stored: dict[str, bytes] = {}
    round_ = 0
    while thread.is_alive() or not round_:
        place = folder / f"files/{round_}"
        place.mkdir(parents=True)
        for n in range(FILES):
            data = random.Random(f"{round_}/{n}").randbytes(11 * MIB if n == 7 and round_ % 5 == 0 else 1500)
            (place / f"{n}.csv").write_bytes(data)
            stored[f"/{round_}/{n}.csv"] = data
        told = [
            event
            for event in lake.ingest_events(place, episode="robot", to=f"/{round_}")
            if isinstance(event, FileEvent)
        ]
        # Whose bytes arrived and whose registration was lost is planned again, and finds them there.
        arrived = ("uploaded", "duplicate")
        assert [event for event in told if event.status not in arrived] == [] and len(told) == FILES
        round_ += 1
    thread.join()
    assert faults == []
    return stored


def _work(urls: dict[str, str], owner: str) -> int:
    """Process what is queued, in the place of Dagster, through the proxy as well."""
    key = issue_token(SECRET, sub="pipeline", namespaces=["*"], ttl=600, scope=Scope.WRITE)
    patience = Patience(60)
    with (
        ServiceClient("BSS", urls["bss"], key, patience=patience) as bss,
        ServiceClient("DreamLake Server", urls["server"], key, patience=patience) as server,
    ):
        pipeline, worked, deadline = Pipeline(bss, IndexClient(server)), 0, time.monotonic() + 30
        while (some := pipeline.work(owner, lambda record: None)) or not worked:
            worked += some
            assert time.monotonic() < deadline
        return worked
