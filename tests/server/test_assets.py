"""The routes for files, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.ids import is_id, new_id
from dreamlake_pipeline.kinds import KINDS, Kind

Call = Callable[..., Any]
Make = Callable[..., BatchAsset]
Pages = Callable[..., list[Any]]


@pytest.fixture
def body(owner: str) -> dict[str, Any]:
    return {"namespace": owner, "project": "robots", "name": "/camera/front/run01.mp4", "bssVideoId": new_id()}


@pytest.fixture
def register(call: Call) -> Callable[..., list[dict[str, Any]]]:
    """Registers a batch over HTTP."""

    def send(*assets: BatchAsset) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = call("POST", "/assets/batch", json={"assets": [one.wire() for one in assets]})[
            "items"
        ]
        return items

    return send


def test_a_file_is_registered_and_read(call: Call, body: dict[str, Any], owner: str) -> None:
    ref = call("POST", "/assets/video", json=body | {"episodeName": "Été"})
    assert set(ref) == {"id", "projectId", "episodeId", "nodeId", "filename", "status"}
    assert is_id(ref["episodeId"])
    asset = call("GET", f"/assets/video/{ref['id']}")
    assert asset == asset | {
        "id": ref["id"],
        "kind": "video",
        "namespace": owner,
        "project": "robots",
        "projectId": ref["projectId"],
        "episode": "Été",
        "episodeId": ref["episodeId"],
        "nodeId": ref["nodeId"],
        "name": "/camera/front/run01.mp4",
        "folder": "/camera/front",
        "filename": "run01.mp4",
        "bssId": body["bssVideoId"],
        "status": "registered",
        "metadata": None,
    }
    assert asset["createdAt"].endswith(("Z", "+00:00"))
    assert call("POST", "/assets/video", json=body | {"episodeName": "E\u0301te\u0301"}) == ref  # NFC


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_has_its_id_field_and_its_download(call: Call, body: dict[str, Any], kind: Kind, owner: str) -> None:
    bss = new_id()
    del body["bssVideoId"]
    other = "bssAudioId" if kind is not Kind.AUDIO else "bssVideoId"
    error = call("POST", f"/assets/{kind}", json=body | {other: bss}, status=422)["error"]
    assert error["code"] == "invalid_request" and KINDS[kind].bss_id_field in error["message"]

    ref = call("POST", f"/assets/{kind}", json=body | {kind.spec.bss_id_field: bss, "episodeName": "e/1"})
    assert call("GET", f"/assets/{kind}/{ref['id']}")["bssId"] == bss
    where = {"namespace": owner, "project": "robots", "path": body["name"]}
    answer = call("GET", f"/assets/{kind}/download", params=where | {"episode": "e/1"})
    assert answer == {"url": f"http://127.0.0.1:1/{KINDS[kind].route}/{bss}/raw"}
    missing = call("GET", f"/assets/{kind}/download", params=where, status=404)["error"]
    assert body["name"] in missing["message"]


def test_a_batch_is_in_order_and_all_or_nothing(
    call: Call, asset: Make, register: Callable[..., list[dict[str, Any]]]
) -> None:
    batch = [asset(f"/{i % 3}/{i}.csv", kind=Kind.LABEL_TRACK) for i in range(20)] + [asset("/v.mp4")]
    refs = register(*batch)
    assert [ref["filename"] for ref in refs] == [one.name.rpartition("/")[2] for one in batch]

    bad = [asset("/new.mp4").wire(), asset("/x.mp4").wire() | {"name": "/../x.mp4"}]
    error = call("POST", "/assets/batch", json={"assets": bad}, status=422)["error"]
    assert "assets.1.name" in error["message"]
    call("GET", "/assets/video/download", status=404, params=batch[0].wire() | {"path": "/new.mp4"})


def test_lists_filter_and_page(
    call: Call, asset: Make, register: Callable[..., list[dict[str, Any]]], every_page: Pages, owner: str
) -> None:
    names = [f"/cam-{side}/{i:02}%_\\.mp4" for side in ("left", "right") for i in range(7)]
    register(
        *(asset(name) for name in names),
        *(asset(name, episode_name=episode) for name in names for episode in ("e1", "e2")),
        asset("/cam-left/only.mp4", project="other"),
        asset("/cam-left/sound.wav", kind=Kind.AUDIO),
    )

    def listed(limit: int = 4, **params: Any) -> list[tuple[str, str | None, str]]:
        items = every_page("/assets/video", namespace=owner, limit=limit, **params)
        assert {item["kind"] for item in items} <= {"video"}
        return [(item["project"], item["episode"], item["name"]) for item in items]

    everything = listed()
    assert len(everything) == len(set(everything)) == 3 * 14 + 1
    assert listed(limit=1000) == everything
    assert listed(project="robots", episode="e1") == [("robots", "e1", name) for name in names]
    assert listed(project="robots", episode="") == [("robots", None, name) for name in names]
    assert len(listed(project="robots")) == 3 * 14
    assert listed(project="robots", episode="e2", prefix="/cam-r") == [("robots", "e2", name) for name in names[7:]]
    # Episodes in the order in which they were made; a pattern's characters stand for themselves.
    assert listed(project="robots", prefix="/cam-left/03%_\\") == [
        ("robots", episode, names[3]) for episode in (None, "e1", "e2")
    ]
    assert listed(project="robots", prefix="/cam-left/%") == []
    assert listed(prefix="/cam-left/only") == [("other", None, "/cam-left/only.mp4")]
    assert listed(project="robots", prefix="/\U0010ffff") == []


def test_a_page_is_stable_while_others_write(
    call: Call, asset: Make, register: Callable[..., list[dict[str, Any]]], owner: str
) -> None:
    register(*(asset(f"/{letter}.mp4") for letter in "bdfh"))
    where = {"namespace": owner, "project": "robots", "limit": 2}
    first = call("GET", "/assets/video", params=where)
    register(asset("/a.mp4"), asset("/e.mp4"))
    second = call("GET", "/assets/video", params=where | {"cursor": first["cursor"], "limit": 10})
    assert [item["name"] for item in first["items"] + second["items"]] == [
        "/b.mp4",
        "/d.mp4",
        "/e.mp4",
        "/f.mp4",
        "/h.mp4",
    ]
    assert second["cursor"] is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "relative.mp4"}, "body.name"),
        ({"name": "/a//b.mp4"}, "body.name"),
        ({"name": "/a\u0000.mp4"}, "body.name"),
        ({"name": "/" + "é" * 600}, "body.name"),
        ({"project": "Not A Slug"}, "body.project"),
        ({"namespace": "chunks"}, "body.namespace"),
        ({"episodeName": ""}, "body.episodeName"),
        ({"bssVideoId": "xyz"}, "body.bssVideoId"),
        ({"status": "done"}, "body.status"),
        ({"size": -1}, "body.size"),
        ({"size": 2**63}, "body.size"),
        ({"metadata": []}, "body.metadata"),
    ],
)
def test_bad_registrations_are_refused_by_field(
    call: Call, body: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    error = call("POST", "/assets/video", json=body | change, status=422)["error"]
    assert error["code"] in ("invalid_request", "invalid_name")
    assert error["message"].startswith(f"{field}: ") and "Value error" not in error["message"]


def test_a_body_that_is_no_json_is_refused(call: Call) -> None:
    for content in (b"\xff\xfe", b"{", b"[" * 100_000):
        error = call("POST", "/assets/batch", content=content, status=None)["error"]
        assert error["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/assets/picture", 422, "video"),
        ("/assets/video", 422, "namespace"),
        ("/assets/video?namespace={owner}&prefix=camera", 422, "prefix"),
        ("/assets/video?namespace={owner}&prefix=/%00", 422, "prefix"),
        ("/assets/video?namespace={owner}&episode=e", 422, "episode"),
        ("/assets/video?namespace={owner}&limit=0", 422, "limit"),
        ("/assets/video?namespace={owner}", 404, "{owner}"),
        ("/assets/video?namespace=Bad", 422, "namespace"),
        ("/assets/video/nonsense", 422, "id"),
        ("/assets/video/0123456789abcdef01234567", 404, "0123456789abcdef01234567"),
        ("/assets/video/download?namespace={owner}&project=p&path=/x", 404, "{owner}"),
        ("/assets/video/download?namespace={owner}&project=p&path=x", 422, "path"),
        ("/nothing/here", 404, "/nothing/here"),
    ],
)
def test_bad_questions_get_a_clear_answer(call: Call, owner: str, path: str, status: int, says: str) -> None:
    error = call("GET", path.format(owner=owner), status=status)["error"]
    assert says.format(owner=owner) in error["message"]


@pytest.mark.parametrize("cursor", ["x", "é", "W10", "WyJhIl0", "WyJcdTAwMDAiLCIiLCIiXQ", "[" * 5000])
def test_a_cursor_of_one_s_own_making_is_refused(call: Call, body: dict[str, Any], owner: str, cursor: str) -> None:
    call("POST", "/assets/video", json=body)
    error = call("GET", "/assets/video", status=422, params={"namespace": owner, "cursor": cursor})["error"]
    assert "cursor" in error["message"]


def test_names_that_are_missing_are_named(call: Call, body: dict[str, Any], owner: str) -> None:
    call("POST", "/assets/video", json=body)
    where = {"namespace": owner, "project": "robots", "path": "/camera/front/run01.mp4"}

    def message(**change: str) -> str:
        return str(call("GET", "/assets/video/download", status=404, params=where | change)["error"]["message"])

    assert "project 'nope'" in message(project="nope")
    assert "episode 'gone'" in message(episode="gone")
    assert "'/camera/front'" in message(path="/camera/front")
    call("GET", "/assets/audio/download", status=404, params=where)  # it is a video


def test_ids_of_another_kind_are_not_found(call: Call, body: dict[str, Any]) -> None:
    ref = call("POST", "/assets/video", json=body)
    call("GET", f"/assets/audio/{ref['id']}", status=404)


def test_a_token_reaches_its_namespaces_only(
    call: Call, body: dict[str, Any], token: Callable[..., dict[str, str]], owner: str
) -> None:
    ref = call("POST", "/assets/video", json=body)
    stranger, reader, everybody = token("someone-else"), token(owner, scope="read"), token("*")
    batch = {"assets": [body | {"kind": "video"}, body | {"kind": "video", "namespace": "someone-else"}]}
    where = {"namespace": owner, "project": "robots", "path": body["name"]}
    # Ids give nothing away: one of another namespace is none.
    foreign = call("GET", f"/assets/video/{ref['id']}", headers=stranger, status=404)["error"]["message"]
    unknown = call("GET", f"/assets/video/{'0' * 24}", headers=stranger, status=404)["error"]["message"]
    assert foreign.replace(ref["id"], "") == unknown.replace("0" * 24, "") and owner not in foreign
    for method, path, options in (
        ("GET", "/assets/video", {"params": {"namespace": owner}}),
        ("GET", "/assets/video", {"params": {"namespace": "nobody-has-it"}}),
        ("GET", "/assets/video/download", {"params": where}),
        ("POST", "/assets/video", {"json": body}),
        ("POST", "/assets/batch", {"json": batch}),
    ):
        error = call(method, path, headers=stranger, status=403, **options)["error"]
        assert error["code"] == "forbidden"
    call("POST", "/assets/batch", json=batch, status=403)  # one of two namespaces is not enough
    call("POST", "/assets/video", json=body, headers=reader, status=403)
    call("GET", f"/assets/video/{ref['id']}", headers=reader)
    call("GET", f"/assets/video/{ref['id']}", headers=everybody)
    call("POST", "/assets/batch", json=batch, headers=everybody)


def test_without_a_valid_token_there_is_nothing(service: TestClient, token: Callable[..., dict[str, str]]) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, token("a", ttl=-120)):
        answer = service.get("/assets/video", params={"namespace": "a"}, headers=headers)
        assert answer.status_code == 401 and answer.json()["error"]["code"] == "unauthenticated"
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "given",
    ["2026-01-01T00:00:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "soon", "1969-12-31T00:00:00Z"],
)
def test_a_time_that_no_clock_can_have_told_is_refused(call: Any, owner: str, given: str) -> None:
    body = {"namespace": owner, "project": "robots", "name": "/a.mp4", "bssVideoId": new_id(), "uploadedAt": given}
    assert "uploadedAt" in call("POST", "/assets/video", json=body, status=422)["error"]["message"]


def test_metadata_is_bounded(call: Call, body: dict[str, Any]) -> None:
    """A list has 1,000 of them."""
    few, many = {"t": ["é" * 1000] * 40}, {"t": ["é" * 1000] * 70}
    call("POST", "/assets/video", json=body | {"metadata": few})
    batch = {"assets": [body | {"kind": "video", "metadata": many}]}
    for path, sent in (("/assets/video", body | {"metadata": many}), ("/assets/batch", batch)):
        message = call("POST", path, json=sent, status=422)["error"]["message"]
        assert "metadata" in message and "131072" in message
