"""Cameras that are copied for browsers of today play in the page, in step with those that are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from dreamlake_pipeline.playback import PlaybackMode

from .cameras import Camera, expect_exact, expect_synced, make_all, open_episode, seek, shown, wait_for_time
from .ingest import Lab

EVERYWHERE = {"/camera/front.mp4": Camera(30, 8, 0.0, "-c:v libx264 -preset fast -bf 3 -g 60 -flags +cgop", sound=True)}
MODERN = {
    "/camera/av1.mp4": Camera(30, 8, 0.0, "-c:v libsvtav1 -preset 12 -crf 30 -g 2"),
    "/camera/reordered.mp4": Camera(24, 8, 0.0, "-c:v libx264 -preset fast -bf 3 -g 48 -flags +cgop", sound=True),
    "/camera/vp9.webm": Camera(15, 8, 0.0, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 30"),
}
ALL = EVERYWHERE | MODERN


@pytest.fixture
def mixed(lab: Lab, tmp_path: Path) -> Lab:
    lab.ingest(make_all(tmp_path, EVERYWHERE))
    lab.ingest(make_all(tmp_path, MODERN), playback=PlaybackMode.MODERN)
    for name in MODERN:
        metadata = lab.record(name).metadata or {}
        assert metadata["processing"]["mode"] == "copy", metadata["warnings"]
    return lab


def start_together(view: dict[str, Any]) -> dict[str, Any]:
    for track in view["tracks"]:
        track["startSec"] = 0.0
    return view


def test_copies_for_browsers_of_today_are_in_step_with_the_others(page: Page, viewer: Any, mixed: Lab) -> None:
    open_episode(page, viewer, mixed.page(), start_together)
    for moment in (0.0, 0.7, 4.0, 6.7, 7.97):
        seek(page, moment)
        expect_synced(page)
        assert shown(page, ALL) == {name: camera.expected(moment) for name, camera in ALL.items()}
    seek(page, 0.0)
    page.keyboard.press("Space")
    wait_for_time(page, 3.0)
    page.keyboard.press("Space")
    expect_exact(page, ALL)
