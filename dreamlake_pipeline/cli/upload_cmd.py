"""`dreamlake upload`: store single files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..kinds import Kind
from .options import (
    AsJson,
    Csv,
    Episode,
    Jobs,
    Ladder,
    OnErrors,
    Playback,
    Rehash,
    ReportFile,
    Timeout,
    To,
    Wait,
    meant_for,
    read_csv_options,
    read_ladder,
    read_on_errors,
    read_playback,
)


def upload(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files to store.")],
    episode: Episode,
    to: To = "/",
    kind: Annotated[
        Kind | None,
        typer.Option("--type", metavar="KIND", help=f"What they are, whatever they are called: {', '.join(Kind)}."),
    ] = None,
    ladder: Ladder = None,
    playback: Playback = None,
    csv: Csv = None,
    jobs: Jobs = 32,
    rehash: Rehash = False,
    on_errors: OnErrors = "continue",
    report: ReportFile = None,
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Store the files that are named, in an episode or a project.

    Running it again is harmless: bytes that arrived are not sent twice.
    """
    from .connection import connect
    from .progress import run_transfer

    with connect() as lake:
        events = lake.upload_events(
            files,
            episode=episode,
            to=to,
            kind=kind,
            ladder=read_ladder(ladder),
            playback=read_playback(playback),
            csv=read_csv_options(csv),
            jobs=jobs,
            rehash=rehash,
            most_failures=read_on_errors(on_errors),
            wait=wait,
            timeout=timeout,
        )
        meant = meant_for(ladder=ladder, playback=playback, csv=csv)
        raise typer.Exit(
            run_transfer(events, as_json=as_json, tell_each=True, meant=meant, place=[episode], report=report)
        )
