"""`dreamlake download`: files, folders, episodes and projects as they were stored, or what was made from them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from .options import AsJson, OptionalEpisode, ReportFile, Which

if TYPE_CHECKING:
    from ..client.fetch import Choice
    from .places import Named

_WHATS = ("raw", "parquet", "vtt", "poster", "waveform", "meta", "playlist")
_GLOB = "held against the path below DIR and each part of it; may be given again."


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
        list[str] | None, typer.Option("--include", metavar="GLOB", help=f"Only what matches; {_GLOB}")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help=f"Not what matches; {_GLOB}")
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
    from ..client.fetch import Choice, What
    from .connection import connect
    from .fetching import FetchWatcher
    from .places import find_places
    from .progress import run

    whats = tuple(map(What, what))
    with connect() as lake:
        named = find_places(lake, list(names or ()), episode)
        choice = Choice(named.places, named.ids, None, whats, include or (), exclude or ())
        lone = choice.lone(lake.bss, lake.index)
        if output == "-":
            if lone is None or len(whats) > 1 or as_json or report:
                _refuse_stdout()
            lake.pour(lone, whats[0], sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        if lone is not None:
            directory, name = _place_of_one(output, len(whats))
            events = lake.fetch_events(choice, directory, lone=lone, name=name, force=force)
        else:
            choice, directory = _place_of_many(choice, named, output)
            events = lake.fetch_events(choice, directory, jobs=jobs, force=force)
        raise typer.Exit(run(events, FetchWatcher(as_json=as_json, tell_each=lone is not None), report))


def _place_of_one(output: str | None, whats: int) -> tuple[str, str | None]:
    """The folder for a file that was named by itself, and its name there where --output says it."""
    if output is None:
        return ".", None
    path = Path(output)
    if whats > 1 or output.endswith("/") or path.is_dir():
        return output, None
    if not path.parent.is_dir():
        from ..errors import Code, DreamlakeError

        raise DreamlakeError(
            Code.FILE_MISSING, f"{output} cannot be written: there is no folder {path.parent}.", hint="Make it first."
        )
    return str(path.parent), path.name


def _place_of_many(choice: Choice, named: Named, output: str | None) -> tuple[Choice, str]:
    """The folder for many files, and the choice whose paths suit it.

    Where somebody says it, an episode that was named comes to lie in it as it was ingested; else below the project's.
    """
    from dataclasses import replace

    if output is None:
        return choice, str(named.places[0].project) if named.places else "."
    return replace(choice, episode=named.places[0].episode if named.places else None), output


def _refuse_stdout() -> NoReturn:
    from ..errors import Code, DreamlakeError

    raise DreamlakeError(
        Code.USAGE,
        "-o - writes one file to stdout, and nothing else there.",
        hint="Name one file, and one --what; for more, -o DIR.",
    )
