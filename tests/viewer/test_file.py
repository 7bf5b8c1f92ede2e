"""The page of a file: what is known of it, where it comes from, and what can be done with it."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Page, expect

from dreamlake_pipeline.api.metadata import _MODELS
from dreamlake_pipeline.viewer.app import create_app
from dreamlake_pipeline.viewer.facts import facts_of, tables_of
from tests.conftest import serving
from tests.viewer.conftest import Seen, viewer_settings
from tests.viewer.ingest import Lab

from .test_tracks import joints, sound

MARKUP = "/<img src=x onerror=alert(1)>.csv"


def page_of(lab: Lab, name: str) -> str:
    return f"/f/{lab.asset(name).id}"


def test_a_video_tells_all_that_is_known_of_it(viewer: Seen, cameras: Lab) -> None:
    record, asset = cameras.record("/camera/left.mp4"), cameras.asset("/camera/left.mp4")
    with viewer.browser(viewer.services.token("*")) as browser:
        answer = browser.get(f"/f/{asset.id}")
        view = browser.get(f"/f/{asset.id}.json").json()
        text = answer.text
    assert answer.status_code == 200
    assert (view["assetId"], view["recordId"], view["status"]) == (asset.id, record.id, "ready")
    assert view["record"]["metadata"] == record.metadata
    facts = {fact["name"]: fact["value"] for fact in view["facts"]}
    assert facts["picture"] == f"{record.metadata['width']} × {record.metadata['height']}"
    assert {"length", "frames", "frames a second", "codec", "segments", "container"} <= facts.keys()
    assert view["conformance"]["held"] == len(view["conformance"]["checks"]) > 10
    assert view["playback"]["url"] in text.replace("&amp;", "&")
    assert httpx.get(view["playback"]["url"]).text.startswith("#EXTM3U")
    for said in ("Copied as it is", record.partition, record.sha256, record.staging_key, "poster.jpg"):
        assert said in text, said
    assert view["run"] is None and "DREAMLAKE_DAGSTER_URL" in text


def test_downloads_are_the_bytes(viewer: Seen, lab: Lab) -> None:
    lab.ingest({"/labels/joints.csv": joints()})
    with viewer.browser(viewer.reader(lab.namespace)) as browser:
        view = browser.get(page_of(lab, "/labels/joints.csv") + ".json").json()
        raw = httpx.get(browser.get(view["download"]).headers["location"])
        assert raw.text == joints()
        outputs = {one["name"]: one["url"] for one in view["outputs"]}
        assert {"data.parquet", "plot.png"} <= outputs.keys()
        for url in outputs.values():
            answer = browser.get(url)
            found = httpx.get(answer.headers["location"]) if answer.is_redirect else answer
            assert found.status_code == 200 and found.content, url
        assert browser.get(f"/download/label-track/{view['recordId']}/poster.jpg").status_code == 404
        assert browser.get(f"/download/label-track/{view['recordId']}/..%2Fmeta.json").status_code == 404


def test_an_id_of_bss_leads_to_the_same_page(viewer: Seen, lab: Lab) -> None:
    lab.ingest({"/a.csv": joints(5)})
    asset = lab.asset("/a.csv")
    with viewer.browser(viewer.reader(lab.namespace)) as browser:
        answer = browser.get(f"/f/{asset.bss_id}")
        assert (answer.status_code, answer.headers["location"]) == (307, f"/f/{asset.id}")
        assert browser.get(f"/f/{asset.bss_id}.json").headers["location"] == f"/f/{asset.id}.json"


@pytest.mark.parametrize("wrong", ["0" * 24, "f" * 24, "x", "%3Cb%3E", "1" * 25])
def test_an_unknown_file_is_a_page_that_says_so(viewer: Seen, wrong: str) -> None:
    with viewer.browser(viewer.services.token("*")) as browser:
        answer = browser.get(f"/f/{wrong}")
        data = browser.get(f"/f/{wrong}.json")
    assert answer.status_code == data.status_code == 404
    assert 'data-code="not_found"' in answer.text and "<b>" not in answer.text
    assert data.json()["error"]["code"] == "not_found"


def test_a_file_of_another_tenant_is_none(viewer: Seen, lab: Lab) -> None:
    lab.ingest({"/a.csv": joints(5)})
    asset = lab.asset("/a.csv")
    with viewer.browser(viewer.reader("somebody-else")) as browser:
        for id in (asset.id, asset.bss_id):
            answer = browser.get(f"/f/{id}")
            assert answer.status_code == 404 and lab.namespace not in answer.text
        assert browser.get(f"/download/label-track/{asset.bss_id}").status_code == 404


def test_what_failed_says_why_and_is_tried_again(viewer: Seen, lab: Lab, page: Page) -> None:
    lab.ingest({MARKUP: "", "/b.csv": joints(5)})
    page.goto(viewer.link(page_of(lab, MARKUP)))
    main = page.locator("[data-page=file]")
    expect(main).to_have_attribute("data-status", "failed")
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP.removeprefix("/"))
    expect(main.locator(".notice.bad .reason")).to_contain_text("no bytes")
    expect(main.locator(".notice.bad")).to_contain_text("file_empty")
    page.get_by_role("button", name="Try again").click()
    expect(main).to_have_attribute("data-status", "queued")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    assert lab.record(MARKUP).status == "queued"
    # While it is under way, the page looks again by itself.
    lab.process()
    expect(main).to_have_attribute("data-status", "failed")


def test_who_only_reads_is_offered_no_button(viewer: Seen, lab: Lab, page: Page) -> None:
    lab.ingest({"/a.csv": ""})
    key = viewer.reader(lab.namespace)
    page.goto(viewer.link(page_of(lab, "/a.csv"), key=key))
    expect(page.locator("[data-page=file]")).to_have_attribute("data-status", "failed")
    expect(page.locator("main button")).to_have_count(0)
    with viewer.browser(key) as browser:
        asked = {"ids": [lab.record("/a.csv").id]}
        answer = browser.post("/actions/retry", json=asked, headers={"X-Requested-With": "dreamlake"})
    assert answer.status_code == 403 and lab.record("/a.csv").status == "failed"


def test_the_page_leads_to_the_run_and_to_the_track(viewer: Seen, lab: Lab, page: Page) -> None:
    lab.ingest({"/microphone/room.wav": sound(), "/labels/joints.csv": joints()})
    asset, record = lab.asset("/labels/joints.csv"), lab.record("/labels/joints.csv")
    with serving(create_app(viewer_settings(viewer.services, dagster_url="http://dagster.example:3000/"))) as url:
        told = Seen(url, viewer.services)
        page.goto(told.link(f"/f/{asset.id}"))
        run = page.get_by_role("link", name="Runs of this batch")
        expect(run).to_have_attribute(
            "href",
            "http://dagster.example:3000/runs?q%5B0%5D="
            + quote(f"tag:dagster/partition={record.partition}", safe=":/="),
        )
        page.get_by_role("link", name="Show in the episode").click()
        row = page.locator('#tracks .row[data-name="/labels/joints.csv"]')
        expect(row).to_have_class(re.compile(r"\barrived\b"))


def test_facts_of_every_kind_are_made_of_what_any_version_may_have_stored() -> None:
    """No metadata make the page fail: with every field of the models, with none, and with fields that nobody knows."""
    for model in _MODELS.values():
        empty: dict[str, Any] = dict.fromkeys(field.alias or name for name, field in model.model_fields.items())
        facts_of(empty), tables_of(empty | {"fields": [], "renditions": [], "audioTracks": [], "badLines": []})
    assert facts_of({}) == [] and tables_of({}) == []
    odd = {"someDay": {"deepField": [1, 2.5, None, True]}, "other": "<b>"}
    assert [tuple(fact) for fact in facts_of(odd)] == [("some day, deep field", "1, 2.5, , yes"), ("other", "<b>")]
    json.dumps([table._asdict() for table in tables_of({"fields": [{"name": "q", "type": "double", "min": -1.5}]})])
