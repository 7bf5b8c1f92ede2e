"""Plan and finish: many files in one call."""

from __future__ import annotations

import hashlib
import secrets

import httpx
from sqlalchemy import event, text

MIB = 2**20


def _file(data, name, kind="video", **more):
    return {"kind": kind, "name": name, "hash": hashlib.sha256(data).hexdigest(), "size": len(data)} | more


def _plan(api, owner, *files):
    answer = api.post("/uploads/plan", json={"owner": owner, "project": "lab", "files": list(files)})
    assert answer.status_code == 200, answer.text
    return answer.json()["files"]


def _finish(api, owner, *files):
    answer = api.post("/uploads/finish", json={"owner": owner, "project": "lab", "files": list(files)})
    assert answer.status_code == 200, answer.text
    return answer.json()["files"]


def _compare(api, owner, *files):
    answer = api.post("/uploads/compare", json={"owner": owner, "project": "lab", "files": list(files)})
    assert answer.status_code == 200, answer.text
    return answer.json()["files"]


def test_plan_send_finish(api, owner, object_store, send: httpx.Client) -> None:
    small, text, large = (secrets.token_bytes(n) for n in (1000, 50, 6 * MIB))
    files = [
        _file(small, "/ä b.mp4", episode="run 1"),
        _file(text, "/a.srt", "text-track"),
        _file(large, "/large.mp4"),
        _file(small, "/copy.mp4"),
    ]
    plans = _plan(api, owner, *files)
    assert [plan["action"] for plan in plans] == ["put", "put", "multipart", "put"]
    assert _plan(api, owner, files[2])[0] == plans[2], "a multipart upload is resumed"

    for plan, data in zip(plans[:2], (small, text), strict=True):
        wrong = plan["headers"] | {"Content-Length": "3"}
        assert send.put(plan["url"], content=b"abc", headers=wrong).status_code == 403
        assert send.put(plan["url"], content=data, headers=plan["headers"]).status_code == 200
    ref = {"uploadId": plans[2]["uploadId"], "key": plans[2]["key"]}
    pieces = [large[: plans[2]["partSize"]], large[plans[2]["partSize"] :]]
    planned = [
        {"partNumber": n + 1, "size": len(piece), "sha256": hashlib.sha256(piece).hexdigest()}
        for n, piece in enumerate(pieces)
    ]
    urls = api.post("/videos/upload/multipart/parts", json=ref | {"parts": planned}).json()["parts"]
    parts = [
        {
            "partNumber": url["partNumber"],
            "etag": send.put(url["url"], content=piece, headers=url["headers"]).headers["ETag"],
        }
        for url, piece in zip(urls, pieces, strict=True)
    ]

    sent = [files[0], files[1], files[2] | {"uploadId": plans[2]["uploadId"], "parts": parts}, files[3]]
    finished = _finish(api, owner, *sent)
    assert [outcome["status"] for outcome in finished] == ["queued"] * 4
    assert all(outcome["created"] for outcome in finished)
    assert len({outcome["id"] for outcome in finished}) == 4
    assert object_store.read(plans[2]["key"]) == large
    stored = object_store.head(plans[0]["key"])
    assert stored.content_type == "video/mp4" and stored.metadata["name"] == "/%C3%A4%20b.mp4"

    # Everything once more: nothing is sent, nothing is made.
    assert [(plan["action"], plan["recordId"]) for plan in _plan(api, owner, *files)] == [
        ("staged", outcome["id"]) for outcome in finished
    ]
    again = _finish(api, owner, *sent)
    assert [outcome["id"] for outcome in again] == [outcome["id"] for outcome in finished]
    assert not any(outcome["created"] for outcome in again)
    # The same bytes under a new name need no sending, but are a file of their own.
    [renamed] = _plan(api, owner, _file(small, "/renamed.mp4"))
    assert renamed["action"] == "staged" and "recordId" not in renamed


def test_an_upload_that_was_joined_by_those_who_died_then_is_closed_by_the_next_plan(
    api, service, owner, object_store, send: httpx.Client
) -> None:
    large = secrets.token_bytes(6 * MIB)
    file = _file(large, "/large.mp4")
    [plan] = _plan(api, owner, file)
    ref = {"uploadId": plan["uploadId"], "key": plan["key"]}
    pieces = [large[: plan["partSize"]], large[plan["partSize"] :]]
    planned = [
        {"partNumber": n + 1, "size": len(piece), "sha256": hashlib.sha256(piece).hexdigest()}
        for n, piece in enumerate(pieces)
    ]
    urls = api.post("/videos/upload/multipart/parts", json=ref | {"parts": planned}).json()["parts"]
    sent = [
        send.put(url["url"], content=piece, headers=url["headers"]).headers["ETag"]
        for url, piece in zip(urls, pieces, strict=True)
    ]
    object_store.complete_multipart(
        plan["key"], plan["uploadId"], object_store.list_parts(plan["key"], plan["uploadId"])
    )

    [plan] = _plan(api, owner, file)
    assert (plan["action"], plan.get("recordId")) == ("staged", None)
    with service.app.state.database.connect() as connection:
        rows = connection.execute(text("SELECT upload_id FROM uploads WHERE staging_key = :key"), {"key": plan["key"]})
        assert rows.all() == []
    [finished] = _finish(api, owner, file)
    assert finished["status"] == "queued"
    # Whoever had begun it, and is alive after all, is told that it succeeded.
    parts = [{"partNumber": n + 1, "etag": etag} for n, etag in enumerate(sent)]
    answer = api.post("/videos/upload/multipart/complete", json=ref | {"parts": parts})
    assert answer.status_code == 200, answer.text


def test_one_bad_file_harms_no_other(api, owner, files, object_store) -> None:
    good = secrets.token_bytes(20)
    files.stage(good)
    never_sent, truncated, expired = (secrets.token_bytes(20) for _ in range(3))
    object_store.put(
        f"{owner}/lab/staging/{hashlib.sha256(truncated).hexdigest()}", truncated[:5], content_type="video/mp4"
    )
    assert _plan(api, owner, _file(truncated, "/t.mp4"))[0]["action"] == "put", "a wrong size is sent again"
    outcomes = _finish(
        api,
        owner,
        _file(never_sent, "/n.mp4"),
        _file(good, "/g.mp4"),
        _file(truncated, "/t.mp4"),
        _file(expired, "/e.mp4", uploadId="gone", parts=[{"partNumber": 1, "etag": "x"}]),
        _file(good, "/g.mp4"),
        _file(good, "/later.mp4", process=False),
    )
    assert [outcome.get("error", {}).get("code") for outcome in outcomes] == [
        "staged_object_missing", None, "conflict", "upload_expired", None, None,
    ]  # fmt: skip
    assert outcomes[1]["id"] == outcomes[4]["id"] and outcomes[1]["created"] and not outcomes[4]["created"]
    assert outcomes[5]["status"] == "registered"
    names = {item["name"] for item in api.get("/videos", params={"owner": owner}).json()["items"]}
    assert names == {"/g.mp4", "/later.mp4"}


def test_finishing_again_leaves_ready_files_and_retries_failed_ones(api, owner, files, claim, begin, pipeline) -> None:
    data = [secrets.token_bytes(20) for _ in range(2)]
    sent = [_file(item, f"/{n}.mp4") for n, item in enumerate(data)]
    for item in data:
        files.stage(item)
    ready, failed = (outcome["id"] for outcome in _finish(api, owner, *sent))
    partition = claim()[0]["partition"]
    begin(partition)
    results = [{"id": ready, "metadata": {}}, {"id": failed, "error": {"code": "not_media", "message": "No video."}}]
    pipeline.post("/pipeline/batches/results", json={"partition": partition, "runId": "run-1", "results": results})
    pipeline.post("/pipeline/batches/finish", json={"partition": partition, "runId": "run-1"})
    assert [outcome["status"] for outcome in _finish(api, owner, *sent)] == ["ready", "queued"]

    requeued = api.post("/records/requeue", json={"ids": [ready]}).json()["items"]
    assert requeued[0]["status"] == "ready"
    requeued = api.post("/records/requeue", json={"ids": [ready], "force": True}).json()["items"]
    assert requeued[0]["status"] == "queued"


def test_bytes_that_were_found_to_be_wrong_are_asked_for_again(api, owner, files, claim, begin, pipeline) -> None:
    sent = _file(secrets.token_bytes(20), "/a.mp4")
    files.stage_as(sent["hash"], b"x" * sent["size"])
    (record,) = _finish(api, owner, sent)
    assert _plan(api, owner, sent)[0]["action"] == "staged"
    partition = claim()[0]["partition"]
    begin(partition)
    wrong = {"id": record["id"], "error": {"code": "hash_mismatch", "message": "Other bytes."}}
    pipeline.post("/pipeline/batches/results", json={"partition": partition, "runId": "run-1", "results": [wrong]})
    assert _plan(api, owner, sent)[0]["action"] == "put"


def test_a_thousand_files_in_one_call(api, owner) -> None:
    files = [_file(secrets.token_bytes(8), f"/{n}.csv", "label-track") for n in range(1000)]
    assert {plan["action"] for plan in _plan(api, owner, *files)} == {"put"}
    too_many = api.post("/uploads/plan", json={"owner": owner, "project": "lab", "files": [*files, files[0]]})
    assert too_many.status_code == 422


def test_what_was_sent_but_not_registered_is_not_sent_again(api, owner, send: httpx.Client) -> None:
    """As after an interruption between the PUT and the call that finishes it."""
    data = [secrets.token_bytes(20) for _ in range(3)]
    files = [_file(item, f"/{n}.mp4") for n, item in enumerate(data)]
    plans = _plan(api, owner, *files)
    for plan, item in zip(plans[:2], data, strict=False):
        assert send.put(plan["url"], content=item, headers=plan["headers"]).status_code == 200
    assert [plan["action"] for plan in _plan(api, owner, *files)] == ["staged", "staged", "put"]
    outcomes = _finish(api, owner, *files)
    assert [outcome.get("error", {}).get("code") for outcome in outcomes] == [None, None, "staged_object_missing"]


def test_an_acknowledged_put_is_believed_until_its_bytes_are_read(api, owner, claim, begin, pipeline) -> None:
    planned, never_planned = (_file(secrets.token_bytes(20), f"/{n}.mp4", etag='"0123"') for n in "ab")
    _plan(api, owner, planned)
    believed, asked, shorter = _finish(api, owner, planned, never_planned, planned | {"size": 5})
    assert believed["status"] == "queued"
    assert asked["error"]["code"] == "staged_object_missing"
    assert shorter["error"]["code"] == "conflict"

    # It lied: the run finds nothing, and the file is to be sent again.
    partition = claim()[0]["partition"]
    begin(partition)
    gone = {"id": believed["id"], "error": {"code": "staged_object_missing", "message": "Nothing there."}}
    pipeline.post("/pipeline/batches/results", json={"partition": partition, "runId": "run-1", "results": [gone]})
    assert _plan(api, owner, planned)[0]["action"] == "put"


def test_calls_in_bulk_take_a_constant_number_of_statements(service, api, owner, send: httpx.Client) -> None:
    def statements(call) -> int:
        seen: list[str] = []

        def listener(*args) -> None:
            if "revoked_tokens" not in args[2]:  # which is read again every few seconds
                seen.append(args[2])

        event.listen(service.app.state.database, "before_cursor_execute", listener)
        try:
            call()
        finally:
            event.remove(service.app.state.database, "before_cursor_execute", listener)
        return len(seen)

    def counts(number: int) -> list[int]:
        files = [_file(secrets.token_bytes(8), f"/{n % 3}/{n}-{number}.csv", "label-track") for n in range(number)]
        sent = [file | {"etag": "x"} for file in files]
        calls = (
            lambda: _compare(api, owner, *files),
            lambda: _plan(api, owner, *files),
            lambda: _finish(api, owner, *sent),
        )
        return [statements(call) for call in (*calls, *calls)]

    counts(1)  # whatever is asked once in the life of a process
    assert counts(300) == counts(3)
    assert max(counts(3)) <= 10
