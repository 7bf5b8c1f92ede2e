"""What passes through the viewer: pictures, waveforms, cues, and where a stream plays."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.storage import ObjectStore
from tests.conftest import SECRET
from tests.security.world import World
from tests.viewer.conftest import Seen

SERVED = [
    (Kind.VIDEO, "poster.jpg", "image/jpeg"),
    (Kind.VIDEO, "contact-sheet.jpg", "image/jpeg"),
    (Kind.AUDIO, "waveform.json", "application/json"),
    (Kind.AUDIO, "waveform.png", "image/png"),
    (Kind.LABEL_TRACK, "plot.png", "image/png"),
    (Kind.LABEL_TRACK, "fields.json", "application/json"),
    (Kind.TEXT_TRACK, "track.vtt", "text/vtt; charset=utf-8"),
]


@pytest.fixture(scope="module")
def world(viewer: Seen, object_store: ObjectStore) -> World:
    return World(viewer.services, object_store, f"v{secrets.token_hex(5)}", SECRET)


@pytest.fixture
def browser_(viewer: Seen, world: World) -> Iterator[httpx.Client]:
    with viewer.browser(viewer.reader(world.owner)) as browser:
        yield browser


def key_of(world: World, kind: Kind, filename: str) -> str:
    return layout.result_key(world.owner, "lab", kind, world.records[kind], filename)


@pytest.mark.parametrize(("kind", "filename", "media_type"), SERVED)
def test_results_are_those_of_bss(
    world: World, browser_: httpx.Client, kind: Kind, filename: str, media_type: str
) -> None:
    answer = browser_.get(f"/results/{kind}/{world.records[kind]}/{filename}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.content == b"WEBVTT\n"
    assert answer.headers["cache-control"] == "private, max-age=3600", "kept for who asked, and for nobody else"


@pytest.mark.parametrize(("kind", "filename", "media_type"), SERVED)
def test_a_key_of_another_namespace_sees_none(
    viewer: Seen, world: World, kind: Kind, filename: str, media_type: str
) -> None:
    with viewer.browser(viewer.reader("somebody-else")) as other:
        for path in (f"/results/{kind}/{world.records[kind]}/{filename}", f"/play/{kind}/{world.records[kind]}"):
            assert other.get(path).status_code == 404
    with viewer.browser() as nobody:
        assert nobody.get(f"/results/{kind}/{world.records[kind]}/{filename}").status_code in (303, 401)


def test_what_is_larger_than_pages_need_is_not_passed_on(
    world: World, browser_: httpx.Client, object_store: ObjectStore
) -> None:
    record = world.records[Kind.LABEL_TRACK]
    key = key_of(world, Kind.LABEL_TRACK, "fields.json")
    object_store.put(key, bytes(8 * 2**20), content_type="application/json")
    assert len(browser_.get(f"/results/label-track/{record}/fields.json").content) == 8 * 2**20
    object_store.put(key, bytes(8 * 2**20 + 1), content_type="application/json")
    assert browser_.get(f"/results/label-track/{record}/fields.json").status_code == 413
    object_store.put(key, b"WEBVTT\n", content_type="application/json")


def test_a_playback_url_is_of_the_session_and_says_until_when(world: World, browser_: httpx.Client) -> None:
    told = browser_.get(f"/play/video/{world.records[Kind.VIDEO]}").json()
    assert told.keys() == {"url", "expiresAt"}
    assert httpx.get(told["url"]).text.startswith("#EXTM3U")


def test_cues_are_seconds_and_text(world: World, browser_: httpx.Client, object_store: ObjectStore) -> None:
    record = world.records[Kind.TEXT_TRACK]
    text = "WEBVTT\n\n00:01.500 --> 00:02.250\n<b>one</b> &amp; two\n\nid\n01:00:00.000 --> 01:00:01.000\nlate\nlater\n"
    object_store.put(key_of(world, Kind.TEXT_TRACK, "track.vtt"), text.encode(), content_type="text/vtt")
    assert browser_.get(f"/cues/{record}").json()["cues"] == [
        {"start": 1.5, "end": 2.25, "text": "<b>one</b> &amp; two"},
        {"start": 3600.0, "end": 3601.0, "text": "late\nlater"},
    ]


def test_a_result_that_is_gone_is_told(world: World, browser_: httpx.Client, object_store: ObjectStore) -> None:
    object_store.delete([key_of(world, Kind.VIDEO, "contact-sheet.jpg")])
    gone = browser_.get(f"/results/video/{world.records[Kind.VIDEO]}/contact-sheet.jpg", headers={"Accept": "*/*"})
    assert gone.status_code == 404 and gone.json()["error"]["code"] == "not_found"
    assert gone.headers["cache-control"] == "no-store"
