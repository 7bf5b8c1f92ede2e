"""Small requests to one bucket, signed here and sent over boto3's connections.

boto3 spends two milliseconds of CPU on any request; a bulk ingest makes several for each small file. What is sent here
takes a quarter of that. Only what goes well at once is answered here: for everything else (a retry, a
redirect, an error that has to be named) the caller asks boto3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError

from .sigv4 import Signer, encode_path

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class _Place(NamedTuple):
    """Where a bucket is: the server, the path before its keys, and the region that signatures are for."""

    server: str
    host: str
    path: str
    region: str


class SignedRequests:
    """Requests to the bucket with the client's credentials, connections, proxies and certificates. Thread-safe."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client: Any = client
        self._bucket = bucket

    def presign(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        expires: int,
    ) -> str:
        """A URL that anybody may send this request to, with exactly these headers, for `expires` seconds."""
        place = self._place
        path = place.path + encode_path(key)
        signed = self._signer.presign(
            method, place.host, path, query=query or {}, headers=headers or {}, expires=expires, now=datetime.now(UTC)
        )
        return f"{place.server}{path}?{signed}"

    def send(
        self,
        method: str,
        key: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] = b"",
        sha256: str | None = None,
        stream: bool = False,
    ) -> Any | None:
        """botocore's response to the request: a success, or a HEAD's 404. Anything else is None: ask boto3.

        A body that comes in blocks needs its `sha256` (hex), and its length among the headers. With `stream`, the body
        of the response has not been read yet.
        """
        place = self._place
        path = place.path + encode_path(key)
        if sha256 is None:
            assert isinstance(body, bytes)
            sha256 = hashlib.sha256(body).hexdigest()
        signed = self._signer.authorize(
            method, place.host, path, headers=headers or {}, payload_sha256=sha256, now=datetime.now(UTC)
        )
        request = AWSPreparedRequest(method, place.server + path, signed, body or None, stream_output=stream)
        try:
            response = self._client._endpoint.http_session.send(request)
            if response.status_code in (200, 206) or (method == "HEAD" and response.status_code == 404):
                return response
            _ = response.content  # read to its end, so that the connection can be used again
        except BotoCoreError:
            pass
        return None

    @property
    def _signer(self) -> Signer:
        # Temporary credentials renew themselves: they are asked for each time, as boto3 does.
        credentials = self._client._request_signer._credentials.get_frozen_credentials()
        return Signer(credentials.access_key, credentials.secret_key, credentials.token, self._place.region)

    @cached_property
    def _place(self) -> _Place:
        """botocore knows the rules of regions, endpoints and addressing; a URL of its making shows what they give."""
        url = urlsplit(self._client.generate_presigned_url("get_object", Params={"Bucket": self._bucket, "Key": "-"}))
        region = parse_qs(url.query)["X-Amz-Credential"][0].split("/")[2]
        host = url.netloc.removesuffix(_DEFAULT_PORTS[url.scheme])
        return _Place(f"{url.scheme}://{url.netloc}", host, url.path.removesuffix("-"), region)
