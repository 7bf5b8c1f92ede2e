"""Every error has a page that says what and what next: also of a service that is down and a key that has ended."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Page, expect

from dreamlake_pipeline.auth import Scope
from dreamlake_pipeline.errors import ERRORS, Code, DreamlakeError
from dreamlake_pipeline.viewer.advice import NEXT, what_next
from dreamlake_pipeline.viewer.app import create_app
from dreamlake_pipeline.viewer.pages import _said
from tests.conftest import serving
from tests.viewer.conftest import Seen, viewer_settings
from tests.viewer.ingest import Lab

from .test_tracks import joints


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_page(viewer: Seen, code: Code) -> None:
    app = create_app(viewer_settings(viewer.services))

    def fail(*_: Any) -> None:
        raise DreamlakeError(code, "It is <b>so</b>.")

    with TestClient(app, follow_redirects=False) as client:
        client.post("/login", data={"key": viewer.services.token("*")})
        app.state.viewer.upstream.services = fail  # type: ignore[method-assign]
        answer = client.get("/", headers={"Accept": "text/html"})
        data = client.get("/projects.json", headers={"Accept": "text/html"})
    assert data.status_code == ERRORS[code].status and data.json()["error"]["code"] == code
    if code is Code.UNAUTHENTICATED:
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F")
        return
    assert answer.status_code == ERRORS[code].status
    assert f'data-code="{code}"' in answer.text
    assert "It is &lt;b&gt;so&lt;/b&gt;." in answer.text and "<b>so" not in answer.text
    assert ERRORS[code].meaning.split("'")[0] in answer.text
    text = re.sub("</?code>", "`", html.unescape(answer.text))
    assert what_next(DreamlakeError(code, "")) in text


def test_every_code_says_what_next() -> None:
    assert set(NEXT) == set(Code)
    assert what_next(DreamlakeError(Code.NOT_FOUND, "", hint="Look elsewhere.")) == "Look elsewhere."


@pytest.mark.parametrize("away", ["remote", "bss_url"])
def test_a_service_that_is_down_is_a_page_that_says_which(viewer: Seen, lab: Lab, away: str) -> None:
    lab.ingest({"/a.csv": joints(5)})
    paths = ["/", "/failed", "/ingest", f"/p/{lab.namespace}/cups", lab.page(), f"/f/{lab.asset('/a.csv').id}"]
    app = create_app(viewer_settings(viewer.services, **{away: "http://127.0.0.1:9"}))
    # Cookies know no ports, and both viewers sign them alike.
    with serving(app) as url, viewer.browser(viewer.reader(lab.namespace)) as browser:
        found = {path: browser.get(url + path) for path in paths}
    works = {"/", f"/p/{lab.namespace}/cups"} if away == "bss_url" else set()
    for path, answer in found.items():
        if path in works:
            assert answer.status_code == 200, path
        else:
            assert answer.status_code == 503 and 'data-code="unreachable"' in answer.text, path
            assert ("DreamLake Server" if away == "remote" else "BSS") in answer.text


def test_a_key_that_ends_while_one_looks_leads_to_the_login_and_back(viewer: Seen, lab: Lab, page: Page) -> None:
    lab.ingest({"/a.csv": joints(5)})
    key = viewer.services.token(lab.namespace, scope=Scope.READ, ttl=5)
    page.goto(viewer.link("/ingest", key=key))
    expect(page.locator("[data-page=ingest]")).to_be_visible()
    expect(page.get_by_label("API key")).to_be_visible()
    page.get_by_label("API key").fill(viewer.reader(lab.namespace))
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("[data-page=ingest]")).to_be_visible()
    page.problems.clear()  # type: ignore[attr-defined] - the browser reports a 401 that the page expects


def test_what_services_say_has_its_commands_as_code_and_no_markup_of_its_own() -> None:
    assert _said("Run `a <b>` now.") == "Run <code>a &lt;b&gt;</code> now."
    assert _said("<i>` alone") == "&lt;i&gt;` alone"
    assert _said("none") == "none"
