"""The servers that the contract is held against: the embedded one, and moto's as a second S3 (tests/conftest.py)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.certificates import Authority
from tests.conftest import free_port
from tests.tlsproxy import TlsProxy


@pytest.fixture(scope="session")
def indirect_store(object_store: ObjectStore) -> ObjectStore:
    """The embedded server over botocore's connections, as one is reached through a proxy."""
    store = ObjectStore(object_store.client, object_store.bucket)
    store._signed._is_direct = False
    return store


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whose certificates this machine knows nothing of."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def tls_url(s3_server: str, authority: Authority) -> Iterator[str]:
    """The embedded server over TLS."""
    front = free_port()
    with TlsProxy({front: [urlsplit(s3_server).port or 0]}, authority.issue("localhost"), fault_every=0):
        yield f"https://localhost:{front}"


@pytest.fixture
def tls_store(
    object_store: ObjectStore, tls_url: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> ObjectStore:
    """The embedded server over TLS, for whoever is told to trust its authority; other clients of the test are, too."""
    for variable in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, str(authority.file))
    return ObjectStore(open_client(endpoint_url=tls_url), object_store.bucket)


@pytest.fixture(params=["nanio", "indirect", "tls", "moto"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """The bucket of each server in turn; tests keep apart by prefixes of their own (`owner`)."""
    fixtures = {"nanio": "object_store", "indirect": "indirect_store", "tls": "tls_store", "moto": "moto_store"}
    return request.getfixturevalue(fixtures[request.param])


@pytest.fixture
def checks_signatures(store: ObjectStore, moto_store: ObjectStore) -> bool:
    """Whether the server refuses what a presigned URL was not signed for; moto does not look."""
    return store is not moto_store
