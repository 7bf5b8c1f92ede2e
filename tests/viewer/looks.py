"""Pictures of pages held against those in `screenshots/`, block by block, so that another version of Chromium, which
smooths letters otherwise or puts them a pixel further, makes no difference, and a part that is missing does.

`DREAMLAKE_TEST_RENEW=1 pytest tests/viewer/test_looks.py` writes them anew, with the browser's version: look at them.
"""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

FOLDER = Path(__file__).parent / "screenshots"
RENEWS = bool(os.environ.get("DREAMLAKE_TEST_RENEW"))

BLOCK = 16  # pixels
SHIFT = 2  # pixels by which something may lie elsewhere
# Levels of 255 by which a block's mean may be another, and the share of blocks that may be further away.
TOLERANCE = 14
STRAY = 0.004

_PATIENCE = 60  # seconds until everything is drawn

Pixels = NDArray[np.float64]


def taken(page: Page) -> Image.Image:
    """The window, without what is another each time: pictures of cameras, and how long ago something was."""
    page.locator("time").evaluate_all("times => { for (const time of times) time.textContent = 'now'; }")
    moving = [page.locator("video"), page.locator("td img")]
    png = page.screenshot(mask=moving, mask_color="#808080", animations="disabled", caret="hide")
    return Image.open(io.BytesIO(png)).convert("RGB")


def strays(one: Image.Image, other: Image.Image) -> float:
    """The share of blocks that are not alike; 1 where the sizes differ."""
    if one.size != other.size:
        return 1.0
    wanted = _means(np.asarray(one, dtype=float))
    pixels = np.asarray(other, dtype=float)
    shifts = range(-SHIFT, SHIFT + 1)
    nearest = np.full(wanted.shape[:2], np.inf)
    for down in shifts:
        for across in shifts:
            moved = _means(np.roll(pixels, (down, across), axis=(0, 1)))
            nearest = np.minimum(nearest, np.abs(moved - wanted).max(axis=2))
    return float((nearest > TOLERANCE).mean())


def _means(pixels: Pixels) -> Pixels:
    """The mean colour of each block."""
    height, width = (size // BLOCK * BLOCK for size in pixels.shape[:2])
    blocks = pixels[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    return np.asarray(blocks.mean(axis=(1, 3)))


def expect_like(page: Page, name: str) -> None:
    """The page comes to look like the picture of that name. If not, what it looks like is written beside it."""
    path = FOLDER / f"{name}.png"
    if RENEWS:
        _renew(page, path)
        return
    wanted = Image.open(path).convert("RGB")
    deadline = time.monotonic() + _PATIENCE
    while (share := strays(wanted, found := taken(page))) > STRAY:
        if time.monotonic() > deadline:
            found.save(path.with_suffix(".found.png"))
            raise AssertionError(
                f"{name}: {share:.1%} of the blocks are not alike: see {path.stem}.found.png beside it"
            )
        page.wait_for_timeout(500)


def _renew(page: Page, path: Path) -> None:
    """Write the picture, with few colours to be small, once two of them in a row are alike."""
    before = taken(page)
    while True:
        page.wait_for_timeout(2000)
        now = taken(page)
        if np.array_equal(np.asarray(before), np.asarray(now)):
            break
        before = now
    FOLDER.mkdir(exist_ok=True)
    now.quantize(64).save(path, optimize=True)
    browser = page.context.browser
    (FOLDER / "browser.txt").write_text(f"Chromium {browser.version if browser else ''}, Debian\n")
