"""Objects whose bytes break off each time, by a store that answers: nobody waits for them, and nothing ends by them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from dreamlake_pipeline.bss.damaged import read_small, sha256_of
from dreamlake_pipeline.bss.rebuild import reading
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.storage import ObjectInfo, ObjectStore, client_config

_WHOLE = b"a" * 1000


class _Store(BaseHTTPRequestHandler):
    """Announces 1,000 bytes of every object; of `cut`, 10 come; of `flaky`, all come at the third time. `missing` is
    none. Once `is_away`, it answers 503 to HEAD, and breaks off whatever is read."""

    protocol_version = "HTTP/1.1"
    is_away = False
    reads = 0

    def do_HEAD(self) -> None:
        self.send_response(404 if "missing" in self.path else 503 if type(self).is_away else 200)
        self._end(0 if "missing" in self.path else len(_WHOLE))

    def do_GET(self) -> None:
        if "missing" in self.path:
            self.send_response(404)
            self._end(0)
            return
        type(self).reads += 1
        is_cut = "cut" in self.path or type(self).is_away or ("flaky" in self.path and type(self).reads < 3)
        self.send_response(200)
        self._end(len(_WHOLE))
        self.wfile.write(_WHOLE[:10] if is_cut else _WHOLE)
        self.close_connection = True

    def _end(self, length: int) -> None:
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Mon, 30 Nov 2026 09:00:00 GMT")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    _Store.is_away, _Store.reads = False, 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
        config=client_config(tries=1),
    )
    yield ObjectStore(client, "bucket")
    server.shutdown()
    server.server_close()


def test_bytes_that_break_off_each_time(store: ObjectStore) -> None:
    assert sha256_of(store, "cut") is None
    assert read_small(store, "cut", 5000) is None
    listed = ObjectInfo("cut", len(_WHOLE), "e", datetime.now(UTC))
    assert "cut breaks off" in str(reading._lines(store, listed))


@pytest.mark.parametrize("key", ["whole", "flaky"])
def test_a_connection_that_failed_is_no_damage(store: ObjectStore, key: str) -> None:
    assert sha256_of(store, key) == hashlib.sha256(_WHOLE).hexdigest()
    _Store.reads = 0
    assert read_small(store, key, 5000) == _WHOLE


def test_what_is_not_there_and_a_store_that_is_away_are_told(store: ObjectStore) -> None:
    for read in (lambda key: sha256_of(store, key), lambda key: read_small(store, key, 5000)):
        with pytest.raises(DreamlakeError) as missing:
            read("missing")
        assert missing.value.code is Code.NOT_FOUND
    _Store.is_away = True
    for read in (lambda key: sha256_of(store, key), lambda key: read_small(store, key, 5000)):
        with pytest.raises(DreamlakeError) as away:
            read("whole")
        assert away.value.is_passing
