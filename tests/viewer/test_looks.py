"""Pages look as they did: held against pictures with a tolerance, which lets no part go missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image, ImageFilter
from playwright.sync_api import Page, expect

from benchmarks import barcodes
from dreamlake_pipeline.remote.services import Services as Clients
from dreamlake_pipeline.storage import ObjectStore
from tests.conftest import Services

from .conftest import Seen
from .ingest import Lab
from .looks import FOLDER, RENEWS, STRAY, expect_like, strays, taken
from .test_tracks import VTT, joints, sound

NAMESPACE = "looks"  # which pages show


@pytest.fixture(scope="module")
def lab(services: Services, object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    path = tmp_path_factory.mktemp("looks") / "front.mp4"
    barcodes.make(path, fps=10, seconds=4, options="-c:v libx264 -preset ultrafast -g 20")
    files = {"/microphone/room.wav": sound(), "/labels/joints.csv": joints(), "/text/front.en.vtt": VTT}
    with closing(Clients(remote=services.remote, bss_url=services.bss_url, api_key=services.token("*"))) as clients:
        made = Lab(services, object_store, clients, namespace=NAMESPACE)
        made.ingest(files | {"/camera/front.mp4": path.read_bytes(), "/empty.csv": ""})
        made.ingest({"/labels/joints.csv": joints(20)}, "run-2")
        yield made


def open_page(page: Page, viewer: Seen, lab: Lab, place: str) -> Page:
    is_open = place == "login"
    page.goto(f"{viewer.url}/login" if is_open else viewer.link(lab.page(), key=viewer.services.token(lab.namespace)))
    expect(page.locator(f"[data-page={place}]")).to_be_visible()
    if place == "episode":
        expect(page.locator("#episode")).to_have_attribute("data-ready", "true")
        expect(page.locator("[data-plot] canvas").first).to_be_visible()
    return page


@pytest.mark.parametrize(
    ("place", "width", "height", "scheme"),
    [
        ("episode", 1280, 800, "dark"),
        ("episode", 390, 844, "light"),
        ("login", 1280, 600, "dark"),
    ],
)
def test_a_page_looks_as_it_did(
    new_page: Callable[..., Page], viewer: Seen, lab: Lab, place: str, width: int, height: int, scheme: str
) -> None:
    page = new_page(width=width, height=height, color_scheme=scheme)
    expect_like(open_page(page, viewer, lab, place), f"{place}-{width}-{scheme}")


LOSSES = {
    "a row": "() => document.querySelector('.row[data-kind=\"audio\"]').remove()",
    "a style": "() => { [...document.styleSheets].find(sheet => /tracks.css/.test(sheet.href)).disabled = true; }",
    "the colours of the system": "() => { document.documentElement.style.setProperty('--ground', '#f6f7f8'); }",
    "the tree": "() => document.querySelector('#tree ul').remove()",
    "a curve": "() => document.querySelector('[data-plot] canvas').remove()",
}


@pytest.mark.skipif(RENEWS, reason="the pictures are being written")
@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_lost_is_seen(new_page: Callable[..., Page], viewer: Seen, lab: Lab, loss: str) -> None:
    page = open_page(new_page(color_scheme="dark"), viewer, lab, "episode")
    expect_like(page, "episode-1280-dark")
    page.evaluate(LOSSES[loss])
    assert strays(Image.open(FOLDER / "episode-1280-dark.png").convert("RGB"), taken(page)) > STRAY


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*-dark.png")), ids=lambda path: path.stem)
def test_letters_that_are_smoothed_otherwise_or_lie_a_pixel_further_are_alike(path: Path) -> None:
    picture = Image.open(path).convert("RGB")
    smoothed = picture.filter(ImageFilter.GaussianBlur(0.7))
    moved = picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, -1, 0, 1, -1))
    assert strays(picture, smoothed) <= STRAY and strays(picture, moved) <= STRAY
