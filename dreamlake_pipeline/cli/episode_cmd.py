"""`dreamlake episode`: what people think of an episode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ..flags import FlagFilter
from .completion import complete_target
from .options import AsJson

if TYPE_CHECKING:
    from ..api.server import EpisodeSummary
    from ..client.target import Target

episode = typer.Typer(help="See an episode as a whole, and say whether it is good.", no_args_is_help=True)

Target_ = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help=r"The episode: PROJECT\[@NAMESPACE]:EPISODE, such as cups:run-001.",
        autocompletion=complete_target,
    ),
]


@episode.command()
def flag(
    target: Target_,
    flag: Annotated[FlagFilter, typer.Argument(metavar="good|bad|none", help="What it is; none takes the flag away.")],
    note: Annotated[
        str | None,
        typer.Option("--note", metavar="TEXT", help="Why, in 4,000 characters at the most; '' takes the note away."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Call an episode good or bad, and note why.

    The page of the episode shows it, `dreamlake ls PROJECT --flag bad` finds it, and the catalog has it. Without
    --note, the note that is there stays. Both stay when files are uploaded again, and go along when the episode is
    renamed.
    """
    from .connection import connect

    with connect() as lake:
        _print(lake.target(target), lake.flag(target, flag, note=note), as_json=as_json)


@episode.command()
def show(target: Target_, as_json: AsJson = False) -> None:
    """Show an episode in short: files, bytes, length, flag and note."""
    from ..client.episodes import details
    from .connection import connect

    with connect() as lake:
        its = lake.target(target)
        _print(its, details(lake, its), as_json=as_json)


def _print(target: Target, found: EpisodeSummary, *, as_json: bool) -> None:
    from .output import as_returned, print_columns, print_json, style

    if as_json:
        print_json({"namespace": target.namespace, "project": target.project} | as_returned(found))
        return
    rows = [("episode", str(target)), *_rows(found)]
    print_columns([[style(field, dim=True), value] for field, value in rows])


def _rows(found: EpisodeSummary) -> Iterator[tuple[str, str]]:
    from .output import show_bytes, show_seconds

    yield "flag", found.flag or "none"
    for number, line in enumerate((found.note or "").splitlines()):
        yield "" if number else "note", line
    counts = ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items())
    yield "files", f"{found.files:,} ({counts})"
    yield "status", ", ".join(f"{count:,} {status}" for status, count in found.statuses.items())
    yield "size", show_bytes(found.bytes)
    if found.duration_sec is not None:
        yield "length", show_seconds(found.duration_sec)
    yield "created", f"{found.created_at:%Y-%m-%d %H:%M:%S %Z}"
