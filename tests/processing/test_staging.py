"""The walk through the staging prefixes: bounded, resumable, complete, and blind to what is not staged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.run.workers import Workers
from dreamlake_pipeline.processing import staging
from dreamlake_pipeline.processing.drops import Refused, understand
from dreamlake_pipeline.processing.staging import Found, Position, adopt_unregistered
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

ODD_DIGEST = sha256("next\x85line.csv".encode()).hexdigest()[:32]
SRT = b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1) as workers:
        yield workers


def put(store: ObjectStore, *keys: str, data: bytes = SRT) -> None:
    for key in keys:
        store.put(key, data, content_type="application/octet-stream")


def walk(
    pipeline: PipelineClient, store: ObjectStore, position: Position, *, grace: float = 0, pages: int = 100
) -> Found:
    position.rest_until = 0
    return adopt_unregistered(pipeline, store, position, grace_seconds=grace, pages=pages)


def test_every_project_is_visited_however_few_pages_a_tick_has(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str
) -> None:
    # "-" sorts before "/", which sorts before "a": where a walk could lose its way.
    projects = [f"{owner}/a", f"{owner}/a-b", f"{owner}/ab", f"{owner}-x/a", f"{owner}0/a"]
    put(bucket, *(f"{project}/staging/{n}.srt" for project in projects for n in range(2)))
    position, ticks, registered = Position(), 0, 0
    while ticks == 0 or position.after:
        found = walk(pipeline, bucket, position, pages=1)
        assert found.listed <= 2
        ticks, registered = ticks + 1, registered + found.registered
        position = Position.parse(str(position))
    assert registered == 10
    assert ticks == len(projects) + 1  # the last finds that nothing follows
    assert walk(pipeline, bucket, Position()).registered == 0


def test_only_staged_objects_are_looked_at(pipeline: PipelineClient, bucket: ObjectStore, owner: str) -> None:
    put(
        bucket,
        f"{owner}/lab/videos/6b02da211c0e1f302426d366/poster.srt",
        f"{owner}/lab/other.srt",
        "chunks/staging/a.srt",
        "catalog/lab/staging/a.srt",
        "NOT A NAMESPACE/lab/staging/a.srt",
        f"{owner}/NOT A PROJECT/staging/a.srt",
        "root.srt",
    )
    found = walk(pipeline, bucket, Position())
    assert (found.listed, found.registered) == (1, 0)
    [reason] = found.ignored
    assert reason.startswith(f"{owner}/NOT A PROJECT/staging/a.srt: Its folder is no project")


def test_what_is_young_is_left_for_its_uploader_to_register(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str
) -> None:
    put(bucket, f"{owner}/lab/staging/a.srt")
    found = walk(pipeline, bucket, Position(), grace=3600)
    assert (found.listed, found.too_young, found.registered) == (1, 1, 0)


def test_a_tick_goes_on_while_it_finds_something_and_not_long_otherwise(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_QUIET_SECONDS", 0)
    put(bucket, *(f"{owner}/{project}/staging/{n}.srt" for project in "abc" for n in range(2)))
    position = Position()
    assert adopt_unregistered(pipeline, bucket, position, grace_seconds=0).registered == 6
    assert position.after == ""

    position.rest_until = 0
    assert adopt_unregistered(pipeline, bucket, position, grace_seconds=0).listed == 2
    assert position.after.startswith(f"{owner}/a/") and position.rest_until > time.time()
    assert adopt_unregistered(pipeline, bucket, position, grace_seconds=0).listed == 0


def test_a_whole_round_is_followed_by_a_rest(pipeline: PipelineClient, bucket: ObjectStore, owner: str) -> None:
    put(bucket, f"{owner}/lab/staging/a.srt")
    position = Position()
    assert adopt_unregistered(pipeline, bucket, position, grace_seconds=0).registered == 1
    assert position.after == "" and position.rest_until > time.time()
    assert adopt_unregistered(pipeline, bucket, position, grace_seconds=0) == Found()


def test_a_listing_that_took_long_is_not_followed_by_a_long_rest(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, f"{owner}/lab/staging/a.srt")
    position = Position()
    assert adopt_unregistered(pipeline, bucket, position, grace_seconds=0).registered == 1
    list_page = bucket.list_page

    def slow(prefix: str, **asked: Any) -> Any:
        time.sleep(1.5)  # as a store does that was stopped for a while
        return list_page(prefix, **asked)

    monkeypatch.setattr(bucket, "list_page", slow)
    position.rest_until = 0
    adopt_unregistered(pipeline, bucket, position, grace_seconds=0)
    assert time.time() < position.rest_until <= time.time() + 10
    assert Position.parse(str(position)).rest_until > time.time()


@pytest.mark.parametrize(
    ("rest", "data", "kind", "name"),
    [
        ("run-1@@/cam/front.MP4", b"x", Kind.VIDEO, "/cam/front.MP4"),
        (f"run-1@@/{'0' * 64}", SRT, Kind.TEXT_TRACK, f"/unnamed/{'0' * 32}.srt"),
        ("cam/Front 1.MP4", b"x", Kind.VIDEO, "/cam/Front 1.MP4"),
        ("a.jsonl", b"", Kind.LABEL_TRACK, "/a.jsonl"),  # empty, which its record will say
        ("0" * 64, SRT, Kind.TEXT_TRACK, f"/unnamed/{'0' * 32}.srt"),
        ("notes", SRT, Kind.TEXT_TRACK, "/notes"),
        ("cam/front.ts", (b"\x47\x40\x11\x10" + bytes(184)) * 40, Kind.VIDEO, "/cam/front.ts"),
        ("next\x85line.csv", b"a,b\n1,2\n", Kind.LABEL_TRACK, f"/unnamed/{ODD_DIGEST}.csv"),
    ],
)
def test_understanding(
    bucket: ObjectStore, workers: Workers, owner: str, rest: str, data: bytes, kind: Kind | None, name: str | None
) -> None:
    key = f"{owner}/lab/staging/{rest}"
    put(bucket, key, data=data)
    found = bucket.head(key)
    assert found is not None
    understood = understand(bucket, workers, found)
    assert understood is not None
    assert (understood.kind, understood.name) == (kind, name)
    assert understood.size == len(data)


@pytest.mark.parametrize("rest", ["src/main.ts", "src/module.mts"])
def test_source_code_is_no_video(bucket: ObjectStore, workers: Workers, owner: str, rest: str) -> None:
    put(bucket, f"{owner}/lab/staging/{rest}", data=b"import { a, b } from './a'\nexport const c = a + b\n")
    [found] = bucket.list_page(f"{owner}/lab/staging/").objects
    with pytest.raises(Refused):
        understand(bucket, workers, found)


@pytest.mark.parametrize("rest", ["cam/._front.mp4", ".Trash-1000/files/front.mp4", "@eaDir/labels.csv"])
def test_what_systems_leave_in_folders_is_left_out(
    bucket: ObjectStore, workers: Workers, owner: str, rest: str
) -> None:
    put(bucket, f"{owner}/lab/staging/{rest}")
    [found] = bucket.list_page(f"{owner}/lab/staging/").objects
    with pytest.raises(Refused, match="system's file"):
        understand(bucket, workers, found)


def test_refused_content_is_refused_once_and_other_content_looked_at_again(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str
) -> None:
    key = f"{owner}/lab/staging/{'0' * 64}"
    put(bucket, key, data=b"\x00\x01\x02")
    [reason] = walk(pipeline, bucket, Position()).ignored
    assert key in reason
    assert walk(pipeline, bucket, Position()).ignored == []
    put(bucket, key)
    assert walk(pipeline, bucket, Position()).registered == 1


def test_the_same_content_with_other_metadata_is_looked_at_again(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str
) -> None:
    key = f"{owner}/lab/staging/a.srt"
    bucket.put(key, SRT, content_type="text/plain", metadata={"episode": "%20run"})
    assert "white space" in walk(pipeline, bucket, Position()).ignored[0]
    assert walk(pipeline, bucket, Position()).ignored == []
    time.sleep(1.1)  # S3 tells times in whole seconds
    bucket.put(key, SRT, content_type="text/plain", metadata={"episode": "%20run"})
    assert len(walk(pipeline, bucket, Position()).ignored) == 1
    time.sleep(1.1)
    bucket.put(key, SRT, content_type="text/plain", metadata={"episode": "run"})
    assert walk(pipeline, bucket, Position()).registered == 1


def test_an_object_that_went_away_is_no_object(bucket: ObjectStore, workers: Workers, owner: str) -> None:
    key = f"{owner}/lab/staging/a.srt"
    put(bucket, key)
    found = bucket.head(key)
    assert found is not None
    bucket.delete([key])
    assert understand(bucket, workers, found) is None


@given(st.text(max_size=250), st.floats(0, time.time()))
def test_a_position_survives_the_cursor(after: str, rest_until: float) -> None:
    again = Position.parse(str(Position(after, rest_until)))
    assert again.after == after and again.rest_until == pytest.approx(rest_until, abs=1e-3)


# People may set a sensor's cursor to anything.
ODD_CURSORS = [
    *("", "nonsense", "[", "{}", "null", "[1]", '["a", "b", "c"]', "[[], {}]", '["a", "b"]', "\x00", "x" * 10**6),
    *('["a", Infinity]', '["a", NaN]', '["a", 1e308]', f'["a", {10**11}]', f'["a", {10**400}]', "1" * 5000),
    *("[" * 100_000, f'["{"k" * 2000}", 0]', '["\\ud800", 0]'),
]


@pytest.mark.parametrize("text", [None, *ODD_CURSORS], ids=lambda text: str(text)[:20])
def test_any_other_cursor_is_the_beginning(text: str | None) -> None:
    assert Position.parse(text) == Position()


def _without(store: ObjectStore, failing: str, fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at an object whose key ends so raises `fault`."""
    head = store.head

    def looked(key: str) -> Any:
        if key.endswith(failing):
            raise fault
        return head(key)

    monkeypatch.setattr(store, "head", looked)


def test_brackets_without_end_are_put_aside_and_their_neighbours_registered(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str
) -> None:
    folder = f"{owner}/lab/staging/"
    put(bucket, folder + "a.srt", folder + "z.srt")
    put(bucket, folder + "deep", data=b"[" * 60_000)
    put(bucket, folder + "deeper", data=b'{"a":' * 60_000)
    found = walk(pipeline, bucket, Position())
    assert (found.registered + len(found.ignored), found.left) == (4, []) and found.registered >= 2
    assert walk(pipeline, bucket, Position()) == Found(listed=4, answered=True)


@pytest.mark.parametrize(
    "fault", [RecursionError("too deep"), ValueError("odd"), DreamlakeError(Code.MEDIA_CORRUPT, "It is damaged.")]
)
def test_what_cannot_be_looked_at_is_put_aside_with_a_reason(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    put(bucket, *(f"{owner}/lab/staging/{name}.srt" for name in ("a", "bad", "z")))
    _without(bucket, "bad.srt", fault, monkeypatch)
    found = walk(pipeline, bucket, Position())
    assert (found.registered, found.left) == (2, [])
    [reason] = found.ignored
    assert "bad.srt: It is put aside" in reason and "Error" not in reason
    assert walk(pipeline, bucket, Position()) == Found(listed=3, answered=True)


def test_what_the_store_does_not_give_today_is_looked_at_again(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, *(f"{owner}/lab/staging/{name}.srt" for name in ("a", "bad", "z")))
    with monkeypatch.context() as patch:
        _without(bucket, "bad.srt", DreamlakeError(Code.STORAGE_FAILED, "The store answered 500."), patch)
        for registered in (2, 0):
            found = walk(pipeline, bucket, Position())
            assert (found.registered, found.ignored) == (registered, [])
            assert len(found.left) == 1 and "left for a later round" in found.left[0]
    assert walk(pipeline, bucket, Position()).registered == 1


def test_an_object_that_bss_refuses_does_not_hold_up_its_neighbours(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, *(f"{owner}/lab/staging/{name}.srt" for name in ("a", "bad", "z")))
    adopt = pipeline.adopt

    def picky(objects: Any) -> Any:
        if any(item.kind is not None and item.key.endswith("bad.srt") for item in objects):
            raise DreamlakeError(Code.INVALID_REQUEST, "Not this one.")
        return adopt(objects)

    monkeypatch.setattr(pipeline, "adopt", picky)
    found = walk(pipeline, bucket, Position())
    assert found.registered == 2 and "Not this one." in found.ignored[0]
    assert walk(pipeline, bucket, Position()) == Found(listed=3, answered=True)


def test_an_etag_that_breaks_the_rules_does_not_hold_up_the_page(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, *(f"{owner}/lab/staging/{name}.srt" for name in ("a", "bad", "z")))
    list_page = bucket.list_page

    def odd(*args: Any, **more: Any) -> Any:
        page = list_page(*args, **more)
        objects = [replace(one, etag="\x01") if one.key.endswith("bad.srt") else one for one in page.objects]
        return replace(page, objects=objects)

    monkeypatch.setattr(bucket, "list_page", odd)
    found = walk(pipeline, bucket, Position())
    assert found.registered == 2 and "bad.srt" in found.left[0]


def _refusing(store: ObjectStore, folders: list[str]) -> None:
    """Listings of these folders are refused, as a policy on their prefix has S3 do."""

    def answer(request: Any, **_: Any) -> AWSResponse | None:
        asked = parse_qs(urlsplit(request.url).query).get("prefix", [""])[0]
        if asked not in folders:
            return None
        body = BytesIO(b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>")
        raw = SimpleNamespace(stream=lambda **_: iter([body.getvalue()]), read=body.read)
        return AWSResponse(request.url, 403, {}, raw)

    store.client.meta.events.register("before-send.s3.ListObjectsV2", answer, unique_id="refusing")


@pytest.fixture
def _answers_again(bucket: ObjectStore) -> Iterator[None]:
    yield
    bucket.client.meta.events.unregister("before-send.s3.ListObjectsV2", unique_id="refusing")


@pytest.mark.usefixtures("_answers_again")
def test_folders_that_are_refused_do_not_hold_up_the_others(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str
) -> None:
    projects = [f"p{n}" for n in range(8)]
    put(bucket, *(f"{owner}/{project}/staging/a.srt" for project in projects), f"{owner}-z/p/staging/a.srt")
    refused = [f"{owner}/{project}/staging/" for project in projects[:-1]]
    _refusing(bucket, refused)
    position, registered, left = Position(), 0, list[str]()
    for _ in range(4):
        found = walk(pipeline, bucket, position)
        position = Position.parse(str(position))
        registered += found.registered
        left += found.left
        if registered == 2:
            break
    assert registered == 2 and len(left) == 7 and all("passed over in this round" in reason for reason in left)


def test_a_store_that_does_not_answer_is_not_taken_for_one_that_refuses(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, *(f"{owner}/{project}/staging/a.srt" for project in "ab"))
    list_page = bucket.list_page

    def broken_off(prefix: str, **more: Any) -> Any:
        if prefix.endswith("staging/"):
            raise DreamlakeError(Code.STORAGE_FAILED, "The object store could not list: ReadTimeoutError.")
        return list_page(prefix, **more)

    monkeypatch.setattr(bucket, "list_page", broken_off)
    position = Position()
    with pytest.raises(DreamlakeError, match="ReadTimeoutError"):
        walk(pipeline, bucket, position)
    assert position.after == ""


@pytest.mark.parametrize(
    "rest",
    ["a\x01b.srt", "caf\udce9.srt", "%FF%FE.srt", "a+b &<>.srt", "\u202e.srt", "../x.srt", "a//b.srt", "🎥" * 200],
)
def test_whatever_a_key_is_its_neighbours_are_registered(
    pipeline: PipelineClient, bucket: ObjectStore, owner: str, rest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that some store lists; what this one answers when it is asked for such an object is its own concern."""
    folder = f"{owner}/lab/staging/"
    put(bucket, *(folder + name for name in ("0.srt", "bad.srt", "z.srt")))
    list_page = bucket.list_page

    def odd(*args: Any, **more: Any) -> Any:
        page = list_page(*args, **more)
        objects = [replace(one, key=folder + rest) if one.key.endswith("bad.srt") else one for one in page.objects]
        return replace(page, objects=objects)

    monkeypatch.setattr(bucket, "list_page", odd)
    found = walk(pipeline, bucket, Position())
    assert (found.listed, found.registered) == (3, 2)
    again = walk(pipeline, bucket, Position())
    assert again.registered == 0 and again.answered
