"""The page of what is under way: by events, by asking where these are cut, and until the session ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from dreamlake_pipeline.auth import Scope
from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.viewer.app import create_app
from dreamlake_pipeline.viewer.ingest import Progress
from dreamlake_pipeline.viewer.routes import ingest as routes
from tests.conftest import serving
from tests.viewer.conftest import Seen, viewer_settings
from tests.viewer.ingest import Lab

from .test_tracks import joints


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_INTERVAL", 0.1)


def events(browser: httpx.Client, most: int) -> Iterator[tuple[str, Any]]:
    """The first events of the stream."""
    with browser.stream("GET", "/ingest/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "no-transform" in answer.headers["cache-control"]
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
                most -= 1
                if not most:
                    return


def line(page: Page, lab: Lab) -> Any:
    return page.locator(f'[data-project="{lab.namespace}/{lab.project}"]')


def test_files_are_seen_from_their_queue_to_their_end(viewer: Seen, lab: Lab, page: Page) -> None:
    page.goto(viewer.link("/ingest", key=viewer.reader(lab.namespace)))
    expect(page.locator("#link")).to_have_text("live")
    expect(page.get_by_role("heading", name="Nothing is under way")).to_be_visible()
    lab.ingest({"/a.csv": joints(5), "/b.csv": ""}, process=False)
    expect(line(page, lab)).to_have_attribute("data-left", "2")
    expect(line(page, lab)).to_contain_text("2 waiting")
    lab.process()
    expect(line(page, lab)).to_have_attribute("data-left", "0")
    expect(line(page, lab)).to_contain_text("nothing left")


def test_where_a_proxy_cuts_the_stream_the_page_asks(viewer: Seen, lab: Lab, page: Page) -> None:
    page.route("**/ingest/events", lambda route: route.fulfill(status=502, body=""))
    page.goto(viewer.link("/ingest", key=viewer.reader(lab.namespace)))
    expect(page.locator("#link")).to_have_text("live, by asking")
    lab.ingest({"/a.csv": joints(5)}, process=False)
    expect(line(page, lab)).to_have_attribute("data-left", "1")
    page.problems.clear()  # type: ignore[attr-defined] - the browser reports the 502


def test_the_stream_ends_with_its_session(viewer: Seen, lab: Lab) -> None:
    key = viewer.services.token(lab.namespace, scope=Scope.READ, ttl=2)
    with viewer.browser(key) as browser:
        found = list(events(browser, 3))
    assert found[0] == ("message", {"projects": [], "more": False, "files": []})
    assert found[-1][0] == "end"


def test_a_service_that_is_away_is_told_and_the_stream_goes_on(viewer: Seen) -> None:
    settings = viewer_settings(viewer.services, bss_url="http://127.0.0.1:9")
    with (
        serving(create_app(settings)) as url,
        Seen(url, viewer.services).browser(viewer.services.token("*")) as browser,
    ):
        name, told = next(events(browser, 1))
        page = browser.get("/ingest")
    assert (name, told["code"]) == ("failed", "unreachable")
    assert page.status_code == 503 and 'data-code="unreachable"' in page.text


def test_streams_are_bounded(viewer: Seen, lab: Lab) -> None:
    progress = Progress()
    places = [progress.stream("one") for _ in range(6)]
    for place in places:
        place.__enter__()
    with pytest.raises(DreamlakeError, match="Too many pages"), progress.stream("one"):
        pass
    with progress.stream("another"):
        pass
    places[0].__exit__(None, None, None)
    with progress.stream("one"):
        pass
    # Over HTTP, one too many is refused as any overload is, and a place is free when a stream has ended.
    app = create_app(viewer_settings(viewer.services))
    with serving(app) as url, Seen(url, viewer.services).browser(viewer.reader(lab.namespace)) as browser:
        session = next(iter(dict(browser.cookies).values()))
        assert session
        for _ in range(8):
            assert next(events(browser, 1))[0] == "message"


def test_those_who_look_at_once_ask_the_services_once() -> None:
    progress, asked = Progress(), []

    def look() -> dict[str, Any]:
        asked.append(1)
        return {"projects": []}

    for _ in range(5):
        progress.latest("one", look)
    progress.latest("another", look)
    assert len(asked) == 2
