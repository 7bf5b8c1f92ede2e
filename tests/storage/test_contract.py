"""What `ObjectStore` promises, on every server."""

from __future__ import annotations

import hashlib
import secrets
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.storage import ObjectStore, UploadedPart, open_client
from dreamlake_pipeline.storage.signedrequests import _Address

MIB = 2**20
TYPE = "application/octet-stream"


def _put(store: ObjectStore, key: str, data: bytes = b"data") -> str:
    store.put(key, data, content_type=TYPE)
    return key


def test_put_head_read(store, owner) -> None:
    key = f"{owner}/ä +&?#/file.bin"
    assert store.head(key) is None
    store.put(key, b"0123456789", content_type="text/x-test", metadata={"name": "/%C3%A4"})
    found = store.head(key)
    assert (found.key, found.size, found.content_type) == (key, 10, "text/x-test")
    assert found.metadata == {"name": "/%C3%A4"}
    assert found.etag == hashlib.md5(b"0123456789").hexdigest()
    assert abs(datetime.now(UTC) - found.last_modified) < timedelta(minutes=1)
    assert store.read(key) == b"0123456789"
    _put(store, key, b"new")
    assert store.read(key) == b"new" and store.head(key).metadata == {}


def test_put_file(store, owner, tmp_path) -> None:
    key, path, data = f"{owner}/file", tmp_path / "file", bytes(range(256)) * 10_000
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    store.put_file(key, path, size=len(data), sha256=sha256, content_type="text/x-test")
    found = store.head(key)
    assert (found.size, found.content_type) == (len(data), "text/x-test")
    assert store.download(key, tmp_path / "back") == sha256
    assert (tmp_path / "back").read_bytes() == data


@pytest.mark.parametrize("fixture", ["object_store", "indirect_store"])  # moto looks at no hash
def test_a_file_that_changed_since_it_was_hashed_is_not_stored(request, fixture, owner, tmp_path) -> None:
    store = request.getfixturevalue(fixture)
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    other = hashlib.sha256(b"9876543210").hexdigest()
    with pytest.raises(DreamlakeError) as caught:
        store.put_file(f"{owner}/file", path, size=10, sha256=other, content_type=TYPE)
    assert caught.value.code is Code.STORAGE_FAILED
    assert store.head(f"{owner}/file") is None


def test_put_file_as_boto3_sends_it(store, owner, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(store._signed, "send", lambda *_, **__: None)
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    sha256 = hashlib.sha256(b"0123456789").hexdigest()
    store.put_file(f"{owner}/file", path, size=10, sha256=sha256, content_type=TYPE)
    assert store.download(f"{owner}/file", tmp_path / "back") == sha256


def test_ranges(store, owner) -> None:
    key = _put(store, f"{owner}/r", b"0123456789")
    assert store.read(key, start=3, length=4) == b"3456"
    assert store.read(key, start=7) == b"789"
    assert store.read(key, length=2) == b"01"
    assert store.read(key, start=8, length=100) == b"89"
    assert store.read(key, length=100) == b"0123456789"
    assert store.read(key, start=10, length=5) == b"" and store.read(key, start=99) == b""


def test_a_large_object_comes_in_blocks(store, owner) -> None:
    data = bytes(range(256)) * 10_000
    size, blocks = store.open(_put(store, f"{owner}/large", data))
    found = list(blocks)
    assert size == len(data) and b"".join(found) == data and len(found) > 1
    with pytest.raises(DreamlakeError) as caught:
        store.open(f"{owner}/nothing")
    assert caught.value.code is Code.NOT_FOUND


def test_a_small_object_is_read_whole_or_not_at_all(store, owner) -> None:
    key = _put(store, f"{owner}/small", b"0123456789")
    assert store.read_small(key, 10) == store.read_small(key, 99) == b"0123456789"
    assert store.read_small(key, 9) is None
    with pytest.raises(DreamlakeError) as caught:
        store.read_small(f"{owner}/nothing", 10)
    assert caught.value.code is Code.NOT_FOUND


def test_an_empty_object(store, owner) -> None:
    key = _put(store, f"{owner}/empty", b"")
    assert store.head(key).size == 0
    assert store.read(key) == b"" and store.read(key, length=100) == b""


def test_missing_keys(store, owner, tmp_path) -> None:
    for action in (
        lambda: store.read(f"{owner}/none"),
        lambda: store.download(f"{owner}/none", tmp_path / "x"),
        lambda: store.copy(f"{owner}/none", f"{owner}/copy"),
    ):
        with pytest.raises(DreamlakeError) as caught:
            action()
        assert caught.value.code is Code.NOT_FOUND and "none" in caught.value.message
    store.delete([f"{owner}/none"])


def test_files_of_any_size(store, owner, tmp_path) -> None:
    data = secrets.token_bytes(9 * MIB)  # boto3 sends it in parts
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    store.upload(f"{owner}/large", source, content_type=TYPE, metadata={"kind": "video"})
    assert store.head(f"{owner}/large").metadata == {"kind": "video"}
    assert store.download(f"{owner}/large", target) == hashlib.sha256(data).hexdigest()
    assert target.read_bytes() == data
    assert store.read(f"{owner}/large", start=8 * MIB - 5, length=10) == data[8 * MIB - 5 :][:10]


def test_listing(store, owner) -> None:
    names = ["a", "b/1", "b/2", "b.c", "ä", "c d"]
    for name in names:
        _put(store, f"{owner}/{name}")
    everything = sorted(f"{owner}/{name}" for name in names)
    assert [found.key for found in store.list_all(f"{owner}/")] == everything
    assert [found.key for found in store.list_all(f"{owner}/b/")] == [f"{owner}/b/1", f"{owner}/b/2"]
    assert list(store.list_all(f"{owner}/nothing")) == []
    for prefix, after in (
        (f"{owner}/b", ""),
        (f"{owner}/b/", ""),
        (f"{owner}/b/", f"{owner}/b/1"),
        (f"{owner}/zz", ""),
    ):
        wanted = [key for key in everything if key.startswith(prefix) and key > after]
        begun = list(store.list_beginning(prefix, after=after))
        assert sorted(found.key for found in begun) == wanted
        assert all(found.last_modified.tzinfo is not None for found in begun)

    seen, after = [], ""
    while True:
        page = store.list_page(f"{owner}/", after=after, limit=2)
        assert len(page.objects) <= 2
        seen += [found.key for found in page.objects]
        if not page.truncated:
            break
        after = seen[-1]
    assert seen == everything
    first = store.list_page(f"{owner}/", limit=1).objects[0]
    assert first.size == 4 and first.etag == hashlib.md5(b"data").hexdigest() and first.last_modified.tzinfo

    # From any place on, also one that nothing lies at.
    for place in ("", f"{owner}/b", f"{owner}/b/", f"{owner}/b/1", f"{owner}/b/1/x", f"{owner}/b0", f"{owner}/zz"):
        rest = store.list_page(f"{owner}/", after=place)
        assert [found.key for found in rest.objects] == [key for key in everything if key > place], place

    folders = store.list_page(f"{owner}/", delimiter="/")
    assert folders.prefixes == [f"{owner}/b/"]
    assert [found.key for found in folders.objects] == [key for key in everything if "/b/" not in key]


def test_many_folders_whose_names_begin_alike(store, owner) -> None:
    # Key order is no folder order: "run-1/x" and "run.mp4" sort before "run/x".
    names = ["run/x", "run-1/x", "run-1/y", "run.mp4", "run/a/b/c", "run/a.b", "run0", "run 1/z"]
    for name in names:
        _put(store, f"{owner}/{name}")
    everything = sorted(f"{owner}/{name}" for name in names)
    for limit in (1, 2, 3, 1000):
        seen, after = [], ""
        while True:
            page = store.list_page(f"{owner}/", after=after, limit=limit)
            seen += [found.key for found in page.objects]
            if not page.truncated:
                break
            after = seen[-1]
        assert seen == everything, limit


def test_copy_and_delete(store, owner) -> None:
    keys = [_put(store, f"{owner}/{name}") for name in ("x", "ü 1", "y")]
    store.copy(keys[1], f"{owner}/copy")
    assert store.read(f"{owner}/copy") == b"data"
    store.delete([*keys, f"{owner}/never"])
    assert [found.key for found in store.list_all(f"{owner}/")] == [f"{owner}/copy"]
    store.delete([])


def test_presigned_get(store, owner) -> None:
    key = _put(store, f"{owner}/ä b.mp4", b"0123456789")
    url = store.presign_get(key, expires=60, filename="ä b.mp4", content_type="video/mp4")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url and "response-content-disposition" in url
    assert httpx.get(url).content == b"0123456789"
    ranged = httpx.get(store.presign_get(key, expires=60), headers={"Range": "bytes=2-4"})
    assert ranged.status_code == 206 and ranged.content == b"234"


def test_presigned_urls_are_for_one_key(object_store, owner) -> None:
    store = object_store  # moto does not look at signatures
    key, other = _put(store, f"{owner}/mine"), _put(store, f"{owner}/other")
    assert httpx.get(store.presign_get(key, expires=60).replace("/mine?", "/other?")).status_code == 403
    assert store.head(other) is not None


def test_presigned_put(store, owner, checks_signatures) -> None:
    data = secrets.token_bytes(1000)
    key = f"{owner}/put"

    def signed():
        return store.presign_put(
            key,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            content_type="video/mp4",
            metadata={"name": "/%C3%A4.mp4"},
            expires=60,
        )

    if checks_signatures:
        request = signed()
        shorter = httpx.put(request.url, content=b"abc", headers=request.headers | {"Content-Length": "3"})
        assert shorter.status_code == 403 and store.head(key) is None
    request = signed()
    assert httpx.put(request.url, content=data, headers=request.headers).status_code == 200
    found = store.head(key)
    assert (found.size, found.content_type, found.metadata) == (1000, "video/mp4", {"name": "/%C3%A4.mp4"})
    assert store.read(key) == data


def _send(store, key, upload, number, data, **signed) -> str:
    request = store.presign_part(key, upload, number, expires=60, **signed)
    answer = httpx.put(request.url, content=data, headers=request.headers)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"].strip('"')


def test_multipart(store, owner) -> None:
    key, pieces = f"{owner}/parts", [secrets.token_bytes(5 * MIB), b"the end"]
    upload = store.create_multipart(key, content_type="video/mp4", metadata={"kind": "video"})
    assert store.list_parts(key, upload) == []
    etags = {2: _send(store, key, upload, 2, pieces[1])}
    assert [(part.part_number, part.size) for part in store.list_parts(key, upload)] == [(2, 7)]
    # Resumed: what arrived stays, a part may be sent again.
    _send(store, key, upload, 1, b"x" * 100)
    etags[1] = _send(store, key, upload, 1, pieces[0])
    arrived = store.list_parts(key, upload)
    assert [(part.part_number, part.etag, part.size) for part in arrived] == [
        (1, etags[1], 5 * MIB),
        (2, etags[2], 7),
    ]
    assert store.head(key) is None

    with pytest.raises(DreamlakeError) as caught:
        store.complete_multipart(key, upload, [UploadedPart(1, "0" * 32, 0)])
    assert caught.value.code is Code.CONFLICT
    # The order in which they are named does not matter.
    store.complete_multipart(key, upload, [UploadedPart(n, etags[n], 0) for n in (2, 1)])
    assert store.read(key) == b"".join(pieces)
    found = store.head(key)
    assert (found.content_type, found.metadata) == ("video/mp4", {"kind": "video"})


def test_multipart_with_checksums(store, owner) -> None:
    key, pieces = f"{owner}/checked", [secrets.token_bytes(5 * MIB), b"the end"]
    upload = store.create_multipart(key, content_type=TYPE, metadata={}, checksums=True)
    for number, piece in enumerate(pieces, 1):
        _send(store, key, upload, number, piece, size=len(piece), sha256=hashlib.sha256(piece).hexdigest())
    store.complete_multipart(key, upload, store.list_parts(key, upload))
    assert store.read(key) == b"".join(pieces)


def test_a_signed_part_takes_no_other_length(object_store, owner) -> None:
    store = object_store  # moto does not look at signatures
    key = f"{owner}/signed"
    upload = store.create_multipart(key, content_type=TYPE, metadata={}, checksums=True)
    request = store.presign_part(key, upload, 1, expires=60, size=10, sha256="0" * 64)
    shorter = httpx.put(request.url, content=b"abc", headers=request.headers | {"Content-Length": "3"})
    assert shorter.status_code == 403
    assert store.list_parts(key, upload) == []


def test_an_upload_that_is_over(store, owner) -> None:
    key = f"{owner}/over"
    upload = store.create_multipart(key, content_type=TYPE, metadata={})
    etag = _send(store, key, upload, 1, b"data")
    for _ in range(2):
        store.abort_multipart(key, upload)
    assert store.list_parts(key, upload) is None
    with pytest.raises(DreamlakeError) as caught:
        store.complete_multipart(key, upload, [UploadedPart(1, etag, 4)])
    assert caught.value.code is Code.UPLOAD_EXPIRED
    assert store.head(key) is None
    for strange in ("never-was", secrets.token_hex(16)):
        assert store.list_parts(key, strange) is None


def test_the_bucket(store) -> None:
    store.check()
    store.create_bucket()
    with pytest.raises(DreamlakeError) as caught:
        ObjectStore(store.client, "no-such-bucket").check()
    assert caught.value.code in (Code.NOT_FOUND, Code.STORAGE_FAILED)


@pytest.mark.parametrize("name", ["a//b", "a/", "a/./b", "a b+c%20", "ä/\x01x", "a?b#c", "~*[x]\\", "%2e%2e"])
def test_a_key_is_that_key_and_no_other(moto_store, owner, name) -> None:
    """Whatever a bucket may have: what is listed there is looked at and read as it is named. (The embedded server has
    fewer names.)"""
    key, beside = f"{owner}/{name}", f"{owner}/{name}".rstrip("/") + "-"
    moto_store.put(key.rstrip("/") if key.endswith("/") else beside, b"other", content_type=TYPE)
    assert moto_store.head(key) is None
    moto_store.put(key, b"data", content_type=TYPE, metadata={"a": "b"})
    assert moto_store.read(key) == b"data" and moto_store.read(key, start=1, length=2) == b"at"
    assert moto_store.head(key).metadata == {"a": "b"}
    assert key in {entry.key for entry in moto_store.list_beginning(owner)}


def test_a_silent_store_is_waited_for_once(object_store, owner) -> None:
    """Whoever waited as long as is good for it is not made to wait again by another library."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        store = ObjectStore(open_client(silence=0.5, tries=5, endpoint_url=url), "bucket")
        store._signed._address = _Address(url, url.removeprefix("http://"), "/bucket/", "us-east-1")
        for action in (
            lambda: store.head(owner),
            lambda: store.read(owner),
            lambda: store.put(owner, b"data", content_type=TYPE),
        ):
            with pytest.raises(DreamlakeError) as caught:
                action()
            assert caught.value.code is Code.STORAGE_FAILED and caught.value.is_passing
        silent.settimeout(0)
        connections = 0
        with suppress(BlockingIOError):
            while silent.accept():
                connections += 1
        assert connections == 3
