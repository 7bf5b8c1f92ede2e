"""`dreamlake project`: what is decided about a project as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_project
from .options import AsJson, read_csv_options, read_ladder, read_playback, read_types

if TYPE_CHECKING:
    from ..api.bss import ProjectSettings
    from ..client import DreamLake
    from ..client.target import Target

project = typer.Typer(help="See and change the settings of a project.", no_args_is_help=True)

_DEFAULT = "default"
_FORM = r"PROJECT\[@NAMESPACE]"

Project = Annotated[
    str, typer.Argument(metavar="PROJECT", help=f"The project: {_FORM}.", autocompletion=complete_project)
]


def _check_ladder(text: str | None) -> str | None:
    """The same text, if it is a ladder or the word for the installation's."""
    if text != _DEFAULT:
        read_ladder(text)
    return text


def _check_playback(text: str | None) -> str | None:
    """The same text, if it is a mode or the word for what holds without any."""
    if text != _DEFAULT:
        read_playback(text)
    return text


def _check_csv_options(words: list[str] | None) -> list[str] | None:
    """The same words, if they are options or the word for none."""
    if words != [_DEFAULT]:
        read_csv_options(words)
    return words


def _check_types(words: list[str] | None) -> list[str] | None:
    """The same words, if they are types or the word for none."""
    if words != [_DEFAULT]:
        read_types(words)
    return words


@project.command()
def show(name: Project, as_json: AsJson = False) -> None:
    """Show the settings of a project."""
    from .connection import connect

    with connect() as lake:
        target = _target(lake, name)
        _print(target, lake.bss.project_settings(target.namespace, target.project), as_json=as_json)
        _note_if_empty(lake, target)


@project.command("set")
def change(
    name: Project,
    ladder: Annotated[
        str | None,
        typer.Option(
            "--ladder",
            metavar="HEIGHTS",
            help="Further, smaller renditions of its videos, such as 1080,720,480; none: no smaller ones; "
            "default: as DREAMLAKE_LADDER of the pipeline says.",
            callback=_check_ladder,
        ),
    ] = None,
    playback: Annotated[
        str | None,
        typer.Option(
            "--playback",
            metavar="BROWSERS",
            help="For which browsers its videos are made, as `dreamlake ingest --playback` says it: everywhere, modern "
            "or both; default: everywhere.",
            callback=_check_playback,
        ),
    ] = None,
    csv: Annotated[
        list[str] | None,
        typer.Option(
            "--csv",
            metavar="KEY=VALUE",
            help="How its CSV files are written, as `dreamlake ingest --csv` says it; may be given again. These "
            "options take the place of all that it has; auto or default: all is found out.",
            callback=_check_csv_options,
        ),
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="EXT=KIND",
            help="What its files of an extension are, as `dreamlake ingest --type` says it; may be given again. These "
            "take the place of all that it has; default: as the extensions say.",
            callback=_check_types,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the settings of a project; it need not hold anything yet.

    They hold for what is processed from now on; a file that was uploaded with
    --ladder, --playback or --csv of its own keeps that. What is ready stays as it is:
    `dreamlake retry --all --episode PROJECT` makes it again.
    """
    from .connection import connect

    if ladder is None and playback is None and not csv and not types:
        raise typer.BadParameter("give --ladder, --playback, --csv or --type, or several of them.")
    with connect() as lake:
        target = _target(lake, name)
        decided = lake.bss.project_settings(target.namespace, target.project)
        if ladder is not None:
            decided.ladder = None if ladder == _DEFAULT else read_ladder(ladder)
        if playback is not None:
            decided.playback = None if playback == _DEFAULT else read_playback(playback)
        if csv:
            decided.csv = None if csv == [_DEFAULT] else read_csv_options(csv)
        if types:
            decided.types = None if types == [_DEFAULT] else read_types(types)
        _print(target, lake.bss.change_project(target.namespace, target.project, decided), as_json=as_json)
        _note_if_empty(lake, target)


def _target(lake: DreamLake, name: str) -> Target:
    from ..errors import Code, DreamlakeError

    target = lake.target(name)
    if target.episode is not None:
        raise DreamlakeError(Code.USAGE, f"{name!r} names an episode: settings are of whole projects.")
    return target


def _note_if_empty(lake: DreamLake, target: Target) -> None:
    """Say that nothing is stored in the project yet, since its name may be a wrong one, and what is nearest to it."""
    from ..client.missing import missing
    from ..client.stock import Recorded
    from ..remote.bss import Place
    from .output import note

    place, stock = Place(target.namespace, target.project), Recorded(lake)
    if not stock.holds(place):
        note(f"Nothing is stored in {target} yet. {missing(stock, [place]).hint}")


def _print(target: Target, settings: ProjectSettings, *, as_json: bool) -> None:
    from ..csv_options import show_csv_options
    from ..filetypes import show_types
    from ..ladder import show_ladder
    from .output import as_returned, print_columns, print_json, style

    if as_json:
        print_json({"namespace": target.namespace, "project": target.project} | as_returned(settings))
        return
    ladder = "as DREAMLAKE_LADDER of the pipeline says" if settings.ladder is None else show_ladder(settings.ladder)
    csv = "found out from each file" if settings.csv is None else show_csv_options(settings.csv)
    types = show_types(settings.types) if settings.types else "as the extensions say"
    playback = settings.playback or "everywhere"
    rows = [("project", str(target)), ("csv", csv), ("types", types), ("ladder", ladder), ("playback", playback)]
    print_columns([[style(field, dim=True), value] for field, value in rows])
