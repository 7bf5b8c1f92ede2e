"""`dreamlake play`: a URL that a browser can play."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AsJson, OptionalEpisode, What


def play(
    what: What,
    episode: OptionalEpisode = None,
    in_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the playback URL of a video or audio file. It needs no token, and expires."""
    import webbrowser

    from ..client.lookup import find_file
    from .connection import connect
    from .output import as_returned, note, print_json, say

    with connect() as lake:
        record = find_file(lake, what, episode)
        playback = lake.bss.playback(record.kind, record.id)
    if as_json:
        print_json(as_returned(playback))
    else:
        say(playback.url)
    if in_browser and not webbrowser.open(playback.url):
        note("No browser could be opened; the URL works in any.")
