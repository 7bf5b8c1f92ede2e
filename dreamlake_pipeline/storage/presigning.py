"""Requests that anybody may send for some time (SigV4; AWS "Authenticating Requests: Using Query Parameters")."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from ..errors import Code, DreamlakeError
from .bucket import Bucket
from .failures import translated
from .objects import in_base64, is_upload_id, metadata_headers


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that anybody may send until it expires: exactly this URL with exactly these headers."""

    url: str
    headers: dict[str, str]


class Presigning(Bucket):
    def presign_get(
        self, key: str, *, expires: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        """A URL that reads `key` for `expires` seconds.

        `filename` and `content_type` ask the server to answer with that Content-Disposition and Content-Type. S3 does;
        some servers answer with what was stored instead: nobody may depend on either. A file that is downloaded under a
        name is one of somebody's own: whatever Content-Encoding it was stored with, it is not to be decoded on the way.
        """
        query = {}
        if filename:
            query["response-content-disposition"] = _attachment(filename)
            query["response-content-encoding"] = "identity"
        if content_type:
            query["response-content-type"] = content_type
        return self._presign("GET", key, expires, query=query)

    def presign_put(
        self, key: str, *, size: int, sha256: str, content_type: str, metadata: dict[str, str], expires: int
    ) -> SignedRequest:
        """A PUT of exactly `size` bytes whose SHA-256 (hex) is `sha256`: length and checksum are signed."""
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(size),
            "x-amz-checksum-sha256": in_base64(sha256),
            **metadata_headers(metadata),
        }
        return SignedRequest(self._presign("PUT", key, expires, headers=headers), headers)

    def presign_part(
        self,
        key: str,
        upload_id: str,
        part_number: int,
        *,
        expires: int,
        size: int | None = None,
        sha256: str | None = None,
    ) -> SignedRequest:
        """A PUT of one part; with `size` and `sha256` (hex), those are signed and must be sent."""
        if not is_upload_id(upload_id):
            raise DreamlakeError(Code.UPLOAD_EXPIRED, f"The upload of {key!r} is gone.")
        headers = {}
        if size is not None:
            headers["Content-Length"] = str(size)
        if sha256 is not None:
            headers["x-amz-checksum-sha256"] = in_base64(sha256)
        query = {"partNumber": str(part_number), "uploadId": upload_id}
        return SignedRequest(self._presign("PUT", key, expires, query=query, headers=headers), headers)

    def _presign(
        self,
        method: str,
        key: str,
        expires: int,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> str:
        with translated("sign a URL for", key):
            return self._signed.presign(method, key, query=query, headers=headers, expires=expires)


def _attachment(filename: str) -> str:
    """A Content-Disposition for any filename (RFC 6266, RFC 8187)."""
    return f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
