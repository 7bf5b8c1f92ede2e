"""The servers that the contract is held against: the embedded one, and moto's as a second S3 (tests/conftest.py)."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.storage import ObjectStore


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
