"""Chromium plays what BSS serves: a plain <video> element, no header, no library."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import chromium

# One process plays them all: what they play is made once.
pytestmark = pytest.mark.xdist_group("players")

Play = Callable[[str], dict[str, Any]]

PATIENCE = 90_000  # milliseconds, for a machine that has other things to do

PAGE = b'<!doctype html><title>player</title><video id="video"></video>'
# Plays to the end, twice as fast as it was taken; what the element knows then, or why it stopped.
PLAY = """([url, patience]) => new Promise(resolve => {
    const video = document.getElementById("video");
    const report = outcome => resolve({
        outcome, reason: video.error && video.error.message, width: video.videoWidth, height: video.videoHeight,
        duration: video.duration, time: video.currentTime, frames: video.getVideoPlaybackQuality().totalVideoFrames,
        sound: video.webkitAudioDecodedByteCount,
    });
    video.addEventListener("ended", () => report("ended"));
    video.addEventListener("error", () => report("error"));
    setTimeout(() => report("stalled"), patience);
    video.defaultPlaybackRate = 2;
    video.src = url;
    video.play().catch(error => resolve({outcome: "refused", reason: String(error)}));
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, chromium.launched(playwright, patience=PATIENCE) as browser:
        yield browser


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def play(browser: Browser) -> Iterator[Play]:
    """Open a URL in a page of another site than BSS's; what came of it."""
    # Served, not made up in the browser: a page from nowhere may not reach this machine.
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def run(url: str) -> dict[str, Any]:
            page = browser.new_page()
            try:
                page.goto(f"http://127.0.0.1:{server.server_port}/", timeout=PATIENCE)
                return page.evaluate(PLAY, [url, PATIENCE])
            finally:
                page.close()

        yield run
        server.shutdown()


@pytest.mark.parametrize("name", ["kept.mp4", "re-encoded.webm", "turned.mp4", "uneven.mkv"])
def test_a_video_plays_to_its_end(play: Play, served: dict[str, Any], name: str) -> None:
    video = served[f"/cam/{name}"]
    played = play(video.url)
    assert played["outcome"] == "ended", played
    assert (played["width"], played["height"]) == (video.metadata["width"], video.metadata["height"])
    assert played["duration"] == pytest.approx(video.metadata["durationSec"], abs=0.1)
    assert played["time"] == pytest.approx(played["duration"], abs=0.1)
    assert played["frames"] > 0


def test_sound_plays_to_its_end(play: Play, served: dict[str, Any]) -> None:
    played = play(served["/cam/sound.wav"].url)
    assert played["outcome"] == "ended", played
    assert played["duration"] == pytest.approx(3, abs=0.1)


def test_a_url_for_another_file_does_not_play(play: Play, served: dict[str, Any]) -> None:
    url, other = served["/cam/kept.mp4"].url, served["/cam/turned.mp4"]
    stolen = url.replace(served["/cam/kept.mp4"].record.id, other.record.id)
    assert play(stolen)["outcome"] in ("error", "refused")


def test_a_ladder_with_several_sound_tracks_plays_to_its_end(play: Play, laddered: dict[str, Any]) -> None:
    video = laddered["1200.mp4"]
    played = play(video.url)
    assert played["outcome"] == "ended", played
    assert len(video.metadata["renditions"]) == 4 and len(video.metadata["audioTracks"]) == 2
    # Which of them is for the player to choose.
    sizes = [(one["width"], one["height"]) for one in video.metadata["renditions"]]
    assert (played["width"], played["height"]) in sizes
    assert played["duration"] == pytest.approx(7, abs=0.1)
    assert played["time"] == pytest.approx(played["duration"], abs=0.1)
    assert played["frames"] > 0 and played["sound"] > 0
