"""Debian's Chromium, for tests that look at what a person sees."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Playwright

# Set where a browser has to be there, as in `.ci/run`: without one, tests that need it fail instead of being skipped.
NEEDS_BROWSER = "DREAMLAKE_TEST_NEEDS_BROWSER"

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@contextmanager
def launched(playwright: Playwright, *, patience: float) -> Iterator[Browser]:
    """A browser, which may take `patience` milliseconds to start. Where there is none, the test is skipped or fails."""
    path = shutil.which("chromium")
    if path is None:
        message = "chromium is not installed (apt-get install chromium): nothing was opened in a browser"
        if os.environ.get("CI") or os.environ.get(NEEDS_BROWSER):
            pytest.fail(message)
        pytest.skip(message)
    browser = playwright.chromium.launch(executable_path=path, args=_FLAGS, timeout=patience)
    try:
        yield browser
    finally:
        browser.close()
