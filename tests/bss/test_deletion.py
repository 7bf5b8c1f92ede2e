"""A deleted record is hidden at once everywhere, and can be restored as it was."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from sqlalchemy import text

from dreamlake_pipeline.auth import Scope
from dreamlake_pipeline.bss import deletions, records

CHUNK = b"a segment"


@pytest.fixture
def database(service: Any) -> Any:
    return service.app.state.database


@pytest.fixture
def rows(database: Any) -> Any:
    """The rows of records with these ids, whole, without what a restoration changes."""

    def read(*ids: str) -> list[dict[str, Any]]:
        with database.connect() as connection:
            found = connection.execute(
                text("SELECT * FROM records WHERE id = ANY(:ids) ORDER BY id"), {"ids": list(ids)}
            )
            return [{k: v for k, v in row.items() if k != "updated_at"} for row in found.mappings()]

    return read


def _delete(api: Any, *ids: str) -> list[str]:
    answer = api.post("/records/delete", json={"ids": ids})
    assert answer.status_code == 200, answer.text
    return answer.json()["ids"]


def _undelete(api: Any, *ids: str, **more: Any) -> dict[str, Any]:
    answer = api.post("/records/undelete", json={"ids": ids} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def ready(files: Any, claim: Any, begin: Any, pipeline: Any, object_store: Any, database: Any) -> Any:
    """Registers a video, and has it ready with a chunk of its own; its id and the hash of its chunk."""

    def make(name: str, content: str | None = None) -> tuple[str, str]:
        record_id = files.register("/videos", name, content)["id"]
        pipeline.post("/lambdas/hls-split", json={"videoId": record_id})
        [batch] = claim()
        begin(batch["partition"])
        sha256 = secrets.token_hex(32)
        pipeline.post("/pipeline/chunks/lease", json={"chunks": [{"sha256": sha256, "size": 9}]})
        object_store.put(f"chunks/{sha256}.ts", CHUNK, content_type="video/mp2t")
        pipeline.post("/pipeline/chunks/stored", json={"chunks": [sha256]})
        result = {"id": record_id, "sha256": secrets.token_hex(32), "size": 50, "recipe": "r", "chunks": [sha256]}
        metadata = {"durationSec": 1.5, "language": None, "streams": ["a" * 32], "nested": {"nothing": None}}
        held = {"partition": batch["partition"], "runId": "run-1"}
        for route, body in {"results": held | {"results": [result | {"metadata": metadata}]}, "finish": held}.items():
            answer = pipeline.post(f"/pipeline/batches/{route}", json=body)
            assert answer.status_code == 200, answer.text
        return record_id, sha256

    return make


def test_a_deleted_record_is_hidden_everywhere_and_restored_as_it_was(
    api: Any, files: Any, ready: Any, rows: Any, owner: str, pipeline: Any, object_store: Any, as_caller: Any
) -> None:
    content = files.stage()
    record_id, chunk = ready("/cam/a.mp4", content)
    [before] = rows(record_id)
    prefix = f"{owner}/lab/videos/{record_id}"
    object_store.put(f"{prefix}/stream/master.m3u8", b"#EXTM3U\n", content_type="application/vnd.apple.mpegurl")
    token = api.get(f"/videos/{record_id}/playback").json()["url"].split("token=")[1]
    sha256 = before["sha256"]

    def seen() -> dict[str, bool]:
        """By each way in which somebody may notice the record: whether it is there."""
        plays = {"params": {"token": token}, "headers": {"Authorization": ""}}
        key = {"kind": "video", "sha256": sha256, "recipe": "r"}
        file = {"kind": "video", "name": "/cam/a.mp4", "size": 50, "hash": content}
        project = {"owner": owner, "project": "lab"}
        compared = api.post("/uploads/compare", json=project | {"files": [file]}).json()["files"]
        planned = api.post("/uploads/plan", json=project | {"files": [file]}).json()["files"][0]
        leased = pipeline.post(
            "/pipeline/chunks/lease", json={"chunks": [{"sha256": chunk, "size": 9}], "owner": owner, "leaseSeconds": 0}
        ).json()
        return {
            "one": api.get(f"/videos/{record_id}").status_code == 200,
            "metadata": api.get(f"/videos/{record_id}/metadata").status_code == 200,
            "raw": api.get(f"/videos/{record_id}/raw").status_code == 302,
            "query": bool(api.post("/records/query", json={"ids": [record_id]}).json()["items"]),
            "list": bool(api.get("/videos", params={"owner": owner}).json()["items"]),
            "list of all": bool(api.get("/records", params={"owner": owner}).json()["items"]),
            "requeue": bool(api.post("/records/requeue", json={"ids": [record_id]}).json()["items"]),
            "playback": api.get(f"/videos/{record_id}/playback").status_code == 200,
            "master": api.get(f"/videos/{record_id}/stream/master.m3u8").status_code == 200,
            "playing on": api.get(f"/videos/{record_id}/stream/master.m3u8", **plays).status_code == 200,
            "chunk": api.get(f"/chunks/{chunk}.ts").status_code == 302,
            "chunk, playing on": api.get(f"/chunks/{chunk}.ts", **plays).status_code == 302,
            "segment, playing on": api.get(f"/videos/{record_id}/stream/{chunk}.ts", **plays).status_code == 200,
            "known chunk": leased["known"] == [chunk],
            "shared result": pipeline.post("/pipeline/results/lookup", json={"owner": owner, "keys": [key]}).json()[
                "items"
            ]
            != [None],
            "compared": compared != ["new"],
            "planned": planned.get("recordId") == record_id,
        }

    def deleted(**more: Any) -> list[str]:
        listed = api.get("/records/deleted", params={"owner": owner} | more).json()["items"]
        return [item["id"] for item in listed]

    assert all(seen().values()), seen()
    assert _delete(api, record_id, "0" * 24) == [record_id]
    assert not any(seen().values()), seen()
    assert _delete(api, record_id, "0" * 24) == [record_id], "whoever lost the first answer hears the same"

    [shown] = api.get("/records/deleted", params={"owner": owner}).json()["items"]
    assert shown["status"] == "ready" and shown["deletedBy"] == "test" and shown["name"] == "/cam/a.mp4"
    assert deleted(project="lab", path="/cam") == deleted(episode="") == [record_id]
    assert deleted(project="other") == deleted(path="/ca") == deleted(episode="e") == []
    # Nobody takes its staged object for a new arrival, and nobody puts other bytes there.
    key = f"{owner}/lab/staging/{content}"
    staged = {"keys": [key], "etags": ["another"]}
    assert pipeline.post("/pipeline/staged/unknown", json=staged).json() == {"keys": []}

    stranger = as_caller("somebody-else")
    assert _delete(stranger, record_id) == []
    assert _undelete(stranger, record_id) == {"ids": [], "taken": []}
    reader = as_caller(owner, scope=Scope.READ)
    assert reader.post("/records/undelete", json={"ids": [record_id]}).status_code == 403
    assert _undelete(api, record_id, "0" * 24) == {"ids": [record_id], "taken": []}
    assert _undelete(api, record_id, "0" * 24) == {"ids": [record_id], "taken": []}, "the same again"
    assert _undelete(stranger, record_id) == {"ids": [], "taken": []}
    assert rows(record_id) == [before]
    assert all(seen().values()), seen()
    assert deleted() == []


@pytest.mark.parametrize("same", [True, False], ids=["the same content", "other content"])
def test_a_name_that_was_given_away_is_taken_back_only_when_that_is_asked_for(
    api: Any, files: Any, same: bool, owner: str
) -> None:
    content = files.stage()
    old = files.register("/videos", "/a.mp4", content)["id"]
    _delete(api, old)
    new = files.register("/videos", "/a.mp4", content if same else None)["id"]
    assert new != old
    assert _undelete(api, old) == {"ids": [], "taken": [{"id": old, "by": new}]}
    assert api.get(f"/videos/{old}").status_code == 404
    assert _undelete(api, old, replace=True) == {"ids": [old], "taken": []}
    there = {item["id"]: item["uploadedAt"] for item in api.get("/videos", params={"owner": owner}).json()["items"]}
    assert max(there, key=lambda id: there[id]) == old and (new in there) is not same
    # What made way can be restored in its turn; another content was only there before.
    assert _undelete(api, new)["taken"] == ([{"id": new, "by": old}] if same else [])


def test_what_was_uploaded_before_it_is_no_obstacle_and_of_twins_the_last_comes_back(api: Any, files: Any) -> None:
    first = files.register("/videos", "/a.mp4")["id"]
    content = files.stage()
    second = files.register("/videos", "/a.mp4", content)["id"]
    _delete(api, second)
    assert _undelete(api, second)["ids"] == [second]
    _delete(api, first, second)
    twin = files.register("/videos", "/a.mp4", content)["id"]
    _delete(api, twin)
    restored = _undelete(api, first, second, twin)
    assert restored == {"ids": sorted([first, twin]), "taken": [{"id": second, "by": twin}]}


def test_what_was_at_work_is_queued_anew_and_its_run_harms_nobody(
    api: Any, files: Any, claim: Any, begin: Any, pipeline: Any, rows: Any
) -> None:
    gone, stays = files.queued(2)
    [batch] = claim()
    partition = batch["partition"]
    assert len(begin(partition)["items"]) == 2
    _delete(api, gone)
    assert _undelete(api, gone)["ids"] == [gone]
    [record] = rows(gone)
    assert (record["status"], record["partition"], record["reported_at"]) == ("queued", None, None)
    results = [{"id": id, "recipe": "r", "metadata": {}} for id in (gone, stays)]
    body = {"partition": partition, "runId": "run-1"}
    answer = pipeline.post("/pipeline/batches/results", json=body | {"results": results})
    assert answer.status_code == 200, answer.text
    assert pipeline.post("/pipeline/batches/finish", json=body).json()["ready"] == 1
    assert [batch["files"] for batch in claim()] == [1]


def test_a_file_whose_record_is_deleted_while_it_is_registered_gets_a_new_one(
    files: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = files.stage()
    old = files.register("/videos", "/a.mp4", content)["id"]
    find = records.find

    def somebody_deletes_it_first(connection: Any, asked: Any) -> Any:
        with database.begin() as another:
            deletions.delete(another, [old], by="test", etags={})
        return find(connection, asked)

    monkeypatch.setattr(records, "find", somebody_deletes_it_first)
    assert files.register("/videos", "/a.mp4", content)["id"] != old


def test_what_waits_is_not_claimed_once_it_is_deleted(api: Any, files: Any, claim: Any) -> None:
    _delete(api, *files.queued(2))
    assert claim() == []


def test_a_column_that_is_younger_than_the_deletion_has_its_default(api: Any, files: Any, database: Any) -> None:
    record_id = files.queued(1)[0]
    _delete(api, record_id)
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE records ADD COLUMN younger integer NOT NULL DEFAULT 5"))
    try:
        assert _undelete(api, record_id)["ids"] == [record_id]
        with database.connect() as connection:
            query = text("SELECT younger FROM records WHERE id = :id")
            assert connection.execute(query, {"id": record_id}).scalar() == 5
    finally:
        with database.begin() as connection:
            connection.execute(text("ALTER TABLE records DROP COLUMN younger"))


def test_a_foreign_object_is_known_by_its_content(
    api: Any, files: Any, owner: str, pipeline: Any, object_store: Any
) -> None:
    key = f"{owner}/lab/staging/robot/run.srt"
    object_store.put(key, b"one", content_type="text/plain")
    etag = object_store.head(key).etag
    dropped = {"key": key, "owner": owner, "project": "lab", "size": 3, "etag": etag, "kind": "text-track"}
    assert (
        pipeline.post("/pipeline/staged/adopt", json={"objects": [dropped | {"name": "/run.srt"}]}).status_code == 200
    )
    [record] = api.get("/text-tracks", params={"owner": owner}).json()["items"]
    _delete(api, record["id"])

    def unknown(etag: str) -> list[str]:
        return pipeline.post("/pipeline/staged/unknown", json={"keys": [key], "etags": [etag]}).json()["keys"]

    assert unknown(etag) == [] and unknown("another") == [key]


def test_the_index_is_told_of_what_is_there_by_now(api: Any, files: Any, pipeline: Any) -> None:
    record_id = files.queued(1)[0]

    def pending() -> list[Any]:
        told = pipeline.post("/pipeline/deletions/pending", json={"minAgeSeconds": 0}).json()["items"]
        return [one for one in told if one["recordId"] == record_id]

    _delete(api, record_id)
    [deletion] = pending()
    _undelete(api, record_id)
    # Whoever tells the index of the deletion only now does not hide the restoration from the next one.
    told = {"recordId": record_id, "at": deletion["at"]}
    pipeline.post("/pipeline/deletions/forget", json={"deletions": [told]})
    [restoration] = pending()
    assert (deletion["restored"], restoration["restored"]) == (False, True)
    pipeline.post("/pipeline/deletions/forget", json={"deletions": [told | {"at": restoration["at"]}]})
    assert pending() == []


def test_others_can_ask_what_deleted_records_have(api: Any, files: Any, database: Any, owner: str) -> None:
    content = files.stage()
    record_id = files.register("/videos", "/a.mp4", content)["id"]
    before = api.get(f"/videos/{record_id}").json()
    _delete(api, record_id)
    key = f"{owner}/lab/staging/{content}"
    with database.connect() as connection:
        assert deletions.among(connection, [record_id, "0" * 24]) == {record_id}
        assert deletions.keys_in_use(connection, [key, f"{key}0"]) == {key}
        [record] = [one for one in deletions.read(connection, after="", limit=1000) if one.id == record_id]
    assert record.model_dump(mode="json", by_alias=True) == before
