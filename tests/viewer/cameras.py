"""An episode of four cameras that say which frame they show, and what they have to show at a time."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Page, expect

from benchmarks import barcodes
from dreamlake_pipeline.media.run import ffmpeg

if TYPE_CHECKING:
    from .conftest import Seen

View = dict[str, Any]
Change = Callable[[View], View]

_PUT_VIEW = """document.addEventListener("readystatechange", () => {
    const view = document.getElementById("view");
    if (document.readyState === "interactive" && view) view.textContent = %s;
});"""


@dataclass(frozen=True)
class Camera:
    """Frames a second, seconds in all, ffmpeg's options, and where it starts on the episode's clock."""

    fps: float
    seconds: float
    start: float
    options: str
    sound: bool = False

    def expected(self, time: float) -> int:
        """The number of the frame that it has to show at a time of the clock."""
        return round(min(max((time - self.start + 0.001) * self.fps // 1, 0), self.seconds * self.fps - 1))

    def span(self, number: int) -> tuple[float, float]:
        """When a frame has to be shown, on the episode's clock: the first one from ever, and the last one for ever."""
        last = round(self.seconds * self.fps) - 1
        start, end = self.start + number / self.fps, self.start + (number + 1) / self.fps
        return (-inf if number == 0 else start), (inf if number == last else end)

    @property
    def end(self) -> float:
        return self.start + self.seconds


# They differ in all that makes cameras drift apart: rate, start, length, reordered pictures, sound beside them.
CAMERAS = {
    "/camera/front.mp4": Camera(30, 16, 0.0, "-c:v libx264 -preset fast -bf 3 -g 60 -flags +cgop", sound=True),
    "/camera/left.mp4": Camera(24, 16, 0.5, "-c:v libx264 -preset ultrafast -bf 0 -g 48"),
    "/camera/short.mp4": Camera(50, 5, 3.0, "-c:v libx264 -preset ultrafast -g 100"),
    "/camera/wrist.mkv": Camera(15, 16, 1.23, "-c:v libx264 -preset fast -bf 2 -g 30 -flags +cgop"),
}
DURATION = max(camera.end for camera in CAMERAS.values())


def make_all(folder: Path, cameras: Mapping[str, Camera] = CAMERAS) -> dict[str, bytes]:
    """The files of the cameras, by name."""
    made = {}
    for name, camera in cameras.items():
        path = folder / Path(name).name
        barcodes.make(path, fps=camera.fps, seconds=camera.seconds, options=camera.options, sound=camera.sound)
        made[name] = path.read_bytes()
    return made


def make_sounds(folder: Path) -> dict[str, bytes]:
    """Two microphones of 12 s, by name."""
    made = {}
    for name, pitch in {"/mic/room.wav": 440, "/mic/table.wav": 660}.items():
        path = folder / Path(name).name
        tone = f"-f lavfi -i sine={pitch}:sample_rate=48000:duration=12 {path}"
        subprocess.run([ffmpeg.build().path, "-loglevel", "error", "-nostdin", *tone.split()], check=True, timeout=200)
        made[name] = path.read_bytes()
    return made


def start_as_told(view: View) -> View:
    """The view model with every camera where CAMERAS says."""
    for track in view["tracks"]:
        track["startSec"] = CAMERAS[track["name"]].start
    view["durationSec"] = DURATION
    return view


def open_episode(page: Page, viewer: Seen, path: str, change: Change = start_as_told, query: str = "") -> Page:
    """The page of the episode, with a view model that `change` made of the viewer's, once every visible camera can
    play."""
    page.request.get(viewer.link(path))
    view = change(page.request.get(f"{viewer.url}{path}.json").json())
    # Put in before the page's scripts run. (Chromium lets a page that a test made up reach no service of this machine.)
    page.add_init_script(_PUT_VIEW % json.dumps(json.dumps(view)))
    page.goto(f"{viewer.url}{path}{query}")
    expect(episode(page)).to_have_attribute("data-ready", "true")
    return page


def episode(page: Page) -> Any:
    return page.locator("#episode")


def seek(page: Page, time: float) -> None:
    """Type a time, as a person does."""
    box = page.get_by_role("textbox", name="Time")
    box.fill(f"{time:.3f}")
    box.press("Enter")


def expect_synced(page: Page) -> None:
    expect(episode(page)).to_have_attribute("data-synced", "true")


def play_without_end(page: Page) -> None:
    """Play, and begin again at the end: on a busy machine, an episode is over before all was read of it."""
    repeat = page.get_by_role("button", name="Repeat what is shown")
    if repeat.get_attribute("aria-pressed") == "false":
        repeat.click()
    page.get_by_role("button", name="Play").click()
    expect(episode(page)).to_have_attribute("data-playing", "true")


def wait_until(page: Page, condition: str) -> None:
    """Until an expression of JavaScript holds. It is compiled once: Playwright's `wait_for_function` does so at every
    look, which the pages' content security policy forbids but for the first one."""
    page.evaluate(
        f"""new Promise(resolve => {{
            const look = () => ({condition}) ? resolve() : requestAnimationFrame(look);
            look();
        }})"""
    )


def wait_for_time(page: Page, time: float) -> None:
    """Until the clock has come to a time."""
    wait_until(page, f"Number(document.getElementById('episode').dataset.time) >= {time}")


def let_frames_pass(page: Page, count: int) -> None:
    """Wait for so many animation frames."""
    page.evaluate(
        """count => new Promise(resolve => {
            const pass = () => count-- > 0 ? requestAnimationFrame(pass) : resolve();
            pass();
        })""",
        count,
    )


def shown(page: Page, names: Iterable[str] = CAMERAS) -> dict[str, int | None]:
    """The frame that each camera shows, at rest."""
    frames = barcodes.read(page)["frames"]
    return {name: frames[name] for name in names}


def expected(time: float, names: Iterable[str] = CAMERAS) -> dict[str, int]:
    return {name: CAMERAS[name].expected(time) for name in names}


def expect_exact(page: Page, cameras: Mapping[str, Camera] = CAMERAS) -> None:
    """At rest, all come to show the frame of the page's time, of which only milliseconds are told.

    Before that, a picture may be presented that was on its way when they were stopped.
    """
    deadline = time.monotonic() + 20
    while True:
        expect_synced(page)
        read = barcodes.read(page)
        moments = (read["time"] - 0.0006, read["time"] + 0.0006)
        if all(read["frames"][name] in map(camera.expected, moments) for name, camera in cameras.items()):
            return
        assert time.monotonic() < deadline, read


def read_in_step(page: Page) -> dict[str, Any]:
    """What all show in a moment in which the page says that they are in step, and says so when it judged it anew.

    It judges ten times a second: what fell out of step since the last time is what it has not seen yet. The page must
    be playing (`play_without_end`): at rest, all are in step.
    """
    deadline = time.monotonic() + 60
    while True:
        read = barcodes.read(page)
        let_frames_pass(page, 12)
        assert episode(page).get_attribute("data-playing") == "true", read
        if read["synced"] and episode(page).get_attribute("data-synced") == "true":
            return read
        assert time.monotonic() < deadline, read


def read_still(page: Page) -> dict[str, Any]:
    """What all show once time and pictures stand still and the page says that they are in step, though it is playing:
    pictures that were on their way when time was stopped have come."""
    deadline = time.monotonic() + 20
    read = barcodes.read(page)
    while True:
        let_frames_pass(page, 30)
        before, read = read, barcodes.read(page)
        assert episode(page).get_attribute("data-playing") == "true", read
        if read["synced"] and (read["time"], read["frames"]) == (before["time"], before["frames"]):
            return read
        assert time.monotonic() < deadline, (before, read)


def apart(frames: Mapping[str, int | None]) -> float:
    """How far cameras are from showing the same moment, in frames of the slower of two: 0 where their frames overlap in
    time, as those of another rate do, and at most 1 where they are in step to a frame."""
    most = 0.0
    for (one, frame), (other, another) in combinations(frames.items(), 2):
        assert frame is not None and another is not None, frames
        (start, end), (begin, until) = CAMERAS[one].span(frame), CAMERAS[other].span(another)
        gap = max(begin - end, start - until, 0.0)
        most = max(most, gap * min(CAMERAS[one].fps, CAMERAS[other].fps))
    return most
