"""What became of staged objects, for whoever laid them there: page by page, within what a token reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dreamlake_pipeline.storage import ObjectStore

SRT = b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"


@pytest.fixture
def lay(object_store: ObjectStore, owner: str) -> Any:
    """Lays an object into the bucket; its key and ETag as the sensor tells them."""

    def lay(rest: str, data: bytes = SRT, project: str = "lab") -> dict[str, Any]:
        key = f"{owner}/{project}/staging/{rest}"
        object_store.put(key, data, content_type="application/octet-stream")
        found = object_store.head(key)
        assert found is not None
        return {"key": key, "owner": owner, "project": project, "size": found.size, "etag": found.etag}

    return lay


def ignore(pipeline: Any, *objects: dict[str, Any], reason: str = "It is a letter.") -> None:
    refused = [one | {"code": "unknown_kind", "reason": reason} for one in objects]
    answer = pipeline.post("/pipeline/staged/adopt", json={"objects": refused})
    assert answer.json() == {"registered": 0, "ignored": len(objects)}


def pages(api: Any, **asked: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = None
    while True:
        answer = api.get("/staging", params=asked | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        yield answer.json()["items"]
        if (cursor := answer.json()["cursor"]) is None:
            return


def listed(api: Any, **asked: Any) -> list[dict[str, Any]]:
    return [one for page in pages(api, **asked) for one in page]


def test_what_is_ignored_is_listed_with_the_reason(api: Any, pipeline: Any, owner: str, lay: Any) -> None:
    ignore(pipeline, lay("notes.txt"), lay("b.txt"), lay("x.srt", project="Bad Project"))
    found = listed(api, owner=owner)
    assert [one["key"].removeprefix(f"{owner}/") for one in found] == [
        "Bad Project/staging/x.srt",
        "lab/staging/b.txt",
        "lab/staging/notes.txt",
    ]
    [one] = [one for one in found if one["key"].endswith("notes.txt")]
    assert (one["namespace"], one["project"], one["size"]) == (owner, "lab", len(SRT))
    assert (one["fate"], one["code"], one["reason"]) == ("ignored", "unknown_kind", "It is a letter.")
    assert ".mp4" in one["hint"] and one["seenAt"]
    assert [one["project"] for one in listed(api, owner=owner, project="Bad Project")] == ["Bad Project"]
    assert len(listed(api, owner=owner, project="lab")) == 2
    assert listed(api, owner=owner, project="la") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_pages_hold_each_object_once(api: Any, pipeline: Any, owner: str, lay: Any, limit: int) -> None:
    names = sorted(["a.txt", "B.txt", "a b.txt", "a-b.txt", "a/b.txt", "ä.txt", "🎥.txt"], key=str.encode)
    ignore(pipeline, *(lay(name) for name in names))
    for everything in ({}, {"all": True, "project": "lab"}):
        found = list(pages(api, owner=owner, limit=limit, **everything))
        assert all(len(page) <= limit for page in found)
        assert [one["key"].partition("/staging/")[2] for page in found for one in page] == names


def test_what_went_away_or_changed_is_not_listed(
    api: Any, pipeline: Any, owner: str, lay: Any, object_store: ObjectStore
) -> None:
    gone, changed, stays = lay("gone.txt"), lay("changed.txt"), lay("stays.txt")
    ignore(pipeline, gone, changed, stays)
    object_store.delete([gone["key"]])
    lay("changed.txt", b"other content")
    assert [one["key"] for one in listed(api, owner=owner)] == [stays["key"]]
    ignore(pipeline, lay("changed.txt", b"other content"), reason="It is another letter.")
    assert [one["reason"] for one in listed(api, owner=owner)] == ["It is another letter.", "It is a letter."]


def test_everything_says_what_became_of_each(api: Any, pipeline: Any, owner: str, lay: Any) -> None:
    ignore(pipeline, lay("notes.txt"))
    lay("young.srt")
    taken, deleted = lay("run-1@@/taken.srt"), lay("deleted.srt")
    files = [
        taken | {"kind": "text-track", "name": "/taken.srt", "episode": "run-1"},
        deleted | {"kind": "text-track", "name": "/deleted.srt"},
    ]
    assert pipeline.post("/pipeline/staged/adopt", json={"objects": files}).json()["registered"] == 2
    ids = {one["name"]: one["bssId"] for one in listed(api, owner=owner, project="lab", all=True) if one["bssId"]}
    api.delete(f"/text-tracks/{ids['/deleted.srt']}").raise_for_status()
    found = {one["key"].partition("/staging/")[2]: one for one in listed(api, owner=owner, project="lab", all=True)}
    assert {rest: one["fate"] for rest, one in found.items()} == {
        "deleted.srt": "deleted",
        "notes.txt": "ignored",
        "run-1@@/taken.srt": "registered",
        "young.srt": "waiting",
    }
    one = found["run-1@@/taken.srt"]
    assert (one["name"], one["episode"], one["status"], one["kind"]) == ("/taken.srt", "run-1", "queued", "text-track")
    assert [one["key"] for one in listed(api, owner=owner)] == [found["notes.txt"]["key"]]


def test_what_breaks_the_rules_is_refused(api: Any, owner: str) -> None:
    assert api.get("/staging", params={"owner": owner, "all": True}).status_code == 422
    for cursor in ("%%%", "a", "//8="):
        for more in ({}, {"all": True, "project": "lab"}):
            answer = api.get("/staging", params={"owner": owner, "cursor": cursor} | more)
            assert answer.status_code == 422, answer.text


def test_a_cursor_leads_nowhere_else(api: Any, pipeline: Any, owner: str, lay: Any) -> None:
    """Whatever a cursor says, a listing stays within its own folder."""
    import base64

    ignore(pipeline, lay("notes.txt"))
    for key in ("", "\x00", "a", "zzz", f"{owner}0/lab/staging/x", f"{owner}/other/staging/", f"{owner}/lab/staging/a"):
        cursor = base64.urlsafe_b64encode(key.encode()).decode()
        for more in ({"project": "lab"}, {"all": True, "project": "lab"}, {"project": "other"}):
            answer = api.get("/staging", params={"owner": owner, "cursor": cursor} | more)
            items = answer.json().get("items", [])
            assert all(one["key"] == f"{owner}/lab/staging/notes.txt" for one in items), answer.text
            assert answer.status_code in (200, 422, 502)


def test_only_what_is_ignored_may_lie_in_a_folder_that_is_no_project(pipeline: Any, owner: str, lay: Any) -> None:
    one = lay("x.srt", project="Bad Project") | {"kind": "text-track", "name": "/x.srt"}
    assert pipeline.post("/pipeline/staged/adopt", json={"objects": [one]}).status_code == 422
