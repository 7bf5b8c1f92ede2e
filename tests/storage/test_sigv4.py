"""The signer gives what botocore gives, for any key, header and query."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.remote.http1 import host_header
from dreamlake_pipeline.storage import ObjectStore, client_config
from dreamlake_pipeline.storage.signedrequests import SignedRequests
from dreamlake_pipeline.storage.sigv4 import Signer, encode_path

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(lambda key: key.strip("/"))
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def _client(*, style: str, token: str | None, endpoint: str | None = None, region: str = "eu-west-3"):
    return boto3.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        aws_session_token=token,
        config=client_config().merge(Config(s3={"addressing_style": style})),
    )


CLIENTS = {
    "path": _client(style="path", token=None, endpoint="http://127.0.0.1:9000"),
    "path-default-port": _client(style="path", token="a/token+with=signs", endpoint="http://store.example:80"),
    "path-default-port-tls": _client(style="path", token=None, endpoint="https://store.example:443"),
    "path-ipv6": _client(style="path", token=None, endpoint="http://[::1]:9000"),
    "path-ipv6-default-port": _client(style="path", token=None, endpoint="http://[::1]:80"),
    "virtual-host": _client(style="virtual", token=None),
    "virtual-host-us-east-1": _client(style="auto", token="token", region="us-east-1"),
}


def _same_as_botocore(client, ours: str, theirs: str) -> None:
    """Both URLs ask for the same; a signature made at the time of theirs is theirs."""
    ours_asked, theirs_asked = dict(parse_qsl(urlsplit(ours).query)), dict(parse_qsl(urlsplit(theirs).query))
    assert urlsplit(ours)[:3] == urlsplit(theirs)[:3]
    for volatile in ("X-Amz-Date", "X-Amz-Signature"):
        ours_asked.pop(volatile), theirs_asked.pop(volatile)
    assert ours_asked == theirs_asked


@pytest.mark.parametrize("style", CLIENTS)
def test_urls_are_botocores(style) -> None:
    client = CLIENTS[style]
    requests = SignedRequests(client, "some-bucket")

    @settings(deadline=None, max_examples=50)
    @given(key=KEYS, name=VALUES, content_type=VALUES.filter(str.strip))
    def check(key: str, name: str, content_type: str) -> None:
        params = {"Bucket": "some-bucket", "Key": key}
        put = {"ContentLength": 12, "ContentType": content_type, "Metadata": {"name": name}, "ChecksumSHA256": "c+/="}
        theirs = client.generate_presigned_url("put_object", Params=params | put, ExpiresIn=60)
        headers = {"content-length": "12", "Content-Type": content_type, "x-amz-meta-name": name}
        headers["x-amz-checksum-sha256"] = "c+/="
        _same_as_botocore(client, requests.presign("PUT", key, headers=headers, expires=60), theirs)
        _same_signature("PUT", client, theirs, query={}, headers=headers)

        part = {"UploadId": name + "x", "PartNumber": 7}
        theirs = client.generate_presigned_url("upload_part", Params=params | part, ExpiresIn=60)
        query = {"uploadId": name + "x", "partNumber": "7"}
        _same_as_botocore(client, requests.presign("PUT", key, query=query, expires=60), theirs)
        _same_signature("PUT", client, theirs, query=query, headers={})

        shown = {"ResponseContentDisposition": f"attachment; {name}", "ResponseContentType": content_type}
        theirs = client.generate_presigned_url("get_object", Params=params | shown, ExpiresIn=60)
        query = {"response-content-disposition": f"attachment; {name}", "response-content-type": content_type}
        _same_as_botocore(client, requests.presign("GET", key, query=query, expires=60), theirs)
        _same_signature("GET", client, theirs, query=query, headers={})

    check()


def _signer(client) -> Signer:
    found = client._request_signer._credentials
    return Signer(found.access_key, found.secret_key, found.token, client.meta.region_name)


def _same_signature(method: str, client, theirs: str, *, query: dict, headers: dict) -> None:
    url = urlsplit(theirs)
    asked = dict(parse_qsl(url.query))
    now = datetime.strptime(asked["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    host = host_header(url)
    ours = _signer(client).presign(method, host, url.path, query=query, headers=headers, expires=60, now=now)
    assert dict(parse_qsl(ours))["X-Amz-Signature"] == asked["X-Amz-Signature"]


@settings(deadline=None)
@given(key=KEYS, value=VALUES, body=st.binary(max_size=50), token=st.sampled_from([None, "a/token+="]))
def test_signed_headers_are_botocores(key, value, body, token) -> None:
    url = f"http://127.0.0.1:9000/bucket/{encode_path(key)}"
    theirs = AWSRequest("PUT", url, headers={"Content-Type": "a/b", "X-Amz-Meta-Name": value}, data=body)
    S3SigV4Auth(Credentials("AK", "SK", token), "s3", "eu-west-3").add_auth(theirs)
    now = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = Signer("AK", "SK", token, "eu-west-3").authorize(
        "PUT",
        "127.0.0.1:9000",
        f"/bucket/{encode_path(key)}",
        headers={"content-type": "a/b", "x-amz-meta-name": value},
        payload_sha256=hashlib.sha256(body).hexdigest(),
        now=now,
    )
    assert {name.lower(): ours[name] for name in ours} == {k.lower(): v for k, v in theirs.headers.items()}


def test_renewed_credentials_are_used() -> None:
    client = _client(style="path", token="first")
    requests = SignedRequests(client, "some-bucket")
    assert "X-Amz-Security-Token=first" in requests.presign("GET", "key", expires=60)
    client._request_signer._credentials = Credentials("AK", "SK", "second")
    assert "X-Amz-Security-Token=second" in requests.presign("GET", "key", expires=60)


def test_what_does_not_go_well_at_once_is_asked_of_boto3(object_store, owner) -> None:
    """A server that breaks the connection, is not there, or wants other credentials: boto3 retries and names it."""
    key = f"{owner}/key"
    object_store.put(key, b"data", content_type="text/plain")
    wrong = _client(style="path", token=None, endpoint=object_store.client.meta.endpoint_url)
    requests = SignedRequests(wrong, object_store.bucket)
    assert requests.open(key) is None and requests.send("HEAD", key) is None
    assert SignedRequests(object_store.client, object_store.bucket).open(key).read(10) == b"data"
    unreachable = _client(style="path", token=None, endpoint="http://127.0.0.1:9")
    assert SignedRequests(unreachable, "some-bucket").send("PUT", key, body=b"x") is None
    broken = ObjectStore(object_store.client, object_store.bucket)
    broken._signed = SimpleNamespace(send=lambda *given, **options: None, open=lambda *given, **options: None)
    assert broken.head(key).size == 4 and broken.read(key) == b"data" and broken.read(key, start=2) == b"ta"
    broken.put(key, b"other", content_type="text/plain", metadata={"a": "b"})
    assert object_store.head(key) == broken.head(key)
    assert broken.head(f"{owner}/none") is None
