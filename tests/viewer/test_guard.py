"""What every answer says to browsers, and what pages of other origins may not."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from dreamlake_pipeline.viewer.app import create_app
from tests.viewer.conftest import Seen, viewer_settings

PAGE = "/p/lab/cups/e/run-1"
RECORD = "0" * 24


def policy_of(answer: httpx.Response) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))


@pytest.mark.parametrize(
    "path", ["/", "/login", PAGE, f"{PAGE}.json", "/nowhere", "/healthz", "/static/css/base.css", "/static/none",
             "/login/once/none", f"/results/video/{RECORD}/poster.jpg", "/docs", "/openapi.json"],
)  # fmt: skip
@pytest.mark.parametrize("has_key", [True, False])
def test_every_answer_has_the_policy(viewer: Seen, path: str, has_key: bool) -> None:
    with viewer.browser(viewer.services.token("*") if has_key else None) as browser:
        answer = browser.get(path)
    policy, bss = policy_of(answer), viewer.services.bss_url
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["worker-src"] == policy["img-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {bss}"
    assert policy["media-src"] == f"'self' blob: {bss}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin", "links that log in once go to nobody else"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    if not path.startswith("/static/css"):
        assert answer.headers["cache-control"] == "no-store"


def test_also_a_fault_of_the_viewer_has_it_and_is_told_without_its_code(viewer: Seen) -> None:
    app = create_app(viewer_settings(viewer.services))

    def fail(*_: Any) -> None:
        raise RuntimeError("a secret of the code")

    app.state.viewer.upstream.services = fail  # type: ignore[method-assign]
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.post("/login", data={"key": "x"}, headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert policy_of(answer)["default-src"] == "'none'"
    assert "a secret" not in answer.text and "RuntimeError" not in answer.text
    assert 'data-code="internal"' in answer.text


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # another port of this machine, whose pages get our cookies sent
    {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(
    "path", ["/login", "/logout", "/login/links", "/actions/retry", "/actions/offset", "/actions/episode"]
)
def test_a_page_of_another_origin_changes_nothing(viewer: Seen, path: str, headers: dict[str, str]) -> None:
    key = viewer.services.token("*")
    with viewer.browser(key) as browser:
        sent = headers | {"X-Requested-With": "dreamlake", "Authorization": f"Bearer {key}"}
        answer = browser.post(path, headers=sent, json={})
        assert answer.status_code == 403 and "another origin" in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("headers", FOREIGN[2:], ids=str)
def test_a_page_of_another_origin_reads_and_embeds_nothing(viewer: Seen, headers: dict[str, str]) -> None:
    with viewer.browser(viewer.services.token("*")) as browser:
        for kind in (
            {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
            {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        ):
            assert browser.get(f"{PAGE}.json", headers=headers | kind).status_code == 403


def test_a_link_of_another_site_leads_here_although_no_cookie_comes_with_it(viewer: Seen) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    with viewer.browser() as browser:
        first = browser.get(f"{PAGE}?t=1", headers=followed)
        assert first.status_code == 200 and f'content="0;url={PAGE}?t=1"' in first.text
        again = browser.get(f"{PAGE}?t=1", headers=followed | {"Sec-Fetch-Site": "same-origin"})
        assert again.status_code == 303 and again.headers["location"].startswith("/login?next=")
        assert browser.get(viewer.link(PAGE), headers=followed).headers["location"] == PAGE


def test_behind_a_proxy_that_changes_the_host_its_public_name_counts(viewer: Seen) -> None:
    app = create_app(viewer_settings(viewer.services, viewer_url="https://viewer.example.com"))
    with TestClient(app, base_url="http://10.0.0.1:8003", follow_redirects=False) as client:
        for origin, status in (
            ("https://viewer.example.com", 401),
            ("http://10.0.0.1:8003", 401),
            ("https://x.example", 403),
        ):
            assert client.post("/login", data={"key": "x"}, headers={"Origin": origin}).status_code == status


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/actions/retry", {"ids": [RECORD]}),
        ("/actions/offset", {"assetId": RECORD, "kind": "video", "timeOffsetSec": 1.0}),
        ("/actions/episode", {"namespace": "lab", "project": "cups", "episode": "run-1", "flag": "good"}),
    ],
)
def test_only_a_script_of_the_viewer_with_a_key_that_writes_changes_something(
    viewer: Seen, path: str, body: dict[str, Any]
) -> None:
    with viewer.browser() as browser:
        assert browser.post(path, json=body, headers={"Accept": "*/*"}).status_code == 401
    with viewer.browser(viewer.services.token("*")) as browser:
        assert browser.post(path, json=body).status_code == 403, "a form can't send the header"
    script = {"X-Requested-With": "dreamlake", "Accept": "*/*"}
    with viewer.browser(viewer.reader("*")) as browser:
        refused = browser.post(path, json=body, headers=script)
        assert refused.status_code == 403 and refused.json()["error"]["message"] == "This key may only read."


def test_a_form_of_any_length_is_not_read(viewer: Seen) -> None:
    with viewer.browser() as browser:
        assert browser.post("/login", data={"key": "x" * 70_000}).status_code == 413
        for body in (b"\xff\xfe", b"&".join(b"a=1" for _ in range(60)), b"key=%ff"):
            assert browser.post("/login", content=body).status_code in (401, 422)


def test_errors_are_pages_for_people_and_json_for_programs(viewer: Seen) -> None:
    with viewer.browser(viewer.services.token("lab")) as browser:
        page = browser.get("/p/other/cups/e/run-1")
        assert page.status_code == 403 and 'data-page="error"' in page.text and "does not reach namespace" in page.text
        told = browser.get("/p/other/cups/e/run-1.json")
        assert told.status_code == 403 and told.json()["error"]["code"] == "forbidden"
        assert browser.get(PAGE, headers={"Accept": "*/*"}).json()["error"]["code"] == "not_found"
        missing = browser.get("/<script>alert(1)</script>")
        assert missing.status_code == 404 and "<script>alert" not in missing.text and "&lt;script&gt;" in missing.text


def test_a_service_that_is_away_is_a_page_that_says_so(viewer: Seen) -> None:
    away = viewer_settings(viewer.services, remote="http://127.0.0.1:1")
    with TestClient(create_app(away), follow_redirects=False) as client:
        refused = client.post("/login", data={"key": "x"}, headers={"Accept": "text/html"})
        assert refused.status_code == 503 and "DreamLake Server" in refused.text
        assert "set-cookie" not in refused.headers


def test_ids_and_kinds_that_are_none_are_refused(viewer: Seen) -> None:
    with viewer.browser(viewer.services.token("*")) as browser:
        for path in ("/play/video/x", "/results/film/x/poster.jpg", "/cues/..%2f..%2frecords", "/series/1", "/P/a/b"):
            assert browser.get(path).status_code in (404, 422), path
        assert browser.get(f"/results/video/{RECORD}/meta.json").status_code == 404
        assert browser.get(f"/results/label-track/{RECORD}/data.parquet").status_code == 404, "tables are large"


def test_the_access_log_has_no_code_and_no_name(viewer: Seen, caplog: pytest.LogCaptureFixture) -> None:
    link = viewer.link(PAGE)
    with caplog.at_level("INFO", logger="dreamlake.access"), viewer.browser() as browser:
        browser.get(link)
        browser.get(PAGE)
    told = " ".join(str(record.__dict__) for record in caplog.records)
    assert "/login/once/{code}" in told
    assert link.rpartition("/")[2] not in told and "run-1" not in re.sub(r"'name': '[^']*'", "", told)
