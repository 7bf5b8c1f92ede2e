"""The browser of whoever uses the command line."""

from __future__ import annotations

import os
import sys


def open_in_browser(url: str) -> bool:
    """Open the URL; False where there is no browser with a window of its own."""
    import webbrowser

    # Without a display, webbrowser takes one that runs in the terminal, which plays nothing and runs no script.
    has_windows = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    return has_windows and webbrowser.open(url)
