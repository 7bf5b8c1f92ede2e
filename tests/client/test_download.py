"""Downloads, from a store that gives other things than were promised."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.client.download import download
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.remote.patience import Patience


class Store:
    """Answers every GET with `body` and `headers`; `sent` counts the bytes that a client took."""

    def __init__(self) -> None:
        self.body, self.headers, self.sent = b"", {"Content-Encoding": "gzip"}, 0
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                for name, value in store.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for at in range(0, len(store.body), 1 << 20):
                    try:
                        self.wfile.write(store.body[at : at + (1 << 20)])
                    except OSError:
                        return
                    store.sent += 1 << 20

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def raw_url(self, kind: Kind, id_: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{kind}/{id_}"


@pytest.fixture
def store() -> Iterator[Store]:
    one = Store()
    yield one
    one.server.shutdown()
    one.server.server_close()


def record(data: bytes, size: int | None = None) -> Record:
    return SimpleNamespace(
        name="/a.wav", kind=Kind.AUDIO, id="a", size=len(data) if size is None else size,
        sha256=hashlib.sha256(data).hexdigest(), staging_hash=None,
    )  # fmt: skip


def test_a_content_encoding_is_not_undone(store: Store, tmp_path: Path) -> None:
    store.body = gzip.compress(bytes(100_000_000))
    download(store, record(store.body), tmp_path / "a", Patience(5))  # type: ignore[arg-type]
    assert (tmp_path / "a").read_bytes() == store.body


@pytest.mark.parametrize("encoding", ["gzip", "identity", "br", "deflate"])
def test_no_more_is_taken_than_was_promised(store: Store, tmp_path: Path, encoding: str) -> None:
    store.body, store.headers = bytes(256_000_000), {"Content-Encoding": encoding}
    with pytest.raises(DreamlakeError, match="more than its 1,000 bytes") as fault:
        download(store, record(b"", 1000), tmp_path / "a", Patience(5))  # type: ignore[arg-type]
    assert fault.value.code is Code.HASH_MISMATCH
    assert list(tmp_path.iterdir()) == []
    assert store.sent < 100_000_000
