"""AWS Signature Version 4 for S3: the signature of a request, in its URL or in its headers.

A bulk ingest needs one presigned URL and several signed requests for every small file. botocore's own signers give the
same signatures (`tests/storage/test_sigv4.py` compares them) and take 112 µs of CPU for a URL (`S3SigV4QueryAuth`) and
96 for headers (`S3SigV4Auth`), these 28 and 21. The 84 µs of a URL are 4 % of what row 2 of `make bench` takes for a
file; the 76 of headers, seven times, are 2.7 % of row 5, and one signer is simpler than one of each (`python -m
benchmarks.transport`; docs/performance.md, "Transport"). Pure: the same arguments give the same signature.

The rules are in the Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"


class Signer(NamedTuple):
    """Credentials and the region that they are used in; `token` belongs to temporary credentials."""

    access_key: str
    secret_key: str
    token: str | None
    region: str

    def presign(
        self,
        method: str,
        host: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        expires: int,
        now: datetime,
    ) -> str:
        """The query of a URL that is valid for `expires` seconds from `now` (UTC), for a request with these headers.

        `path` is percent-encoded, query and headers are not. The payload is not signed.
        """
        time = f"{now:%Y%m%dT%H%M%SZ}"
        signed = _canonical({**headers, "host": host})
        asked = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{self._scope(time)}",
            "X-Amz-Date": time,
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": ";".join(signed),
        }
        if self.token:
            asked["X-Amz-Security-Token"] = self.token
        canonical = _canonical_query(asked)
        return f"{canonical}&X-Amz-Signature={self._signature(time, method, path, canonical, signed, _UNSIGNED)}"

    def authorize(
        self, method: str, host: str, path: str, *, headers: Mapping[str, str], payload_sha256: str, now: datetime
    ) -> dict[str, str]:
        """The headers to send a request with: those given, and those that sign them and the payload (its hash in hex).

        For a request without a query; `path` is percent-encoded.
        """
        time = f"{now:%Y%m%dT%H%M%SZ}"
        sent = {**headers, "x-amz-content-sha256": payload_sha256, "x-amz-date": time}
        if self.token:
            sent["x-amz-security-token"] = self.token
        signed = _canonical({**sent, "host": host})
        sent["Authorization"] = (
            f"{_ALGORITHM} Credential={self.access_key}/{self._scope(time)}, SignedHeaders={';'.join(signed)}, "
            f"Signature={self._signature(time, method, path, '', signed, payload_sha256)}"
        )
        return sent

    def _scope(self, time: str) -> str:
        return f"{time[:8]}/{self.region}/s3/aws4_request"

    def _signature(
        self, time: str, method: str, path: str, query: str, headers: Mapping[str, str], payload_sha256: str
    ) -> str:
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        request = f"{method}\n{path}\n{query}\n{lines}\n{';'.join(headers)}\n{payload_sha256}"
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = f"AWS4{self.secret_key}".encode()
        for part in (time[:8], self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, f"{_ALGORITHM}\n{time}\n{self._scope(time)}\n{digest}".encode(), "sha256").hex()


def encode_path(key: str) -> str:
    """A key as the path of a URL."""
    return quote(key, safe="/~")


def _canonical(headers: Mapping[str, str]) -> dict[str, str]:
    """Names in lower case and in order; white space in values trimmed and folded."""
    return {name.lower(): " ".join(headers[name].split()) for name in sorted(headers, key=str.lower)}


def _canonical_query(query: Mapping[str, str]) -> str:
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=256)
def _quoted(text: str) -> str:
    """One call's URLs differ in their keys and share the rest."""
    return quote(text, safe="")
