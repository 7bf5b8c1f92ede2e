"""`dreamlake download`: files, folders, episodes and projects as they were stored, or what was made from them."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from .options import AsJson, OptionalEpisode, ReportFile, Which

_WHATS = ("raw", "parquet", "vtt", "poster", "waveform", "meta", "playlist")
_GLOB = "(the path below DIR, or any part of it); may be given again."


def _check_whats(words: list[str]) -> list[str]:
    """The words of `raw,poster` and of the option given again, each once."""
    whats = [word for given in words for word in given.split(",")]
    for word in whats:
        if word not in _WHATS:
            raise typer.BadParameter(f"{word!r} is none of {', '.join(_WHATS)}.")
    return list(dict.fromkeys(whats))


def download(
    names: Which = None,
    episode: OptionalEpisode = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|FILE|-",
            help="Where to: a folder; for one file also its path, or - for stdout. By default, one file comes to lie "
            "here, and everything else in a folder of the project's name.",
        ),
    ] = None,
    what: Annotated[
        list[str],
        typer.Option(
            "--what",
            metavar="WHAT",
            help=f"What of each file: {', '.join(_WHATS)}; several with commas. Results lie beside the file, with its "
            "name and an ending of theirs: front.mp4.poster.jpg.",
            callback=_check_whats,
        ),
    ] = ["raw"],  # noqa: B006 (typer copies it)
    include: Annotated[
        list[str] | None, typer.Option("--include", metavar="GLOB", help=f"Only what matches {_GLOB}")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help=f"Not what matches {_GLOB}")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Most files that are fetched at once.")] = 16,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist with other content.")] = False,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a project, an episode, folders or files as they were stored: what `ingest` took comes out as it went in.

    Each file appears whole and verified (SHA-256), or not at all. Running it again, or after Ctrl-C, fetches only what
    has not arrived.
    """
    from ..client.fetch import What
    from ..client.trees import prepare
    from .connection import connect
    from .fetching import FetchWatcher
    from .progress import run

    whats = tuple(map(What, what))
    with connect() as lake:
        prepared = prepare(
            lake,
            names or (),
            episode=episode,
            output=None if output == "-" else output,
            what=whats,
            include=include or (),
            exclude=exclude or (),
        )
        lone = prepared.lone
        if output == "-":
            if lone is None or len(whats) > 1 or as_json or report:
                _refuse_stdout()
            lake.pour(lone, whats[0], sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        events = lake.fetch_prepared(prepared, jobs=jobs, force=force)
        place = [*(names or ()), *([] if episode is None else ["-e", episode])]
        raise typer.Exit(run(events, FetchWatcher(as_json=as_json, tell_each=lone is not None, place=place), report))


def _refuse_stdout() -> NoReturn:
    from ..errors import Code, DreamlakeError

    raise DreamlakeError(
        Code.USAGE,
        "-o - writes one file to stdout, and nothing else there.",
        hint="Name one file, and one --what; for more, -o DIR.",
    )
