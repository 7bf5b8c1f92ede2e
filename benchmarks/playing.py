"""`python -m benchmarks.playing`: four cameras play in the viewer for ten minutes. How far do they drift apart, and
does the memory of the page grow?

Frames are numbered in the pictures and read back from the page, about once a second: what the player believes of itself
plays no part. The first second is left out.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from math import inf
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

from dreamlake_pipeline.errors import DreamlakeError

from . import barcodes
from .home import BIN, Home, running
from .measure import BenchmarkError, run

# They differ in what makes cameras drift apart: rate, reordered pictures, sound beside them.
CAMERAS = {
    "front.mp4": (30.0, "-c:v libx264 -preset veryfast -bf 3 -g 60 -flags +cgop", True),
    "left.mp4": (24.0, "-c:v libx264 -preset ultrafast -bf 0 -g 48", False),
    "top.mp4": (50.0, "-c:v libx264 -preset ultrafast -g 100", False),
    "wrist.mkv": (15.0, "-c:v libx264 -preset veryfast -bf 2 -g 30 -flags +cgop", False),
}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--enable-precise-memory-info",
]
_MB = 1e6
_PATIENCE = 120_000  # milliseconds
_EVERY = 1.0  # second


@dataclass(slots=True)
class Played:
    """What was seen: by second of the episode, how far cameras were apart, in frames of the slower of two; and bytes of
    the page's heap after garbage was collected."""

    apart: list[tuple[float, float]] = field(default_factory=list)
    heap: list[tuple[float, float]] = field(default_factory=list)
    held: float = 0.0

    @property
    def lines(self) -> Iterator[str]:
        gaps = [gap for second, gap in self.apart if second > 1]
        within = sum(gap <= 1 for gap in gaps)
        yield f"looked at {len(gaps)} times: at most {max(gaps):.2f} frames apart, {within} times within one frame"
        yield f"{self.held:.1f} s longer than the recording, while cameras were waited for"
        first, last = self.heap[0], self.heap[-1]
        at_first, at_last = (f"{size / _MB:.1f} MB at {second:.0f} s" for second, size in (first, last))
        yield f"heap of the page: {at_first}, {at_last}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.playing", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="dreamlake-bench-") as root, running(Path(root)) as home:
            for line in play(home, seconds=options.minutes * 60).lines:
                print(line)
    except (BenchmarkError, DreamlakeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def play(home: Home, *, seconds: float) -> Played:
    """Ingest the cameras, and play them to their end."""
    folder = home.scratch / "cameras"
    folder.mkdir()
    for name, (fps, options, sound) in CAMERAS.items():
        barcodes.make(folder / name, fps=fps, seconds=seconds, options=options, sound=sound)
    home.dreamlake("ingest", folder, "--episode", "bench:playing", "--wait")
    link = run(
        [BIN / "dreamlake", "open", "bench:playing", "--print"], environment=home.environment, folder=home.scratch
    ).splitlines()[-1]
    with _page(link) as (page, session):
        return _watch(page, session, seconds)


@contextmanager
def _page(link: str) -> Iterator[tuple[Page, CDPSession]]:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise BenchmarkError("chromium is not installed (apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(_PATIENCE)
        page.goto(link)
        page.locator("#episode[data-ready=true]").wait_for()
        yield page, page.context.new_cdp_session(page)
        browser.close()


def _watch(page: Page, session: CDPSession, seconds: float) -> Played:
    played = Played()
    page.keyboard.press("Space")
    page.locator("#episode[data-playing=true]").wait_for()
    started = time.monotonic()
    while True:
        read = barcodes.read(page)
        if read["time"] >= seconds - _EVERY:
            played.held = time.monotonic() - started - read["time"]
            played.heap.append((read["time"], _heap(session)))
            return played
        played.apart.append((read["time"], _apart(read["frames"], seconds)))
        if read["time"] >= 60 * (len(played.heap) + 1):
            played.heap.append((read["time"], _heap(session)))
        page.wait_for_timeout(_EVERY * 1000)


def _heap(session: CDPSession) -> float:
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"])


def _apart(frames: Mapping[str, int | None], seconds: float) -> float:
    """How far two cameras are from showing the same moment, at most, in frames of the slower one. 0 where the times
    overlap for which their frames are to be shown."""
    spans = []
    for name, frame in frames.items():
        if frame is None:
            return inf
        fps = CAMERAS[Path(name).name][0]
        is_last = frame + 1 >= round(fps * seconds)
        spans.append((fps, frame / fps, inf if is_last else (frame + 1) / fps))
    gaps = (
        max(one[1] - other[2], other[1] - one[2], 0.0) * min(one[0], other[0]) for one, other in combinations(spans, 2)
    )
    return max(gaps, default=0.0)


if __name__ == "__main__":
    sys.exit(main())
