"""Rows episode and frames: what a person waits for who opens an episode, in Chromium, with nothing in its cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from . import inputs
from .home import BIN, Home
from .measure import BenchmarkError, run
from .yardsticks import ffmpeg

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_WINDOW = {"width": 1440, "height": 1000}
_PATIENCE = 120_000  # milliseconds
_FIELDS = 8
_PER_SECOND = 100  # entries of a label track

# Milliseconds since the navigation began, at which each was so for the first time.
_WATCH = """
const seen = window.seen = { ready: 0, frames: {} };
const root = () => document.getElementById("episode");
const watched = new WeakSet();
new MutationObserver(() => {
    seen.ready ||= root()?.dataset.ready === "true" ? performance.now() : 0;
    for (const video of document.querySelectorAll("video[data-name]")) {
        if (watched.has(video)) continue;
        watched.add(video);
        video.requestVideoFrameCallback(() => { seen.frames[video.dataset.name] = performance.now(); });
    }
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-ready"] });
"""


@dataclass(slots=True)
class Opened:
    """Seconds of each go, from the navigation on: until every camera can play, and until all have shown a frame."""

    ready: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)


def opened(home: Home, *, cameras: int, labels: int, seconds: int, repeats: int) -> Opened:
    """An episode of so many cameras and label tracks is ingested, and opened; once before it counts."""
    folder, project = home.scratch / "opened", home.new_project()
    folder.mkdir()
    for number in range(cameras):
        _write_camera(folder / f"camera-{number}.mp4", seconds=seconds, seed=number, scratch=home.scratch)
    names = [f"joint_{number}.pos" for number in range(_FIELDS)]
    for number in range(labels):
        path = folder / f"labels-{number}.csv"
        inputs.write_measurements(path, entries=seconds * _PER_SECOND, fields=names, seed=number)
    home.dreamlake("ingest", folder, "--episode", f"{project}:opened", "--wait")
    told = Opened()
    with _browser() as browser:
        for _ in range(1 + repeats):
            ready, frames = _open(browser, _link(home, f"{project}:opened"), cameras)
            told.ready.append(ready)
            told.frames.append(frames)
    return Opened(told.ready[1:], told.frames[1:])


def _write_camera(path: Path, *, seconds: int, seed: int, scratch: Path) -> None:
    """VGA at 30 frames a second, as robots have it, in H.264 that is kept as it is."""
    picture = f"testsrc2=size=640x480:rate=30,noise=alls=4:allf=t:all_seed={seed + 1}"
    make: list[str | Path] = [
        ffmpeg(),
        "-nostdin",
        "-v",
        "error",
        "-y",
        "-f",
        "lavfi",
        "-i",
        picture,
        "-t",
        str(seconds),
    ]
    make += ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-maxrate", "2M", "-bufsize", "2M"]
    make += ["-g", "60", "-bf", "0", "-pix_fmt", "yuv420p", path]
    run(make, environment=os.environ, folder=scratch)


def _link(home: Home, episode: str) -> str:
    command: list[str | Path] = [BIN / "dreamlake", "open", episode, "--print"]
    return run(command, environment=home.environment, folder=home.scratch).splitlines()[-1]


@contextmanager
def _browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise BenchmarkError("chromium is not installed (apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


def _open(browser: Browser, link: str, cameras: int) -> tuple[float, float]:
    """Seconds until it is ready, and until all cameras have shown a frame."""
    context = browser.new_context(viewport=_WINDOW)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(_PATIENCE)
    page.add_init_script(_WATCH)
    # Logging in is no part of it, and leaves no script or style behind in the cache.
    page.goto(context.request.get(link).url)
    page.wait_for_function(f"() => seen.ready && Object.keys(seen.frames).length === {cameras}")
    seen = page.evaluate("seen")
    context.close()
    return seen["ready"] / 1000, max(seen["frames"].values()) / 1000
