"""What a person changes by the viewer's pages: offsets, flags and notes, another try."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.server import IndexClient
from tests.viewer.conftest import Seen

SCRIPT = {"X-Requested-With": "dreamlake", "Accept": "*/*"}


@pytest.fixture
def index(viewer: Seen) -> Iterator[IndexClient]:
    with ServiceClient("DreamLake Server", viewer.services.remote, viewer.services.token("*")) as http:
        yield IndexClient(http)


@pytest.fixture
def place(index: IndexClient) -> dict[str, str]:
    """An episode with one video."""
    place = {"namespace": f"v{secrets.token_hex(5)}", "project": "cups", "episode": "run/1"}
    given = {"episodeName": place["episode"], "name": "/a.mp4", "kind": "video", "bssVideoId": new_id()}
    index.register_batch([BatchAsset.model_validate(place | given)])
    return place


def sent(viewer: Seen, key: str, path: str, body: dict[str, Any]) -> httpx.Response:
    with viewer.browser(key) as browser:
        return browser.post(path, json=body, headers=SCRIPT)


def test_a_flag_and_a_note_are_said_apart(viewer: Seen, index: IndexClient, place: dict[str, str]) -> None:
    key = viewer.services.token(place["namespace"])
    told = sent(viewer, key, "/actions/episode", place | {"flag": "bad"})
    assert told.status_code == 200 and (told.json()["flag"], told.json()["note"]) == ("bad", None)
    told = sent(viewer, key, "/actions/episode", place | {"note": "the <b>cup</b> fell"})
    assert (told.json()["flag"], told.json()["note"]) == ("bad", "the <b>cup</b> fell")
    told = sent(viewer, key, "/actions/episode", place | {"flag": None})
    assert (told.json()["flag"], told.json()["note"]) == (None, "the <b>cup</b> fell")
    kept = index.episode(place["namespace"], place["project"], place["episode"])
    assert (kept.flag, kept.note) == (None, "the <b>cup</b> fell")


def test_an_offset_is_kept_and_taken_back(viewer: Seen, index: IndexClient, place: dict[str, str]) -> None:
    key = viewer.services.token(place["namespace"])
    [asset] = index.assets(Kind.VIDEO, namespace=place["namespace"], project="cups")
    for offset in (-0.125, None):
        body = {"assetId": asset.id, "kind": "video", "timeOffsetSec": offset}
        told = sent(viewer, key, "/actions/offset", body)
        assert told.status_code == 200 and told.json()["timeOffsetSec"] == offset
        assert index.asset(Kind.VIDEO, asset.id).time_offset_sec == offset


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/actions/episode", {"flag": "ugly"}),
        ("/actions/episode", {"flag": "good", "project": "../x"}),
        ("/actions/episode", {"note": "x" * 100_000}),
        ("/actions/offset", {"assetId": "x", "kind": "video", "timeOffsetSec": 1.0}),
        ("/actions/offset", {"assetId": "0" * 24, "kind": "video", "timeOffsetSec": 1e300}),
        ("/actions/offset", {"assetId": "0" * 24, "kind": "film", "timeOffsetSec": 1.0}),
        ("/actions/retry", {"ids": []}),
        ("/actions/retry", {"ids": ["../records"]}),
    ],
)
def test_what_is_no_change_is_refused(viewer: Seen, place: dict[str, str], path: str, body: dict[str, Any]) -> None:
    refused = sent(viewer, viewer.services.token("*"), path, (place if "episode" in path else {}) | body)
    assert refused.status_code in (413, 422)
    assert refused.json()["error"]["message"]


def test_a_key_of_another_namespace_changes_nothing(viewer: Seen, index: IndexClient, place: dict[str, str]) -> None:
    other = viewer.services.token("somebody-else")
    [asset] = index.assets(Kind.VIDEO, namespace=place["namespace"], project="cups")
    assert sent(viewer, other, "/actions/episode", place | {"flag": "bad"}).status_code == 403
    body = {"assetId": asset.id, "kind": "video", "timeOffsetSec": 1.0}
    assert sent(viewer, other, "/actions/offset", body).status_code == 404
    assert sent(viewer, other, "/actions/retry", {"ids": [asset.bss_id]}).json() == {"ids": []}
    assert index.asset(Kind.VIDEO, asset.id).time_offset_sec is None
