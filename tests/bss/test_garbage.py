"""What nobody needs is freed, what somebody needs stays, and a collection that ends anywhere is gone on with."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import Engine, text

from dreamlake_pipeline.api.garbage import Garbage, Tally
from dreamlake_pipeline.bss import garbage
from dreamlake_pipeline.bss.garbage import steps
from dreamlake_pipeline.bss.garbage.collector import Collector
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.storage import ObjectStore


@pytest.fixture
def database(service: Any) -> Engine:
    return service.app.state.database


@pytest.fixture
def sql(database: Engine) -> Callable[..., list[Any]]:
    def run(statement: str, **given: Any) -> list[Any]:
        with database.begin() as connection:
            found = connection.execute(text(statement), given)
            return list(found.all()) if found.returns_rows else []

    return run


@pytest.fixture
def collect(database: Engine, object_store: ObjectStore, sql: Any) -> Callable[..., Tally]:
    """A whole collection, by default with nothing kept or waited for."""

    def run(**more: Any) -> Tally:
        bounds = {"kept_days": 0, "wait": 0, "url_ttl": 0, "dry_run": False} | more
        total, cursor = Tally(), None
        while True:
            done = garbage.step(Collector(database, object_store, **bounds), cursor)
            total.add(done)
            if (cursor := done.cursor) is None:
                return total

    _end_leases(sql)
    run()  # what other tests left
    return run


class Video:
    """A ready video with a chunk of its own and one that it shares with all others of its kind."""

    def __init__(self, record_id: str, owner: str, content: str, own: str) -> None:
        self.id, self.own = record_id, own
        self.staged = f"{owner}/lab/staging/{content}"
        self.folder = f"{owner}/lab/videos/{record_id}/"


SHARED = "ab" * 32


@pytest.fixture
def ready(files: Any, claim: Any, begin: Any, pipeline: Any, object_store: ObjectStore, owner: str) -> Any:
    def make(name: str, content: str | None = None) -> Video:
        content = content or files.stage()
        record_id = files.register("/videos", name, content)["id"]
        pipeline.post("/lambdas/hls-split", json={"videoId": record_id})
        [batch] = claim()
        begin(batch["partition"])
        video = Video(record_id, owner, content, secrets.token_hex(32))
        hashes = [SHARED, video.own]
        forms = {SHARED: "ts", video.own: "m4s"}
        pipeline.post(
            "/pipeline/chunks/lease", json={"chunks": [{"sha256": h, "size": 9, "form": forms[h]} for h in hashes]}
        )
        for sha256 in hashes:
            object_store.put(f"chunks/{sha256}.{forms[sha256]}", b"a segment", content_type="video/mp2t")
        pipeline.post("/pipeline/chunks/stored", json={"chunks": hashes})
        for filename in ("stream/master.m3u8", "poster.jpg", "meta.json"):
            object_store.put(video.folder + filename, b"{}", content_type="text/plain")
        held = {"partition": batch["partition"], "runId": "run-1"}
        result = {"id": record_id, "recipe": "r", "metadata": {"streams": []}, "chunks": hashes}
        assert pipeline.post("/pipeline/batches/results", json=held | {"results": [result]}).status_code == 200
        assert pipeline.post("/pipeline/batches/finish", json=held).json()["ready"] == 1
        return video

    return make


@pytest.fixture
def there(object_store: ObjectStore) -> Callable[..., list[str]]:
    """Which of the things of a video are in the bucket."""

    def look(video: Video) -> list[str]:
        keys = {"staged": video.staged, "own": f"chunks/{video.own}.m4s", "shared": f"chunks/{SHARED}.ts"}
        found = [name for name, key in keys.items() if object_store.head(key) is not None]
        return found + ["files"] * bool(list(object_store.list_all(video.folder)))

    return look


def _end_leases(sql: Any) -> None:
    sql("UPDATE chunks SET lease_until = now() - interval '1 second'")


ALL = ["staged", "own", "shared", "files"]


def test_what_was_deleted_is_freed_when_its_time_is_over_and_what_others_share_stays(
    api: Any, ready: Any, there: Any, collect: Any, sql: Any, pipeline: Any
) -> None:
    gone, stays = ready("/a.mp4"), ready("/b.mp4")
    _end_leases(sql)
    api.delete(f"/videos/{gone.id}")
    assert collect(kept_days=7).freed == {} and there(gone) == ALL
    plan = collect(dry_run=True)
    assert there(gone) == ALL
    done = collect()
    assert done.freed == plan.freed
    assert {str(kind): (amount.count, amount.bytes) for kind, amount in done.freed.items()} == {
        "records": (1, 0),
        "files": (3, 6),
        "staged": (1, 50),
        "chunks": (1, 9),
    }
    assert there(gone) == ["shared"] and there(stays) == ALL
    assert collect().freed == {}
    # Whoever listed the staged object before does not take it for a new arrival.
    assert pipeline.post("/pipeline/staged/unknown", json={"keys": [gone.staged]}).json() == {"keys": []}
    assert api.post("/records/undelete", json={"ids": [gone.id]}).json() == {"ids": [], "taken": []}
    assert api.get("/records/deleted", params={"owner": gone.folder.split("/")[0]}).json()["items"] == []
    # A day later, nothing remembers it; what a run wrote into its folder meanwhile goes with the mark.
    sql("UPDATE deleted_records SET freed_at = freed_at - interval '26 hours'")
    sql("UPDATE condemned_objects SET freed_at = freed_at - interval '26 hours'")
    collect()
    assert sql("SELECT id FROM deleted_records WHERE id = :id", id=gone.id) == []
    assert sql("SELECT FROM condemned_objects WHERE staging_key = :key", key=gone.staged) == []


def test_what_a_run_wrote_after_the_purge_is_freed_with_the_mark(
    api: Any, ready: Any, collect: Any, sql: Any, object_store: ObjectStore
) -> None:
    gone = ready("/a.mp4")
    api.delete(f"/videos/{gone.id}")
    collect()
    object_store.put(gone.folder + "meta.json", b"{}", content_type="application/json")
    collect()
    assert object_store.head(gone.folder + "meta.json") is not None
    sql("UPDATE deleted_records SET freed_at = freed_at - interval '26 hours'")
    collect()
    assert object_store.head(gone.folder + "meta.json") is None


def test_bytes_stay_while_another_record_has_them(api: Any, ready: Any, files: Any, there: Any, collect: Any) -> None:
    video = ready("/a.mp4")
    other = files.register("/videos", "/copy.mp4", video.staged.split("/")[-1])["id"]
    api.delete(f"/videos/{video.id}")
    collect()
    assert "staged" in there(video)
    api.delete(f"/videos/{other}")
    assert collect(kept_days=7).freed == {} and "staged" in there(video)
    collect()
    assert "staged" not in there(video)


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_replaced_results_leave_is_freed_after_a_while(
    ready: Any, there: Any, collect: Any, sql: Any, pipeline: Any, dry_run: bool
) -> None:
    video = ready("/a.mp4")
    sql("DELETE FROM chunk_refs WHERE record_id = :id AND sha256 = :own", id=video.id, own=video.own)
    assert collect(dry_run=dry_run).freed == {}, "it is leased"
    _end_leases(sql)
    waiting = collect(wait=3600, dry_run=dry_run)
    assert waiting.freed == {} and waiting.later[Garbage.CHUNKS].count == 1
    # A writer that leases it takes the sentence back.
    lease = {"chunks": [{"sha256": video.own, "size": 9}], "leaseSeconds": 0}
    assert pipeline.post("/pipeline/chunks/lease", json=lease).json()["missing"] == []
    assert sql("SELECT FROM chunks WHERE condemned_at IS NOT NULL") == []
    done = collect(dry_run=dry_run)
    assert done.freed[Garbage.CHUNKS].count == 1
    assert there(video) == (ALL if dry_run else ["staged", "shared", "files"])
    if not dry_run:
        assert pipeline.post("/pipeline/chunks/lease", json=lease).json()["missing"] == [video.own]


def test_a_collection_that_ends_anywhere_is_gone_on_with(
    api: Any, ready: Any, there: Any, collect: Any, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = ready("/a.mp4"), ready("/b.mp4")
    _end_leases(sql)
    api.delete(f"/videos/{gone.id}")
    delete = ObjectStore.delete

    class Killed(Exception):
        pass

    def dies(*_: Any) -> Any:
        raise Killed

    def deletes_and_dies(self: ObjectStore, keys: Any) -> dict[str, str]:
        """The objects are deleted, and what should follow is not written."""
        if batch := list(keys):
            delete(self, batch)
            raise Killed
        return {}

    for part in steps.PARTS:
        with monkeypatch.context() as patched, suppress(Killed):
            patched.setattr(ObjectStore, "delete", deletes_and_dies)
            collect()
        with monkeypatch.context() as patched, suppress(Killed):
            patched.setitem(steps.PARTS, part, dies)
            collect()
        assert there(stays) == ALL
    assert there(gone) == ["shared"]
    assert sql("SELECT FROM chunks WHERE sha256 = :own", own=gone.own) == []


def test_only_folders_of_our_layout_whose_bytes_are_safe_are_freed(
    ready: Any, files: Any, owner: str, collect: Any, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlake_pipeline.bss.garbage import unnamed

    def collect_old() -> Tally:
        with monkeypatch.context() as patched:
            patched.setattr(unnamed, "_AGE", timedelta(seconds=-5))
            patched.setattr(unnamed, "_FOLDERS_AT_ONCE", 1)
            return collect()

    others = collect_old().unknown  # folders of other tests
    video = ready("/a.mp4")
    lost, aborted, copy = ("5" * 24, "6" * 23 + "0", "4" * 24)
    staged = f'{{"stagingKey": "{owner}/lab/staging/{"9" * 64}"}}'
    kept = {
        f"{owner}/lab/videos/{lost}/meta.json": staged,
        f"{owner}/lab/videos/{'2' * 24}/meta.json": "no JSON",
        f"{owner}/lab/videos/notes.txt": "",
        f"{owner}/lab/videos/not-an-id/meta.json": "",
        f"{owner}/lab/other/{aborted}/meta.json": "",
        f"{owner}/Lab/videos/{aborted}/x": "",
        f"{owner}/lab/staging/videos/{aborted}/x": "",
        f"{owner}/loose.txt": "",
    }
    freed = {
        f"{owner}/lab/videos/{aborted}/stream/{'a' * 32}.m3u8": "#EXTM3U",
        f"{owner}/lab/labels/{copy}/meta.json": f'{{"stagingKey": "{video.staged}"}}',
        f"{owner}/lab/labels/{copy}/data.parquet": "",
    }
    for key, body in (kept | freed).items():
        object_store.put(key, body.encode(), content_type="text/plain")
    assert collect().unknown == 0, "they are young"
    done = collect_old()
    assert done.unknown == others + 2 and done.freed[Garbage.FILES].count == 3
    assert [key for key in kept if object_store.head(key) is None] == []
    assert [key for key in freed if object_store.head(key) is not None] == []
    assert list(object_store.list_all(video.folder))


def test_playlists_of_earlier_results_are_freed(
    ready: Any, collect: Any, sql: Any, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = ready("/a.mp4")
    names = {name: f"{video.folder}stream/{name * 32}.m3u8" for name in "abc"}
    for key in names.values():
        object_store.put(key, b"#EXTM3U", content_type="text/plain")
    object_store.put(f"{video.folder}stream/master.m3u8", f"{'b' * 32}.m3u8".encode(), content_type="text/plain")
    sql(
        """UPDATE records SET attempts = 2, ready_at = now() - interval '1 day',
        metadata = jsonb_build_object('streams', jsonb_build_array(CAST(:a AS text))) WHERE id = :id""",
        id=video.id,
        a="a" * 32,
    )
    collect(wait=3600)
    assert all(object_store.head(key) for key in names.values())
    collect(wait=-5)
    assert [name for name, key in names.items() if object_store.head(key)] == ["a", "b"]


def test_uploads_that_nobody_goes_on_with_are_given_up(
    api: Any, owner: str, collect: Any, sql: Any, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlake_pipeline.bss.garbage import uploads

    body = {"owner": owner, "project": "lab", "hash": secrets.token_hex(32)}
    begun = api.post("/videos/upload/multipart/init", json=body).json()
    lost = f"{owner}/lab/staging/{secrets.token_hex(32)}"
    lost_id = object_store.create_multipart(lost, content_type="video/mp4", metadata={})
    foreign = f"{owner}/elsewhere/of/others"
    foreign_id = object_store.create_multipart(foreign, content_type="video/mp4", metadata={})
    assert Garbage.UPLOADS not in collect().freed
    monkeypatch.setattr(uploads, "_ABANDONED", timedelta(seconds=-5))
    assert collect(dry_run=True).freed[Garbage.UPLOADS].count == 2
    assert collect().freed[Garbage.UPLOADS].count == 2
    assert object_store.list_parts(begun["key"], begun["uploadId"]) is None
    assert object_store.list_parts(lost, lost_id) is None
    assert object_store.list_parts(foreign, foreign_id) == []
    assert sql("SELECT FROM uploads WHERE staging_key = :key", key=begun["key"]) == []


def test_rows_of_what_is_over_go(collect: Any, sql: Any, owner: str, object_store: ObjectStore) -> None:
    key = f"{owner}/lab/staging/notes.txt"
    object_store.put(key, b"notes", content_type="text/plain")
    etag = object_store.head(key).etag
    sql("""
        INSERT INTO signed_puts VALUES ('old', 1, now() - interval '31 days'), ('new', 1, now());
        INSERT INTO ended_uploads VALUES ('old', 'k', true, now() - interval '31 days'), ('new', 'k', true, now());
        INSERT INTO batches (partition, owner, project, lease_until, state, closed_at, created_at) VALUES
            ('old', 'o', 'p', now(), 'closed', now() - interval '41 days', now()),
            ('new', 'o', 'p', now(), 'closed', now(), now())""")
    sql(
        "INSERT INTO ignored_objects VALUES (:key, :etag, 5, 'x'), (:key, 'earlier', 5, 'x'), ('gone', 'x', 5, 'x')",
        key=key,
        etag=etag,
    )
    assert collect(dry_run=True).freed[Garbage.ROWS].count == 5
    assert collect().freed[Garbage.ROWS].count == 5
    assert sql("SELECT etag FROM ignored_objects WHERE staging_key IN (:key, 'gone')", key=key) == [(etag,)]
    for table, column in {"signed_puts": "staging_key", "ended_uploads": "upload_id", "batches": "partition"}.items():
        assert sql(f"SELECT {column} FROM {table} WHERE {column} IN ('old', 'new')") == [("new",)]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From then on, the store shows and deletes objects but these; it answers as S3 does to who lacks the key of one
    that is encrypted with its uploader's (SSE-C: HEAD has no body to say why), and of one under a lock."""

    def run(*keys: str) -> None:
        head, delete = ObjectStore.head, ObjectStore.delete

        def refused_head(self: ObjectStore, key: str) -> Any:
            if key in keys:
                answer: Any = {"Error": {"Code": "400"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
                raise DreamlakeError(Code.STORAGE_FAILED, f"400: {key}") from ClientError(answer, "HeadObject")
            return head(self, key)

        def refused_delete(self: ObjectStore, wanted: Any) -> dict[str, str]:
            batch = list(wanted)
            return delete(self, [key for key in batch if key not in keys]) | {
                key: "AccessDenied" for key in batch if key in keys
            }

        monkeypatch.setattr(ObjectStore, "head", refused_head)
        monkeypatch.setattr(ObjectStore, "delete", refused_delete)

    return run


@pytest.mark.parametrize("what", ["raw", "folder", "chunk"])
def test_an_object_that_the_store_refuses_keeps_no_other(
    what: str, api: Any, ready: Any, there: Any, collect: Any, sql: Any, refuse: Any
) -> None:
    locked, free = ready("/locked.mp4"), ready("/free.mp4")
    _end_leases(sql)
    refused = {"raw": locked.staged, "folder": f"{locked.folder}poster.jpg", "chunk": f"chunks/{locked.own}.m4s"}[what]
    refuse(refused)
    for video in (locked, free):
        assert api.delete(f"/videos/{video.id}").status_code == 204
    for _ in range(2):  # it is taken neither for deleted nor for a new arrival
        assert collect().refused == 1
    assert set(there(free)) <= {"shared"}
    if what == "raw":
        assert sql("SELECT freed_at FROM condemned_objects WHERE staging_key = :key", key=refused) == [(None,)]
    if what == "chunk":
        assert sql("SELECT stored_at FROM chunks WHERE sha256 = :own", own=locked.own) == [(None,)]


def test_what_the_store_refused_is_freed_when_it_does_not_any_more(
    api: Any, ready: Any, there: Any, collect: Any, sql: Any, refuse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = ready("/locked.mp4")
    _end_leases(sql)
    refuse(video.staged, f"{video.folder}poster.jpg", f"chunks/{video.own}.m4s")
    api.delete(f"/videos/{video.id}")
    assert collect().refused == 3
    assert collect().refused == 3
    monkeypatch.undo()
    assert set(there(video)) >= {"staged", "own", "files"}
    assert collect().refused == 0
    assert set(there(video)) <= {"shared"}


def test_foreign_objects_that_the_store_does_not_show_stop_nothing(
    api: Any, pipeline: Any, owner: str, collect: Any, sql: Any, object_store: ObjectStore, refuse: Any
) -> None:
    ignored, adopted = (f"{owner}/lab/staging/robot/{name}" for name in ("secret.bin", "a.wav"))
    seen = {"owner": owner, "project": "lab", "size": 4, "etag": "e"}
    for key in (ignored, adopted):
        object_store.put(key, b"abcd", content_type="audio/wav")
    objects = [seen | {"key": ignored}, seen | {"key": adopted, "kind": "audio", "name": "/a.wav"}]
    assert pipeline.post("/pipeline/staged/adopt", json={"objects": objects}).status_code == 200
    [record] = api.get("/audio", params={"owner": owner}).json()["items"]
    refuse(ignored, adopted)
    assert api.delete(f"/audio/{record['id']}").status_code == 204
    assert collect().refused == 1
    assert sql("SELECT reason FROM ignored_objects WHERE staging_key = :key", key=ignored) == [
        ("It is of no known kind.",)
    ]


def test_a_meta_that_somebody_else_wrote_frees_and_stops_nothing(
    ready: Any, owner: str, collect: Any, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlake_pipeline.bss.garbage import unnamed

    video = ready("/a.mp4")
    said = [{"stagingKey": key} for key in (video.staged + "\0", 5, None, [video.staged], {"a": 1}, "\ud800", "")]
    bodies = [json.dumps(one).encode() for one in (*said, [], 5, None)] + [b"[" * 60_000, b"\xff", b""]
    keys = [f"{owner}/lab/videos/{n:024x}/meta.json" for n in range(len(bodies))]
    keys.append(f"{owner}/other/videos/{99:024x}/meta.json")  # the bytes of another project are not its own
    monkeypatch.setattr(unnamed, "_AGE", timedelta(seconds=-5))
    before = collect().unknown
    for key, body in zip(keys, [*bodies, json.dumps({"stagingKey": video.staged}).encode()], strict=True):
        object_store.put(key, body, content_type="text/plain")
    assert collect().unknown == before + len(keys)
    assert [key for key in keys if object_store.head(key) is None] == []


def test_a_cursor_that_no_step_gave_is_refused(pipeline: Any) -> None:
    for cursor in ("x", "purge:*", "purge", "nothing:YQ==", "%00"):
        answer = pipeline.post("/gc/step", json={"cursor": cursor, "dryRun": True})
        assert answer.status_code == (200 if cursor == "purge" else 422), (cursor, answer.text)
    assert "freed" in pipeline.post("/gc/step", json={}).json()
