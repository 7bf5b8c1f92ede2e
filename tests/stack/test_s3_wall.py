"""Presigned URLs of every kind that are given out, bent in every way that is known, over the embedded S3 server.

A bent request is refused with the code of AWS, and changes nothing; a straight one works before and after.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError

from dreamlake_pipeline.storage import ObjectStore
from dreamlake_pipeline.storage.sigv4 import Signer, encode_path

DATA = b"the bytes that were signed for"
OTHER = b"other bytes of the same length"
assert len(DATA) == len(OTHER)
TYPE = "video/mp4"

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire: a list of headers, so that one may be there twice."""

    method: str
    host: str
    path: str
    query: str
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def send(self) -> tuple[int, str, bytes, dict[str, str]]:
        """Status, S3's error code (empty for a success), body, headers."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        try:
            target = f"{self.path}?{self.query}" if self.query else self.path
            connection.putrequest(self.method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers:
                connection.putheader(name, value)
            connection.endheaders()
            connection.send(self.body)
            answer = connection.getresponse()
            body = answer.read()
            code = ""
            if answer.status >= 400 and body:
                code = ElementTree.fromstring(body).findtext("Code", "")
            return answer.status, code, body, dict(answer.getheaders())
        finally:
            connection.close()

    def with_header(self, name: str, value: str, *, first: bool = False) -> Request:
        return replace(self, headers=[(name, value), *self.headers] if first else [*self.headers, (name, value)])

    def without_header(self, name: str) -> Request:
        return replace(self, headers=[pair for pair in self.headers if pair[0].lower() != name.lower()])

    def with_query(self, more: str) -> Request:
        return replace(self, query=f"{self.query}&{more}")

    def replaced(self, name: str, value: str) -> Request:
        """With another value of a query parameter."""
        pairs = [pair.split("=", 1) for pair in self.query.split("&")]
        assert name in [pair[0] for pair in pairs]
        return replace(self, query="&".join(f"{key}={value if key == name else old}" for key, old in pairs))


def request_of(method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Request:
    parts = urlsplit(url)
    sent = {"Host": parts.netloc} | (headers or {})
    if method == "PUT":
        sent.setdefault("Content-Length", str(len(body)))
    return Request(method, parts.netloc, parts.path, parts.query, list(sent.items()), body)


@dataclass(frozen=True)
class World:
    """A victim's object, and somebody with URLs for keys of his own."""

    store: ObjectStore
    victim: str
    key: str
    upload: str

    @property
    def put(self) -> Request:
        sha256 = hashlib.sha256(DATA).hexdigest()
        signed = self.store.presign_put(
            self.key, size=len(DATA), sha256=sha256, content_type=TYPE, metadata={"name": "a"}, expires=60
        )
        return request_of("PUT", signed.url, signed.headers, DATA)

    @property
    def part(self) -> Request:
        sha256 = hashlib.sha256(DATA).hexdigest()
        signed = self.store.presign_part(self.key, self.upload, 1, expires=60, size=len(DATA), sha256=sha256)
        return request_of("PUT", signed.url, signed.headers, DATA)

    @property
    def bare_part(self) -> Request:
        """Of a client that asks for numbers alone (DESIGN's contract): nothing but the part is signed."""
        signed = self.store.presign_part(self.key, self.upload, 1, expires=60)
        return request_of("PUT", signed.url, signed.headers, DATA)

    @property
    def get(self) -> Request:
        return request_of("GET", self.store.presign_get(f"{self.key}.kept", expires=60, filename="a.mp4"))

    def state(self) -> Any:
        """All that a request could have changed."""
        objects = [
            (found.key, found.etag, self.store.read(found.key), self.store.head(found.key))
            for found in self.store.list_all(f"{self.key.split('/')[0]}/")
        ]
        victims = [found.key for found in self.store.list_all(f"{self.victim.split('/')[0]}/")]
        return objects, victims, self.store.list_parts(self.key, self.upload)


@pytest.fixture
def world(object_store: ObjectStore) -> Iterator[World]:
    mine, theirs = (f"o{secrets.token_hex(5)}/p/staging/{secrets.token_hex(32)}" for _ in range(2))
    object_store.put(theirs, b"the victim's bytes", content_type=TYPE)
    object_store.put(f"{mine}.kept", DATA, content_type="text/html")
    upload = object_store.create_multipart(mine, content_type=TYPE, metadata={}, checksums=True)
    yield World(object_store, theirs, mine, upload)
    object_store.abort_multipart(mine, upload)


Bend = Callable[[World, Request], Request]


def header(name: str, value: str | Callable[[World], str]) -> Bend:
    return lambda world, request: request.with_header(name, value if isinstance(value, str) else value(world))


def query(more: str | Callable[[World], str]) -> Bend:
    return lambda world, request: request.with_query(more if isinstance(more, str) else more(world))


def source(world: World) -> str:
    return f"/{world.store.bucket}/{world.victim}"


# The ways to bend any of the requests, each with what AWS answers.
ANY: dict[str, tuple[Bend, int, str]] = {
    "copy source": (header("x-amz-copy-source", source), 403, "AccessDenied"),
    "copy source in capitals": (header("X-AMZ-COPY-SOURCE", source), 403, "AccessDenied"),
    "copy source range": (header("x-amz-copy-source-range", "bytes=0-3"), 403, "AccessDenied"),
    "acl": (header("x-amz-acl", "public-read"), 403, "AccessDenied"),
    "grant": (header("x-amz-grant-read", 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'), 403, "AccessDenied"),
    "metadata": (header("x-amz-meta-kind", "video"), 403, "AccessDenied"),
    "storage class": (header("x-amz-storage-class", "GLACIER"), 403, "AccessDenied"),
    "tagging": (header("x-amz-tagging", "a=b"), 403, "AccessDenied"),
    "redirect": (header("x-amz-website-redirect-location", "http://attacker/"), 403, "AccessDenied"),
    "encryption": (header("x-amz-server-side-encryption", "AES256"), 403, "AccessDenied"),
    "object lock": (header("x-amz-object-lock-mode", "COMPLIANCE"), 403, "AccessDenied"),
    "another checksum": (header("x-amz-checksum-crc32", "AAAAAA=="), 403, "AccessDenied"),
    "streaming payload": (header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), 403, "AccessDenied"),
    "unsigned stream": (header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), 403, "AccessDenied"),
    "security token header": (header("x-amz-security-token", "t"), 403, "AccessDenied"),
    "date header": (header("x-amz-date", "20200101T000000Z"), 403, "AccessDenied"),
    "security token": (query("X-Amz-Security-Token=t"), 403, "SignatureDoesNotMatch"),
    "acl query": (query("acl"), 403, "SignatureDoesNotMatch"),
    "acl query with a value": (query("acl="), 403, "SignatureDoesNotMatch"),
    "versioning": (query("versioning"), 403, "SignatureDoesNotMatch"),
    "delete": (query("delete"), 403, "SignatureDoesNotMatch"),
    "tagging query": (query("tagging"), 403, "SignatureDoesNotMatch"),
    "uploads": (query("uploads"), 403, "SignatureDoesNotMatch"),
    "bare upload id": (query("uploadId"), 403, "SignatureDoesNotMatch"),
    "bare part": (query("partNumber&uploadId"), 403, "SignatureDoesNotMatch"),
    "upload id and part": (
        query(lambda world: f"uploadId={world.upload}&partNumber=2"),
        403,
        "SignatureDoesNotMatch",
    ),
    "version id": (query("versionId=null"), 403, "SignatureDoesNotMatch"),
    "operation": (query("x-id=CopyObject"), 403, "SignatureDoesNotMatch"),
    "type of the answer": (query("response-content-type=text/html"), 403, "SignatureDoesNotMatch"),
    "unknown parameter": (query("anything=1"), 403, "SignatureDoesNotMatch"),
    "parameter twice": (query("X-Amz-Expires=604800"), 403, "SignatureDoesNotMatch"),
    "later end": (lambda _, request: request.replaced("X-Amz-Expires", "3600"), 403, "SignatureDoesNotMatch"),
    "end in a year": (
        lambda _, request: request.replaced("X-Amz-Expires", "31536000"),
        400,
        "AuthorizationQueryParametersError",
    ),
    "negative end": (
        lambda _, request: request.replaced("X-Amz-Expires", "-1"),
        400,
        "AuthorizationQueryParametersError",
    ),
    "end that is no number": (
        lambda _, request: request.replaced("X-Amz-Expires", "1e9"),
        400,
        "AuthorizationQueryParametersError",
    ),
    "later date": (
        lambda _, request: request.replaced("X-Amz-Date", f"{datetime.now(UTC) + timedelta(minutes=5):%Y%m%dT%H%M%SZ}"),
        403,
        "SignatureDoesNotMatch",
    ),
    "no signed headers": (lambda _, request: request.replaced("X-Amz-SignedHeaders", ""), 403, "AccessDenied"),
    "host alone signed": (lambda _, request: request.replaced("X-Amz-SignedHeaders", "host%3Bx-amz-acl"), 403, ""),
    "no signature": (lambda _, request: request.replaced("X-Amz-Signature", ""), 400, ""),
    "signature of zeros": (
        lambda _, request: request.replaced("X-Amz-Signature", "0" * 64),
        403,
        "SignatureDoesNotMatch",
    ),
    "another algorithm": (lambda _, request: request.replaced("X-Amz-Algorithm", "none"), 400, ""),
    "another region": (
        lambda _, request: replace(request, query=request.query.replace("us-east-1", "eu-west-1")),
        403,
        "SignatureDoesNotMatch",
    ),
    "two signatures": (
        header("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request, SignedHeaders=host, Signature=0"),
        400,
        "InvalidArgument",
    ),
    "another host": (
        lambda _, request: request.without_header("Host").with_header("Host", "attacker.example"),
        403,
        "SignatureDoesNotMatch",
    ),
    "host twice": (header("Host", "attacker.example"), 400, ""),
    "another key": (lambda world, request: replace(request, path=source(world)), 403, "SignatureDoesNotMatch"),
    "path upwards": (lambda _, request: replace(request, path=f"{request.path}/../x"), 400, "InvalidObjectName"),
    "path upwards, encoded": (
        lambda _, request: replace(request, path=f"{request.path}/%2e%2e/x"),
        400,
        "InvalidObjectName",
    ),
    "path upwards, encoded twice": (
        lambda _, request: replace(request, path=f"{request.path}/%252e%252e/x"),
        400,
        "InvalidObjectName",
    ),
    "nul": (lambda _, request: replace(request, path=f"{request.path}%00"), 400, "InvalidObjectName"),
    "escape": (lambda _, request: replace(request, path=f"{request.path}%1b[2J"), 400, "InvalidObjectName"),
    "tabulator, which a parser of URLs leaves out": (
        lambda _, request: replace(request, path=f"{request.path}%09"),
        400,
        "InvalidObjectName",
    ),
    "not UTF-8": (lambda _, request: replace(request, path=f"{request.path}%ff"), 400, "InvalidURI"),
    "nanio's own folder": (
        lambda _, request: replace(request, path="/.nanio/multipart/x"),
        400,
        "InvalidBucketName",
    ),
    "as DELETE": (lambda _, request: replace(request, method="DELETE"), 403, "SignatureDoesNotMatch"),
    "as POST": (lambda _, request: replace(request, method="POST"), 403, "SignatureDoesNotMatch"),
    "as POST with uploads": (
        lambda _, request: replace(request, method="POST").with_query("uploads"),
        403,
        "SignatureDoesNotMatch",
    ),
    "as OPTIONS": (lambda _, request: replace(request, method="OPTIONS"), 403, "SignatureDoesNotMatch"),
}

# The ways to bend a PUT: what is stored with the object, and the body.
PUT: dict[str, tuple[Bend, int, str]] = {
    "compressed": (header("Content-Encoding", "gzip"), 403, "AccessDenied"),
    "chunks of AWS's": (header("Content-Encoding", "aws-chunked"), 403, "AccessDenied"),
    "disposition": (header("Content-Disposition", "inline"), 403, "AccessDenied"),
    "cached": (header("Cache-Control", "max-age=31536000"), 403, "AccessDenied"),
    "expires": (header("Expires", "Thu, 01 Jan 2099 00:00:00 GMT"), 403, "AccessDenied"),
    "language": (header("Content-Language", "en"), 403, "AccessDenied"),
    "as GET": (lambda _, request: replace(request, method="GET"), 403, "SignatureDoesNotMatch"),
    "as HEAD": (lambda _, request: replace(request, method="HEAD"), 403, ""),
    "no length": (
        lambda _, request: replace(
            request.without_header("Content-Length").with_header("Transfer-Encoding", "chunked"),
            body=f"{len(DATA):x}\r\n".encode() + DATA + b"\r\n0\r\n\r\n",
        ),
        411,
        "MissingContentLength",
    ),
}

# What is signed of a PUT whose length and checksum are known.
SIGNED: dict[str, tuple[Bend, int, str]] = {
    "other bytes": (lambda _, request: replace(request, body=OTHER), 400, "BadDigest"),
    "other bytes and checksum": (
        lambda _, request: (
            replace(request, body=OTHER)
            .without_header("x-amz-checksum-sha256")
            .with_header("x-amz-checksum-sha256", base64.b64encode(hashlib.sha256(OTHER).digest()).decode())
        ),
        403,
        "SignatureDoesNotMatch",
    ),
    "no checksum": (
        lambda _, request: request.without_header("x-amz-checksum-sha256"),
        403,
        "SignatureDoesNotMatch",
    ),
    "checksum twice": (
        lambda _, request: replace(request, body=OTHER).with_header(
            "x-amz-checksum-sha256", base64.b64encode(hashlib.sha256(OTHER).digest()).decode(), first=True
        ),
        400,
        "InvalidRequest",
    ),
    "shorter": (
        lambda _, request: (
            replace(request, body=b"abc").without_header("Content-Length").with_header("Content-Length", "3")
        ),
        403,
        "SignatureDoesNotMatch",
    ),
}
OBJECT: dict[str, tuple[Bend, int, str]] = {
    "another type": (
        lambda _, request: request.without_header("Content-Type").with_header("Content-Type", "text/html"),
        403,
        "SignatureDoesNotMatch",
    ),
    "two types": (
        lambda _, request: request.with_header("Content-Type", "text/html", first=True),
        400,
        "InvalidRequest",
    ),
    "other metadata": (
        lambda _, request: request.without_header("x-amz-meta-name").with_header("x-amz-meta-name", "b"),
        403,
        "SignatureDoesNotMatch",
    ),
}
GET: dict[str, tuple[Bend, int, str]] = {
    "as PUT": (
        lambda _, request: replace(request.with_header("Content-Length", str(len(OTHER))), method="PUT", body=OTHER),
        403,
        "SignatureDoesNotMatch",
    ),
    "as HEAD": (lambda _, request: replace(request, method="HEAD"), 403, ""),
    "without its override": (
        lambda _, request: replace(
            request,
            query="&".join(pair for pair in request.query.split("&") if not pair.startswith("response-")),
        ),
        403,
        "SignatureDoesNotMatch",
    ),
    "another override": (
        lambda _, request: request.replaced("response-content-disposition", "inline"),
        403,
        "SignatureDoesNotMatch",
    ),
}

BENT = {
    "put": ANY | PUT | SIGNED | OBJECT,
    "part": ANY | PUT | SIGNED,
    "bare_part": ANY | PUT,
    "get": ANY | GET,
}
CASES = [(kind, way) for kind, ways in BENT.items() for way in ways]


@pytest.mark.parametrize(("kind", "way"), CASES, ids=[f"{kind}: {way}" for kind, way in CASES])
def test_a_bent_url_is_refused_and_changes_nothing(world: World, kind: str, way: str) -> None:
    bend, status, code = BENT[kind][way]
    before = world.state()
    answer = bend(world, getattr(world, kind)).send()
    assert answer[0] == status, answer
    assert not code or answer[1] == code, answer
    assert b"victim's bytes" not in answer[2] and DATA not in answer[2]
    assert world.state() == before


@pytest.mark.parametrize("kind", BENT)
def test_a_straight_url_works(world: World, kind: str) -> None:
    status, _, body, headers = getattr(world, kind).send()
    assert status == 200, body
    if kind == "get":
        assert body == DATA
        # It is the name that was signed for, and the bytes as they are stored.
        assert headers["content-disposition"] == "attachment; filename*=UTF-8''a.mp4"
        assert headers["content-encoding"] == "identity"


def test_the_header_that_is_not_signed_is_named(world: World) -> None:
    answer = world.put.with_header("x-amz-acl", "public-read").send()
    assert ElementTree.fromstring(answer[2]).findtext("HeadersNotSigned") == "x-amz-acl"


def test_a_part_may_be_sent_with_a_type(world: World) -> None:
    # The contract with clients that ask for bare numbers; a part's type is not stored.
    assert world.bare_part.with_header("Content-Type", "application/octet-stream").send()[0] == 200


def test_a_url_that_has_ended(world: World) -> None:
    url = world.store._signed
    parts = urlsplit(world.store.presign_get(f"{world.key}.kept", expires=60))
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    for now, expires, status in (
        (an_hour_ago, 60, 403),
        (an_hour_ago, 7200, 200),
        (_in(20), 60, 403),
        (_in(5), 60, 200),
    ):
        signed = url._signer.presign("GET", parts.netloc, parts.path, query={}, headers={}, expires=expires, now=now)
        assert Request("GET", parts.netloc, parts.path, signed, [("Host", parts.netloc)]).send()[0] == status


def _in(minutes: int) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


# Whoever has the keys: the services. What they are asked for by strangers must not become more than it is.

UPLOAD_IDS = [".", "..", "", "/", "../multipart", "%2e", "a/b", "\0", "x" * 32 + "/..", "é" * 32]


@pytest.mark.parametrize("upload_id", UPLOAD_IDS)
@pytest.mark.parametrize("method", ["DELETE", "GET", "PUT", "POST"])
def test_an_upload_id_is_no_path(world: World, upload_id: str, method: str) -> None:
    before = world.state()
    query = {"uploadId": upload_id} | ({"partNumber": "1"} if method == "PUT" else {})
    answer = _signed(world.store, method, f"/{world.store.bucket}/{world.key}", query).send()
    assert answer[0] == 404 and answer[1] == "NoSuchUpload", answer
    assert world.state() == before


@pytest.mark.parametrize("method", ["DELETE", "GET", "PUT", "POST"])
def test_an_upload_is_one_of_its_key(world: World, method: str) -> None:
    before = world.state()
    query = {"uploadId": world.upload} | ({"partNumber": "1"} if method == "PUT" else {})
    answer = _signed(world.store, method, f"/{world.store.bucket}/{world.victim}", query).send()
    assert answer[0] == 404 and answer[1] == "NoSuchUpload", answer
    assert world.state() == before


@pytest.mark.parametrize("number", ["0", "10001", "-1", "1.0", "x", "", "%D9%A1", "01"])
def test_the_number_of_a_part(world: World, number: str) -> None:
    answer = _signed(
        world.store, "PUT", f"/{world.store.bucket}/{world.key}", {"uploadId": world.upload, "partNumber": number}
    ).send()
    assert answer[:2] == (400, "InvalidArgument"), answer


@pytest.mark.parametrize("query", ["acl", "tagging", "policy", "versioning", "lifecycle", "cors", "torrent"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_is_not_implemented_is_said_to_be_so(world: World, method: str, query: str) -> None:
    # nanio would store the ACL as the object, and show the object as its ACL.
    before = world.state()
    answer = _signed(world.store, method, f"/{world.store.bucket}/{world.key}.kept", {query: ""}).send()
    assert answer[:2] == (501, "NotImplemented"), answer
    assert world.state() == before


@pytest.mark.parametrize("bucket", ["..", ".", ".nanio", "%2e%2e", "UPPER", "a"])
def test_an_upload_begins_in_a_bucket(world: World, bucket: str) -> None:
    answer = _signed(world.store, "POST", f"/{bucket}/key", {"uploads": ""}).send()
    assert answer[:2] == (400, "InvalidBucketName"), answer


def test_a_body_is_the_one_that_was_signed(world: World) -> None:
    key = f"{world.key}.signed"
    sent = _signed(world.store, "PUT", f"/{world.store.bucket}/{key}", {}, DATA)
    assert replace(sent, body=OTHER).send()[:2] == (400, "XAmzContentSHA256Mismatch")
    assert world.store.head(key) is None
    assert sent.send()[0] == 200


@pytest.mark.parametrize("name", ["x-amz-meta-more", "x-amz-copy-source", "x-amz-acl"])
def test_every_header_of_amazons_is_signed_in_headers_too(world: World, name: str) -> None:
    sent = _signed(world.store, "PUT", f"/{world.store.bucket}/{world.key}", {}, DATA)
    assert sent.with_header(name, source(world)).send()[:2] == (403, "AccessDenied")


def test_a_stream_whose_frames_would_be_stored_is_not_implemented(world: World) -> None:
    signed = _signed(
        world.store,
        "PUT",
        f"/{world.store.bucket}/{world.key}",
        {},
        DATA,
        payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    )
    assert signed.send()[:2] == (501, "NotImplemented")


def test_no_credentials(world: World) -> None:
    for path in ("/", f"/{world.store.bucket}", f"/{world.store.bucket}/{world.victim}"):
        assert request_of("GET", f"http://{world.put.host}{path}").send()[0] == 403


def test_boto3_copies_and_lists_as_before(world: World) -> None:
    client, bucket = world.store.client, world.store.bucket
    client.copy_object(Bucket=bucket, Key=f"{world.key}.copy", CopySource={"Bucket": bucket, "Key": world.victim})
    assert world.store.read(f"{world.key}.copy") == b"the victim's bytes"
    client.list_objects_v2(Bucket=bucket, Prefix=f"{world.key}", MaxKeys=1, FetchOwner=True)
    client.list_multipart_uploads(Bucket=bucket)
    with pytest.raises(ClientError, match="NotImplemented"):
        client.get_bucket_versioning(Bucket=bucket)


def _signed(
    store: ObjectStore,
    method: str,
    path: str,
    query: dict[str, str],
    body: bytes = b"",
    *,
    payload: str | None = None,
) -> Request:
    """A request that is signed in its headers with the server's own keys."""
    from urllib.parse import quote

    signer: Signer = store._signed._signer
    host = store._signed._address.host
    path = encode_path(path) if "%" not in path else path
    text = "&".join(sorted(f"{quote(name, safe='')}={quote(value, safe='%')}" for name, value in query.items()))
    headers = {"content-length": str(len(body))} if method == "PUT" else {}
    payload = payload or hashlib.sha256(body).hexdigest()
    time = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    sent = {**headers, "x-amz-content-sha256": payload, "x-amz-date": time}
    signed = dict(sorted({**sent, "host": host}.items()))
    signature = signer._signature(time, method, path, text, signed, payload)
    sent["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.access_key}/{signer._scope(time)}, "
        f"SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    return Request(method, host, path, text, [("Host", host), *sent.items()], body)
