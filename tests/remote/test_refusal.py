"""What a refusal of the object store means, on answers as Amazon S3 documents them and other stores give them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dreamlake_pipeline.client.transfer import Transfer
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.remote.patience import Patience
from dreamlake_pipeline.remote.refusal import BytesDamaged, StoreAway, UrlExpired, refusal


def body(code: str, **more: str) -> bytes:
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>{fields}</Error>'.encode()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "RequestTimeout"),
        (400, "IncompleteBody"),
        (409, "OperationAborted"),
        (500, "InternalError"),
        (503, "SlowDown"),
        (503, "ServiceUnavailable"),
        (429, "TooManyRequests"),
        (403, "RequestThrottled"),
        (400, "Throttling"),
        (408, ""),
        (502, ""),
        (504, ""),
        (520, ""),
    ],
)
def test_what_passes(status: int, code: str) -> None:
    found = refusal(status, body(code) if code else b"<html>Bad gateway</html>", "s3:443")
    assert isinstance(found, StoreAway)
    assert str(status) in found.message and "s3:443" in found.message and code in found.message


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ExpiredToken"),
        (400, "TokenRefreshRequired"),
        (400, "InvalidToken"),
        (403, "AccessDenied"),  # "Request has expired"
        (403, "SignatureDoesNotMatch"),
        (403, "InvalidAccessKeyId"),
    ],
)
def test_what_another_signature_may_mend(status: int, code: str) -> None:
    found = refusal(status, body(code), "s3:443")
    assert isinstance(found, UrlExpired) and str(found) == f"{status} {code}"


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (400, "EntityTooLarge", Code.STORAGE_FAILED),
        (400, "InvalidRequest", Code.STORAGE_FAILED),
        (501, "NotImplemented", Code.STORAGE_FAILED),
        (404, "NoSuchBucket", Code.STORAGE_FAILED),
        (404, "NoSuchUpload", Code.UPLOAD_EXPIRED),
        (507, "", Code.STORAGE_FULL),
        (403, "QuotaExceeded", Code.STORAGE_FULL),
    ],
)
def test_what_is_final(status: int, code: str, meaning: Code) -> None:
    found = refusal(status, body(code), "s3:443")
    assert isinstance(found, DreamlakeError) and not isinstance(found, StoreAway) and found.code is meaning


def test_clocks_that_differ_are_said_to_differ_if_a_new_signature_does_not_help() -> None:
    times = {"RequestTime": "20261130T100000Z", "ServerTime": "2026-11-30T11:00:00Z"}
    refused = refusal(403, body("RequestTimeTooSkewed", **times), "s3:443")
    assert isinstance(refused, UrlExpired)
    found = refused.verdict
    assert found is not None and found.code is Code.STORAGE_FAILED
    assert "20261130T100000Z" in found.message and "2026-11-30T11:00:00Z" in found.message
    assert found.hint is not None and "clock" in found.hint


class Store:
    """A local HTTP server that answers PUTs as an object store does: with each of `answers` in turn, then well."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.bodies: list[bytes] = []
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                store.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = store.answers.pop(0) if store.answers else (200, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("ETag", '"etag"')
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/bucket/key"


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    thread = threading.Thread(target=store.server.serve_forever, daemon=True)
    thread.start()
    yield store
    store.server.shutdown()
    store.server.server_close()


def put(store: Store, data: bytes = b"data", patience: float = 60) -> str:
    transfer = Transfer(2, Patience(patience))
    try:
        headers = {"Content-Length": str(len(data))}
        return transfer.put_bytes(store.url, headers, len(data), lambda: data)
    finally:
        transfer.close()


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "RequestTimeout"), (503, "SlowDown"), (500, "InternalError"), (400, "BadDigest"), (409, "OperationAborted")],
)
def test_the_same_is_sent_again_after_what_passes(store: Store, status: int, code: str) -> None:
    store.answers = [(status, body(code))] * 2
    assert put(store) == "etag"
    assert store.bodies == [b"data"] * 3


def test_what_does_not_pass_fails_after_some_attempts(store: Store) -> None:
    store.answers = [(400, body("RequestTimeout"))] * 20
    with pytest.raises(StoreAway, match="waited too long") as caught:
        put(store, patience=0.3)
    assert caught.value.code is Code.OVERLOADED
    store.answers = [(400, body("BadDigest"))] * 20
    with pytest.raises(BytesDamaged):
        put(store)


def test_what_is_final_is_sent_once(store: Store) -> None:
    store.answers = [(400, body("EntityTooLarge"))]
    with pytest.raises(DreamlakeError, match="EntityTooLarge"):
        put(store)
    store.answers = [(400, body("ExpiredToken"))]
    with pytest.raises(UrlExpired):
        put(store)
    assert len(store.bodies) == 2
