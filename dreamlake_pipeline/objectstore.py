"""The object store: one S3 bucket, through boto3; small requests and presigned URLs are signed by `signedrequests`.

The docstrings are the contract; `tests/objectstore/` holds every S3 server we use to it. A vendor's
error becomes ours here and nowhere else: missing keys are `None` or NOT_FOUND, anything else STORAGE_FAILED.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import quote

import boto3
import boto3.exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, HTTPClientError, SSLError
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.utils import parse_timestamp

from . import tls
from .errors import Code, DreamlakeError
from .http1 import Range
from .signedrequests import SignedRequests

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BLOCK = 1 << 20
_BLOCKS_AHEAD = 8
_PIECE = 128 << 10
_SMALL = 4 << 20  # bytes of a file that is held in memory whole and moved by one request
_METADATA_PREFIX = "x-amz-meta-"
_UPLOAD_ID = re.compile(r"[A-Za-z0-9._~+=-]{1,1024}")
_BAD_RANGE = {"InvalidRange", "InvalidArgument"}
_MISSING = {"404", "NoSuchKey", "NotFound"}


# A store may take minutes to join the parts of a large upload, and some are silent meanwhile.
COMPLETE_SECONDS = 300.0

_CONNECT_SECONDS = 5.0


def client_config(*, max_connections: int = 32, silence: float = 60.0, tries: int = 5) -> Config:
    """The botocore configuration that every S3 client of this project is made with.

    A request is given up after `silence` seconds without a byte of its answer, and made `tries` times at the most.
    SigV4 is forced: on custom endpoints boto3 presigns with SigV2, which signs neither length nor checksum.
    Checksums are sent when an operation requires them: the default CRC32 breaks some S3 servers.
    """
    return Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": tries},
        max_pool_connections=max_connections,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=silence,
        s3={"addressing_style": "path"} if os.environ.get("AWS_ENDPOINT_URL") else {},
    )


def open_client(*, silence: float = 60.0, tries: int = 5, endpoint_url: str | None = None) -> S3Client:
    """An S3 client for the endpoint (unless `endpoint_url` is one) and credentials of boto3's environment variables, as
    they are now.

    A session of its own: boto3's default one is not thread-safe, and keeps the credentials that it saw first. It trusts
    whom our other clients trust (`tls.py`), not boto3's own list of authorities.
    """
    session = boto3.Session()
    # Half of what a page of a listing costs is the reading of its thousand times.
    session._session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_time)
    return session.client(
        "s3",
        endpoint_url=endpoint_url,
        config=client_config(silence=silence, tries=tries),
        region_name=default_region(),
        verify=tls.authorities_file(),
    )


def _parse_time(value: Any) -> datetime:
    """What botocore makes of a time. In listings it is in ISO 8601, which Python reads thirty times faster."""
    if isinstance(value, str) and value.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    parsed: datetime = parse_timestamp(value)
    return parsed


def default_region() -> str:
    """The region of the environment, under the name that AWS's tools use or under the one that boto3 reads."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of a stored object without reading it. `metadata` is empty in listings."""

    key: str
    size: int
    etag: str
    last_modified: datetime
    content_type: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: objects, common prefixes (with a delimiter), and whether more may follow.

    The last page may be empty.
    """

    objects: list[ObjectInfo]
    prefixes: list[str]
    truncated: bool


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that anybody may send until it expires: exactly this URL with exactly these headers."""

    url: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class UploadedPart:
    part_number: int
    etag: str
    size: int
    sha256: str | None = None  # base64, as S3 gives it; only of uploads created with checksums
    last_modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """A multipart upload that is under way."""

    key: str
    upload_id: str
    initiated: datetime


@dataclass(frozen=True, slots=True)
class UploadPage:
    """Some uploads, and the key and id after which the next page begins; None on the last one."""

    uploads: list[UploadInfo]
    after: tuple[str, str] | None


class ObjectStore:
    """One bucket of an S3 server. Safe to share between threads."""

    def __init__(self, client: S3Client, bucket: str, *, completing: S3Client | None = None) -> None:
        """`completing` is the client that joins the parts of uploads, which takes longer than anything else."""
        self.client = client
        self.bucket = bucket
        self._completing = completing or client
        self._signed = SignedRequests(client, bucket)
        self._before_write: Callable[[], None] = _allow

    def guarded(self, before_write: Callable[[], None]) -> Self:
        """The same bucket: `before_write` is called before anything is stored, and may raise."""
        other = copy.copy(self)
        other._before_write = before_write
        return other

    # Reading

    def head(self, key: str) -> ObjectInfo | None:
        """What is stored under `key`; None when nothing is."""
        try:
            with _translated("look at", key):
                answer = self._signed.send("HEAD", key)
                if answer is None:
                    found = self.client.head_object(Bucket=self.bucket, Key=key)
                    return _object_info(key, found["ResponseMetadata"]["HTTPHeaders"])
        except DreamlakeError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        return None if answer.status == 404 else _object_info(key, answer.headers)

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or `length` of them from `start` (fewer at its end, none behind it). Raises NOT_FOUND."""
        if not start and length is None:
            return self._read(key)
        end = "" if length is None else start + length - 1
        try:
            return self._read(key, f"bytes={start}-{end}")
        except DreamlakeError as error:
            if not _is_bad_range(error):
                raise
        # A range must start inside the object (RFC 9110, 14.1.2), and some servers also want it to end there.
        found = self.head(key)
        if found is None or start >= found.size:
            return b""
        return self._read(key, f"bytes={start}-{found.size - 1}")

    def read_small(self, key: str, most: int) -> bytes | None:
        """The object's bytes; None when they are more than `most`. Raises NOT_FOUND."""
        with _translated("read", key):
            size, body = self._get(key)
            with closing(body):
                return body.read(size) if size <= most else None

    def _read(self, key: str, range_: str | None = None) -> bytes:
        with _translated("read", key):
            size, body = self._get(key, range_)
            with closing(body):
                return body.read(size)

    def _get(self, key: str, range_: str | None = None) -> tuple[int, _Body]:
        """How many bytes come, and the body that they come from, to be closed; it raises when fewer come."""
        wanted: Any = {"Range": range_} if range_ else {}
        answer = self._signed.open(key, headers=wanted)
        if answer is not None:
            length, body = answer.headers.get("content-length", ""), answer
        else:
            found = self.client.get_object(Bucket=self.bucket, Key=key, **wanted)
            length, body = str(found.get("ContentLength", "")), found["Body"]
        if not length.isdecimal():  # where a body ends that says nothing of it, nobody knows whether it is whole
            body.close()
            raise DreamlakeError(Code.STORAGE_FAILED, f"The object store does not say how long {key!r} is.")
        return int(length), body

    def open(self, key: str) -> tuple[int, Iterator[bytes]]:
        """The object's size, and its bytes in small blocks as they come: there may be as many readers as there are
        players, some of which stall. Raises NOT_FOUND; the blocks raise STORAGE_FAILED when they break off."""
        with _translated("read", key):
            size, body = self._get(key)
        return size, _blocks(body, key)

    def download(self, key: str, path: Path) -> str:
        """Write the object to `path` and return the SHA-256 (hex) of what was written. Raises NOT_FOUND."""
        digest = hashlib.sha256()
        with _translated("download", key), path.open("wb") as out:
            size, body = self._get(key)
            with closing(body):
                if size <= _SMALL:
                    data = body.read(size)
                    out.write(data)
                    return hashlib.sha256(data).hexdigest()
                # Hashing takes as long as receiving: one does not wait for the other.
                with ThreadPoolExecutor(1, thread_name_prefix="hash") as hasher:
                    hashing: deque[Future[None]] = deque()
                    while block := body.read(_BLOCK):
                        hashing.append(hasher.submit(digest.update, block))
                        out.write(block)
                        if len(hashing) > _BLOCKS_AHEAD:
                            hashing.popleft().result()
        return digest.hexdigest()

    def list_page(self, prefix: str, *, after: str = "", delimiter: str = "", limit: int = 1000) -> Page:
        """Up to `limit` keys under `prefix` that sort after `after`, in order of their UTF-8 bytes.

        With `delimiter`, what lies deeper is folded into prefixes, of which a page may have more than `limit`, and
        the same again. `prefix` is a folder: empty, or ending in `/`.
        """
        if delimiter:
            return _page(self._list(prefix, StartAfter=after, Delimiter=delimiter, MaxKeys=limit))
        found = list(islice(self._walk(prefix, after, limit), limit))
        return Page(found, [], truncated=len(found) == limit)

    def list_all(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the folder `prefix`, in order of the keys' UTF-8 bytes."""
        return self._walk(prefix, "", 1000)

    def list_beginning(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`, wherever that ends, and sorts after `after`; in the server's
        order."""
        where = {"StartAfter": after} if after else {}
        while True:
            found = self._list(prefix, **where)
            yield from _page(found).objects
            if not found.get("IsTruncated"):
                return
            where = {"ContinuationToken": found["NextContinuationToken"]}

    def _walk(self, folder: str, after: str, limit: int) -> Iterator[ObjectInfo]:
        """Every object in and below a folder that sorts after `after`, in order.

        One folder at a time, since not every server lists across folders in key order: one that finishes `run/` before
        it comes to `run.mp4`, which sorts first, never gives the latter when a page ends inside `run/`.
        """
        for entry in self._entries(folder, after, limit):
            if isinstance(entry, ObjectInfo):
                if entry.key > after:
                    yield entry
            elif entry > after or after.startswith(entry):
                yield from self._walk(entry, after, limit)

    def _entries(self, folder: str, after: str, limit: int) -> Iterator[ObjectInfo | str]:
        """The objects and folders (`…/`) right inside a folder, in order, from about `after` on."""
        inside = after.removeprefix(folder) if after.startswith(folder) else ""
        # A folder that `after` lies in sorts before `after`, and is still to be finished.
        start = folder + inside.split("/")[0] if "/" in inside else after
        where = {"StartAfter": start}
        waiting: dict[str, ObjectInfo | str] = {}
        given = ""
        while True:
            found = self._list(folder, Delimiter="/", MaxKeys=limit, **where)
            page = _page(found)
            waiting |= {entry.key: entry for entry in page.objects}
            waiting |= {name: name for name in page.prefixes if name > given}  # some servers repeat them
            names = sorted(waiting)
            if page.truncated and page.objects:
                # Nothing that sorts before the page's last object is still to come; a folder behind it waits.
                names = [name for name in names if name <= page.objects[-1].key]
            for name in names:
                given = name
                yield waiting.pop(name)
            if not page.truncated:
                return
            where = {"ContinuationToken": found["NextContinuationToken"]}

    def _list(self, prefix: str, **extra: Any) -> Any:
        with _translated("list", prefix):
            return self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **extra)

    # Writing

    def put(self, key: str, data: bytes, *, content_type: str, metadata: dict[str, str] | None = None) -> None:
        """Store `data` under `key`, replacing what was there."""
        self._before_write()
        headers = {"Content-Type": content_type, **_metadata_headers(metadata or {})}
        with _translated("store", key):
            if self._signed.send("PUT", key, headers=headers, body=data) is None:
                self.client.put_object(
                    Bucket=self.bucket, Key=key, Body=data, ContentType=content_type, Metadata=metadata or {}
                )

    def upload(self, key: str, path: Path, *, content_type: str, metadata: dict[str, str] | None = None) -> None:
        """Store a file of any size under `key`; the object appears whole or not at all."""
        if path.stat().st_size <= _SMALL:
            self.put(key, path.read_bytes(), content_type=content_type, metadata=metadata)
            return
        self._before_write()
        with _translated("store", key):
            self.client.upload_file(
                str(path),
                self.bucket,
                key,
                ExtraArgs={"ContentType": content_type, "Metadata": metadata or {}},
            )

    def put_file(self, key: str, path: Path, *, size: int, sha256: str, content_type: str) -> None:
        """Store a file of up to 5 GiB whose size and SHA-256 (hex) are known; S3 refuses other bytes than these."""
        self._before_write()
        headers = {"Content-Type": content_type}
        with _translated("store", key), path.open("rb") as file:
            body = Range(file.fileno(), 0, size)
            if self._signed.send("PUT", key, headers=headers, body=body, sha256=sha256) is None:
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=file,
                    ContentType=content_type,
                    ChecksumSHA256=_in_base64(sha256),
                )

    def copy(self, source: str, target: str) -> None:
        """Copy an object inside the bucket, on the server's side. Raises NOT_FOUND."""
        self._before_write()
        with _translated("copy", source):
            self.client.copy_object(Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source})

    def delete(self, keys: Iterable[str]) -> dict[str, str]:
        """Delete objects; a key under which nothing is stored is no error. Returns the keys of those that the store
        does not delete (a lock, a policy, a fault of its own), with its reasons."""
        batch = list(keys)
        refused: dict[str, str] = {}
        for start in range(0, len(batch), 1000):
            with _translated("delete", batch[start]):
                answer = self.client.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": [{"Key": key} for key in batch[start : start + 1000]], "Quiet": True},
                )
            refused |= {one.get("Key", ""): one.get("Code", "") for one in answer.get("Errors", [])}
        return refused

    # Presigned requests (SigV4; AWS "Authenticating Requests: Using Query Parameters")

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
            "x-amz-checksum-sha256": _in_base64(sha256),
            **_metadata_headers(metadata),
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
        if not _is_upload_id(upload_id):
            raise DreamlakeError(Code.UPLOAD_EXPIRED, f"The upload of {key!r} is gone.")
        headers = {}
        if size is not None:
            headers["Content-Length"] = str(size)
        if sha256 is not None:
            headers["x-amz-checksum-sha256"] = _in_base64(sha256)
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
        with _translated("sign a URL for", key):
            return self._signed.presign(method, key, query=query, headers=headers, expires=expires)

    # Multipart uploads

    def create_multipart(
        self, key: str, *, content_type: str, metadata: dict[str, str], checksums: bool = False
    ) -> str:
        """Begin a multipart upload; its upload id.

        With `checksums`, S3 demands a SHA-256 with every part; without it, S3 refuses parts that carry one.
        """
        extra: dict[str, Any] = {"ChecksumAlgorithm": "SHA256"} if checksums else {}
        with _translated("begin an upload to", key):
            upload_id = self.client.create_multipart_upload(
                Bucket=self.bucket, Key=key, ContentType=content_type, Metadata=metadata, **extra
            )["UploadId"]
        if not _is_upload_id(upload_id):
            raise DreamlakeError(Code.STORAGE_FAILED, f"The object store gave an upload of {key!r} an id that is none.")
        return upload_id

    def list_parts(self, key: str, upload_id: str) -> list[UploadedPart] | None:
        """The parts that have arrived, in order; None when the upload is not (or no longer) there."""
        if not _is_upload_id(upload_id):
            return None
        parts: list[UploadedPart] = []
        marker = 0
        while True:
            try:
                with _translated("list the parts of", key):
                    found = self.client.list_parts(
                        Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumberMarker=marker
                    )
            except DreamlakeError as error:
                if error.code is Code.UPLOAD_EXPIRED:
                    return None
                raise
            parts += [
                UploadedPart(
                    part["PartNumber"],
                    part["ETag"].strip('"'),
                    part["Size"],
                    part.get("ChecksumSHA256"),
                    part.get("LastModified"),
                )
                for part in found.get("Parts", [])
            ]
            if not found.get("IsTruncated"):
                return parts
            marker = int(found["NextPartNumberMarker"])

    def list_uploads(self, *, after: tuple[str, str] = ("", "")) -> UploadPage:
        """Multipart uploads of the bucket that are under way, behind this key and upload id."""
        markers: Any = {
            name: marker for name, marker in zip(("KeyMarker", "UploadIdMarker"), after, strict=True) if marker
        }
        with _translated("list the uploads of", self.bucket):
            found: Any = self.client.list_multipart_uploads(Bucket=self.bucket, **markers)
        uploads = [UploadInfo(one["Key"], one["UploadId"], one["Initiated"]) for one in found.get("Uploads", [])]
        more = found.get("IsTruncated") and found.get("NextKeyMarker")
        return UploadPage(uploads, (found["NextKeyMarker"], found.get("NextUploadIdMarker", "")) if more else None)

    def complete_multipart(self, key: str, upload_id: str, parts: Iterable[UploadedPart]) -> None:
        """Join parts into the object. Raises UPLOAD_EXPIRED, or CONFLICT for wrong parts.

        Parts of an upload that was created with checksums must carry theirs (`list_parts` gives them).
        """
        if not _is_upload_id(upload_id):
            raise DreamlakeError(Code.UPLOAD_EXPIRED, f"The upload of {key!r} is gone.")
        try:
            with _translated("complete the upload of", key):
                self._completing.complete_multipart_upload(
                    Bucket=self.bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={
                        "Parts": [_completed(part) for part in sorted(parts, key=lambda p: p.part_number)]
                    },
                )
        except DreamlakeError as error:
            # Not every server says that an upload is gone; all of them know its parts no more.
            if error.code is Code.STORAGE_FAILED and self.list_parts(key, upload_id) is None:
                raise DreamlakeError(Code.UPLOAD_EXPIRED, f"The upload of {key!r} is gone.") from error
            raise

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Give an upload up and free its parts; one that is already gone is no error."""
        if not _is_upload_id(upload_id):
            return
        try:
            with _translated("abort the upload of", key):
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except DreamlakeError as error:
            if error.code is not Code.UPLOAD_EXPIRED:
                raise

    # The bucket itself

    def impatient(self) -> ObjectStore:
        """The same bucket, by a client that gives a request up after ten seconds of silence, or two tries."""
        return ObjectStore(open_client(silence=10.0, tries=2, endpoint_url=self.client.meta.endpoint_url), self.bucket)

    def check(self) -> None:
        """Raise STORAGE_FAILED or UNREACHABLE unless the bucket answers."""
        with _translated("reach bucket", self.bucket):
            self.client.head_bucket(Bucket=self.bucket)

    def create_bucket(self) -> None:
        """Make the bucket; one that is there already is no error."""
        try:
            with _translated("create bucket", self.bucket):
                self.client.create_bucket(Bucket=self.bucket)
        except DreamlakeError as error:
            if error.code is not Code.CONFLICT:
                raise


def _allow() -> None:
    pass


class _Body(Protocol):
    """`read` gives up to so many bytes, fewer only at the end, and raises when that comes too early."""

    def read(self, size: int) -> bytes: ...
    def close(self) -> None: ...


def _blocks(body: _Body, key: str) -> Iterator[bytes]:
    with closing(body):
        while True:
            with _translated("read", key):
                block = body.read(_PIECE)
            if not block:
                return
            yield block


def _object_info(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    return ObjectInfo(
        key,
        int(headers["content-length"]),
        headers["etag"].strip('"'),
        parsedate_to_datetime(headers["last-modified"]),
        headers.get("content-type"),
        {
            name.lower().removeprefix(_METADATA_PREFIX): value
            for name, value in headers.items()
            if name.lower().startswith(_METADATA_PREFIX)
        },
    )


def _metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"{_METADATA_PREFIX}{name}": value for name, value in metadata.items()}


def _in_base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def _page(found: Any) -> Page:
    objects = [
        ObjectInfo(item["Key"], item["Size"], item["ETag"].strip('"'), item["LastModified"])
        for item in found.get("Contents", [])
    ]
    prefixes = [item["Prefix"] for item in found.get("CommonPrefixes", [])]
    return Page(objects, prefixes, found.get("IsTruncated", False))


def _is_bad_range(error: DreamlakeError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response["Error"].get("Code") in _BAD_RANGE


def _is_upload_id(text: str) -> bool:
    """Whether this may be an upload id: of those that S3, MinIO, Ceph and nanio give, none has another character, or is
    dots alone, which a server on a file system takes for a folder of its own."""
    return _UPLOAD_ID.fullmatch(text) is not None and text.strip(".") != ""


def _completed(part: UploadedPart) -> Any:
    body: dict[str, Any] = {"PartNumber": part.part_number, "ETag": part.etag}
    return body | {"ChecksumSHA256": part.sha256} if part.sha256 else body


def _attachment(filename: str) -> str:
    """A Content-Disposition for any filename (RFC 6266, RFC 8187)."""
    return f"attachment; filename*=UTF-8''{quote(filename, safe='')}"


_CODE_OF_S3_ERROR = {
    "NoSuchUpload": Code.UPLOAD_EXPIRED,
    "InvalidPart": Code.CONFLICT,
    "InvalidPartOrder": Code.CONFLICT,
    "EntityTooSmall": Code.CONFLICT,
    "BucketAlreadyOwnedByYou": Code.CONFLICT,
    "BucketAlreadyExists": Code.CONFLICT,
}


def was_answered(error: DreamlakeError) -> bool:
    """Whether the store answered, and refused: its reason may be that of one key. Else it could not be asked."""
    return isinstance(error.__cause__, ClientError)


@contextmanager
def _translated(action: str, key: str) -> Iterator[None]:
    """Turn botocore's exceptions into ours."""
    try:
        yield
    except (BotoCoreError, ClientError, ConnectionError, TimeoutError) as error:
        raise _ours(error, f"The object store could not {action} {key!r}", key) from error
    except boto3.exceptions.S3UploadFailedError as error:
        raise _ours(error.__context__ or error, f"The object store could not {action} {key!r}", key) from error


def _ours(error: BaseException, what: str, key: str) -> DreamlakeError:
    """The error that an exception of botocore means; `passing` when the store does not answer, or not now."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in _MISSING:
            return DreamlakeError(Code.NOT_FOUND, f"Nothing is stored under {key!r}.")
        what = f"{what}: {code or status}."
        if code in _PASSING_S3_ERRORS or status in _PASSING_STATUSES:
            return DreamlakeError(Code.STORAGE_FAILED, what, passing=True)
        ours = _CODE_OF_S3_ERROR.get(code, Code.STORAGE_FULL if status == 507 else Code.STORAGE_FAILED)
        return DreamlakeError(ours, what, hint=_SKEWED_HINT if code == "RequestTimeTooSkewed" else None)
    if isinstance(error, SSLError):
        url = str(error.kwargs.get("endpoint_url", ""))
        if problem := tls.explain(error, url, variable=tls.authorities_variable()):
            return DreamlakeError(Code.STORAGE_FAILED, f"The object store at {url} {problem.what}.", hint=problem.hint)
    what = f"{what}: {type(error).__name__}."
    if isinstance(error, _PASSING_FAULTS):
        return DreamlakeError(Code.STORAGE_FAILED, what, passing=True)
    return DreamlakeError(Code.STORAGE_FAILED, what)


_SKEWED_HINT = "Set the clock of this machine, or that of the store; both can follow NTP."

_PASSING_STATUSES = (429, 500, 502, 503, 504)
_PASSING_S3_ERRORS = ("RequestTimeout", "SlowDown", "OperationAborted", "Throttling")  # with other statuses, too
_PASSING_FAULTS = (
    ConnectionError,
    TimeoutError,
    HTTPClientError,
    BotocoreConnectionError,
    CredentialRetrievalError,
)
