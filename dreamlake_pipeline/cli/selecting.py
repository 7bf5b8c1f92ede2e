"""Options that say what of a directory is stored where, and the selection that they make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..client import Selection

_GLOB = "(the path below DIR, or any part of it); may be given again."

EpisodePerFolder = Annotated[
    bool,
    typer.Option(
        "--episode-per-folder",
        help="Each first-level folder is an episode of its name (EPISODE/folder, if --episode names one too); "
        "files beside those folders go where --episode says.",
    ),
]
Include = Annotated[list[str] | None, typer.Option("--include", metavar="GLOB", help=f"Only what matches {_GLOB}")]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", metavar="GLOB", help=f"Not what matches {_GLOB}")]
FollowLinks = Annotated[bool, typer.Option("--follow-links", help="Also follow symbolic links that lead out of DIR.")]


def select(
    directory: Path,
    episode: str,
    *,
    to: str,
    episode_per_folder: bool,
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
    follow_links: bool,
) -> Selection:
    """What the options select."""
    from ..client import Selection
    from ..client.target import parse_target
    from .connection import namespace

    return Selection(
        directory,
        parse_target(episode, namespace=namespace()),
        to=to,
        episode_per_folder=episode_per_folder,
        include=include or (),
        exclude=exclude or (),
        follow_links=follow_links,
    )
