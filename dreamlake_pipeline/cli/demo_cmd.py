"""`dreamlake demo`: everything at once, on a small directory made for it or on a real one."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
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
_MOST_SHOWN = 100  # files, of a directory of one's own, are shown as a tree
_PATIENCE = 600.0  # seconds for the made directory, which takes a fraction of a minute


def demo(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A directory of your own, an episode per folder; else one is made."),
    ] = None,
) -> None:
    """Start the embedded stack, ingest a small directory of media of every kind, and show what came out of it.

    The files of a directory of your own are kept in a project that is called like it.
    """
    from ..client.events import FileEvent, FileStatus, Summary
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
        folder, project = make_directory(home / "demo"), _PROJECT
    else:
        folder, project = directory, project_of(directory)
        note(f"The files of {directory} go to the project {project}.")

    videos: list[str] = []
    stored = 0

    def watched(events: Iterator[Event]) -> Iterator[Event]:
        nonlocal stored
        for event in events:
            if isinstance(event, Summary):
                stored = event.uploaded + event.duplicate
            if isinstance(event, FileEvent) and event.kind is Kind.VIDEO and event.status is FileStatus.READY:
                videos.append(event.bss_id or "")
            yield event

    with connect() as lake:
        events = lake.ingest_events(
            folder, episode=project, episode_per_folder=True, wait=True, timeout=None if directory else _PATIENCE
        )
        code = run_transfer(watched(events), as_json=False, tell_each=directory is None, place=[project])
        typer.echo()
        if 0 < stored <= _MOST_SHOWN or (stored and directory is None):
            tree([project])
            typer.echo()
        playback = lake.bss.playback(Kind.VIDEO, videos[0]) if videos else None
    typer.echo(describe(stack))
    if playback:
        typer.echo(f"{'A video':<13}{playback.url}")
    typer.echo()
    typer.echo("\n".join(f"{title:<13}{command}" for title, command in _what_next(project)))
    raise typer.Exit(code)


def project_of(directory: Path) -> str:
    """The project for a directory: its name as far as a project can have it, and never that of the made directory."""
    letters = unicodedata.normalize("NFKD", directory.resolve().name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9._-]+", "-", letters).strip("-._")[:60].rstrip("-._")
    return f"{slug}-recordings" if slug == _PROJECT else slug or "recordings"


def _what_next(project: str) -> Iterator[tuple[str, str]]:
    """How to go on, and how to stop; each with the command as it can be typed here."""
    dreamlake = "dreamlake" if shutil.which("dreamlake") else sys.argv[0]
    yield "Go on", f"{dreamlake} open {project}     (in the browser)"
    yield "", f"{dreamlake} tree {project}"
    yield "", f"{dreamlake} ingest DIR --episode PROJECT:EPISODE --wait"
    yield "", f"{dreamlake} --help"
    yield "Stop", f"{dreamlake} down     (what is stored stays; `{dreamlake} up` starts it again)"
