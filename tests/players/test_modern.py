"""Videos for browsers of today: hls.js in Chromium and FFmpeg play what BSS serves of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

import dreamlake_pipeline.viewer
from dreamlake_pipeline import layout
from dreamlake_pipeline.client.decoding import decode_frames, decode_sound
from dreamlake_pipeline.client.streaming import _parse
from dreamlake_pipeline.playback import PlaybackMode
from tests import chromium

# One process plays them all: what they play is made once.
pytestmark = pytest.mark.xdist_group("players")

Served = dict[str, Any]

PATIENCE = 90_000  # milliseconds, for a machine that has other things to do
HLS = Path(dreamlake_pipeline.viewer.__file__).parent / "static" / "vendor" / "hls.mjs"
PAGE = b'<!doctype html><title>player</title><video id="video"></video>'
# Plays to the end by hls.js, twice as fast as it was taken; what was chosen and shown, or why it stopped.
PLAY = """([url, patience, codec]) => new Promise(async resolve => {
    const { default: Hls } = await import("/hls.mjs");
    const video = document.getElementById("video"), hls = new Hls();
    const report = outcome => resolve({
        outcome, width: video.videoWidth, duration: video.duration, time: video.currentTime,
        frames: video.getVideoPlaybackQuality().totalVideoFrames, sound: video.webkitAudioDecodedByteCount,
        levels: hls.levels.map(level => level.videoCodec), played: hls.levels[hls.currentLevel]?.videoCodec,
    });
    hls.on(Hls.Events.ERROR, (_, data) => data.fatal && report(`${data.details}: ${data.error}`));
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
        const wanted = hls.levels.findIndex(level => level.videoCodec.startsWith(codec));
        hls.startLevel = hls.nextLevel = wanted;
    });
    video.addEventListener("ended", () => report("ended"));
    setTimeout(() => report("stalled"), patience);
    video.defaultPlaybackRate = 2;
    hls.loadSource(url);
    hls.attachMedia(video);
    video.play().catch(error => resolve({outcome: `refused: ${error}`}));
})"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        library = self.path == "/hls.mjs"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if library else "text/html")
        self.end_headers()
        self.wfile.write(HLS.read_bytes() if library else PAGE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, chromium.launched(playwright, patience=PATIENCE) as browser:
        yield browser


@pytest.fixture(scope="module")
def play(browser: Browser) -> Iterator[Callable[[str, str], dict[str, Any]]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def run(url: str, codec: str) -> dict[str, Any]:
            page = browser.new_page()
            try:
                page.goto(f"http://127.0.0.1:{server.server_port}/", timeout=PATIENCE)
                return page.evaluate(PLAY, [url, PATIENCE, codec])
            finally:
                page.close()

        yield run
        server.shutdown()


@pytest.fixture(scope="module")
def modern(clip: Callable[[str], Path], serve_files: Callable[..., Served]) -> Served:
    files = {f"/{name}": clip(name).read_bytes() for name in ("av1.mp4", "vp9.webm")}
    return serve_files(files, playback=PlaybackMode.MODERN)


@pytest.fixture(scope="module")
def both(clip: Callable[[str], Path], serve_files: Callable[..., Served]) -> Any:
    return serve_files({"/vp9.webm": clip("vp9.webm").read_bytes()}, playback=PlaybackMode.BOTH)["/vp9.webm"]


@pytest.mark.parametrize(("name", "codec"), [("/av1.mp4", "av01"), ("/vp9.webm", "vp09")])
def test_a_copy_plays_to_its_end_in_chromium(play: Any, modern: Served, name: str, codec: str) -> None:
    video = modern[name]
    played = play(video.url, codec)
    assert played["outcome"] == "ended", played
    assert played["played"].startswith(codec) and len(played["levels"]) == 1
    assert played["width"] == video.metadata["width"] and played["frames"] > 0 and played["sound"] > 0
    assert played["duration"] == pytest.approx(video.metadata["durationSec"], abs=0.1)
    assert played["time"] == pytest.approx(played["duration"], abs=0.1)
    assert video.metadata["processing"]["mode"] == "copy" and video.metadata["playback"] == "modern"


@pytest.mark.parametrize("codec", ["vp09", "avc1"])
def test_either_form_of_both_plays_to_its_end_in_chromium(play: Any, both: Any, codec: str) -> None:
    played = play(both.url, codec)
    assert played["outcome"] == "ended", played
    assert sorted(one[:4] for one in played["levels"]) == ["avc1", "vp09"]
    assert played["played"].startswith(codec)
    assert played["duration"] == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize("name", ["/av1.mp4", "/vp9.webm"])
def test_ffmpeg_plays_every_picture(modern: Served, name: str) -> None:
    options = {"allowed_extensions": "ALL", "extension_picky": "0"}
    with av.open(modern[name].url, format="hls", options=options) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert len(times) == modern[name].metadata["length"] == 210
    assert [after - times[0] for after in times] == pytest.approx([at / 30 for at in range(210)], abs=0.001)


def test_each_object_has_its_type_and_its_own_url(modern: Served) -> None:
    """By a playback token BSS's own routes, by a bearer token presigned ones: the initialization segment too."""
    url = modern["/vp9.webm"].url
    token = url.partition("?")[2]
    master = httpx.get(url).text
    media_url = urljoin(url, next(line for line in master.splitlines() if line and not line.startswith("#")))
    media = httpx.get(media_url).text
    uris = layout.chunk_uris(media)
    assert len(uris) == 3 and all(uri.endswith(token) for uri in uris)
    answers = [httpx.get(uri) for uri in uris]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.headers["Content-Type"] for answer in answers] == ["video/mp4"] + ["video/iso.segment"] * 2
    assert answers[0].content[4:8] == b"ftyp" and {one.content[4:8] for one in answers[1:]} == {b"moof"}
    other = uris[1].replace(".m4s", ".ts")
    assert httpx.get(other).status_code == 404


def test_the_sdk_decodes_pictures_and_sound(modern: Served, http: Any) -> None:
    video = modern["/vp9.webm"]
    stream = video.metadata["streams"][0]
    playlist = http.text(f"/videos/{video.record.id}/stream/{stream}.m3u8")
    segments = list(_parse(playlist))
    assert all(one.init is not None for one in segments)
    start = video.metadata["timeOrigin"]["streamStart"]
    frames = list(decode_frames(segments[1:], start, 6.5, 6.75))
    assert [frame.time for frame in frames] == pytest.approx([6.5 + at / 30 for at in range(len(frames))], abs=0.001)
    assert 7 <= len(frames) <= 8 and frames[0].picture.shape == (180, 320, 3)
    sound = decode_sound(segments, start, 1.0, 2.0, None)
    assert sound.rate == 48_000 and abs(sound.samples).max() > 0.05
