"""`dreamlake retry`: redo what failed or is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, OptionalEpisode, Timeout, Wait, Which, check_playback, read_playback

if TYPE_CHECKING:
    from ..client import DreamLake
    from ..remote.bss import Place


def retry(
    what: Which = None,
    episode: OptionalEpisode = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is ready.")] = False,
    playback: Annotated[
        str | None,
        typer.Option(
            "--playback",
            metavar="BROWSERS",
            help="Only videos, which are made for these browsers as well (everywhere or modern): what they are made "
            "for already stays beside it.",
            callback=check_playback,
        ),
    ] = None,
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Process again what failed or was never processed, and list again what is stored but in no list."""
    from ..client.lookup import find_places
    from ..client.stock import Recorded
    from ..client.target import Target
    from .connection import connect
    from .progress import run_transfer

    with connect() as lake:
        named = find_places(lake, what or (), episode, stock=Recorded(lake))
        target, ids = None, list(named.ids)
        match named.places:
            case [place] if place.path is None and not ids:
                target = Target(place.project or "", place.owner, place.episode)
            case places:
                ids += [found for place in places for found in _ids(lake, place)]
        mode = read_playback(playback)
        events = lake.retry_events(
            episode=target, ids=ids, everything=everything, playback=mode, wait=wait, timeout=timeout
        )
        words = [*(what or ()), *([] if episode is None else ["-e", episode])]
        raise typer.Exit(run_transfer(events, as_json=as_json, tell_each=True, place=words))


def _ids(lake: DreamLake, place: Place) -> list[str]:
    """The BSS ids of the files in a place; where the index has none of them, of all records there."""
    from ..errors import Code, DreamlakeError

    try:
        return [asset.bss_id for asset in lake.index.files(place)]
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return [record.id for record in lake.bss.list_refs(place)]
