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
from dreamlake_pipeline.viewer.advice import NEXT, meaning_of, of_pages, what_next
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
    assert html.escape(meaning_of(code)) in answer.text.replace("&#39;", "&#x27;")
    text = re.sub("</?code>", "`", html.unescape(answer.text))
    assert what_next(DreamlakeError(code, "")) in text


def test_what_a_code_means_names_no_route() -> None:
    assert not [code for code in Code if ROUTE.search(meaning_of(code))]


def test_every_code_says_what_next() -> None:
    assert set(NEXT) == set(Code)
    assert what_next(DreamlakeError(Code.NOT_FOUND, "", hint="Look elsewhere.")) == "Look elsewhere."


# What no page speaks of: methods and paths of the services' routes.
ROUTE = re.compile(
    r"\b(GET|HEAD|POST|PUT|PATCH|DELETE) \S*/|\broute\b|/(namespaces|assets|records|labels|text-tracks)\b"
)

ODD_ADDRESSES = [
    *("/nowhere", "/p", "/p/", "/p/lab", "/p/lab/", "/p/lab/.json", "/p//cups", "/p/A%20B/cups", "/p/lab/A%20B.json"),
    *("/p/lab/..%2Fcups", "/p/lab/cups/e", "/p/lab/cups/e/none", "/p/.json/cups/e/x.json", "/p/lab/cups/other/x"),
    *("/p/lab/%00/running.json", "/p/lab/cups/e/%00", "/f/", "/f/none", "/f/none.json", f"/f/{'0' * 24}"),
    *("/play/video/none", f"/play/video/{'0' * 24}", f"/play/none/{'0' * 24}", f"/cues/{'0' * 24}", "/cues/none"),
    *(f"/series/{'0' * 24}", f"/series/text-track/{'0' * 24}", f"/rows/video/{'0' * 24}", "/series/none", "/rows"),
    *(f"/results/video/{'0' * 24}/none.jpg", f"/download/audio/{'0' * 24}", f"/results/video/{'0' * 24}/poster.jpg"),
    *("/login/once/none/more", "/actions/retry", "/ingest/events/more", "/static/none.js", "/failed/more"),
]


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_no_error_speaks_of_an_inner_route(viewer: Seen, accept: str) -> None:
    with viewer.browser(viewer.services.token("*")) as browser:
        for address in ODD_ADDRESSES:
            answer = browser.get(address, headers={"Accept": accept})
            assert 400 <= answer.status_code < 500, address
            said = re.sub(r"<(script|style|nav|header)\b.*?</\1>|<[^>]*>", " ", html.unescape(answer.text), flags=re.S)
            said = said.replace(address, "").replace(address.removesuffix(".json"), "")
            assert not ROUTE.search(said), (address, said)


def test_nor_does_what_a_service_says_of_a_file(viewer: Seen, lab: Lab) -> None:
    lab.ingest({"/table.csv": "a,b\n1,2\n3,4\n"})
    with viewer.browser(viewer.reader(lab.namespace)) as browser:
        answer = browser.get(f"/series/{lab.record('/table.csv').id}", headers={"Accept": "application/json"})
    assert answer.status_code == 422 and "have no times" in answer.text and not ROUTE.search(answer.text)


@pytest.mark.parametrize(
    ("message", "hint", "expected"),
    [
        ("There is no route GET /namespaces//x.", None, (meaning_of(Code.NOT_FOUND), None)),
        ("It has no times.", "GET /labels/1/rows?first=0 shows them.", ("It has no times.", None)),
        (
            "It is `GET https://bss/videos/1`.",
            "Try again.",
            (meaning_of(Code.NOT_FOUND), "Try again."),
        ),
        (
            "Run `dreamlake get /a.csv` and/or GET it.",
            "Use a/b.",
            ("Run `dreamlake get /a.csv` and/or GET it.", "Use a/b."),
        ),
    ],
)
def test_words_for_routes(message: str, hint: str | None, expected: tuple[str, str | None]) -> None:
    worded = of_pages(DreamlakeError(Code.NOT_FOUND, message, hint=hint, seconds=2))
    assert (worded.message, worded.hint) == expected and worded.details == {"seconds": 2}


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
