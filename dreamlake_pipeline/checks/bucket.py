"""The bucket: each right that BSS and the pipeline need, tried with an object that is gone afterwards."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

from .. import tls
from ..errors import DreamlakeError
from ..storage import ObjectStore, UploadedPart, open_client
from . import clock
from .finding import Finding, Level, first_line, of_error, ok, warning, wrong

# No folder of ours is called so: nothing takes what lies there for a file.
_FOLDER = "dreamlake-doctor"
_DATA = b"dreamlake doctor puts this object here and takes it away"
_SECONDS = 10.0
_VALID = 300  # seconds, of presigned URLs

# What a right is called in a policy of IAM's.
_RIGHTS = {
    "list": "s3:ListBucket",
    "put": "s3:PutObject",
    "head": "s3:GetObject",
    "get": "s3:GetObject",
    "copy": "s3:GetObject and s3:PutObject",
    "multipart": "s3:PutObject, s3:ListMultipartUploadParts and s3:AbortMultipartUpload",
    "uploads": "s3:ListBucketMultipartUploads",
    "presigned PUT": "s3:PutObject",
    "presigned GET": "s3:GetObject",
    "delete": "s3:DeleteObject",
}


def check(bucket: str, *, origin: str | None = None) -> Iterator[Finding]:
    """The bucket with boto3's configuration; `origin` is that of pages which may want to read presigned URLs."""
    store = ObjectStore(open_client(silence=_SECONDS, tries=2), bucket)
    fault = _reach(store)
    if fault:
        yield fault
        return
    folder = f"{_FOLDER}/{secrets.token_hex(8)}"
    with tls_client() as http:
        yield from _Trial(store, http, folder).all(origin)
        asked = time.time()
        try:
            date = http.head(_where(store)).headers.get("date")
        except httpx.HTTPError:
            return
    if (skew := clock.skew_of(date, asked, time.time())) is not None:
        yield clock.judge("bucket", skew)


def tls_client() -> httpx.Client:
    """For requests that are signed already, or need no signature."""
    return httpx.Client(verify=tls.context(), timeout=_SECONDS)


def _reach(store: ObjectStore) -> Finding | None:
    """What keeps any request from being answered; None where one was."""
    try:
        store.check()
    except DreamlakeError as error:
        cause = error.__cause__
        if isinstance(cause, NoCredentialsError | PartialCredentialsError):
            hint = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
            return wrong("bucket", f"boto3 has no credentials for {store.client.meta.endpoint_url}", hint)
        if isinstance(cause, ClientError):
            status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status == 404:
                hint = "Create it, or correct DREAMLAKE_BUCKET and AWS_REGION"
                return wrong("bucket", f"there is no bucket {store.bucket!r} at {_where(store)}", hint)
            if status in (401, 403):
                # A HEAD has no body that says why; a listing does, and needs the same right.
                return _refused(store)
        return of_error("bucket", error, "See that this machine reaches it, or correct AWS_ENDPOINT_URL")
    return None


def _refused(store: ObjectStore) -> Finding | None:
    try:
        store.list_page("", limit=1)
    except DreamlakeError as error:
        code = _code_of(error)
        if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"):
            hint = "Correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            return wrong("bucket", f"the object store at {_where(store)} refuses the key: {code}", hint)
        if code == "RequestTimeTooSkewed":
            return of_error("bucket", error)
    return None  # rights alone are missing: each is tried


def _where(store: ObjectStore) -> str:
    return str(store.client.meta.endpoint_url)


def _code_of(error: DreamlakeError) -> str:
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""


class _Refused(Exception):
    """A presigned request was answered by something else than success."""


class _Trial:
    """Each right once, on objects in a folder of this trial's own."""

    def __init__(self, store: ObjectStore, http: httpx.Client, folder: str) -> None:
        self._store, self._http = store, http
        self._key, self._other = f"{folder}/object", f"{folder}/other"
        self._read_url = ""

    def all(self, origin: str | None) -> Iterator[Finding]:
        yield self._try("list", lambda: self._store.list_page(f"{_FOLDER}/", limit=1))
        has_put = self._try("put", lambda: self._store.put(self._key, _DATA, content_type="text/plain"))
        yield has_put
        try:
            if has_put.level is Level.OK:
                yield self._try("head", self._head)
                yield self._try("get", self._get)
                yield self._try("copy", lambda: self._store.copy(self._key, self._other))
                reads = self._try("presigned GET", self._presigned_get)
                yield reads
                if reads.level is Level.OK:
                    yield self._cors(origin)
            yield self._try("multipart", self._multipart)
            yield self._try("uploads", self._store.list_uploads, is_needed=False)
            yield self._try("presigned PUT", self._presigned_put)
        finally:
            deleted = self._try("delete", self._delete)
        yield deleted

    def _try(self, right: str, do: Callable[[], Any], *, is_needed: bool = True) -> Finding:
        part = f"bucket {right}"
        try:
            do()
        except DreamlakeError as error:
            said = _code_of(error) or error.message.rstrip(".")
        except (_Refused, httpx.HTTPError) as fault:
            said = first_line(fault) or type(fault).__name__
        else:
            return ok(part, "may")
        if not is_needed:
            hint = f"With {_RIGHTS[right]}, garbage collection also finds uploads that BSS does not know any more"
            return warning(part, said, hint)
        return wrong(part, said, f"Give the credentials {_RIGHTS[right]} on {self._store.bucket}")

    def _head(self) -> None:
        found = self._store.head(self._key)
        if found is None or found.size != len(_DATA):
            raise _Refused("what was just stored is not there")

    def _get(self) -> None:
        if self._store.read(self._key) != _DATA:
            raise _Refused("other bytes come back than were stored")

    def _multipart(self) -> None:
        key = f"{self._key}-in-parts"
        upload = self._store.create_multipart(key, content_type="text/plain", metadata={})
        try:
            signed = self._store.presign_part(key, upload, 1, expires=_VALID)
            answer = _answered(self._http.put(signed.url, headers=signed.headers, content=_DATA))
            if not self._store.list_parts(key, upload):
                raise _Refused("a part that was just stored is not listed")
            part = UploadedPart(1, answer.headers.get("etag", "").strip('"'), len(_DATA))
            self._store.complete_multipart(key, upload, [part])
        except BaseException:
            self._store.abort_multipart(key, upload)
            raise
        # The right to give one up is needed as well: an upload of no parts is begun for it.
        self._store.abort_multipart(key, self._store.create_multipart(key, content_type="text/plain", metadata={}))

    def _presigned_put(self) -> None:
        signed = self._store.presign_put(
            self._other,
            size=len(_DATA),
            sha256=hashlib.sha256(_DATA).hexdigest(),
            content_type="text/plain",
            metadata={},
            expires=_VALID,
        )
        _answered(self._http.put(signed.url, headers=signed.headers, content=_DATA))

    def _presigned_get(self) -> None:
        self._read_url = self._store.presign_get(self._key, expires=_VALID)
        if _answered(self._http.get(self._read_url)).content != _DATA:
            raise _Refused("other bytes come back than were stored")

    def _cors(self, origin: str | None) -> Finding:
        """Only pages of others need it: segments and pictures come from BSS (deploy/README.md)."""
        asked = origin or "https://dreamlake.example"
        answer = self._http.get(self._read_url, headers={"Origin": asked})
        if answer.headers.get("access-control-allow-origin") in ("*", asked):
            return ok("bucket CORS", f"pages of {asked} may read presigned URLs")
        return ok("bucket CORS", f"no rule for pages of {asked}, and only their own scripts would need one")

    def _delete(self) -> None:
        keys = [self._key, self._other, f"{self._key}-in-parts"]
        if refused := self._store.delete(keys):
            raise _Refused(next(iter(refused.values())) or "the object store does not delete")
        if left := [key for key in keys if self._store.head(key) is not None]:
            raise _Refused(f"{left[0]} is still there after it was deleted")


def _answered(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        code = answer.text.partition("<Code>")[2].partition("</Code>")[0]
        raise _Refused(f"{answer.status_code} {code}".strip())
    return answer
