"""`dreamlake staging`: what became of the objects that somebody else's uploader laid into the bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_project
from .options import AsJson

if TYPE_CHECKING:
    from ..api.staging import StagedFile
    from ..client import DreamLake

_AT_A_TIME = 200
_FORM = r"PROJECT\[@NAMESPACE]"


def staging(
    project: Annotated[
        str | None,
        typer.Argument(
            metavar="PROJECT",
            help=f"The project: {_FORM}; without one, all of the namespace.",
            autocompletion=complete_project,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what became files of the project, or was not looked at yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was laid into the bucket under NAMESPACE/PROJECT/staging/ and is ignored, and why.

    A file that another program uploads there is registered by itself, when it is of a known kind and its key and
    metadata say where it belongs: NAMESPACE/PROJECT/staging/EPISODE@@/PATH.
    """
    from .connection import connect
    from .output import print_json

    with connect() as lake:
        namespace, name = _named(lake, project)
        found = _found(lake, namespace, name, everything=everything)
        if as_json:
            for one in found:
                print_json(one.wire())
        else:
            _show(found, where=f"{name}@{namespace}" if name else f"namespace {namespace}")


def _named(lake: DreamLake, text: str | None) -> tuple[str, str | None]:
    """Namespace and project that were named. A folder that can be no project may be named too: what lies in it is
    ignored for that. Raises USAGE, INVALID_NAME."""
    from ..errors import Code, DreamlakeError
    from ..names import check_owner

    if text is None:
        return lake.namespace, None
    project, at, owner = text.partition("@")
    if not project or (at and not owner) or set(project) & set("/:"):
        raise DreamlakeError(
            Code.USAGE,
            f"{text!r} is not of the form PROJECT[@NAMESPACE].",
            hint="An episode has no staging of its own.",
        )
    return check_owner(owner) if at else lake.namespace, project


def _found(lake: DreamLake, namespace: str, project: str | None, *, everything: bool) -> Iterator[StagedFile]:
    """What is listed. Raises USAGE, and NOT_FOUND for a project of which nothing is there at all."""
    from ..client.missing import missing
    from ..client.stock import Indexed
    from ..errors import Code, DreamlakeError
    from ..remote.bss import Place

    if everything and project is None:
        raise DreamlakeError(Code.USAGE, "--all lists one project.", hint="Name it: dreamlake staging PROJECT --all")
    is_empty = True
    for one in lake.bss.list_staged(namespace, project, everything=everything):
        is_empty = False
        yield one
    if is_empty and project is not None:
        stock = Indexed(lake)
        is_there = project in stock.projects(namespace) or next(
            lake.bss.list_staged(namespace, project, everything=True), None
        )
        if not is_there:
            raise missing(stock, [Place(namespace, project)])


def _show(found: Iterator[StagedFile], *, where: str) -> None:
    from ..api.staging import Fate
    from .output import plural, print_columns, say

    counts: Counter[Fate] = Counter()
    hints: dict[str, None] = {}
    while some := list(islice(found, _AT_A_TIME)):
        print_columns([_row(one) for one in some])
        counts.update(one.fate for one in some)
        hints |= {f"{one.code}: {one.hint}": None for one in some if one.fate is Fate.IGNORED and one.hint}
    if not counts:
        say(f"Nothing that was laid into {where} is ignored.")
        return
    say()
    say(", ".join(f"{plural(count, 'object')} {fate}" for fate, count in counts.items()))
    for hint in hints:
        say(hint)


def _row(one: StagedFile) -> list[str]:
    from ..api.staging import Fate
    from .output import show_bytes, show_status

    rest = one.key.removeprefix(f"{one.namespace}/")
    size = "" if one.size is None else show_bytes(one.size)
    if one.fate is Fate.REGISTERED:
        place = f"{one.project}:{one.episode}{one.name}" if one.episode else f"{one.project}{one.name}"
        return [rest, size, show_status(str(one.status)), place + (f"  {one.reason}" if one.reason else "")]
    if one.fate is Fate.WAITING:
        return [rest, size, str(one.fate), "nobody has looked at it yet: the staging sensor does, within some seconds"]
    return [rest, size, str(one.fate), one.reason or ""]
