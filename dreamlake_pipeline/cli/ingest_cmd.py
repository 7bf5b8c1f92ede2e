"""`dreamlake ingest`: store everything below a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    Strict,
    Timeout,
    To,
    Types,
    Wait,
    meant_for,
    read_csv_options,
    read_ladder,
    read_on_errors,
    read_playback,
    read_types,
    tell_without_effect,
)
from .selecting import EpisodePerFolder, Exclude, FollowLinks, Include, select

# Options that only say how files are sent, and when it ends.
_NOT_PLANNED = ("ladder", "playback", "csv", "jobs", "on_errors", "wait", "timeout")


def ingest(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to store.")],
    episode: Episode,
    to: To = "/",
    episode_per_folder: EpisodePerFolder = False,
    include: Include = None,
    exclude: Exclude = None,
    follow_links: FollowLinks = False,
    types: Types = None,
    strict: Strict = False,
    ladder: Ladder = None,
    playback: Playback = None,
    csv: Csv = None,
    jobs: Jobs = 32,
    rehash: Rehash = False,
    on_errors: OnErrors = "continue",
    report: ReportFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is new, changed or skipped, and send nothing.")
    ] = False,
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Store every video, audio, subtitle and label file below a directory, under its path.

    Other files are skipped, which is said at the end, by extension. Running it
    again, or after Ctrl-C, sends only what has not arrived.
    """
    from .connection import connect
    from .plan import plan_transfer
    from .progress import run_transfer

    selection = select(
        directory,
        episode,
        to=to,
        episode_per_folder=episode_per_folder,
        include=include,
        exclude=exclude,
        follow_links=follow_links,
    )
    if dry_run:
        tell_without_effect(context, _NOT_PLANNED, "with --dry-run")
        raise typer.Exit(
            plan_transfer(
                selection, types=read_types(types), rehash=rehash, as_json=as_json, strict=strict, report=report
            )
        )
    with connect() as lake:
        events = lake.store_events(
            selection,
            selection.target,
            types=read_types(types),
            ladder=read_ladder(ladder),
            playback=read_playback(playback),
            csv=read_csv_options(csv),
            jobs=jobs,
            rehash=rehash,
            most_failures=read_on_errors(on_errors),
            wait=wait,
            timeout=timeout,
        )
        meant = meant_for(ladder=ladder, playback=playback, csv=csv, types=types)
        raise typer.Exit(
            run_transfer(
                events,
                as_json=as_json,
                tell_each=False,
                strict=strict,
                meant=meant,
                place=[episode],
                report=report,
            )
        )
