"""Options and arguments that several verbs share, with their validation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

from ..kinds import Kind
from .completion import complete_place, complete_target

if TYPE_CHECKING:
    from ..client.events import FileEvent
    from ..playback import PlaybackMode

Checked = TypeVar("Checked")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration(text: str | float) -> float:
    """Seconds of `90`, `30s`, `10m`, `12h`, `90d` or `2w`."""
    if isinstance(text, float):  # a default, which typer converts as well
        return text
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or not float(match[1]):
        raise typer.BadParameter(f"{text!r} is no duration such as 30s, 10m, 12h or 90d.")
    return float(match[1]) * _SECONDS[match[2]]


def read_on_errors(text: str) -> int | None:
    """How many failed files end a run; None where nothing does."""
    return None if text == "continue" else 1 if text == "stop" else int(text)


def check_on_errors(text: str) -> str:
    """The same text, if it is one of the three."""
    if text not in ("continue", "stop") and not (text.isascii() and text.isdigit() and int(text) > 0):
        raise typer.BadParameter(f"{text!r} is none of continue, stop and a number of files.")
    return text


# For help texts, in which brackets are markup unless they are escaped.
TARGET_FORM = r"PROJECT\[@NAMESPACE]\[:EPISODE]"
PLACE_FORM = rf"{TARGET_FORM}\[/PATH]"


def check_target(text: str | None) -> str | None:
    """The same text, if it names a target."""
    if text is not None:
        from ..client.target import parse_target
        from ..errors import DreamlakeError

        try:
            parse_target(text, namespace="local")
        except DreamlakeError as error:
            raise typer.BadParameter(str(error)) from None
    return text


def check_code(text: str | None) -> str | None:
    """The same text, if it is a code that an error has."""
    if text is not None:
        from ..errors import Code
        from ..nearest import did_you_mean, nearest

        if text not in [*Code]:
            hint = did_you_mean(nearest(text, Code)) or "docs/errors.md has all of them."
            raise typer.BadParameter(f"{text!r} is no error code. {hint}")
    return text


def check_folder(text: str) -> str:
    """The same folder in canonical form; its first `/` may be left out, as that of every path."""
    from ..errors import DreamlakeError
    from ..names import folder_of

    try:
        return folder_of(text)
    except DreamlakeError as error:
        raise typer.BadParameter(error.message) from None


def read_ladder(text: str | None) -> tuple[int, ...] | None:
    """The heights of `1080,720,480`, or of `none`; None when nothing was said."""
    if text is None:
        return None
    from ..errors import DreamlakeError
    from ..ladder import parse_ladder

    try:
        return parse_ladder(text)
    except DreamlakeError as error:
        raise typer.BadParameter(error.message) from None


def check_ladder(text: str | None) -> str | None:
    """The same text, if it is a ladder."""
    read_ladder(text)
    return text


def read_playback(text: str | None) -> PlaybackMode | None:
    """The mode of this name; None when nothing was said."""
    if text is None:
        return None
    from ..errors import DreamlakeError
    from ..playback import read_playback as read

    try:
        return read(text)
    except DreamlakeError as error:
        raise typer.BadParameter(error.message) from None


def check_playback(text: str | None) -> str | None:
    """The same text, if it is a mode."""
    read_playback(text)
    return text


def read_csv_options(words: list[str] | None) -> dict[str, str] | None:
    """The options of `["delimiter=;"]`, or of `["auto"]`; None when nothing was said."""
    if not words:
        return None
    from ..csv_options import parse_csv_options
    from ..errors import DreamlakeError

    try:
        return parse_csv_options(words)
    except DreamlakeError as error:
        raise typer.BadParameter(error.message) from None


def check_csv_options(words: list[str] | None) -> list[str] | None:
    """The same words, if they are options."""
    read_csv_options(words)
    return words


def read_types(words: list[str] | None) -> dict[str, Kind]:
    """The types of `[".dat=audio"]`."""
    from ..errors import DreamlakeError
    from ..filetypes import parse_types

    try:
        return parse_types(words or ())
    except DreamlakeError as error:
        raise typer.BadParameter(str(error)) from None


def check_types(words: list[str] | None) -> list[str] | None:
    """The same words, if they are types."""
    read_types(words)
    return words


def tell_without_effect(context: typer.Context, names: Iterable[str], why: str) -> None:
    """Say which of these options (names of parameters) were given, and have no effect here: "with --dry-run"."""
    from .output import warn

    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names and _is_given(context, parameter.name)
    ]
    if given:
        warn(f"{', '.join(given)} {'has' if len(given) == 1 else 'have'} no effect {why}.")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


class Meant(NamedTuple):
    """What files an option is for: whether an event is of one, and what is said when there was none."""

    fits: Callable[[FileEvent], bool]
    none_said: str


def meant_for(
    *, ladder: str | None, playback: str | None, csv: list[str] | None, types: list[str] | None = None
) -> dict[str, Meant]:
    """Those of these options that are given, with what they are for."""
    meant = {}
    if ladder:
        meant["--ladder"] = Meant(lambda event: event.kind is Kind.VIDEO, "no video")
    if playback:
        meant["--playback"] = Meant(lambda event: event.kind is Kind.VIDEO, "no video")
    if csv:
        meant["--csv"] = Meant(lambda event: event.kind is Kind.LABEL_TRACK, "no label track")
    for extension in read_types(types):
        meant[f"--type {extension}"] = Meant(partial(_has_extension, extension), f"no {extension}")
    return meant


def _has_extension(extension: str, event: FileEvent) -> bool:
    return (event.path or "").lower().endswith(extension)


Episode = Annotated[
    str,
    typer.Option(
        "--episode",
        "-e",
        metavar="TARGET",
        help=f"Where the files go: {TARGET_FORM}. The namespace is DREAMLAKE_NAMESPACE (local) unless named; "
        "without an episode, files belong to the project itself.",
        callback=check_target,
        autocompletion=complete_target,
    ),
]
OptionalEpisode = Annotated[
    str | None,
    typer.Option(
        "--episode",
        "-e",
        metavar="TARGET",
        help=f"Where paths are looked up: {TARGET_FORM}.",
        autocompletion=complete_target,
    ),
]
To = Annotated[
    str, typer.Option("--to", metavar="FOLDER", help="Folder of the project that they go to.", callback=check_folder)
]
Ladder = Annotated[
    str | None,
    typer.Option(
        "--ladder",
        metavar="HEIGHTS",
        help="Further, smaller renditions of every video, such as 1080,720,480; none: no smaller ones. By default what "
        "the project says (`dreamlake project`). No video is enlarged. One that is ready with another ladder is made "
        "again.",
        callback=check_ladder,
    ),
]
Playback = Annotated[
    str | None,
    typer.Option(
        "--playback",
        metavar="BROWSERS",
        help="For which browsers videos are made. everywhere: every one, in H.264; modern: those of today, for which "
        "AV1, HEVC, VP9 and H.264 are copied, and what can't be copied is made as for everywhere; both. By default "
        "what the project says, else everywhere. One that is ready for others is made again.",
        callback=check_playback,
    ),
]
Csv = Annotated[
    list[str] | None,
    typer.Option(
        "--csv",
        metavar="KEY=VALUE",
        help="How CSV files are written, in the place of what would be found out; may be given again. Keys: delimiter "
        "(a character, tab or blanks), quote (double, single or none), decimal, comment, header and units (the number "
        "of their line, or none), skip (how many lines come before the table), encoding; auto: all is found out. By "
        "default what the project says. One that is ready with other options is made again.",
        callback=check_csv_options,
    ),
]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="EXT=KIND",
        help=f"What files of an extension are ({', '.join(Kind)}), whatever is known of it: --type .dat=audio; may be "
        "given again. It comes before what the project keeps (`dreamlake project set --type`).",
        callback=check_types,
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 when a file is skipped since its extension is not known.")
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", min=1, max=64, help="Most files and parts that are sent at once; fewer where that is as fast."
    ),
]
OnErrors = Annotated[
    str,
    typer.Option(
        "--on-errors",
        metavar="continue|stop|N",
        help="After a file that failed: go on with the others, stop, or stop after N of them.",
        callback=lambda text: check_on_errors(text),
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write one row a file: .csv or .parquet, also after Ctrl-C."),
]
Rehash = Annotated[
    bool, typer.Option("--rehash", help="Read every file, also those that did not change since they were hashed.")
]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Until everything is processed: ready, or failed.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        help="Give up waiting after so long (30s, 10m, 2h): for a service that does not answer (an hour by default), "
        "and with --wait for processing, which goes on.",
        parser=parse_duration,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, and nothing else there.")]
What = Annotated[
    list[str],
    typer.Argument(
        metavar="PLACE|ID",
        help=f"A file: {PLACE_FORM} in one word or two, such as cups:run-001/camera/front.mp4; or an id.",
        autocompletion=complete_place,
    ),
]
Which = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PLACE|ID",
        help=f"Projects, episodes, folders, files: {PLACE_FORM}, or a target and paths in it; or ids.",
        autocompletion=complete_place,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
