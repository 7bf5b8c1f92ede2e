"""The list of failed files: reasons, retries of one and of all that are shown, and the lists beside it."""

from __future__ import annotations

import re
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.remote.services import Services as Clients
from dreamlake_pipeline.viewer import failed as view_model
from tests.viewer.conftest import Seen
from tests.viewer.ingest import Lab

from .test_tracks import VTT, joints

MARKUP = "/<b>bold</b> & co.csv"
WARNED = "time,q,q\n0.1,1,2\n0.2,3,4\n"


def path_of(lab: Lab, **more: str) -> str:
    return "/failed?" + "&".join(
        f"{name}={value}" for name, value in ({"namespace": lab.namespace, "project": lab.project} | more).items()
    )


def test_failed_files_are_grouped_by_reason_and_tried_again(viewer: Seen, lab: Lab, page: Page) -> None:
    lab.ingest({MARKUP: "", "/empty.csv": "", "/none.vtt": "WEBVTT\n", "/good.csv": joints(5)})
    page.goto(viewer.link(path_of(lab)))
    lines = page.locator("li[data-record]")
    expect(lines).to_have_count(3)
    groups = page.locator("section.group h2")
    expect(groups).to_have_text([re.compile("^file_empty 2"), re.compile("^text_invalid 1")])
    line = page.locator("li[data-record]", has_text=MARKUP)
    expect(line.locator(".why .reason")).to_contain_text("no bytes")
    expect(line.locator(".which > a")).to_have_attribute("href", f"/f/{lab.record(MARKUP).id}")
    line.get_by_role("button").click()
    expect(line).to_have_attribute("data-queued", "true")
    assert lab.record(MARKUP).status == "queued"
    rest = page.get_by_role("button", name="Try all 2 again")
    rest.click()
    expect(page.locator("li[data-queued]")).to_have_count(3)
    expect(page.locator("[data-retry-all]")).to_be_hidden()
    assert {lab.record(name).status for name in ("/empty.csv", "/none.vtt")} == {"queued"}
    assert lab.record("/good.csv").status == "ready"
    lab.process()
    page.reload()
    expect(lines).to_have_count(3)


def test_who_only_reads_sees_reasons_and_no_button(viewer: Seen, lab: Lab, page: Page) -> None:
    lab.ingest({"/empty.csv": ""})
    page.goto(viewer.link("/failed", key=viewer.reader(lab.namespace)))
    expect(page.locator("li[data-record]")).to_have_count(1)
    expect(page.locator("main button")).to_have_count(0)


def test_what_is_warned_of_and_partial_has_lists_of_its_own(viewer: Seen, lab: Lab) -> None:
    lab.ingest({"/odd.csv": WARNED, "/good.vtt": VTT, "/empty.csv": ""})
    with viewer.browser(viewer.reader(lab.namespace)) as browser:

        def names(what: str) -> list[str]:
            view = browser.get(f"/failed.json?what={what}").json()
            return [file["name"] for group in view["groups"] for file in group["files"]]

        assert names("warned") == ["/odd.csv"]
        assert names("failed") == ["/empty.csv"]
        assert names("partial") == []
        warned, partial = (browser.get(f"/failed?what={what}").text for what in ("warned", "partial"))
        assert "Columns of the same name were numbered" in warned and "data-retry" not in warned
        assert "No file is partial" in partial


LOG = ["[mov,mp4 @ 0x55] [error] moov <b>atom</b> not found", "[in#0] [error] Error opening input"]


def test_what_was_logged_of_a_file_is_shown_to_who_may_read_it(viewer: Seen, lab: Lab, page: Page) -> None:
    lab.ingest({"/cut.mp4": b"cut"}, process=False)
    lab.fail(ErrorBody(code="media_corrupt", message="It is damaged."), LOG)
    lab.ingest({"/none.vtt": "WEBVTT\n"})
    cut, none = lab.record("/cut.mp4"), lab.record("/none.vtt")
    for address in (path_of(lab), f"/f/{cut.id}"):
        page.goto(viewer.link(address, key=viewer.reader(lab.namespace)))
        log = page.locator("[data-log]")
        expect(log).to_have_count(1)
        expect(log.locator("pre")).to_be_hidden()
        log.locator("summary").click()
        expect(log.locator("pre")).to_have_text("\n".join(LOG))
    # Of what nothing was logged, the page says where the logs of its runs are.
    for address in (path_of(lab), f"/f/{none.id}"):
        page.goto(viewer.link(address))
        elsewhere = page.locator("[data-log-elsewhere]")
        expect(elsewhere).to_have_count(1)
        expect(elsewhere).to_contain_text(none.id)
        expect(elsewhere).to_contain_text(none.partition or "")
    # A list of records does not carry it, and others get nothing of it.
    assert "not found" not in cut.model_dump_json()
    assert lab.clients.bss.logs([cut.id, none.id, "0" * 24]) == {cut.id: LOG}
    for namespaces, found in {(lab.namespace,): {cut.id: LOG}, ("somebody-else",): {}}.items():
        with closing(
            Clients(remote=lab.services.remote, bss_url=lab.services.bss_url, api_key=viewer.reader(*namespaces))
        ) as clients:
            assert clients.bss.logs([cut.id]) == found
    # It goes when the file is tried again.
    lab.clients.bss.requeue([cut.id])
    assert lab.clients.bss.logs([cut.id]) == {}


def test_the_list_goes_on_over_namespaces(viewer: Seen, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Lab(lab.services, lab.store, lab.clients)
    lab.ingest({f"/{at}.csv": "" for at in range(3)})
    other.ingest({f"/{at}.csv": "" for at in range(2)})
    monkeypatch.setattr(view_model, "PAGE", 2)
    seen, address = [], "/failed.json"
    with viewer.browser(viewer.reader(lab.namespace, other.namespace)) as browser:
        while True:
            view = browser.get(address).json()
            found = [file["recordId"] for group in view["groups"] for file in group["files"]]
            assert len(found) == view["count"] <= 2
            seen += found
            if view["cursor"] is None:
                break
            address = f"/failed.json?cursor={view['cursor']}"
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("query", ["what=none", "project=cups", "namespace=A%20B&project=x", "cursor=" + "x" * 300])
def test_a_question_that_is_none_is_answered_by_a_page(viewer: Seen, query: str) -> None:
    with viewer.browser(viewer.services.token("*")) as browser:
        answer = browser.get(f"/failed?{query}")
    assert answer.status_code == 422 and 'data-page="error"' in answer.text


def test_of_a_foreign_namespace_nothing_is_listed(viewer: Seen, lab: Lab) -> None:
    lab.ingest({"/empty.csv": ""})
    with viewer.browser(viewer.reader("somebody-else")) as browser:
        assert browser.get(path_of(lab)).status_code == 403
        assert lab.record("/empty.csv").id not in browser.get("/failed").text
