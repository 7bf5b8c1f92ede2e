"""`dreamlake retry`: redo what failed or is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import TARGET_FORM, AsJson, OptionalEpisode, Timeout, Wait, check_target

if TYPE_CHECKING:
    from ..client import DreamLake


def retry(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET] [PATH|ID]...",
            help=f"A project or an episode of it ({TARGET_FORM}), all of it or files and folders in it; or ids.",
        ),
    ] = None,
    episode: OptionalEpisode = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is ready.")] = False,
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Process again what failed or was never processed, and register again what the index does not have."""
    from ..errors import Code, DreamlakeError
    from ..ids import is_id
    from .connection import connect
    from .progress import run_transfer

    if not what and episode is None:
        raise DreamlakeError(
            Code.USAGE, "Say what to retry.", hint="A project or episode (robot@lab:run-001), paths in it, or ids."
        )
    what = list(what or ())
    if episode is None and not (is_id(what[0]) or what[0].startswith("/")):
        episode = check_target(what.pop(0))
    with connect() as lake:
        ids = [found for name in what for found in _ids(lake, name, episode)]
        if what and not ids:
            raise DreamlakeError(Code.NOT_FOUND, f"There is no file in {', '.join(what)}.")
        events = lake.retry_events(episode=episode, ids=ids, everything=everything, wait=wait, timeout=timeout)
        raise typer.Exit(run_transfer(events, as_json=as_json, tell_each=True))


def _ids(lake: DreamLake, what: str, episode: str | None) -> list[str]:
    """The BSS ids of a file, or of all that is in a folder."""
    from ..ids import is_id
    from .locate import find_record

    if is_id(what) or episode is None:
        return [find_record(lake, what, episode).id]
    target = lake.target(episode)
    nodes = lake.index.nodes(target.namespace, target.project, episode=target.episode, path=what, recursive=True)
    return [node.asset.bss_id for node in nodes if node.asset is not None]
