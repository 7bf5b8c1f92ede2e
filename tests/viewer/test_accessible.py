"""No page has serious findings of axe-core, dark or light, wide or narrow, with rows on it and all opened; none is
wider than its window."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from benchmarks import barcodes
from dreamlake_pipeline.viewer import app
from tests.viewer.conftest import Seen
from tests.viewer.ingest import Lab

from .test_failed import WARNED
from .test_tracks import VTT, joints, sound

AXE = Path(app.__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
LONG = "/a folder/<b>markup</b> & " + "long" * 40 + ".csv"


@pytest.fixture(scope="module")
def world(services: object, object_store: object, viewer: Seen, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    from contextlib import closing

    from dreamlake_pipeline.remote.services import Services as Clients

    token = viewer.services.token("*")
    clients = Clients(remote=viewer.services.remote, bss_url=viewer.services.bss_url, api_key=token)
    with closing(clients):
        lab = Lab(viewer.services, object_store, clients)  # type: ignore[arg-type]
        files = {"/microphone/room.wav": sound(), "/labels/joints.csv": joints(), "/text/front.en.vtt": VTT}
        film = tmp_path_factory.mktemp("film") / "film.mkv"
        whole = barcodes.make(film, fps=15, seconds=6, options="-c:v libx264 -preset ultrafast -g 15").read_bytes()
        lab.ingest(files | {LONG: "", "/odd.csv": WARNED, "/none.vtt": "WEBVTT\n", "/cut.mkv": whole[:9_000]})
        lab.ingest({"/waits.csv": joints(5)}, "run-2", process=False)
        yield lab  # type: ignore[misc]


def open_all(page: Page) -> None:
    """What of an episode's page is there only when it is asked for."""
    for row in page.locator("#tracks .row").all():
        for tool in row.get_by_role("button", name=re.compile("^(Table of|List of)")).all():
            tool.evaluate("tool => tool.click()")  # wherever it lies in a row that scrolls
    page.locator("main details").evaluate_all("all => { for (const one of all) one.open = true; }")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def findings(page: Page) -> list[object]:
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    found: list[object] = [
        (page.url, one["id"], [node["target"] for node in one["nodes"]][:5])
        for one in result["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found if wider <= 0 else [*found, (page.url, f"{wider} pixels wider than the window")]


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 1920, 390])
@pytest.mark.parametrize("pages", ["episodes", "files", "lists", "others"])
def test_pages_have_no_serious_findings_and_fit(
    viewer: Seen, world: Lab, cameras: Lab, new_page: Callable[..., Page], pages: str, width: int, scheme: str
) -> None:
    page = new_page(width=width, color_scheme=scheme, bypass_csp=True)
    project = f"/p/{world.namespace}/{world.project}"
    # The page of each path, and what has to be on it before it is looked at.
    match pages:
        case "episodes":
            places = {
                world.page(): ("episode", "[data-plot] canvas"),
                world.page("run-2"): ("episode", "#tree .file"),
                cameras.page(): ("episode", "video"),
            }
        case "files":
            names = ("/labels/joints.csv", "/microphone/room.wav", LONG, "/waits.csv")
            places = {f"/f/{world.asset(name).id}": ("file", "h1") for name in names}
            places[f"/f/{cameras.asset('/camera/front.mp4').id}"] = ("file", "h1")
        case "lists":
            places = {"/": ("projects", "table tbody tr"), project: ("project", "table.episodes tbody tr")}
            for what, name in {"failed": LONG, "warned": "/odd.csv", "partial": "/cut.mkv"}.items():
                places[f"/failed?what={what}"] = ("failed", f"a[href='/f/{world.record(name).id}']")
        case _:
            places = {
                "/ingest": ("ingest", f"a[href^='{project}']"),
                f"{project}?q=nothing-is-called-so": ("project", ".empty"),
                f"/f/{'0' * 24}": ("error", "h1"),
                "/login": ("login", "form"),
            }
    page.goto(viewer.link("/", key=viewer.services.token(world.namespace, cameras.namespace)))
    expect(page.locator("[data-page=projects]")).to_be_visible()
    found = []
    for path, (name, shown) in places.items():
        page.goto(viewer.url + path)
        expect(page.locator(f"[data-page={name}]")).to_be_visible()
        expect(page.locator(shown).first).to_be_attached()
        found += findings(page)
        if path == world.page():
            open_all(page)
            found += findings(page)
    page.problems[:] = [one for one in page.problems if "404" not in one]  # type: ignore[attr-defined]
    assert not found
