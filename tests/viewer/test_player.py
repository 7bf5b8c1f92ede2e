"""The player of an episode: the time bar, keys, deep links, tiles of cameras that can't play, sounds, many cameras."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from benchmarks import barcodes

from .cameras import (
    CAMERAS,
    DURATION,
    View,
    apart,
    episode,
    expect_synced,
    expected,
    open_episode,
    play_without_end,
    read_in_step,
    seek,
    shown,
    start_as_told,
    wait_for_time,
    wait_until,
)
from .ingest import Lab


@pytest.fixture
def player(page: Page, viewer: Any, cameras: Lab) -> Page:
    return open_episode(page, viewer, cameras.page())


# Whether the cameras were ready when values of a label track were asked for.
_NOTE_ASKED = """
    const pass = window.fetch;
    window.fetch = (url, ...rest) => {
        const { ready } = document.getElementById("episode").dataset;
        if (String(url).includes("/series/")) window.readyWhenAsked ??= ready;
        return pass(url, ...rest);
    };
"""


_NO_VALUES = {"from": 0, "to": 9, "raw": True, "times": [], "fields": {}, "marks": {}}


def _time(page: Page) -> float:
    return float(episode(page).get_attribute("data-time"))


def test_the_time_bar(player: Page) -> None:
    slider, box = player.get_by_role("slider", name="Time in the episode"), player.get_by_role("textbox", name="Time")
    expect(slider).to_have_attribute("aria-valuetext", "0 seconds")
    seek(player, 9.333)
    expect(slider).to_have_attribute("aria-valuetext", "9.3 seconds")
    expect(box).to_have_value("00:09.333")
    expect(player.locator("#timebar .frame")).to_have_text("frame 280")
    box.fill("nonsense")
    box.press("Enter")
    expect(box).to_have_value("00:09.333")
    slider.evaluate("slider => { slider.value = '4'; slider.dispatchEvent(new Event('input', {bubbles: true})); }")
    expect(episode(player)).to_have_attribute("data-time", "4.000")
    expect_synced(player)
    assert shown(player) == expected(4.0)
    player.get_by_role("combobox", name="Speed").select_option("2")
    play_without_end(player)
    wait_for_time(player, 7.0)
    read = read_in_step(player)
    assert apart(read["frames"]) <= 1, read
    player.get_by_role("button", name="Pause").click()
    expect(episode(player)).to_have_attribute("data-playing", "false")


def test_keys(player: Page) -> None:
    press = player.keyboard.press
    for key, time in {
        "ArrowRight": 0.1,
        "Shift+ArrowRight": 1.1,
        "Shift+ArrowLeft": 0.1,
        "ArrowLeft": 0.0,
        "End": DURATION,
        "Home": 0.0,
    }.items():
        press(key)
        expect(episode(player)).to_have_attribute("data-time", f"{time:.3f}")
    # A frame of the first camera, on and back.
    for key, number in {".": 1, "Period": 2, ",": 1, "Comma": 0}.items():
        press(key)
        expect(player.locator("#timebar .frame")).to_have_text(f"frame {number}")
        expect_synced(player)
        assert shown(player, ["/camera/front.mp4"]) == {"/camera/front.mp4": number}
    press("+")
    expect(player.get_by_role("combobox", name="Speed")).to_have_value("1.5")
    press("-")
    press("-")
    expect(player.get_by_role("combobox", name="Speed")).to_have_value("0.5")
    press("?")
    expect(player.get_by_role("dialog", name="Keys")).to_be_visible()
    press("Escape")
    expect(player.get_by_role("dialog", name="Keys")).not_to_be_visible()
    # What is typed into a field is no command, and space on a button presses the button.
    box = player.get_by_role("textbox", name="Time")
    box.fill("1")
    box.press("ArrowLeft")
    box.press("Space")
    expect(episode(player)).to_have_attribute("data-playing", "false")
    press("Escape")
    press("Space")
    expect(episode(player)).to_have_attribute("data-playing", "true")
    press("Space")
    expect(episode(player)).to_have_attribute("data-playing", "false")


def test_the_part_that_is_shown_is_repeated(page: Page, viewer: Any, cameras: Lab) -> None:
    open_episode(page, viewer, cameras.page(), query="?t=5&zoom=4-6")
    repeat = page.get_by_role("button", name="Repeat what is shown")
    expect(repeat).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("l")
    expect(repeat).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Space")
    times = page.evaluate(
        """() => new Promise(resolve => {
            const root = document.getElementById("episode"), times = [];
            let again = 0;
            const look = () => {
                const time = Number(root.dataset.time);
                if (time < times.at(-1)) again++;
                times.push(time);
                if (again < 2) requestAnimationFrame(look); else resolve(times);
            };
            look();
        })"""
    )
    assert min(times) >= 4 and max(times) <= 6
    expect(page).to_have_url(re.compile("zoom=4-6"))
    page.keyboard.press("l")
    expect(repeat).to_have_attribute("aria-pressed", "false")
    wait_for_time(page, 6.2)
    # One that is at the end of the part begins with it anew.
    page.keyboard.press("Space")
    seek(page, 6.0)
    repeat.click()
    page.get_by_role("button", name="Play").click()
    wait_until(page, "Number(document.getElementById('episode').dataset.time) < 5.5")


def test_brackets_go_to_the_episodes_beside(page: Page, viewer: Any, cameras: Lab) -> None:
    open_episode(page, viewer, cameras.page())
    page.keyboard.press("]")
    expect(episode(page)).to_be_visible()
    page.locator("header").evaluate(
        "(header, href) => header.append(Object.assign(document.createElement('a'), {rel: 'next', href}))",
        cameras.page("heard"),
    )
    page.keyboard.press("]")
    expect(page).to_have_url(re.compile(r"/e/heard"))


def test_a_deep_link_leads_to_its_time_and_keeps_it(page: Page, viewer: Any, cameras: Lab) -> None:
    hidden = cameras.asset("/camera/left.mp4").id
    open_episode(page, viewer, cameras.page(), query=f"?t=6.7&hide={hidden}&zoom=1,9")
    expect(episode(page)).to_have_attribute("data-time", "6.700")
    expect_synced(page)
    expect(page.locator("figure", has_text="left.mp4")).to_be_hidden()
    names = [name for name in CAMERAS if name != "/camera/left.mp4"]
    assert shown(page, names) == expected(6.7, names)
    seek(page, 2.5)
    page.wait_for_url(re.compile(r"[?&]t=2\.5(&|$)"))
    assert f"hide={hidden}" in page.url and "zoom=1" in page.url
    assert page.evaluate("history.length") <= 3
    page.reload()
    expect(episode(page)).to_have_attribute("data-time", "2.500")
    expect(episode(page)).to_have_attribute("data-ready", "true")


def test_a_camera_whose_playlist_cannot_be_had_says_why_and_the_rest_works(
    page: Page, viewer: Any, cameras: Lab
) -> None:
    record = cameras.record("/camera/left.mp4").id
    body = json.dumps({"error": {"code": "not_found", "message": "There is no playlist.", "hint": "Retry the file."}})
    answer = {"status": 404, "body": body, "headers": {"Access-Control-Allow-Origin": "*"}}
    broken = True
    page.route(
        re.compile(rf"/videos/{record}/stream/master\.m3u8"),
        lambda route: route.fulfill(**answer) if broken else route.continue_(),
    )
    open_episode(page, viewer, cameras.page())
    tile = page.locator("figure", has_text="left.mp4")
    expect(tile).to_have_attribute("data-state", "unplayable")
    expect(tile.get_by_role("status")).to_contain_text("There is no playlist. Retry the file.")
    page.keyboard.press("Space")
    wait_for_time(page, 2.0)
    page.keyboard.press("Space")
    expect_synced(page)
    names = [name for name in CAMERAS if name != "/camera/left.mp4"]
    assert shown(page, names) == expected(_time(page), names)
    broken = False
    tile.get_by_role("button", name="Try").click()
    expect(tile).to_have_attribute("data-state", "playing")
    expect_synced(page)
    assert shown(page) == expected(_time(page))
    page.problems.clear()  # type: ignore[attr-defined] - the browser says that it got 404


def test_cameras_that_cannot_play_say_so(page: Page, viewer: Any, cameras: Lab) -> None:
    errors = {"failed": {"code": "broken", "message": "The file is <b>cut off</b>.", "hint": "Upload it again."}}

    def unplayable(view: View) -> View:
        start_as_told(view)
        for track, status in zip(view["tracks"], ["failed", "queued", "processing"], strict=False):
            track.update(status=status, playable=False, error=errors.get(status))
        return view

    open_episode(page, viewer, cameras.page(), unplayable)
    tiles = page.locator("#cameras figure")
    said = ["The file is <b>cut off</b>. Upload it again.", "Waiting to be processed", "Being processed"]
    for at, text in enumerate(said):
        expect(tiles.nth(at).get_by_role("status")).to_contain_text(text)
    expect(page.locator("video")).to_have_count(1)
    seek(page, 4.0)
    expect_synced(page)
    assert shown(page, ["/camera/wrist.mkv"]) == expected(4.0, ["/camera/wrist.mkv"])


def test_twenty_cameras_and_those_out_of_sight_do_not_load(new_page: Any, viewer: Any, cameras: Lab) -> None:
    page = new_page(width=1000, height=600)

    def twenty(view: View) -> View:
        tracks = start_as_told(view)["tracks"]
        view["tracks"] = [track | {"assetId": f"{track['assetId']}-{copy}"} for copy in range(5) for track in tracks]
        return view

    open_episode(page, viewer, cameras.page(), twenty)
    videos = page.locator("#cameras video")
    expect(videos).to_have_count(20)
    loaded = "videos => videos.map(video => video.readyState > 0 || video.src !== '')"
    seen = videos.evaluate_all(loaded)
    assert seen[0] and not seen[-1] and 4 <= sum(seen) < 20, seen
    page.keyboard.press("Space")
    wait_for_time(page, 1.0)
    # One that comes into sight joins the others; those that leave it pause.
    videos.last.scroll_into_view_if_needed()
    expect(page.locator("#cameras figure").last).to_have_attribute("data-state", "playing")
    expect(videos.first).to_have_js_property("paused", True)
    expect_synced(page)
    page.keyboard.press("Space")
    expect_synced(page)
    assert barcodes.read(page)["frames"]["/camera/wrist.mkv"] == CAMERAS["/camera/wrist.mkv"].expected(_time(page))


def test_an_episode_without_cameras_plays(page: Page, viewer: Any, cameras: Lab) -> None:
    def without(view: View) -> View:
        return view | {"tracks": [], "durationSec": 0.6}

    open_episode(page, viewer, cameras.page(), without)
    expect(page.locator("#cameras")).to_be_hidden()
    page.keyboard.press("Space")
    expect(episode(page)).to_have_attribute("data-time", "0.600")
    expect(episode(page)).to_have_attribute("data-playing", "false")
    expect_synced(page)


def test_a_playback_url_is_asked_for_again_before_it_ends(page: Page, viewer: Any, cameras: Lab) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        response = route.fetch()
        asked.append(response.json()["url"])
        # It has a minute and a second: each request after that second asks for another one.
        route.fulfill(response=response, json=response.json() | {"expiresAt": response.headers["date"]})

    page.route(re.compile(r"/play/video/"), answer)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if ".ts?" in request.url else None)
    open_episode(page, viewer, cameras.page())
    assert len(asked) > len(CAMERAS)
    tokens = {url.partition("token=")[2] for url in asked}
    assert requests and all(url.partition("token=")[2] in tokens for url in requests)
    page.unroute_all(behavior="ignoreErrors")  # it goes on to ask


def test_a_token_that_was_refused_is_replaced(page: Page, viewer: Any, cameras: Lab) -> None:
    refused: list[str] = []

    def refuse_first(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=401, body="{}", headers={"Access-Control-Allow-Origin": "*"})

    page.route(re.compile(r"/stream/[0-9a-f]{64}\.ts"), refuse_first)
    open_episode(page, viewer, cameras.page())
    seek(page, 4.0)
    expect_synced(page)
    assert refused and shown(page) == expected(4.0)
    page.problems.clear()  # type: ignore[attr-defined] - the browser says that it got 401


def test_sound_is_of_one_source_and_is_mixed_when_asked(page: Page, viewer: Any, cameras: Lab) -> None:
    open_episode(page, viewer, cameras.page("heard"), lambda view: view)
    sources = page.locator("audio, video")
    heard = "sources => sources.filter(one => !one.muted && one.readyState > 2).map(one => one.dataset.name)"
    page.keyboard.press("Space")
    wait_for_time(page, 0.5)
    assert sources.evaluate_all(heard) == ["/mic/room.wav"]
    page.locator("summary[aria-label^=Sound]").click()
    page.get_by_role("checkbox", name="/mic/table.wav").check()
    page.get_by_role("checkbox", name="/mic/room.wav").uncheck()
    expect(page.locator("audio[data-name='/mic/table.wav']")).to_have_js_property("paused", False)
    expect(page.locator("audio[data-name='/mic/room.wav']")).to_have_js_property("paused", True)
    expect_synced(page)
    drift = "audio => Math.abs(audio.currentTime - Number(document.getElementById('episode').dataset.time))"
    assert page.locator("audio[data-name='/mic/table.wav']").evaluate(drift) < 0.25


def test_a_browser_that_refuses_sound_plays_without(page: Page, viewer: Any, cameras: Lab) -> None:
    page.add_init_script(
        """const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () {
            return this.muted ? play.call(this) : Promise.reject(new DOMException("no gesture", "NotAllowedError"));
        };"""
    )
    open_episode(page, viewer, cameras.page())
    page.keyboard.press("Space")
    wait_for_time(page, 1.0)
    expect(page.locator("video[data-name='/camera/front.mp4']")).to_have_js_property("muted", True)
    page.locator("summary[aria-label='Sound: off']").click()
    expect(page.get_by_text("The browser plays no sound before you have clicked")).to_be_visible()


def test_one_camera_over_the_whole_screen_keeps_the_time_bar_and_the_others_rest(player: Page) -> None:
    left, front = (player.locator("figure", has_text=name) for name in ("/camera/left.mp4", "/camera/front.mp4"))
    button = player.get_by_role("button", name="Full screen of /camera/left.mp4")
    small = left.locator("video").bounding_box()
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert player.evaluate("document.fullscreenElement === document.getElementById('episode')")
    for part in (front, player.locator("#tree"), player.locator("#tracks"), player.locator("#episode > header")):
        expect(part).to_be_hidden()
    large = left.locator("video").bounding_box()
    assert small and large and large["width"] > 1.5 * small["width"]
    play_without_end(player)
    wait_for_time(player, 3.0)
    expect(front.locator("video")).to_have_js_property("paused", True)
    player.get_by_role("button", name="Pause").click()
    seek(player, 9.333)
    expect_synced(player)
    assert shown(player, ["/camera/left.mp4"]) == expected(9.333, ["/camera/left.mp4"])
    # With the key that leaves every full screen, all are back where the clock is.
    player.keyboard.press("Escape")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(front).to_be_visible()
    expect_synced(player)
    assert shown(player) == expected(9.333)
    # And by a click on its picture, twice.
    left.locator("video").dblclick()
    expect(front).to_be_hidden()
    left.locator("video").dblclick()
    expect(front).to_be_visible()


def test_what_is_beside_the_cameras_waits_for_them(page: Page, viewer: Any, cameras: Lab) -> None:
    """Values of label tracks are work for the page and the services, which the first pictures would wait for."""

    def with_labels(view: View) -> View:
        fields = [{"name": "q1", "type": "double"}]
        of_camera = start_as_told(view)["tracks"][0]
        labels = {
            "kind": "label-track",
            "name": "/labels.csv",
            "series": "/series/labels",
            "fields": fields,
            "entries": 9,
        }
        view["tracks"].append({**of_camera, **labels, "startSec": 0.0, "durationSec": 9.0})
        return view

    page.add_init_script(_NOTE_ASKED)
    page.route("**/series/**", lambda route: route.fulfill(json=_NO_VALUES))
    open_episode(page, viewer, cameras.page(), with_labels)
    wait_until(page, "window.readyWhenAsked")
    assert page.evaluate("window.readyWhenAsked") == "true"


def test_where_cameras_play_is_asked_once(page: Page, viewer: Any, cameras: Lab) -> None:
    """The head of the page asks before the modules are there; they take that answer."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/play/" in request.url else None)
    open_episode(page, viewer, cameras.page())
    assert len(asked) == len(CAMERAS) == len(set(asked))
