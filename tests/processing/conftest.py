"""BSS's pipeline routes over HTTP, a bucket of a test's own, and batches of its own files."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.pipeline import ClaimBatches, StagedObject
from dreamlake_pipeline.kinds import kind_of
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.patience import Patience
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore, client_config, default_region, open_client
from tests.processing.gateway import Gateway


@pytest.fixture(scope="session")
def http(services: Any) -> Iterator[ServiceClient]:
    with ServiceClient("BSS", services.bss_url, services.token("*")) as http:
        yield http


@pytest.fixture(scope="session")
def pipeline(http: ServiceClient) -> PipelineClient:
    return PipelineClient(http)


@pytest.fixture
def bucket(s3_server: str) -> ObjectStore:
    """An empty bucket."""
    store = ObjectStore(open_client(), f"processing-{secrets.token_hex(4)}")
    store.create_bucket()
    return store


@pytest.fixture
def store_gateway(object_store: ObjectStore, s3_server: str) -> Iterator[tuple[Gateway, ObjectStore]]:
    """A gateway before the object store, and the bucket through it, which is asked once."""
    gateway = Gateway(s3_server)
    with gateway.serving() as url:
        config = client_config().merge(Config(retries={"max_attempts": 0}, read_timeout=10))
        client = boto3.Session().client("s3", endpoint_url=url, config=config, region_name=default_region())
        yield gateway, ObjectStore(client, object_store.bucket)


@pytest.fixture
def bss_gateway(services: Any) -> Iterator[tuple[Gateway, PipelineClient]]:
    """A gateway before BSS, and BSS's pipeline routes through it."""
    gateway = Gateway(services.bss_url)
    with gateway.serving() as url, ServiceClient("BSS", url, services.token("*"), patience=Patience(60)) as http:
        yield gateway, PipelineClient(http)


@pytest.fixture
def claim(pipeline: PipelineClient, owner: str) -> Callable[[], list[str]]:
    """Claims what is due, as the sensor does; the partitions of this test's owner."""

    def claimed() -> list[str]:
        limits = ClaimBatches(
            max_batches=100,
            max_files=1000,
            max_bytes=10**12,
            settle_seconds=0,
            processing_grace_seconds=3600,
            lease_seconds=3600,
            max_attempts=3,
        )
        return [offer.partition for offer in pipeline.claim(limits) if offer.owner == owner]

    return claimed


@pytest.fixture
def hold(
    pipeline: PipelineClient, object_store: ObjectStore, owner: str, claim: Callable[[], list[str]]
) -> Callable[[dict[str, bytes]], Hold]:
    """Stages and registers files; the hold of a run on the one batch that they make up."""

    def formed(files: dict[str, bytes]) -> Hold:
        objects = []
        for name, data in files.items():
            key = layout.staging_key(owner, "lab", hashlib.sha256(data).hexdigest())
            object_store.put(key, data, content_type="application/octet-stream")
            objects.append(
                StagedObject(
                    key=key, owner=owner, project="lab", size=len(data), etag="e", kind=kind_of(name), name=name
                )
            )
        pipeline.adopt(objects)
        # A claim passes over rows that somebody else has locked at the moment, as the sensor's does.
        deadline = time.monotonic() + 10
        while not (claimed := claim()):
            assert time.monotonic() < deadline
        [partition] = claimed
        return Hold(pipeline, partition, "run-1", lease_seconds=3600)

    return formed
