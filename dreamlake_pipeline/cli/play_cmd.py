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
    """Print the playback URL of a video or audio file. It needs no token, and expires. The viewer's page that plays its
    episode is named beside it."""
    from ..client.lookup import find_file
    from ..client.viewer import viewer_url
    from ..viewerpaths import episode_path
    from .browser import open_in_browser
    from .connection import connect
    from .output import as_returned, note, print_json, say

    with connect() as lake:
        record = find_file(lake, what, episode)
        playback = lake.bss.playback(record.kind, record.id)
    viewer = viewer_url()
    page = viewer and viewer + episode_path(record.owner, record.project, record.episode)
    if as_json:
        print_json(as_returned(playback) | ({"viewerUrl": page} if page else {}))
    else:
        say(playback.url)
        if page:
            note(f"in the viewer: {page} (`dreamlake open` logs in)")
    if in_browser and not open_in_browser(playback.url):
        note("No browser could be opened; the URL works in any.")
