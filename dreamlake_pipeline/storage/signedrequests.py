"""Requests to one bucket, signed and sent here.

boto3 spends one to two milliseconds of CPU on any request; a bulk ingest makes several for each small file. What is
sent here takes a fifth of that, and half where it goes by botocore's connections, which know more than ours: through a
proxy, or with a certificate of the client's own. Only what goes well at once is answered here: for everything else (a
retry, a redirect, an error that has to be named) the caller asks boto3.

obstore 0.12.1 would take less CPU (HEAD, GET and PUT of 12 KB 128, 182 and 313 µs, where these take 395, 318 and 479 on
the same busy machine; over TLS 132, 283 and 228, where these take 361, 352 and 539), and does not keep what
`tests/storage/test_contract.py` asks for. Of the key `a/` it gives and replaces what lies under `a`, and takes no key
with an empty segment, `.` or a control character, which a bucket may have. Silence, S3's codes and the status are told
by the text of a message alone, and a missing bucket as a missing key. It takes no SHA-256 that is known (`put_file`: S3
refuses a file that changed since it was hashed). The child of a fork whose parent has used it hangs at its first
request. So it could only stand beside this module, `http1` and boto3.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError, ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import get_cert_path
from urllib3.exceptions import HTTPError

from ..remote.http1 import Connections, Range, Response, host_header
from .sigv4 import Signer, encode_path

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MOST_OF_ANSWER = 1 << 16
_SILENCE = (TimeoutError, ReadTimeoutError, ConnectTimeoutError)


class _Address(NamedTuple):
    """Where a bucket is: the server (scheme and authority), the header Host of requests to it, the path before its
    keys, and the region that signatures are for."""

    server: str
    host: str
    path: str
    region: str


class ReadableResponse(Protocol):
    """A response whose body comes as it is read, until it is closed. `headers` have names in lower case.

    `read` gives up to so many bytes, fewer only at the end of the body, and raises OSError when that comes too early.
    """

    status: int

    @property
    def headers(self) -> Mapping[str, str]: ...
    def read(self, size: int) -> bytes: ...
    def close(self) -> None: ...


class _BotocoreResponse:
    """botocore's response as an ReadableResponse."""

    def __init__(self, response: Any) -> None:
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._raw = response.raw

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._raw.read(size)
            return data
        except HTTPError as fault:
            raise ConnectionError(str(fault)) from fault

    def close(self) -> None:
        self._raw.close()  # of one that was read to its end, the connection is kept


class SignedRequests:
    """Requests to the bucket with the client's credentials, proxies and certificates. Thread-safe."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client: Any = client
        self._bucket = bucket
        config = self._client.meta.config
        self._connections = Connections(
            connect=config.connect_timeout, silence=config.read_timeout, trust=self._trusted
        )

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
        address = self._address
        path = address.path + encode_path(key)
        signed = self._signer.presign(
            method, address.host, path, query=query or {}, headers=headers or {}, expires=expires, now=datetime.now(UTC)
        )
        return f"{address.server}{path}?{signed}"

    def send(
        self,
        method: str,
        key: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Range = b"",
        sha256: str | None = None,
    ) -> Response | None:
        """The response to the request: a success, or a HEAD's 404. Anything else is None: ask boto3.

        A body that is a part of a file needs its `sha256` (hex). Raises TimeoutError, or botocore's, for a store that
        is silent: whoever waited once as long as is good for its caller does not ask again.
        """
        try:
            answer = self._open(method, key, headers or {}, body, sha256)
            with closing(answer):
                response = Response(answer.status, dict(answer.headers), answer.read(_MOST_OF_ANSWER))
        except _SILENCE:
            raise
        except (BotoCoreError, OSError):
            return None
        is_good = response.status == 200 or (method == "HEAD" and response.status == 404)
        return response if is_good else None

    def open(self, key: str, *, headers: Mapping[str, str] | None = None) -> ReadableResponse | None:
        """The answer to a GET, a success whose body is still to be read; None: ask boto3. Close it afterwards.

        Raises TimeoutError, or botocore's, for a store that is silent."""
        try:
            answer = self._open("GET", key, headers or {}, b"", None)
            if answer.status in (200, 206):
                return answer
            with closing(answer):
                answer.read(_MOST_OF_ANSWER)  # so that the connection can be used again
        except _SILENCE:
            raise
        except (BotoCoreError, OSError):
            pass
        return None

    def _open(
        self, method: str, key: str, headers: Mapping[str, str], body: bytes | Range, sha256: str | None
    ) -> ReadableResponse:
        address = self._address
        path = address.path + encode_path(key)
        if sha256 is None:
            assert isinstance(body, bytes)
            sha256 = hashlib.sha256(body).hexdigest()
        length = {"Content-Length": str(body.size if isinstance(body, Range) else len(body))} if method == "PUT" else {}
        signed = self._signer.authorize(
            method, address.host, path, headers={**headers, **length}, payload_sha256=sha256, now=datetime.now(UTC)
        )
        if self._is_direct:
            return self._connections.open(method, address.server + path, signed, body)
        request = AWSPreparedRequest(method, address.server + path, signed, body or None, stream_output=True)
        return _BotocoreResponse(self._session.send(request))

    @cached_property
    def _is_direct(self) -> bool:
        server, session = self._address.server, self._session
        is_known = server.startswith("http://") or (session._verify and not session._cert_file)
        return bool(is_known) and session._proxy_config.proxy_url_for(server) is None

    @property
    def _session(self) -> Any:
        """Who sends for the client."""
        return self._client._endpoint.http_session

    def _trusted(self) -> ssl.SSLContext:
        """Whom the client trusts, and nobody else."""
        authorities = Path(get_cert_path(self._session._verify))
        is_folder = authorities.is_dir()
        return ssl.create_default_context(
            cafile=None if is_folder else str(authorities), capath=str(authorities) if is_folder else None
        )

    @property
    def _signer(self) -> Signer:
        # Temporary credentials renew themselves: they are asked for each time, as boto3 does.
        credentials = self._client._request_signer._credentials.get_frozen_credentials()
        return Signer(credentials.access_key, credentials.secret_key, credentials.token, self._address.region)

    @cached_property
    def _address(self) -> _Address:
        """botocore knows the rules of regions, endpoints and addressing; a URL of its making shows what they give."""
        url = urlsplit(self._client.generate_presigned_url("get_object", Params={"Bucket": self._bucket, "Key": "-"}))
        region = parse_qs(url.query)["X-Amz-Credential"][0].split("/")[2]
        return _Address(f"{url.scheme}://{url.netloc}", host_header(url), url.path.removesuffix("-"), region)
