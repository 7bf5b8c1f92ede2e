"""`dreamlake failed`: which files failed, by the reason."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_code
from .options import AsJson, OptionalEpisode, Which, check_code

if TYPE_CHECKING:
    from ..api.bss import Record
    from ..api.common import ErrorBody
    from ..client import DreamLake
    from ..remote.bss import Place

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
    from .listing import spell
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
    reasons = dict(sorted(reasons.items(), key=lambda one: (-len(one[1]), one[0])))
    for reason, records in reasons.items():
        records.sort(key=lambda record: (record.owner, record.project, record.episode or "", record.name))
        _show(reason, records, namespace, most=None if everything else _MOST_FILES)
    records = [record for some in reasons.values() for record in some]
    say(f"{plural(len(records), 'file')} failed.")
    file = shlex.quote(spell(_place_of(records[0]), namespace))
    again = [*words, *([] if episode is None else ["-e", episode])] or _projects(records, namespace)
    note(f"`dreamlake show {file}` tells more of one, `dreamlake retry {shlex.join(again)}` tries again.")


def _failed(lake: DreamLake, words: list[str], episode: str | None) -> Iterator[Record]:
    """The failed records of what is named, or of all that the token reaches."""
    from ..client.stock import Recorded
    from .listing import named_places

    places: Iterable[Place]
    if words or episode is not None:
        places = named_places(lake, words, episode, stock=Recorded(lake))
    else:
        from ..remote.bss import Place

        places = (Place(namespace.name) for namespace in lake.index.namespaces())
    for place in places:
        yield from lake.bss.failed(place)


def _place_of(record: Record) -> Place:
    from ..remote.bss import Place

    return Place(record.owner, record.project, record.episode or "", record.name)


def _projects(records: list[Record], namespace: str) -> list[str]:
    """The first few projects that they are of."""
    from .listing import spell

    places = dict.fromkeys(_place_of(record)._replace(episode=None, path=None) for record in records)
    return [spell(place, namespace) for place in islice(places, _MOST_HINTS)]


def _error(record: Record) -> ErrorBody:
    from ..api.common import ErrorBody
    from ..errors import Code

    return record.error or record.last_error or ErrorBody(code=Code.INTERNAL, message="Nothing more is known.")


def _show(code: str, records: list[Record], namespace: str, *, most: int | None) -> None:
    """A reason, what it means, and the files that failed for it, each with what is said of it."""
    from ..errors import ERRORS, Code
    from .listing import Line, Table, spell
    from .output import plural, say, style

    meaning = ERRORS[Code(code)].meaning if code in [*Code] else ""
    say(f"{style(code, fg='red', bold=True)}  {plural(len(records), 'file')}  {meaning}".rstrip())
    lines = []
    for record in records[:most]:
        stands = "" if record.error else "(its earlier result plays)"
        lines.append(Line([f"  {spell(_place_of(record), namespace)}", stands], _error(record)))
    Table(whole=True).show(lines)
    if most is not None and len(records) > most:
        say(f"  and {len(records) - most:,} more: --all lists them")
    if hints := {hint for record in records if (hint := _error(record).hint)}:
        for hint in sorted(hints)[:_MOST_HINTS]:
            say(f"  {style('hint:', fg='cyan')} {hint}")
