"""Multipart uploads: what a client of any kind sends, resumes, completes and gives up."""

from __future__ import annotations

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError

MIB = 2**20


@pytest.fixture(scope="module")
def data() -> bytes:
    """Two whole parts and a short one."""
    return secrets.token_bytes(10 * MIB + 17)


def _init(api, owner, data, **more):
    content_hash = hashlib.sha256(data).hexdigest()
    body = {"owner": owner, "project": "lab", "hash": content_hash, "size": len(data), "name": "/cam/a.mp4"}
    answer = api.post("/videos/upload/multipart/init", json=body | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _pieces(data, size):
    return {n + 1: data[start : start + size] for n, start in enumerate(range(0, len(data), size))}


def test_bare_numbers_with_an_unsigned_content_type(api, files, owner, data, object_store, send: httpx.Client) -> None:
    upload = _init(api, owner, data, episode="run 1/ä")
    ref = {"uploadId": upload["uploadId"], "key": upload["key"]}
    assert upload["key"] == f"{owner}/lab/staging/{hashlib.sha256(data).hexdigest()}"

    pieces = _pieces(data, upload["partSize"])
    urls = api.post("/videos/upload/multipart/parts", json=ref | {"partNumbers": list(pieces)}).json()["parts"]
    etags = {}
    for part in urls:
        sent = send.put(part["url"], content=pieces[part["partNumber"]], headers={"Content-Type": "video/whatever"})
        assert sent.status_code == 200, sent.text
        etags[part["partNumber"]] = sent.headers["ETag"]

    done = api.get("/videos/upload/multipart/parts-done", params=ref).json()
    assert not done["expired"]
    assert [(part["partNumber"], part["size"]) for part in done["parts"]] == [(n, len(p)) for n, p in pieces.items()]

    body = ref | {"parts": [{"partNumber": n, "etag": etag} for n, etag in etags.items()]}
    assert api.post("/videos/upload/multipart/complete", json=body).json() == {"success": True}
    assert object_store.read(upload["key"]) == data
    stored = object_store.head(upload["key"])
    assert stored.metadata["name"] == "/cam/a.mp4" and stored.metadata["kind"] == "video"

    # Once more is a success, too, and the upload is over.
    assert api.post("/videos/upload/multipart/complete", json=body).json() == {"success": True}
    assert api.get("/videos/upload/multipart/parts-done", params=ref).json() == {"expired": True, "parts": []}
    registered = files.register("/videos", "/cam/a.mp4", hashlib.sha256(data).hexdigest(), episode="run 1/ä")
    raw = api.get(f"/videos/{registered['id']}/raw")
    assert raw.status_code == 302
    assert send.get(raw.headers["Location"]).content == data


def test_planned_parts_are_signed_over_length_and_checksum(api, owner, data, object_store, send: httpx.Client) -> None:
    data = data[::-1]
    upload = _init(api, owner, data, checksum="sha256")
    ref = {"uploadId": upload["uploadId"], "key": upload["key"]}
    pieces = _pieces(data, upload["partSize"])
    plans = [
        {"partNumber": n, "size": len(piece), "sha256": hashlib.sha256(piece).hexdigest()}
        for n, piece in pieces.items()
    ]
    urls = api.post("/videos/upload/multipart/parts", json=ref | {"parts": plans}).json()["parts"]

    # A URL is good for its own length only.
    wrong = dict(urls[0]["headers"]) | {"Content-Length": "3"}
    assert send.put(urls[0]["url"], content=b"abc", headers=wrong).status_code == 403

    etags = {}
    for part in urls:
        sent = send.put(part["url"], content=pieces[part["partNumber"]], headers=part["headers"])
        assert sent.status_code == 200, sent.text
        etags[part["partNumber"]] = sent.headers["ETag"]
    body = ref | {"parts": [{"partNumber": n, "etag": etag} for n, etag in etags.items()]}
    assert api.post("/videos/upload/multipart/complete", json=body).status_code == 200
    assert object_store.read(upload["key"]) == data


def test_init_again_is_the_same_upload_until_it_is_over(api, owner, data, object_store) -> None:
    first = _init(api, owner, data[:100])
    assert _init(api, owner, data[:100]) == first
    ref = {"uploadId": first["uploadId"], "key": first["key"]}

    assert api.post("/videos/upload/multipart/abort", json=ref).json() == {"success": True}
    assert api.post("/videos/upload/multipart/abort", json=ref).json() == {"success": True}
    expired = api.post("/videos/upload/multipart/parts", json=ref | {"partNumbers": [1]})
    assert expired.status_code == 410 and expired.json()["error"]["code"] == "upload_expired"
    complete = api.post("/videos/upload/multipart/complete", json=ref | {"parts": [{"partNumber": 1, "etag": "x"}]})
    assert complete.status_code == 410
    second = _init(api, owner, data[:100])
    assert second["uploadId"] != first["uploadId"]

    # Gone behind BSS's back: found out at the next init.
    object_store.abort_multipart(second["key"], second["uploadId"])
    assert _init(api, owner, data[:100])["uploadId"] != second["uploadId"]


@pytest.mark.parametrize("odd", [".", "..", "...", "x" * 40, "0" * 32, "a.b~c_d-e", "OTHER", "ENDED"])
def test_an_id_means_nothing_but_under_its_own_key(api, as_caller, owner, object_store, odd) -> None:
    stranger = as_caller(f"{owner}x")
    theirs = _init(stranger, f"{owner}x", b"theirs")
    stranger.post("/videos/upload/multipart/parts", json=theirs | {"partNumbers": [1]}).raise_for_status()
    mine, ended = _init(api, owner, b"mine"), _init(api, owner, b"ended")
    api.post("/videos/upload/multipart/abort", json=ended).raise_for_status()
    upload_id = {"OTHER": theirs["uploadId"], "ENDED": ended["uploadId"]}.get(odd, odd)
    ref = {"uploadId": upload_id, "key": mine["key"]}
    one = {"parts": [{"partNumber": 1, "etag": "x"}]}
    for answer in (
        api.post("/videos/upload/multipart/parts", json=ref | {"partNumbers": [1]}),
        api.get("/videos/upload/multipart/parts-done", params=ref),
        api.post("/videos/upload/multipart/complete", json=ref | one),
        api.post("/videos/upload/multipart/abort", json=ref),
    ):
        assert answer.status_code == 410 and answer.json()["error"]["code"] == "upload_expired", answer.text
    hash_of = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("mine", "first")}
    files = [
        {"kind": "video", "name": f"/{name}.mp4", "hash": digest, "size": 4, "uploadId": upload_id} | one
        for name, digest in hash_of.items()
    ]
    finished = api.post("/uploads/finish", json={"owner": owner, "project": "lab", "files": files}).json()["files"]
    assert [file["error"]["code"] for file in finished] == ["upload_expired"] * 2
    # All open uploads are where they were.
    for upload in (theirs, mine):
        assert object_store.list_parts(upload["key"], upload["uploadId"]) == []


@pytest.mark.parametrize("odd", ["", ".", "..", "../x", "a/b", "a b", "x" * 1025, "\0"])
def test_the_object_store_is_never_asked_about_what_is_no_id(api, owner, object_store, odd) -> None:
    upload = _init(api, owner, b"kept")
    key = upload["key"]
    object_store.abort_multipart(key, odd)
    assert object_store.list_parts(key, odd) is None
    for call in (
        lambda: object_store.complete_multipart(key, odd, []),
        lambda: object_store.presign_part(key, odd, 1, expires=60),
    ):
        with pytest.raises(DreamlakeError) as caught:
            call()
        assert caught.value.code is Code.UPLOAD_EXPIRED
    assert object_store.list_parts(key, upload["uploadId"]) == []


def _send(api, send, upload, data):
    """All parts of an upload; the answer to its completion."""
    ref = {"uploadId": upload["uploadId"], "key": upload["key"]}
    pieces = _pieces(data, upload["partSize"])
    urls = api.post("/videos/upload/multipart/parts", json=ref | {"partNumbers": list(pieces)}).json()["parts"]
    etags = {part["partNumber"]: send.put(part["url"], content=pieces[part["partNumber"]]) for part in urls}
    parts = [{"partNumber": n, "etag": answer.headers["ETag"]} for n, answer in etags.items()]
    return api.post("/videos/upload/multipart/complete", json=ref | {"parts": parts})


@pytest.fixture
def verified(api, files, pipeline, claim, begin):
    """A file whose bytes the pipeline has read: its bytes, its hash, its record."""
    data = secrets.token_bytes(64)
    content_hash = files.stage(data)
    record = files.register("/text-tracks", "/a.srt", content_hash)["id"]
    [batch] = claim()
    begin(batch["partition"])
    results = [{"id": record, "sha256": content_hash, "size": len(data), "metadata": {}, "recipe": "r"}]
    body = {"partition": batch["partition"], "runId": "run-1", "results": results}
    pipeline.post("/pipeline/batches/results", json=body).raise_for_status()
    return data, content_hash, record


def test_verified_bytes_are_not_overwritten(api, owner, files, verified, object_store, send: httpx.Client) -> None:
    data, content_hash, record = verified
    key = f"{owner}/lab/staging/{content_hash}"
    body = {"owner": owner, "project": "lab", "hash": content_hash}
    planned = {"kind": "text-track", "name": "/b.srt", "hash": content_hash}

    # Who uploads the same again succeeds, and registers; whatever was sent is not what lies there.
    for sent in (data, b"something else", data + b"and more"):
        upload = api.post("/videos/upload/multipart/init", json=body).json()
        assert upload["key"] == key
        assert _send(api, send, upload, sent).json() == {"success": True}
        assert _send_again(api, upload) == {"success": True}
        assert object_store.read(key) == data and object_store.list_parts(key, upload["uploadId"]) is None
    assert files.register("/text-tracks", "/a.srt", content_hash)["id"] == record

    # No PUT of another length is signed, nor are its parts; registration says what is wrong.
    for size in (len(data), 5, 2**30):
        asked = {"owner": owner, "project": "lab", "files": [planned | {"size": size}]}
        [plan] = api.post("/uploads/plan", json=asked).json()["files"]
        assert plan["action"] == "staged" and "url" not in plan and "uploadId" not in plan
        [finished] = api.post("/uploads/finish", json=asked).json()["files"]
        assert finished.get("error", {}).get("code") == (None if size == len(data) else "conflict")

    # What is lost can be sent again.
    object_store.delete([key])
    assert _send(api, send, api.post("/videos/upload/multipart/init", json=body).json(), data).status_code == 200
    assert object_store.read(key) == data


def _send_again(api, upload):
    ref = {"uploadId": upload["uploadId"], "key": upload["key"]}
    body = ref | {"parts": [{"partNumber": 1, "etag": "x"}]}
    return api.post("/videos/upload/multipart/complete", json=body).json()


def test_bytes_that_were_never_verified_may_be_sent_again(api, owner, files, object_store, send: httpx.Client) -> None:
    content_hash = files.stage(b"cut off")
    files.register("/videos", "/a.mp4", content_hash)
    body = {"owner": owner, "project": "lab", "hash": content_hash}
    upload = api.post("/videos/upload/multipart/init", json=body).json()
    assert _send(api, send, upload, b"cut off no more").status_code == 200
    assert object_store.read(upload["key"]) == b"cut off no more"


@pytest.mark.parametrize("told", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "TEXT/HTML; x=y"])
def test_what_a_browser_would_run_is_not_stored_as_such(api, owner, files, object_store, told) -> None:
    content_hash = files.stage(b"<script>alert(1)</script>")
    body = {"owner": owner, "project": "lab", "hash": secrets.token_hex(32), "contentType": told}
    upload = api.post("/videos/upload/multipart/init", json=body).json()
    upload_id = upload["uploadId"]
    signed = api.post("/videos/upload/multipart/parts", json=upload | {"partNumbers": [1]}).json()["parts"][0]
    etag = httpx.put(signed["url"], content=b"x").headers["ETag"]
    parts = [{"partNumber": 1, "etag": etag}]
    done = {"uploadId": upload_id, "key": upload["key"], "parts": parts}
    assert api.post("/videos/upload/multipart/complete", json=done).status_code == 200
    assert object_store.head(upload["key"]).content_type == "application/octet-stream"
    file = {"kind": "video", "name": "/a.mp4", "hash": secrets.token_hex(32), "size": 3, "contentType": told}
    asked = {"owner": owner, "project": "lab", "files": [file]}
    [plan] = api.post("/uploads/plan", json=asked).json()["files"]
    assert plan["headers"]["Content-Type"] == "application/octet-stream"

    # Whatever a foreign uploader called it, it comes as a download, and as nothing that is shown.
    record = files.register("/videos", "/a.html.mp4", content_hash)["id"]
    query = parse_qs(urlsplit(api.get(f"/videos/{record}/raw").headers["Location"]).query)
    assert query["response-content-disposition"] == ["attachment; filename*=UTF-8''a.html.mp4"]
    assert query["response-content-type"] == ["application/octet-stream"]


def test_everybody_who_begins_at_once_gets_the_same_upload(api, owner) -> None:
    body = {"owner": owner, "project": "lab", "hash": "cd" * 32, "checksum": "sha256"}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: api.post("/videos/upload/multipart/init", json=body).json(), range(12)))
    assert len({answer["uploadId"] for answer in answers}) == 1


def test_parts_grow_so_that_ten_thousand_are_enough(api, owner) -> None:
    body = {"owner": owner, "project": "lab", "hash": "ab" * 32}
    small = api.post("/audio/upload/multipart/init", json=body).json()
    assert small["partSize"] == 5 * MIB
    huge = api.post("/audio/upload/multipart/init", json=body | {"size": 2**40}).json()
    assert huge["partSize"] * 10_000 >= 2**40 and huge["partSize"] % MIB == 0
    assert huge["uploadId"] != small["uploadId"]


def test_wrong_parts_are_a_conflict_and_can_be_completed_afterwards(api, owner, send: httpx.Client) -> None:
    data = secrets.token_bytes(100)
    upload = _init(api, owner, data)
    ref = {"uploadId": upload["uploadId"], "key": upload["key"]}
    [part] = api.post("/videos/upload/multipart/parts", json=ref | {"partNumbers": [1]}).json()["parts"]
    etag = send.put(part["url"], content=data).headers["ETag"]
    wrong = api.post("/videos/upload/multipart/complete", json=ref | {"parts": [{"partNumber": 1, "etag": "0" * 32}]})
    assert wrong.status_code == 409, wrong.text
    right = api.post("/videos/upload/multipart/complete", json=ref | {"parts": [{"partNumber": 1, "etag": etag}]})
    assert right.json() == {"success": True}


def test_a_hash_prefix_is_a_hash(api, files, owner, object_store) -> None:
    prefix = secrets.token_hex(8)
    body = {"owner": owner, "project": "lab", "hash": prefix}
    key = api.post("/labels/upload/multipart/init", json=body).json()["key"]
    assert key == f"{owner}/lab/staging/{prefix}"
    object_store.put(key, b'{"t": 1}', content_type="application/x-ndjson")
    registered = files.register("/labels", "/a.jsonl", prefix)
    assert registered.pop("uploadedAt")
    assert registered == {"id": registered["id"], "labelId": registered["id"], "status": "queued"}


def test_an_upload_belongs_to_its_namespace(api, as_caller, owner) -> None:
    upload = _init(api, owner, b"mine")
    ref = {"uploadId": upload["uploadId"], "key": upload["key"]}
    other = as_caller(f"{owner}x")
    for answer in (
        other.post("/videos/upload/multipart/init", json={"owner": owner, "project": "lab", "hash": "ab" * 32}),
        other.post("/videos/upload/multipart/parts", json=ref | {"partNumbers": [1]}),
        other.get("/videos/upload/multipart/parts-done", params=ref),
        other.post("/videos/upload/multipart/complete", json=ref | {"parts": [{"partNumber": 1, "etag": "x"}]}),
        other.post("/videos/upload/multipart/abort", json=ref),
    ):
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "forbidden"
    # A key that no init gave, however it is spelled.
    for key in ("chunks/" + "0" * 64 + ".ts", f"{owner}/lab/staging/../x", f"{owner}/lab/videos/x", "x"):
        answer = api.post("/videos/upload/multipart/abort", json=ref | {"key": key})
        assert answer.status_code == 422, key
