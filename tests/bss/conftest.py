"""BSS as an application on a database of its own, and clients that speak to it as different callers."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.bss.app import create_app
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.storage import ObjectStore

SECRET = "a secret for tests only, 32 bytes or more"
MIB = 2**20


@pytest.fixture(scope="session")
def settings_for(object_store: ObjectStore) -> Callable[[str], Settings]:
    """Settings for a service on the database of this URL."""

    def make(database: str) -> Settings:
        return Settings(
            postgres_url=database, auth_secret=SECRET, bucket=object_store.bucket, part_size=5 * MIB, url_ttl=600
        )

    return make


@pytest.fixture(scope="module")
def service(new_database: Callable[[], str], settings_for: Callable[[str], Settings]) -> Iterator[TestClient]:
    """The running service, on a fresh database; it has no token."""
    with TestClient(
        create_app(settings_for(new_database())), raise_server_exceptions=False, follow_redirects=False
    ) as client:
        yield client


@pytest.fixture
def as_caller(service: TestClient) -> Callable[..., TestClient]:
    """A client with a token for these namespaces."""

    def client(*namespaces: str, scope: Scope = Scope.WRITE) -> TestClient:
        token = issue_token(SECRET, sub="test", namespaces=list(namespaces), scope=scope, ttl=60)
        return TestClient(
            service.app,
            raise_server_exceptions=False,
            follow_redirects=False,
            headers={"Authorization": f"Bearer {token}"},
        )

    return client


@pytest.fixture
def api(as_caller: Callable[..., TestClient], owner: str) -> TestClient:
    """A client that writes in this test's namespace only."""
    return as_caller(owner)


@pytest.fixture
def pipeline(as_caller: Callable[..., TestClient]) -> TestClient:
    """A client with the pipeline's token."""
    return as_caller("*")


class Files:
    """Files of this test's owner, in project `lab`."""

    def __init__(self, api: TestClient, store: ObjectStore, owner: str) -> None:
        self.api, self.store, self.owner = api, store, owner

    def stage(self, data: bytes | None = None) -> str:
        """Put bytes (random ones by default) under the staging prefix; their hash."""
        data = data or secrets.token_bytes(50)
        content_hash = hashlib.sha256(data).hexdigest()
        self.stage_as(content_hash, data)
        return content_hash

    def stage_as(self, content_hash: str, data: bytes) -> None:
        self.store.put(f"{self.owner}/lab/staging/{content_hash}", data, content_type="application/octet-stream")

    def register(self, route: str, name: str, content_hash: str | None = None, **more: Any) -> dict[str, Any]:
        """Register a staged file; BSS's answer."""
        body = {"owner": self.owner, "project": "lab", "name": name, "stagingHash": content_hash or self.stage()}
        answer = self.api.post(route, json=body | more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def queued(self, count: int, route: str = "/text-tracks") -> list[str]:
        """Ids of that many records that wait for processing."""
        return [self.register(route, f"/queued/{secrets.token_hex(4)}.srt")["id"] for _ in range(count)]


@pytest.fixture
def files(api: TestClient, object_store: ObjectStore, owner: str) -> Files:
    return Files(api, object_store, owner)


LIMITS = {
    "maxBatches": 10,
    "maxFiles": 100,
    "maxBytes": 10**9,
    "settleSeconds": 0,
    "processingGraceSeconds": 3600,
    "leaseSeconds": 3600,
    "maxAttempts": 3,
}


@pytest.fixture
def claim(pipeline: TestClient, owner: str) -> Callable[..., list[dict[str, Any]]]:
    """Claim batches as the sensor does; those of this test's owner."""

    def claimed(**limits: Any) -> list[dict[str, Any]]:
        answer = pipeline.post("/pipeline/batches/claim", json=LIMITS | {"maxBatches": 100} | limits)
        assert answer.status_code == 200, answer.text
        return [batch for batch in answer.json()["batches"] if batch["owner"] == owner]

    return claimed


@pytest.fixture
def begin(pipeline: TestClient) -> Callable[..., dict[str, Any]]:
    """Begin a batch as a run does; the items handed out."""

    def begun(partition: str, run_id: str = "run-1", **more: Any) -> dict[str, Any]:
        answer = pipeline.post(
            "/pipeline/batches/begin", json={"partition": partition, "runId": run_id, "leaseSeconds": 3600} | more
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    return begun


@pytest.fixture
def send() -> Iterator[httpx.Client]:
    """A plain HTTP client, as a browser or another uploader is to S3."""
    with httpx.Client(timeout=30) as client:
        yield client
