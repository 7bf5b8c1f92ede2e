"""All cameras show the same moment to a frame: after seeks, while they play, and when one of them stalls."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from .cameras import (
    CAMERAS,
    DURATION,
    apart,
    episode,
    expect_exact,
    expect_synced,
    expected,
    open_episode,
    play_without_end,
    read_in_step,
    read_still,
    seek,
    shown,
    wait_for_time,
)
from .ingest import Lab


@pytest.fixture
def player(page: Page, viewer: Any, cameras: Lab) -> Page:
    return open_episode(page, viewer, cameras.page())


@pytest.mark.parametrize("moment", [0.0, 0.7, 4.0, 6.7, 9.333, 12.5, 15.99, DURATION])
def test_a_seek_shows_the_frame_of_its_time_in_all(player: Page, moment: float) -> None:
    seek(player, 2.0)
    seek(player, moment)
    expect_synced(player)
    assert shown(player) == expected(moment)


def test_ten_seconds_of_playing_keep_all_within_a_frame(player: Page) -> None:
    play_without_end(player)
    for moment in (3.5, 6.0, 9.0, 10.0, 10.5, 11.0):
        wait_for_time(player, moment)
        read = read_in_step(player)
        assert apart(read["frames"]) <= 1, read
    player.keyboard.press("Space")
    expect_exact(player)


def test_a_pause_at_any_moment_shows_the_frame_of_its_time_in_all(player: Page) -> None:
    for number in range(30):
        player.keyboard.press("Space")
        wait_for_time(player, (number + 1) * 0.25)
        player.keyboard.press("Space")
        expect_exact(player)


def test_the_end_of_one_is_not_the_end_of_the_others(player: Page) -> None:
    seek(player, 7.0)
    player.keyboard.press("Space")
    expect(episode(player)).to_have_attribute("data-time", f"{DURATION:.3f}")
    expect(episode(player)).to_have_attribute("data-playing", "false")
    expect_synced(player)
    assert shown(player) == {name: round(camera.fps * camera.seconds) - 1 for name, camera in CAMERAS.items()}


def test_a_stall_of_one_holds_all(page: Page, viewer: Any, cameras: Lab) -> None:
    """Segments of one camera are kept back, all but the one that it begins with."""
    kept: list[Route] = []
    passed: list[str] = []
    is_kept_back = True

    def keep(route: Route) -> None:
        if not is_kept_back or not passed or route.request.url in passed:
            passed.append(route.request.url)
            route.continue_()
        else:
            kept.append(route)

    page.route(re.compile(rf"/videos/{cameras.record('/camera/left.mp4').id}/stream/[0-9a-f]+\.ts"), keep)
    open_episode(page, viewer, cameras.page())
    play_without_end(page)
    left = page.locator("figure", has_text="/camera/left.mp4")
    expect(left).to_have_attribute("data-state", "loading")
    expect(episode(page)).to_have_attribute("data-playing", "true")
    # Time stands still, of all cameras, for as long as it lasts.
    held = read_still(page)
    assert 1 < held["time"] < DURATION - 4 and apart(held["frames"]) <= 1
    is_kept_back = False
    for route in kept:
        route.continue_()
    wait_for_time(page, held["time"] + 2)
    expect(left).to_have_attribute("data-state", "playing")
    read = read_in_step(page)
    assert apart(read["frames"]) <= 1, read
