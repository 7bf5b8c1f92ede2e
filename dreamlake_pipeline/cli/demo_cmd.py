"""`dreamlake demo`: everything at once, on a small directory made for it or on a real one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .output import note
from .progress import run_transfer
from .tree_cmd import tree
from .up_cmd import describe

if TYPE_CHECKING:
    from ..client.events import Event

_PROJECT = "demo"
_PATIENCE = 600.0  # seconds for the made directory, which takes a fraction of a minute


def demo(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A directory of your own, an episode per folder; else one is made."),
    ] = None,
) -> None:
    """Start the embedded stack, ingest a small directory of media of every kind, and show what came out of it."""
    from ..client.events import FileEvent, FileStatus
    from ..errors import Code, DreamlakeError
    from ..kinds import Kind
    from ..settings import Settings
    from ..stack import control
    from .connection import connect

    if directory is not None and not directory.is_dir():
        raise DreamlakeError(Code.FILE_MISSING, f"{directory} is not a directory.")
    home = Settings().home
    stack = control.up(home, note)
    # Here and in the verbs that are called below, even if the shell has the addresses of another DreamLake.
    os.environ.update(stack.environment())
    if directory is None:
        from ..stack.demo import make_directory

        note("making two episodes of media")
        folder = make_directory(home / "demo")
    else:
        folder = directory

    videos: list[str] = []

    def watched(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, FileEvent) and event.kind is Kind.VIDEO and event.status is FileStatus.READY:
                videos.append(event.bss_id or "")
            yield event

    with connect() as lake:
        events = lake.ingest_events(
            folder, episode=_PROJECT, episode_per_folder=True, wait=True, timeout=None if directory else _PATIENCE
        )
        code = run_transfer(watched(events), as_json=False, tell_each=directory is None)
        typer.echo()
        tree([_PROJECT])
        typer.echo()
        if videos:
            typer.echo(f"{'A video':<13}{lake.bss.playback(Kind.VIDEO, videos[0]).url}")
    typer.echo(describe(stack))
    raise typer.Exit(code)
