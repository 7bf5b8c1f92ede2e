"""`dreamlake failed`: which files failed, by the reason."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_code
from .options import AsJson, OptionalEpisode, Which, check_code

if TYPE_CHECKING:
    from ..api.bss import Record
    from ..api.common import ErrorBody
    from ..client import DreamLake
    from ..client.bss import Place

_MOST_FILES = 10  # of one reason, where not all are asked for
_MOST_HINTS = 3


def failed(
    what: Which = None,
    episode: OptionalEpisode = None,
    code: Annotated[
        str | None,
        typer.Option(
            "--code",
            metavar="CODE",
            help="Only files that failed for this reason.",
            callback=check_code,
            autocompletion=complete_code,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help=f"All files, not {_MOST_FILES} of each reason.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the files that failed, by the reason: in a project, an episode or a folder, or everywhere.

    Also those whose earlier result still plays, though the last processing failed.
    """
    from .connection import connect
    from .output import note, plural, print_json, say
    from .show_cmd import whole

    reasons: dict[str, list[Record]] = {}
    with connect() as lake:
        words = list(what or ())
        for record in _failed(lake, words, episode):
            if code is not None and _error(record).code != code:
                continue
            if as_json:
                print_json(whole(record))
            reasons.setdefault(_error(record).code, []).append(record)
        namespace = lake.namespace
    if as_json:
        return
    if not reasons:
        note("No file failed." if code is None else f"No file failed for {code}.")
        return
    for reason, records in sorted(reasons.items(), key=lambda one: (-len(one[1]), one[0])):
        _show(reason, records, namespace, most=None if everything else _MOST_FILES)
    place = shlex.join(words if episode is None else ["-e", episode, *words])
    say(f"{plural(sum(map(len, reasons.values())), 'file')} failed.")
    note(f"`dreamlake show FILE` tells more of one, `dreamlake retry {place or 'PROJECT'}` tries again.")


def _failed(lake: DreamLake, words: list[str], episode: str | None) -> Iterator[Record]:
    """The failed records of what is named, or of all that the token reaches."""
    from ..client.stock import Recorded
    from .listing import named_places

    places: Iterable[Place]
    if words or episode is not None:
        places = named_places(lake, words, episode, stock=Recorded(lake))
    else:
        from ..client.bss import Place

        places = (Place(namespace.name) for namespace in lake.index.namespaces())
    for place in places:
        yield from lake.bss.failed(place)


def _error(record: Record) -> ErrorBody:
    from ..api.common import ErrorBody
    from ..errors import Code

    return record.error or record.last_error or ErrorBody(code=Code.INTERNAL, message="Nothing more is known.")


def _show(code: str, records: list[Record], namespace: str, *, most: int | None) -> None:
    """A reason, what it means, and the files that failed for it, each with what is said of it."""
    from ..client.bss import Place
    from ..errors import ERRORS, Code
    from .listing import Line, print_lines, spell
    from .output import plural, say, style

    meaning = ERRORS[Code(code)].meaning if code in [*Code] else ""
    say(f"{style(code, fg='red', bold=True)}  {plural(len(records), 'file')}  {meaning}".rstrip())
    ordered = sorted(records, key=lambda record: (record.owner, record.project, record.episode or "", record.name))
    lines = []
    for record in ordered[:most]:
        place = spell(Place(record.owner, record.project, record.episode or "", record.name), namespace)
        lines.append(Line([f"  {place}", "" if record.error else "(its earlier result plays)"], _error(record)))
    print_lines(lines, whole=True)
    if most is not None and len(records) > most:
        say(f"  and {len(records) - most:,} more: --all lists them")
    if hints := {hint for record in records if (hint := _error(record).hint)}:
        for hint in sorted(hints)[:_MOST_HINTS]:
            say(f"  {style('hint:', fg='cyan')} {hint}")
