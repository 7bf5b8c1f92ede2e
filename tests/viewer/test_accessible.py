"""No page has serious findings of axe-core, dark or light, wide or narrow, and none is wider than its window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dreamlake_pipeline.viewer import app
from tests.viewer.conftest import Seen
from tests.viewer.ingest import Lab

from .test_failed import WARNED
from .test_tracks import VTT, joints, sound

AXE = Path(app.__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
LONG = "/a folder/<b>markup</b> & " + "long" * 40 + ".csv"


@pytest.fixture(scope="module")
def world(services: object, object_store: object, viewer: Seen) -> Lab:
    from contextlib import closing

    from dreamlake_pipeline.client.services import Services as Clients

    token = viewer.services.token("*")
    clients = Clients(remote=viewer.services.remote, bss_url=viewer.services.bss_url, api_key=token)
    with closing(clients):
        lab = Lab(viewer.services, object_store, clients)  # type: ignore[arg-type]
        files = {"/microphone/room.wav": sound(), "/labels/joints.csv": joints(), "/text/front.en.vtt": VTT}
        lab.ingest(files | {LONG: "", "/odd.csv": WARNED, "/none.vtt": "WEBVTT\n"})
        lab.ingest({"/waits.csv": joints(5)}, "run-2", process=False)
        yield lab  # type: ignore[misc]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_pages_have_no_serious_findings_and_fit(
    viewer: Seen, world: Lab, new_page: Callable[..., Page], width: int, scheme: str
) -> None:
    page = new_page(width=width, color_scheme=scheme, bypass_csp=True)
    key = viewer.services.token(world.namespace)
    asset = world.asset
    places = {
        "projects": "/",
        "project": f"/p/{world.namespace}/{world.project}",
        "episode": world.page(),
        "episode ": world.page("run-2"),
        "file": f"/f/{asset('/labels/joints.csv').id}",
        "file ": f"/f/{asset('/microphone/room.wav').id}",
        "file  ": f"/f/{asset(LONG).id}",
        "file   ": f"/f/{asset('/waits.csv').id}",
        "failed": "/failed",
        "failed ": "/failed?what=warned",
        "failed  ": "/failed?what=partial",
        "ingest": "/ingest",
        "error": f"/f/{'0' * 24}",
        "login": "/login",
    }
    page.goto(viewer.link("/", key=key))
    expect(page.locator("[data-page=projects]")).to_be_visible()
    found = []
    for name, path in places.items():
        page.goto(viewer.url + path)
        expect(page.locator(f"[data-page={name.strip()}]")).to_be_visible()
        page.evaluate(AXE.read_text())
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found += [
            (path, one["id"], [node["target"] for node in one["nodes"]][:5])
            for one in result["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wider > 0:
            found.append((path, f"{wider} pixels wider than the window", []))
    page.problems[:] = [one for one in page.problems if "404" not in one]  # type: ignore[attr-defined]
    assert not found
