"""`dreamlake watch`: store what appears in a directory, for as long as it runs."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ExitCode
from .options import (
    AsJson,
    Csv,
    Episode,
    Jobs,
    Ladder,
    Playback,
    To,
    Types,
    parse_duration,
    read_csv_options,
    read_ladder,
    read_playback,
    read_types,
    tell_without_effect,
)
from .output import note, plural, print_json, say, show_bytes
from .progress import exit_code, show_waiting
from .selecting import EpisodePerFolder, Exclude, FollowLinks, Include, select
from .totals import show_place, show_totals

if TYPE_CHECKING:
    from ..client.events import Event, FileEvent, Summary


def watch(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to watch.")],
    episode: Episode,
    to: To = "/",
    episode_per_folder: EpisodePerFolder = False,
    include: Include = None,
    exclude: Exclude = None,
    follow_links: FollowLinks = False,
    types: Types = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="With --once: exit with 1 when a file is skipped since its extension is not known."
        ),
    ] = False,
    ladder: Ladder = None,
    playback: Playback = None,
    csv: Csv = None,
    jobs: Jobs = 32,
    settle: Annotated[
        float,
        typer.Option(
            "--settle",
            metavar="DURATION",
            help="For how long size and time of a file must have stayed the same before it is sent.",
            parser=parse_duration,
        ),
    ] = 5.0,
    rescan: Annotated[
        float | None,
        typer.Option(
            "--rescan",
            metavar="DURATION",
            help="Between two looks at everything, for what the file system does not tell of. By default 10m, and 30s "
            "on network file systems; longer where a look takes long.",
            parser=parse_duration,
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Send what is there and stays the same for --settle, then end.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Compare with the services once more what was sent before, such as after they were restored from a "
            "backup. What was deleted there comes back.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Store files of a directory as soon as they are complete, until it is stopped: an upload agent.

    A file is sent when it has stopped changing and nobody has it open to write. One that changes later is sent again.
    Deleting a local file deletes nothing that is stored. Ctrl-C or SIGTERM end it; started again, it goes on.
    """
    from ..client.watch import Watch
    from ..settings import Settings
    from .connection import connect

    selection = select(
        directory,
        episode,
        to=to,
        episode_per_folder=episode_per_folder,
        include=include,
        exclude=exclude,
        follow_links=follow_links,
    )
    if not once:
        tell_without_effect(context, ("strict",), "without --once")
    log = _Log(as_json=as_json)
    with connect() as lake:
        watching = Watch(
            lake,
            selection,
            settle=settle,
            rescan=rescan,
            once=once,
            again=again,
            types=read_types(types),
            ladder=read_ladder(ladder),
            playback=read_playback(playback),
            csv=read_csv_options(csv),
            jobs=jobs,
            state=Settings().cache,
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for event in watching.events():
                log.tell(event)
        except KeyboardInterrupt:
            log.finish(watching.summary, watching.unsettled)
            raise typer.Exit(ExitCode.OK) from None
    log.finish(watching.summary, watching.unsettled)
    raise typer.Exit(exit_code(watching.summary, strict=strict))


class _Log:
    """One line for each thing that happens, with its time: on stderr, or as JSON on stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def tell(self, event: Event) -> None:
        from ..client.events import FileEvent, FileStatus, Waiting, Warned

        match event:
            case FileEvent(status=FileStatus.READY):  # it was stored and processed before, and has its line
                if self._as_json:
                    self._line("", event.as_json())
            case FileEvent():
                self._line(f"{event.status:<10} {_describe(event)}", event.as_json())
            case Waiting():
                self._line(f"waiting    {show_waiting(event)}", event.as_json())
            case Warned():
                warning = {"event": "warning", "path": event.path, "name": event.name, "reason": event.reason}
                self._line(f"warning    {event.reason}", warning)

    def finish(self, summary: Summary, unsettled: int) -> None:
        """The totals, and what was not sent."""
        if self._as_json:
            print_json(summary.as_json() | {"unsettled": unsettled})
            return
        if unsettled:
            note(f"{plural(unsettled, 'file')} not sent yet: still written to, or not sent for what is told above.")
        say(show_totals(summary))

    def _line(self, text: str, value: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        if self._as_json:
            print_json(value | {"time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z")})
        else:
            note(f"{now.astimezone():%H:%M:%S}  {text}")


def _describe(event: FileEvent) -> str:
    reason = event.reason or ""
    if not reason:
        return f"{show_place(event)}  {show_bytes(event.size)}"
    path = event.path or ""
    return reason if path in reason else f"{path}: {reason}"
