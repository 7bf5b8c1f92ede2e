"""The object store as runs and sensors reach it: how long they wait for one that is silent."""

from __future__ import annotations

import socket
import time

import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.resources import ObjectStoreResource, object_store


def test_a_silent_store_is_given_up_after_a_minute() -> None:
    config = ObjectStoreResource(bucket="any").get_client().meta.config
    waits = config.read_timeout * config.retries["total_max_attempts"]
    assert waits <= 60, "whatever waits for the store is put off, and tried again"


@pytest.mark.parametrize("ask", ["head", "read", "check", "put"])
def test_no_call_waits_for_longer_than_its_tries(monkeypatch: pytest.MonkeyPatch, ask: str) -> None:
    monkeypatch.setattr(object_store, "_SILENCE", 0.3)
    object_store._open_client.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        keys = {"aws_access_key_id": "one", "aws_secret_access_key": "other"}
        store = ObjectStoreResource(bucket="any", endpoint_url=url, region_name="us-east-1", **keys).store
        calls = {
            "head": lambda: store.head("key"),
            "read": lambda: store.read("key"),
            "check": store.check,
            "put": lambda: store.put("key", b"data", content_type="text/plain"),
        }
        begun = time.monotonic()
        with pytest.raises(DreamlakeError) as caught:
            calls[ask]()
        assert caught.value.code is Code.STORAGE_FAILED
        assert time.monotonic() - begun < 30
    object_store._open_client.cache_clear()
