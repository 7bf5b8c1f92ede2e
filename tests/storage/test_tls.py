"""An object store behind TLS: who is trusted, and by which connections it is reached."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.storage import ObjectStore, client_config, open_client
from dreamlake_pipeline.storage.signedrequests import SignedRequests
from tests.certificates import Authority


def test_requests_over_tls_are_sent_here(tls_store, owner, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("boto3 was asked")

    key = f"{owner}/key"
    tls_store.put(key, b"data", content_type="text/plain")  # boto3 has told the bucket's address
    monkeypatch.setattr(tls_store._signed._session, "send", refuse)
    tls_store.put(key, b"other", content_type="text/plain")
    assert tls_store.read(key) == b"other" and tls_store.head(key).size == 5
    assert tls_store.head(f"{owner}/none") is None


def test_who_is_not_trusted_is_not_asked(object_store, tls_url, tmp_path, monkeypatch) -> None:
    """Nothing is sent to a server whose certificate is of another authority than those that the client is told of."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(Authority(tmp_path).file))
    store = ObjectStore(open_client(endpoint_url=tls_url, tries=1), object_store.bucket)
    assert store._signed._is_direct
    for action in (
        lambda: store.head("key"),
        lambda: store.read("key"),
        lambda: store.put("key", b"secret", content_type="text/plain"),
    ):
        with pytest.raises(DreamlakeError) as caught:
            action()
        assert caught.value.code is Code.STORAGE_FAILED and "certificate" in caught.value.message


def test_a_folder_of_authorities_is_trusted_as_a_file_is(tls_store, tmp_path) -> None:
    signed = tls_store._signed
    assert len(signed._trusted().get_ca_certs()) == 1
    signed._session._verify = str(tmp_path)
    assert signed._trusted().get_ca_certs() == []  # those of a folder are looked up when a certificate has come


@pytest.mark.parametrize(("verify", "client_cert"), [(False, None), (None, "client.pem")])
def test_what_botocore_knows_more_of_is_left_to_it(object_store, tls_url, verify, client_cert) -> None:
    """A client that looks at nobody's certificate, and one that shows one of its own."""
    client = boto3.Session().client(
        "s3", endpoint_url=tls_url, verify=verify, config=client_config().merge(Config(client_cert=client_cert))
    )
    assert not SignedRequests(client, "bucket")._is_direct
