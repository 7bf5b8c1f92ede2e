"""`dreamlake open`: look at what is stored, in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import OptionalEpisode, Which


def open(
    what: Which = None,
    episode: OptionalEpisode = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the link, which logs in once and for ten minutes; open nothing.")
    ] = False,
) -> None:
    """Open the viewer in the browser, logged in: at a project, an episode or a file, else at all projects.

    Where there is no browser, the link is printed; it logs in once, within ten minutes.
    """
    from ..client.viewer import login_link, page_of
    from ..errors import Code, DreamlakeError
    from .browser import open_in_browser
    from .connection import connect
    from .listing import named_places
    from .output import note, say

    path = "/"
    if what or episode:
        with connect() as lake:
            places = named_places(lake, what or (), episode)
            if len(places) != 1:
                raise DreamlakeError(Code.USAGE, "Name one project, episode or file.")
            path = page_of(places[0], lake.index)
    link = login_link(path)
    if print_only:
        say(link)
    elif open_in_browser(link):
        note("The page was opened in the browser.")
    else:
        note("There is no browser here. This link logs in once, within ten minutes:")
        say(link)
