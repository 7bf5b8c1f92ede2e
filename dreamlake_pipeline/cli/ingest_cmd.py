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
    Rehash,
    ReportFile,
    Strict,
    Timeout,
    To,
    Types,
    Wait,
    read_csv_options,
    read_ladder,
    read_on_errors,
    read_types,
)

_GLOB = "held against the path below DIR and each part of it; may be given again."


def ingest(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to store.")],
    episode: Episode,
    to: To = "/",
    episode_per_folder: Annotated[
        bool,
        typer.Option(
            "--episode-per-folder",
            help="Each first-level folder is an episode of its name (EPISODE/folder, if --episode names one too); "
            "files beside those folders go where --episode says.",
        ),
    ] = False,
    include: Annotated[
        list[str] | None, typer.Option("--include", metavar="GLOB", help=f"Only what matches; {_GLOB}")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help=f"Not what matches; {_GLOB}")
    ] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Also follow symbolic links that lead out of DIR.")
    ] = False,
    types: Types = None,
    strict: Strict = False,
    ladder: Ladder = None,
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
    from ..client import Selection
    from ..client.target import parse_target
    from .connection import connect, namespace
    from .plan import plan_transfer
    from .progress import run_transfer

    selection = Selection(
        directory,
        parse_target(episode, namespace=namespace()),
        to=to,
        episode_per_folder=episode_per_folder,
        include=include or (),
        exclude=exclude or (),
        follow_links=follow_links,
    )
    if dry_run:
        raise typer.Exit(
            plan_transfer(
                selection, types=read_types(types), rehash=rehash, as_json=as_json, strict=strict, report=report
            )
        )
    with connect() as lake:
        events = lake.store_events(
            selection.files,
            selection.target,
            types=read_types(types),
            ladder=read_ladder(ladder),
            csv=read_csv_options(csv),
            jobs=jobs,
            rehash=rehash,
            most_failures=read_on_errors(on_errors),
            wait=wait,
            timeout=timeout,
        )
        raise typer.Exit(run_transfer(events, as_json=as_json, tell_each=False, strict=strict, report=report))
