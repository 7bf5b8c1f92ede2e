"""The pages as a browser shows them."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.viewer.conftest import Seen


def test_a_link_logs_in_and_leads_on(viewer: Seen, page: Page) -> None:
    page.goto(viewer.link("/"))
    expect(page.locator("[data-page=projects]")).to_be_visible()
    assert page.url == f"{viewer.url}/"
