"""Registration, lists, deletion, and asking for processing."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest


def test_register_is_idempotent_and_keyed_by_content_and_name(api, files, owner) -> None:
    content = files.stage()
    first = files.register("/videos", "/cam/a.mp4", content)
    assert first == {
        "id": first["id"], "videoId": first["id"], "status": "registered", "uploadedAt": first["uploadedAt"],
    }  # fmt: skip
    assert files.register("/videos", "/cam/a.mp4", content, size=50)["id"] == first["id"]

    others = [
        files.register("/videos", "/cam/b.mp4", content),
        files.register("/videos", "/cam/a.mp4", content, episode="run 1"),
        files.register("/videos", "/cam/a.mp4", files.stage()),
        files.register("/audio", "/cam/a.mp4", content),
    ]
    assert len({first["id"], *(other["id"] for other in others)}) == 5
    assert others[3]["audioId"] == others[3]["id"] and "videoId" not in others[3]

    record = api.get(f"/videos/{first['id']}").json()
    assert record["stagingHash"] == content and record["stagingKey"] == f"{owner}/lab/staging/{content}"
    assert record["size"] == 50 and record["contentType"] == "video/mp4" and record["episode"] is None
    assert record["status"] == "registered" and record["metadata"] is None and record["sha256"] is None
    assert record["createdAt"].endswith("Z")
    assert api.get(f"/audio/{first['id']}").status_code == 404


def test_everybody_who_registers_at_once_gets_the_same_record(api, files, owner) -> None:
    content = files.stage()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: files.register("/videos", "/a.mp4", content), range(12)))
    assert len({answer["id"] for answer in answers}) == 1


@pytest.mark.parametrize(("route", "field"), [("/text-tracks", "textTrackId"), ("/labels", "labelId")])
def test_text_and_labels_are_queued_at_once(files, route, field) -> None:
    answer = files.register(route, "/a.srt")
    assert answer["status"] == "queued" and answer[field] == answer["id"]


def test_registration_needs_the_bytes(api, files, owner, object_store) -> None:
    body = {"owner": owner, "project": "lab", "name": "/a.mp4", "stagingHash": secrets.token_hex(32)}
    missing = api.post("/videos", json=body)
    assert missing.status_code == 409 and missing.json()["error"]["code"] == "staged_object_missing"
    wrong = api.post("/videos", json=body | {"stagingHash": files.stage(), "size": 51})
    assert wrong.status_code == 409 and wrong.json()["error"]["code"] == "conflict"
    object_store.put(f"{owner}/lab/staging/{body['stagingHash']}", b"", content_type="video/mp4")
    empty = api.post("/videos", json=body)
    assert empty.status_code == 422 and empty.json()["error"]["code"] == "file_empty"
    assert api.get("/videos", params={"owner": owner}).json()["items"] == []


def test_lists_are_paged_and_filtered(api, files, owner) -> None:
    content = files.stage()
    ids = [files.register("/videos", f"/{n}.mp4", content, episode=f"run {n % 2}")["id"] for n in range(5)]
    seen, cursor = [], None
    while True:
        page = api.get("/videos", params={"owner": owner, "project": "lab", "limit": 2, "cursor": cursor}).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == sorted(ids)

    def listed(**params):
        return {item["name"] for item in api.get("/videos", params={"owner": owner} | params).json()["items"]}

    assert listed(episode="run 1") == {"/1.mp4", "/3.mp4"}
    assert listed(status="ready") == set() and len(listed(status="registered")) == 5
    assert listed(project="other") == set()
    assert api.get("/videos", params={"owner": owner, "cursor": "nonsense"}).status_code == 422


def test_asking_for_processing(api, files) -> None:
    video = files.register("/videos", "/a.mp4")["id"]
    for _ in range(2):
        answer = api.post("/lambdas/hls-split", json={"videoId": video})
        assert (answer.status_code, answer.json()) == (202, {"status": "queued"})
    assert api.post("/lambdas/audio-process", json={"audioId": video}).status_code == 404
    audio = files.register("/audio", "/a.wav")["id"]
    assert api.post("/lambdas/audio-process", json={"audioId": audio}).json() == {"status": "queued"}


def test_query_and_requeue_many(api, files) -> None:
    ids = [files.register("/videos", f"/{n}.mp4")["id"] for n in range(3)]
    found = api.post("/records/query", json={"ids": [ids[2], "0" * 24, ids[0], ids[2]]}).json()["items"]
    assert [item["id"] for item in found] == [ids[2], ids[0]]
    for _ in range(2):
        items = api.post("/records/requeue", json={"ids": ids}).json()["items"]
        assert [item["status"] for item in items] == ["queued"] * 3


def test_delete_hides_a_record_and_keeps_what_it_has(api, files, owner, pipeline, object_store) -> None:
    content = files.stage()
    first, second = (files.register("/videos", name, content)["id"] for name in ("/a.mp4", "/b.mp4"))
    key = f"{owner}/lab/staging/{content}"
    result = f"{owner}/lab/videos/{first}/meta.json"
    object_store.put(result, b"{}", content_type="application/json")

    assert api.delete(f"/videos/{first}").status_code == 204
    assert api.get(f"/videos/{first}").status_code == 404
    assert api.delete(f"/videos/{first}").status_code == 404
    assert object_store.head(result) is not None
    assert object_store.head(key) is not None and api.get(f"/videos/{second}").status_code == 200

    # With its last record gone, the staged object is no new arrival; registering it again needs no upload.
    assert api.delete(f"/videos/{second}").status_code == 204
    unknown = pipeline.post("/pipeline/staged/unknown", json={"keys": [key, key + "0"]}).json()
    assert unknown == {"keys": [key + "0"]}
    assert files.register("/videos", "/a.mp4", content)["status"] == "registered"


def test_who_waits_is_told_which_records_were_updated(api, as_caller, files, owner) -> None:
    ids = [files.register("/videos", f"/{n}.mp4")["id"] for n in range(3)]
    nowhere = "0" * 24

    def ask(known: dict[str, str | None]) -> dict[str, list[str]]:
        body = {"known": [{"id": id, "updatedAt": at} for id, at in known.items()]}
        return api.post("/records/changed", json=body).raise_for_status().json()

    assert ask({ids[2]: None, nowhere: None, ids[0]: None}) == {"changed": [ids[2], ids[0]], "gone": [nowhere]}
    known = {one["id"]: one["updatedAt"] for one in api.post("/records/query", json={"ids": ids}).json()["items"]}
    assert ask(known) == {"changed": [], "gone": []}

    assert api.post("/lambdas/hls-split", json={"videoId": ids[1]}).status_code == 202
    assert ask(known) == {"changed": [ids[1]], "gone": []}
    assert api.delete(f"/videos/{ids[0]}").status_code == 204
    assert ask(known) == {"changed": [ids[1]], "gone": [ids[0]]}
    body = {"known": [{"id": id, "updatedAt": at} for id, at in known.items()]}
    other = as_caller(f"{owner}x").post("/records/changed", json=body).json()
    assert other == {"changed": [], "gone": ids}
