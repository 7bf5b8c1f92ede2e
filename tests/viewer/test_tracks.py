"""The rows, the tree and the badges of an episode's page, as a browser shows them."""

from __future__ import annotations

import io
import json
import math
import re
import wave
from array import array
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request, Route, expect

from dreamlake_pipeline.api.server import EpisodeChange, Flag
from dreamlake_pipeline.remote.services import Services as Clients
from dreamlake_pipeline.storage import ObjectStore
from tests.conftest import Services
from tests.viewer.conftest import Seen
from tests.viewer.ingest import Lab

VTT = "WEBVTT\n\n00:01.000 --> 00:03.000\nApproach the <i>cup</i>\n\n00:04.000 --> 00:06.000\nLift &amp; turn\n"


def sound(seconds: float = 8.0, rate: int = 8000) -> bytes:
    samples = array("h", (int(9000 * math.sin(at / 9) * math.sin(at / rate)) for at in range(int(seconds * rate))))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def joints(rows: int = 400, step: float = 0.02) -> str:
    lines = [f"{at * step:.3f},{math.sin(at / 20):.4f},{math.cos(at / 20):.4f},{int(at > 200)}" for at in range(rows)]
    return "time,q1,q2,gripper\n" + "\n".join(lines) + "\n"


EVENTS = '{"time": 0.5, "state": "reach"}\n{"time": 2.0, "state": "grasp"}\n{"time": 5.0, "state": "lift"}\n'


def poses() -> str:
    """Lists, and a field that every fifth entry has."""
    lines = [{"t": at / 10, "pose": [at, -at, 0.5]} | ({"force": at} if at % 5 == 0 else {}) for at in range(50)]
    return "\n".join(map(json.dumps, lines))


def flight() -> str:
    """What a drone writes, a cue a second from 1 s on, behind a cue of words."""
    cues = ["1\n00:00:00,200 --> 00:00:00,900\nTake off\n"]
    for at in range(1, 9):
        times = f"00:00:0{at},000 --> 00:00:0{at},900"
        cues.append(f"{at + 1}\n{times}\n[latitude: 47.{at}] [longitude: 8.5] [rel_alt: {at}.5 abs_alt: 440.{at}]\n")
    return "\n".join(cues)


def long_cues() -> str:
    times = [f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}" for at in range(20_000)]
    return "WEBVTT\n\n" + "\n".join(f"{time}.000 --> {time}.900\ncue {at}\n" for at, time in enumerate(times))


def wide_labels() -> str:
    rows = [",".join([f"{row * 5000}", *("1.5" for _ in range(1000))]) for row in range(4)]
    return "\n".join([",".join(["time", *(f"f{n}" for n in range(1000))]), *rows]) + "\n"


MARKUP = "<script>document.title=2</script>"
IMAGE = '/<img src=x onerror="document.title=1">.vtt'
BOLD = "WEBVTT\n\n00:00.000 --> 00:09.000\n&lt;b onclick=alert(1)&gt;bold&lt;/b&gt;\n"


@pytest.fixture(scope="module")
def pages(services: Services, object_store: ObjectStore) -> Iterator[dict[str, str]]:
    """Paths of the pages of episodes, by name, all of which were processed in one batch."""
    with closing(Clients(remote=services.remote, bss_url=services.bss_url, api_key=services.token("*"))) as clients:
        yield Lab(services, object_store, clients).ingest_all(
            {
                "all": {
                    "/microphone/room.wav": sound(),
                    "/labels/joints.csv": joints(),
                    "/labels/events.jsonl": EVENTS,
                    "/labels/broken.csv": "",
                    "/text/front.en.vtt": VTT,
                },
                "cues": {"/text/front.en.vtt": VTT},
                "joints": {"/joints.csv": joints()},
                "fast": {"/joints.csv": joints(12_000, 0.001)},
                "poses": {"/poses.jsonl": poses()},
                "two": {"/joints.csv": joints(), "/front.vtt": VTT},
                "names": {"/names.csv": "name,size\ncup,3\nbowl,5\n"},
                "rows": {"/a.wav": sound(2), "/b.wav": sound(3), "/c.vtt": VTT},
                "large": {"/long.vtt": long_cues(), "/wide.csv": wide_labels()},
                "moved": {"/a.vtt": VTT, "/b.vtt": VTT},
                "flagged": {"/a.vtt": VTT},
                "flight": {"/flight.srt": flight()},
                "broken": {"/a.csv": "", "/b.vtt": "WEBVTT\n"},
                MARKUP: {IMAGE: BOLD},
            }
        )


def test_an_episode_of_labels_sound_and_subtitles(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages["all"]))
    rows = page.locator("#tracks .row[data-name]")
    expect(rows).to_have_count(4)
    assert [row.get_attribute("data-name") for row in rows.all()] == [
        "/microphone/room.wav",
        "/labels/events.jsonl",
        "/labels/joints.csv",
        "/text/front.en.vtt",
    ]
    plots = page.locator('[data-plot="/labels/joints.csv"] canvas')
    expect(plots).to_have_count(2)  # q1 and q2 together, and the gripper
    failed = page.locator('#tree [data-name="/labels/broken.csv"]')
    expect(failed).to_have_class("file failed")
    expect(failed.locator(".reason")).to_contain_text("it holds no bytes")
    expect(page.locator("#badges [data-alignment]")).to_have_text("aligned by start")
    # A click on the axis goes there, also in the values beside the plots.
    lane = page.locator(".ruler-lane").bounding_box()
    assert lane is not None
    page.mouse.click(lane["x"] + lane["width"] / 4, lane["y"] + 10)
    expect(page.locator("#episode")).to_have_attribute("data-time", "2.000")
    value = page.locator('[data-name="/labels/joints.csv"] .values li', has_text="q1").locator(".value")
    expect(value).to_have_text("-0.9589")


def test_the_measurements_of_a_text_track_are_plots_of_their_own(
    viewer: Seen, pages: dict[str, str], page: Page
) -> None:
    page.goto(viewer.link(pages["flight"] + "?t=4.5"))
    name = "/flight.srt/telemetry"
    expect(page.locator("#tracks .row[data-name]")).to_have_count(2)
    row = page.locator(f'[data-name="{name}"]')
    expect(row.locator(".row-name")).to_have_text("flight.srt · telemetry")
    expect(page.locator(f'[data-plot="{name}"] canvas')).to_have_count(3)  # latitude, longitude, the altitudes
    value = row.locator(".values li", has_text="latitude").locator(".value")
    expect(value).to_have_text("47.4")
    page.get_by_label(f"Table of the entries of {name}").click()
    table = page.get_by_role("table", name=f"Entries of {name}")
    expect(table.locator("tr[aria-current=true] td").first).to_have_text("4")
    table.get_by_role("button", name="0:06.000", exact=True).click()
    expect(page.locator("#episode")).to_have_attribute("data-time", "6.000")
    expect(value).to_have_text("47.6")
    # It goes where its text track is moved.
    page.locator(".alignment summary").click()
    offset = page.get_by_label("Offset of /flight.srt in seconds")
    offset.fill("2")
    offset.press("Enter")
    expect(page.locator("#badges [data-alignment]")).to_contain_text("flight.srt +2 s")
    expect(value).to_have_text("47.6")


def test_an_episode_of_which_nothing_plays_says_so_in_the_place_of_a_length(
    viewer: Seen, pages: dict[str, str], page: Page, lab: Lab
) -> None:
    for path, length in {
        pages["broken"]: "nothing plays",
        pages["names"]: "no times",
        pages["flagged"]: "0:06.0",
        lab.ingest({"/a.wav": sound(1)}, process=False): "length not known yet",
    }.items():
        page.goto(viewer.link(path))
        expect(page.locator("[data-length]")).to_have_text(length)


def test_what_becomes_ready_while_one_looks_is_offered_and_shown_at_the_same_place(
    viewer: Seen, lab: Lab, page: Page
) -> None:
    path = lab.ingest({"/a.wav": sound(8)})
    page.clock.install()
    page.goto(viewer.link(path))
    rows = page.locator("#tracks .row[data-name]")
    expect(rows).to_have_count(1)
    expect(page.locator("#badges")).not_to_contain_text("processing")
    lab.ingest({"/b.wav": sound(8)}, process=False)
    page.clock.fast_forward(21_000)
    offer = page.locator("#badges button.accent")
    expect(offer).to_have_text("1 processing · show what is ready")
    lab.process()
    page.clock.fast_forward(6_000)
    expect(offer).to_have_text("Files have changed · show them")
    expect(rows).to_have_count(1)
    page.locator("#episode").press("Shift+ArrowRight")
    expect(page.locator("#episode")).to_have_attribute("data-time", "1.000")
    offer.click()
    expect(rows).to_have_count(2)
    expect(page.locator("#episode")).to_have_attribute("data-time", "1.000")
    expect(page.locator("#badges button.accent")).to_have_count(0)


def test_a_list_that_is_opened_before_its_cues_came_has_room_for_them(
    viewer: Seen, pages: dict[str, str], page: Page
) -> None:
    held: list[Route] = []
    page.route("**/cues/**", lambda route: held.append(route))
    page.goto(viewer.link(pages["cues"]))
    page.get_by_label("List the cues of /text/front.en.vtt").click()
    while not held:
        page.wait_for_timeout(20)
    for route in held:
        route.continue_()
    page.get_by_role("button", name="Lift & turn").click()
    expect(page.locator("#episode")).to_have_attribute("data-time", "4.000")


def test_curves_are_asked_for_once(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/series/" in request.url else None)
    page.goto(viewer.link(pages["joints"]))
    expect(page.locator(".plot canvas").first).to_be_visible()
    page.wait_for_timeout(300)
    assert len(asked) == 1 and "fields=q1" in asked[0]


def test_cues_are_clicked_and_gone_through(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages["cues"]))
    page.get_by_label("List the cues of /text/front.en.vtt").click()
    page.get_by_role("button", name="Lift & turn").click()
    expect(page.locator("#episode")).to_have_attribute("data-time", "4.000")
    row = page.locator('[data-name="/text/front.en.vtt"]')
    expect(row.locator(".cue-now")).to_have_text("Lift & turn")
    expect(row.locator("li[aria-current=true]")).to_have_text(re.compile("Lift & turn"))
    # A click on a block goes to its start, wherever it is hit.
    lane = row.locator(".marks").bounding_box()
    assert lane is not None
    page.mouse.click(lane["x"] + lane["width"] * 2.5 / 6, lane["y"] + 10)
    expect(page.locator("#episode")).to_have_attribute("data-time", "1.000")
    expect(row.locator(".cue-now")).to_have_text("Approach the cup")


def queries_of_series(page: Page) -> list[dict[str, list[str]]]:
    """The queries of the page's requests for series, from now on."""
    asked: list[dict[str, list[str]]] = []

    def note(request: Request) -> None:
        url = urlsplit(request.url)
        if url.path.startswith("/series/"):
            asked.append(parse_qs(url.query))

    page.on("request", note)
    return asked


def test_zoom_asks_for_what_is_shown_at_two_points_a_pixel(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    asked = queries_of_series(page)
    page.goto(viewer.link(pages["fast"]))
    expect(page.locator(".values .value").first).to_have_text(re.compile("^0"))
    lane = page.locator(".ruler-lane").bounding_box()
    assert lane is not None
    x, y, width = lane["x"], lane["y"] + 10, lane["width"]
    with page.expect_request("**/series/**"):
        page.mouse.move(x + width * 0.5, y)
        page.mouse.down()
        page.mouse.move(x + width * 0.75, y, steps=3)
        page.mouse.up()
    expect(page).to_have_url(re.compile(r"zoom=(6|5\.99\d?)-(9|8\.99\d?)$"))
    first, zoomed = asked[0], asked[-1]
    assert (float(first["from"][0]), float(first["to"][0])) == (0, 11.999)
    # Half of what is shown is asked for on each side, so that it can be moved a little without another question.
    assert float(zoomed["from"][0]) == pytest.approx(4.5, abs=0.05)
    assert float(zoomed["to"][0]) == pytest.approx(10.5, abs=0.05)
    # A bucket a pixel, which is two points.
    assert int(first["width"][0]) == pytest.approx(width, abs=1)
    assert int(zoomed["width"][0]) == pytest.approx(2 * width, abs=20)
    page.get_by_label("Fit: show all of the episode").click()
    expect(page.get_by_label("Fit: show all of the episode")).to_be_disabled()
    expect(page).not_to_have_url(re.compile("zoom"))


def test_fields_are_chosen_and_kept(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    asked = queries_of_series(page)
    page.goto(viewer.link(pages["joints"]))
    page.locator(".picker summary").click()
    expect(page.get_by_role("checkbox", name="q (2)")).to_be_checked()
    page.get_by_role("checkbox", name="q1").uncheck()
    expect(page.locator(".picker summary")).to_have_text("2/3 fields")
    expect(page.locator(".values .field")).to_have_text(["q2", "gripper"])
    page.reload()
    expect(page.locator(".values .field")).to_have_text(["q2", "gripper"])
    expect(page.locator(".values .value").first).to_have_text("1")
    assert asked[-1]["fields"] == ["q2", "gripper"]


def test_lists_and_fields_of_some_entries_are_drawn(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages["poses"] + "?t=1.2"))
    fields = page.locator(".values li")
    expect(fields.locator(".field")).to_have_text(["pose[0]", "pose[1]", "pose[2]", "force"])
    # What a field was last, where only others have a value.
    expect(fields.locator(".value")).to_have_text(["12", "-12", "0.5", "10"])


def test_a_file_whose_series_cannot_be_had_leaves_the_others(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.route("**/series/**", lambda route: route.fulfill(status=503, json={"error": {"message": "BSS is away."}}))
    page.goto(viewer.link(pages["two"]))
    expect(page.locator('[data-plot="/joints.csv"]')).to_contain_text("BSS is away.")
    page.get_by_label("List the cues of /front.vtt").click()
    expect(page.get_by_role("button", name="Approach the cup")).to_be_visible()
    page.problems.clear()  # type: ignore[attr-defined] - the browser tells of the answer


def test_a_table_without_times_is_shown_as_a_table(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages["names"]))
    expect(page.locator('[data-plot="/names.csv"]')).to_contain_text("It has no time")
    page.get_by_label("Table of the entries of /names.csv").click()
    table = page.get_by_role("table", name="Entries of /names.csv")
    expect(table.get_by_role("row")).to_have_text(["#namesize", "1cup3", "2bowl5"])


def test_the_table_shows_the_entries_around_the_clock(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages["joints"] + "?t=4"))
    page.get_by_label("Table of the entries of /joints.csv").click()
    table = page.get_by_role("table", name="Entries of /joints.csv")
    expect(table.get_by_role("columnheader")).to_have_text(["#", "clock", "q1", "q2", "gripper", "time"])
    expect(table.locator("tr[aria-current=true] td").first).to_have_text("201")
    table.get_by_role("button", name="0:03.900", exact=True).click()
    expect(page.locator("#episode")).to_have_attribute("data-time", "3.900")
    expect(table.locator("tr[aria-current=true] td").first).to_have_text("196")
    page.keyboard.press("Home")
    expect(table.locator("tr[aria-current=true] td").first).to_have_text("1")


def test_rows_are_ordered_folded_and_resized_and_stay_so(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages["rows"]))
    names = page.locator("#tracks .row[data-name]")
    expect(names).to_have_count(3)
    page.get_by_label("Move /c.vtt: drag it, or press ↑ or ↓").press("ArrowUp")
    page.get_by_label("Fold /a.wav").click()
    page.get_by_role("separator", name="Height of /b.wav").press("ArrowDown")
    grip = page.get_by_label("Move /b.wav: drag it, or press ↑ or ↓")
    grip.hover()
    page.mouse.down()
    page.mouse.move(300, 60, steps=5)
    page.mouse.up()

    def check() -> None:
        order = ["/b.wav", "/a.wav", "/c.vtt"]
        for place, name in enumerate(order):
            expect(names.nth(place)).to_have_attribute("data-name", name)
        expect(page.get_by_label("Show /a.wav")).to_be_visible()
        expect(page.get_by_role("separator", name="Height of /b.wav")).to_have_attribute("aria-valuenow", "60")

    check()
    page.reload()
    check()


def test_a_row_that_is_not_drawn_yet_gets_higher_from_the_height_that_it_will_have(
    viewer: Seen, pages: dict[str, str], page: Page
) -> None:
    # A row is drawn once it is seen, which this browser never says.
    page.add_init_script("IntersectionObserver.prototype.observe = () => {};")
    page.goto(viewer.link(pages["rows"]))
    edge = page.get_by_role("separator", name="Height of /b.wav")
    edge.press("ArrowDown")
    page.reload()
    expect(edge).to_have_attribute("aria-valuenow", "60")


def test_a_name_with_markup_is_text_everywhere(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages[MARKUP]))
    page.get_by_label(f"List the cues of {IMAGE}").click()
    expect(page.locator(".cue-now")).to_have_text("<b onclick=alert(1)>bold</b>")
    expect(page.locator(".row-name")).to_have_text(IMAGE[1:])
    page.locator(".alignment summary").click()
    expect(page.get_by_role("rowheader")).to_have_text(IMAGE[1:])
    assert page.locator("img, #tracks b, #episode script").count() == 0
    assert "document.title=2" in page.title() and page.title() not in ("1", "2")


def test_an_episode_under_way_says_so(viewer: Seen, lab: Lab, page: Page) -> None:
    path = lab.ingest({"/a.wav": sound(1)}, process=False)
    page.goto(viewer.link(path))
    expect(page.locator("#badges")).to_contain_text("1 processing")
    expect(page.locator("#tracks")).to_contain_text("1 file is being processed")
    expect(page.locator('#tree [data-name="/a.wav"]')).to_contain_text("queued")


def test_20000_cues_and_1000_fields_leave_the_page_quick(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages["large"]))
    page.get_by_label("List the cues of /long.vtt").click()
    expect(page.locator(".long-lines li").first).to_be_visible()
    page.locator(".picker summary").click()
    expect(page.get_by_role("checkbox", name="f999", exact=True)).to_be_attached()
    lane = page.locator(".ruler-lane").bounding_box()
    assert lane is not None
    # While a person drags over all of it, no frame takes long.
    page.evaluate(LONGEST_FRAME)
    page.mouse.move(lane["x"] + 5, lane["y"] + 60)
    page.mouse.down()
    page.mouse.move(lane["x"] + lane["width"] - 5, lane["y"] + 60, steps=40)
    page.mouse.up()
    expect(page.locator("#episode")).to_have_attribute("data-time", re.compile(r"^19\d{3}\."))
    assert page.locator(".long-lines li").count() < 60
    assert page.evaluate("longestTask") < 3000


# Milliseconds of the longest task of the page's thread from now on.
LONGEST_FRAME = """() => {
    globalThis.longestTask = 0;
    new PerformanceObserver(list => {
        for (const { duration } of list.getEntries()) longestTask = Math.max(longestTask, duration);
    }).observe({ type: "longtask" });
}"""


def test_an_offset_moves_a_track_and_is_kept(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages["moved"]))
    page.locator(".alignment summary").click()
    offset = page.get_by_label("Offset of /b.vtt in seconds")
    offset.fill("1.25")
    offset.press("Enter")
    pill = page.locator("#badges [data-alignment]")
    expect(pill).to_have_text("aligned by start · b.vtt +1.25 s")
    expect(page.get_by_role("row", name="b.vtt")).to_contain_text("0:01.250")
    page.keyboard.press("Escape")
    page.get_by_label("List the cues of /b.vtt").click()
    page.get_by_role("button", name="Lift & turn").click()
    expect(page.locator("#episode")).to_have_attribute("data-time", "5.250")
    page.reload()
    expect(pill).to_have_text("aligned by start · b.vtt +1.25 s")


def test_flag_and_note_are_kept(viewer: Seen, pages: dict[str, str], page: Page) -> None:
    page.goto(viewer.link(pages["flagged"]))
    page.get_by_role("button", name="good", exact=True).click()
    expect(page.get_by_role("button", name="good", exact=True)).to_have_attribute("aria-pressed", "true")
    page.locator(".note summary").click()
    page.get_by_label("Note on the episode").fill("<b>the cup fell</b>")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".note summary")).to_have_text("<b>the cup fell</b>")
    page.reload()
    expect(page.locator(".note summary")).to_have_text("<b>the cup fell</b>")
    page.get_by_role("button", name="bad", exact=True).click()
    expect(page.get_by_role("button", name="bad", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="good", exact=True)).to_have_attribute("aria-pressed", "false")


def test_who_only_reads_sees_it_all_and_is_offered_no_change(viewer: Seen, lab: Lab, new_page: Any) -> None:
    path = lab.ingest({"/a.vtt": VTT})
    lab.clients.index.change_episode(
        lab.namespace, lab.project, "run-1", EpisodeChange(flag=Flag.GOOD, note="It went well.")
    )
    page = new_page()
    page.goto(viewer.link(path, key=viewer.reader(lab.namespace)))
    expect(page.locator("#flags")).to_contain_text("good")
    page.locator(".note summary").click()
    expect(page.locator("#flags")).to_contain_text("It went well.")
    page.locator(".alignment summary").click()
    expect(page.get_by_role("row", name="a.vtt")).to_be_visible()
    assert page.locator("#flags button, .alignment input, textarea").count() == 0


def test_the_episodes_beside_it_are_one_click_away(viewer: Seen, lab: Lab, page: Page) -> None:
    lab.ingest({"/a.vtt": VTT}, episode="run/1", process=False)
    path = lab.ingest({"/b.vtt": VTT}, episode="run/2", process=False)
    page.goto(viewer.link(path))
    page.get_by_role("link", name="run/1").click()
    expect(page.locator("#tree")).to_contain_text("a.vtt")
    expect(page.get_by_role("link", name="run/2")).to_be_visible()
