"""A camera with several sound tracks: which is heard is a choice, and only such an episode loads what that takes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dreamlake_pipeline.media.run import ffmpeg

from .cameras import expect_synced, open_episode, play_without_end, seek, wait_for_time
from .ingest import Lab

# Hertz of each track, none of which is an overtone of the other.
PITCHES = {"eng": 440, "fra": 1500}

# Until the loudest frequency of what an element plays is about the one given.
HEARD = """(video, pitch) => new Promise(resolve => {
    const context = window.heard ??= new AudioContext();
    const analyser = video.analyser ??= new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0 });
    if (!video.source) (video.source = context.createMediaElementSource(video)).connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    const look = () => {
        analyser.getFloatFrequencyData(bins);
        const most = bins.indexOf(Math.max(...bins));
        const isHeard = bins[most] > -60 && Math.abs(most * context.sampleRate / analyser.fftSize - pitch) < 25;
        if (isHeard) resolve(); else setTimeout(look, 50);
    };
    void context.resume().then(look);
})"""


def make_video(path: Path) -> bytes:
    """20 s with a sound track of each pitch."""
    sounds = [f"-f lavfi -i sine={pitch}:sample_rate=48000" for pitch in PITCHES.values()]
    told = [f"-metadata:s:a:{at} language={language}" for at, language in enumerate(PITCHES)]
    options = "-t 20 -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -g 30 -pix_fmt yuv420p -c:a aac"
    words = f"-f lavfi -i testsrc2=size=320x180:rate=15 {' '.join(sounds)} {options} {' '.join(told)} {path}"
    subprocess.run([ffmpeg.build().path, "-loglevel", "error", "-nostdin", *words.split()], check=True, timeout=200)
    return path.read_bytes()


def scripts(page: Page) -> list[str]:
    """Names of the scripts of libraries that the page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/vendor/" in request.url else None)
    return asked


def test_a_usual_episode_loads_the_light_build_alone(page: Page, viewer: Any, cameras: Lab) -> None:
    asked = scripts(page)
    open_episode(page, viewer, cameras.page())
    assert {url.rpartition("/")[2] for url in asked if url.endswith(".mjs")} == {"hls.light.mjs"}


@pytest.fixture
def dubbed(lab: Lab, tmp_path: Path) -> Lab:
    lab.ingest({"/camera/dubbed.mp4": make_video(tmp_path / "dubbed.mp4")})
    return lab


def test_the_sound_track_that_is_chosen_is_heard(page: Page, viewer: Any, dubbed: Lab) -> None:
    asked = scripts(page)
    open_episode(page, viewer, dubbed.page(), lambda view: view)
    assert {url.rpartition("/")[2] for url in asked if url.endswith(".mjs")} == {"hls.mjs"}
    video = page.locator("video")
    page.locator("summary[aria-label^=Sound]").click()
    choice = page.get_by_role("combobox", name="Sound track of /camera/dubbed.mp4")
    expect(choice.locator("option")).to_have_count(2)
    play_without_end(page)
    wait_for_time(page, 1.0)
    video.evaluate(HEARD, PITCHES["eng"])
    page.locator("summary[aria-label^=Sound]").click()
    choice.select_option("1")
    expect(choice).to_have_value("1")
    # What was loaded of the other track may be heard for a moment.
    video.evaluate(HEARD, PITCHES["fra"])
    expect_synced(page)
    page.get_by_role("button", name="Pause").click()
    # The choice stays, wherever one goes.
    seek(page, 12.0)
    expect_synced(page)
    play_without_end(page)
    wait_for_time(page, 13.0)
    video.evaluate(HEARD, PITCHES["fra"])
    page.locator("summary[aria-label^=Sound]").click()
    expect(choice).to_have_value("1")
