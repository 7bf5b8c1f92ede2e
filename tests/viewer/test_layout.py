"""What of an episode's page is in sight, whatever the shapes of the cameras and the size of the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import pytest
from playwright.sync_api import Locator, Page, expect

from dreamlake_pipeline.remote.services import Services as Clients
from dreamlake_pipeline.storage import ObjectStore
from tests.conftest import Services

from .cameras import View, open_episode, start_as_told, wait_until
from .conftest import Seen
from .ingest import Lab

NewPage = Callable[..., Page]

# The last entry of each is one of its own, and lies at the end of all, or between the pixels of a lane.
LAST = {
    "/end.jsonl": '{"time": 0.0, "state": "reach"}\n{"time": 9.0, "state": "done"}\n',
    "/between.jsonl": '{"time": 0.0, "state": "reach"}\n{"time": 7.0123, "state": "done"}\n',
}


@pytest.fixture(scope="module")
def labels(services: Services, object_store: ObjectStore) -> Iterator[str]:
    """The page of an episode of label files."""
    lines = "".join(f"{at / 10},{at}\n" for at in range(91))
    with closing(Clients(remote=services.remote, bss_url=services.bss_url, api_key=services.token("*"))) as clients:
        yield Lab(services, object_store, clients).ingest({"/line.csv": f"time,line\n{lines}"} | LAST)


def box(locator: Locator) -> Mapping[str, float]:
    found = locator.bounding_box()
    assert found is not None, locator
    return {name: float(found[name]) for name in ("x", "y", "width", "height")}


def is_inside(inner: Mapping[str, float], outer: Mapping[str, float]) -> bool:
    """Whether it is, but for rounding."""
    return all(
        outer[at] - 1 <= inner[at] and inner[at] + inner[size] <= outer[at] + outer[size] + 1
        for at, size in (("x", "width"), ("y", "height"))
    )


def as_wide_as(aspect: float) -> Callable[[View], View]:
    """Cameras of which the index says this shape, whatever their pictures are."""

    def change(view: View) -> View:
        for track in start_as_told(view)["tracks"]:
            track["width"], track["height"] = 1000 * aspect, 1000
        return view

    return change


def test_a_picture_of_another_shape_makes_its_tile_no_higher(page: Page, viewer: Seen, cameras: Lab) -> None:
    open_episode(page, viewer, cameras.page(), as_wide_as(4))
    room = box(page.locator("#cameras"))
    for screen in page.locator(".camera .screen").all():
        found = box(screen)
        assert found["width"] / found["height"] == pytest.approx(4, rel=0.02)
    for caption in page.locator(".camera figcaption").all():
        assert is_inside(box(caption), room)


def test_in_a_narrow_window_a_camera_is_seen_with_its_caption(new_page: NewPage, viewer: Seen, cameras: Lab) -> None:
    page = open_episode(new_page(width=390, height=600), viewer, cameras.page(), as_wide_as(1))
    assert is_inside(box(page.locator(".camera").first), box(page.locator("#cameras")))


def test_what_opens_in_a_narrow_window_lies_in_it(new_page: NewPage, viewer: Seen, cameras: Lab) -> None:
    def renamed(view: View) -> View:
        """With names that would like to have more room than there is."""
        for track in start_as_told(view)["tracks"]:
            track["name"] = track["filename"] = f"/{'a-long-name-of-a-camera-' * 4}{track['filename']}"
        return view

    page = new_page(width=390, height=844)
    open_episode(page, viewer, cameras.page(), renamed)
    window = {"x": 0.0, "y": 0.0, "width": 390.0, "height": 844.0}
    page.locator(".sound > summary").click()
    assert is_inside(box(page.locator(".sound .menu")), window)
    page.locator("#badges summary").click()
    offset = page.locator(".alignment input").first
    expect(offset).to_be_visible()
    assert is_inside(box(offset), window)


def has_paint(page: Page, name: str, seconds: float, length: float) -> bool:
    """Whether a mark is drawn at a time, in full colour, which only its beginning has."""
    lane = page.locator(f'.row[data-name="{name}"] .marks canvas')
    return bool(
        lane.evaluate(
            """(canvas, share) => {
                const x = Math.min(Math.floor(canvas.width * share), canvas.width - 2);
                const { data } = canvas.getContext("2d").getImageData(Math.max(x - 1, 0), 5, 4, 1);
                return [3, 7, 11, 15].some(at => data[at] > 240);
            }""",
            seconds / length,
        )
    )


def test_the_last_event_is_seen_where_another_ends(page: Page, viewer: Seen, labels: str) -> None:
    page.goto(viewer.link(labels))
    for name, seconds in (("/between.jsonl", 7.0123), ("/end.jsonl", 9.0)):
        expect(page.locator(f'.row[data-name="{name}"] .marks')).to_be_visible()
        wait_until(page, "document.querySelector('.plot-most')?.textContent")
        assert has_paint(page, name, 0.0, 9.0) and not has_paint(page, name, 4.0, 9.0)
        assert has_paint(page, name, seconds, 9.0), name


def test_the_edges_of_a_plot_are_what_the_file_says(page: Page, viewer: Seen, labels: str) -> None:
    page.goto(viewer.link(labels))
    plots = page.locator('[data-plot="/line.csv"]')
    expect(plots.locator(".plot-most").first).to_have_text("90")
    expect(plots.locator(".plot-least").first).to_have_text("0")


@pytest.mark.parametrize(("cues", "text"), [(1, "1 cue"), (2, "2 cues")])
def test_one_is_no_plural(page: Page, viewer: Seen, lab: Lab, cues: int, text: str) -> None:
    lines = [f"00:0{at}.000 --> 00:0{at + 1}.000\nHello {at}\n" for at in range(cues)]
    page.goto(viewer.link(lab.ingest({"/a.vtt": "\n".join(["WEBVTT\n", *lines])})))
    expect(page.locator(".row[data-name='/a.vtt']")).to_contain_text(text)
    assert f"{text}s" not in page.locator(".row[data-name='/a.vtt']").inner_text()
