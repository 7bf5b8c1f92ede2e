"""Pages as browsers show them: at three sizes, light and dark, without anything that a person can't use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.viewer.conftest import Seen

AXE = Path(__file__).parents[2] / "dreamlake_pipeline" / "viewer" / "node_modules" / "axe-core" / "axe.min.js"

PAGES = {"/": "projects", "/login": "login", "/nowhere": "error"}


def serious(page: Page) -> list[str]:
    """What axe-core finds that keeps people from using the page."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_a_link_logs_in_and_leads_on(viewer: Seen, page: Page) -> None:
    page.goto(viewer.link("/"))
    expect(page.locator("[data-page=projects]")).to_be_visible()
    assert page.url == f"{viewer.url}/"
    assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("[data-page=login]")).to_be_visible()
    page.goto(f"{viewer.url}/")
    expect(page.locator("[data-page=login]")).to_be_visible()


def test_no_script_runs_that_is_not_a_file_of_the_viewer(viewer: Seen, page: Page) -> None:
    page.goto(viewer.link("/"))
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
        }"""
    )
    assert page.evaluate("window.ran") is None
    reports = page.problems  # type: ignore[attr-defined]
    assert any("script-src" in report for report in reports)
    reports.clear()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_pages_fit_the_window_and_everybody_can_use_them(
    viewer: Seen, new_page: Callable[..., Page], width: int, scheme: str
) -> None:
    page = new_page(width=width, color_scheme=scheme)
    page.goto(viewer.link("/"))
    for path, name in PAGES.items():
        page.goto(viewer.url + path)
        expect(page.locator(f"[data-page={name}]")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert serious(page) == [], path
    page.problems[:] = [text for text in page.problems if "404" not in text]  # type: ignore[attr-defined]
