"""`python -m benchmarks.transport`: CPU time of one signature and one small request, ours beside those of libraries.

Microseconds of all threads of this process, user and system, medians of five goes; the S3 server is another process.
What obstore takes is measured where it is installed (it is no dependency: docs/performance.md says why).
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import importlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import urllib3
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from dreamlake_pipeline.remote.http1 import Connections, Range
from dreamlake_pipeline.stack import state
from dreamlake_pipeline.storage import ObjectStore, SignedRequest, open_client

_GOES = 5
_SIZE = 12_000  # bytes of an object: a short sound's segment
_EXPIRES = 3600


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder) / "home"):
        store = ObjectStore(open_client(), "transport")
        store.create_bucket()
        calls = {**signatures(store), **requests_of_the_pipeline(store), **requests_of_a_client(store, Path(folder))}
        for what, (call, times) in calls.items():
            print(f"{what:<52}{_microseconds(call, times):8.1f} µs", flush=True)


def signatures(store: ObjectStore) -> dict[str, tuple[Callable[[], object], int]]:
    """Signing a PUT as BSS does for a file, and as the pipeline does for a segment; every time of another key."""
    data = secrets.token_bytes(16)
    sha256 = hashlib.sha256(data).hexdigest()
    headers = {
        "Content-Type": "audio/wav",
        "Content-Length": str(_SIZE),
        "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(sha256)).decode(),
        "x-amz-meta-name": "run-001/audio/mic.wav",
        "x-amz-meta-project": "cups",
    }
    numbers = count()
    metadata = {"name": "run-001/audio/mic.wav", "project": "cups"}
    client: Any = store.client
    credentials, region = client._request_signer._credentials, client.meta.region_name
    url = f"{client.meta.endpoint_url}/{store.bucket}/staging/"

    def presigned() -> object:
        key = f"staging/{next(numbers)}"
        return store.presign_put(
            key, size=_SIZE, sha256=sha256, content_type="audio/wav", metadata=metadata, expires=_EXPIRES
        )

    def presigned_by_botocore() -> object:
        request = AWSRequest("PUT", f"{url}{next(numbers)}", headers=headers)
        S3SigV4QueryAuth(credentials.get_frozen_credentials(), "s3", region, expires=_EXPIRES).add_auth(request)
        return request.url

    def signed() -> object:
        signer, address = store._signed._signer, store._signed._address
        path = f"/{store.bucket}/{next(numbers)}"
        return signer.authorize(
            "PUT", address.host, path, headers=headers, payload_sha256=sha256, now=datetime.now(UTC)
        )

    def signed_by_botocore() -> object:
        request = AWSRequest("PUT", f"{url}{next(numbers)}", headers={**headers, "X-Amz-Content-SHA256": sha256})
        S3SigV4Auth(credentials.get_frozen_credentials(), "s3", region).add_auth(request)
        return request.headers

    return {
        "presign a PUT: ours": (presigned, 2000),
        "presign a PUT: botocore's S3SigV4QueryAuth": (presigned_by_botocore, 1000),
        "sign a PUT's headers: ours": (signed, 2000),
        "sign a PUT's headers: botocore's S3SigV4Auth": (signed_by_botocore, 1000),
    }


def requests_of_the_pipeline(store: ObjectStore) -> dict[str, tuple[Callable[[], object], int]]:
    """HEAD, GET and PUT of a small object, signed and sent."""
    data = secrets.token_bytes(_SIZE)
    store.put("small", data, content_type="audio/wav")
    indirect = ObjectStore(store.client, store.bucket)
    indirect._signed._is_direct = False  # as behind a proxy
    calls: dict[str, tuple[Callable[[], object], int]] = {}
    for way, its in (("ours", store), ("ours, by botocore's connections", indirect)):
        calls[f"HEAD: {way}"] = (partial(its.head, "small"), 200)
        calls[f"GET: {way}"] = (partial(its.read, "small"), 200)
        calls[f"PUT: {way}"] = (partial(its.put, "put", data, content_type="audio/wav"), 200)
    calls["HEAD: boto3"] = (lambda: store.client.head_object(Bucket=store.bucket, Key="small"), 50)
    with suppress(ImportError):
        other = _obstore(store)
        calls["HEAD: obstore"] = (lambda: other.head("small"), 200)
        calls["GET: obstore"] = (lambda: bytes(other.get("small").bytes()), 200)
        calls["PUT: obstore"] = (lambda: other.put("put", data, use_multipart=False), 200)
    return calls


def requests_of_a_client(store: ObjectStore, folder: Path) -> dict[str, tuple[Callable[[], object], int]]:
    """A small file, sent by a presigned URL."""
    data = secrets.token_bytes(_SIZE)
    file = folder / "file"
    file.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    put = store.presign_put("sent", size=_SIZE, sha256=sha256, content_type="audio/wav", metadata={}, expires=_EXPIRES)
    connections, pool = Connections(), urllib3.PoolManager()
    parts = urlsplit(put.url)
    plain = http.client.HTTPConnection(parts.netloc)

    def ours() -> None:
        with file.open("rb") as opened:
            answer = connections.request("PUT", put.url, put.headers, Range(opened.fileno(), 0, _SIZE))
        assert answer.status == 200, answer.body

    def by_urllib3() -> None:
        with file.open("rb") as opened:
            assert pool.request("PUT", put.url, body=opened, headers=put.headers).status == 200

    return {
        "PUT by a presigned URL: ours": (ours, 200),
        "PUT by a presigned URL: http.client, os.sendfile": (lambda: _by_http_client(plain, put, file), 200),
        "PUT by a presigned URL: urllib3": (by_urllib3, 200),
    }


def _by_http_client(connection: http.client.HTTPConnection, put: SignedRequest, file: Path) -> None:
    parts = urlsplit(put.url)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}", skip_accept_encoding=True)
    for name, value in put.headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    with file.open("rb") as opened:
        sent = 0
        while sent < _SIZE:
            sent += os.sendfile(connection.sock.fileno(), opened.fileno(), sent, _SIZE - sent)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200


def _obstore(store: ObjectStore) -> Any:
    """obstore's client of the same bucket. Raises ImportError."""
    client: Any = store.client
    credentials = client._request_signer._credentials
    return importlib.import_module("obstore.store").S3Store(
        store.bucket,
        endpoint=client.meta.endpoint_url,
        access_key_id=credentials.access_key,
        secret_access_key=credentials.secret_key,
        region=client.meta.region_name,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def _microseconds(call: Callable[[], object], times: int) -> float:
    goes = []
    call()  # connections and caches are there
    for _ in range(_GOES):
        began = time.process_time()
        for _ in range(times):
            call()
        goes.append((time.process_time() - began) / times * 1e6)
    return median(goes)


@contextmanager
def _server(home: Path) -> Iterator[None]:
    """The embedded S3 server in a process of its own, which boto3's environment variables point at."""
    stack = state.create(state.make_home(home))
    port = stack.ports["s3"]
    command = [sys.executable, "-m", "uvicorn", "--factory", "dreamlake_pipeline.stack.s3.app:create_app"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning"]
    command += ["--http", "dreamlake_pipeline.connections:Connection"]
    with subprocess.Popen(command, env=os.environ | {"DREAMLAKE_HOME": str(stack.home)}) as process:
        try:
            while process.poll() is None and not _answers(port):
                time.sleep(0.1)
            os.environ.update({name: value for name, value in stack.environment().items() if name.startswith("AWS_")})
            yield
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
