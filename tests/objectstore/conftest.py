"""The servers that the contract is held against: the embedded one, and moto's as a second S3."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from dreamlake_pipeline.objectstore import ObjectStore, client_config


@pytest.fixture(scope="session")
def moto_store() -> Iterator[ObjectStore]:
    """A bucket on moto's server, in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=client_config(),
    )
    store = ObjectStore(client, f"test-{secrets.token_hex(4)}")
    store.create_bucket()
    yield store
    server.stop()


@pytest.fixture(scope="session")
def indirect_store(object_store: ObjectStore) -> ObjectStore:
    """The embedded server over botocore's connections, as one is reached over TLS or through a proxy."""
    store = ObjectStore(object_store.client, object_store.bucket)
    store._signed._is_direct = False
    return store


@pytest.fixture(params=["nanio", "indirect", "moto"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """The bucket of each server in turn; tests keep apart by prefixes of their own (`owner`)."""
    fixtures = {"nanio": "object_store", "indirect": "indirect_store", "moto": "moto_store"}
    return request.getfixturevalue(fixtures[request.param])


@pytest.fixture
def checks_signatures(store: ObjectStore, moto_store: ObjectStore) -> bool:
    """Whether the server refuses what a presigned URL was not signed for; moto does not look."""
    return store is not moto_store
