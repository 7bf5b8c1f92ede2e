"""`dreamlake mv`: give files, folders and episodes other names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_place
from .options import AsJson, DryRun, OptionalEpisode

if TYPE_CHECKING:
    from ..client.moving import Renamed

_SHOWN = 20


def mv(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE DESTINATION",
            help="A file, folder or episode; and what it shall be called: a path in the same episode, or a place of "
            "the same project, such as cups:run-002/camera/front.mp4. A folder takes the source into it.",
            autocompletion=complete_place,
        ),
    ],
    episode: OptionalEpisode = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also to names that are taken: what has them is deleted.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Rename or move files within a project: at once, and no byte is sent.

    Their playback, ids and results stay. A name goes with its earlier content.
    """
    from ..errors import ExitCode
    from .connection import connect
    from .output import complain, plural, say
    from .removal import print_event, print_summary

    with connect() as lake:
        renamed = lake.plan_move(names, episode=episode, force=force)
        if dry_run:
            if as_json:
                for one in renamed:
                    print_event(one.record, "planned", **_new(one))
                print_summary([one.record for one in renamed], moved=0)
            else:
                _show(renamed)
            return
        moved: list[Renamed] = []
        failed = 0
        for some in lake.move_events(renamed, replace=force):
            for one in some:
                if one.by is None:
                    moved.append(one)
                else:
                    failed += 1
                if as_json:
                    print_event(one.record, "failed" if one.by else "moved", **_new(one))
                elif one.by:
                    complain(f"{one.record.name}: {one.name} exists by now.", "Pass --force to replace it.")
        if as_json:
            print_summary([one.record for one in renamed], moved=len(moved), failed=failed)
        else:
            _show(moved)
            say(f"{plural(len(moved), 'file')} moved.")
    if failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _new(one: Renamed) -> dict[str, str | None]:
    return {"newName": one.name, "newEpisode": one.episode}


def _show(renamed: list[Renamed]) -> None:
    """The first few of many."""
    from .output import say

    for one in renamed[:_SHOWN]:
        old = f"{one.record.episode}:{one.record.name}" if one.record.episode else one.record.name
        new = f"{one.episode}:{one.name}" if one.episode else one.name
        say(f"{old}  ->  {new}")
    if len(renamed) > _SHOWN:
        say(f"and {len(renamed) - _SHOWN:,} more; --dry-run --json names all of them")
