"""What `rm`, `undelete` and `gc` have in common: the plan of many files, and the question before it is carried out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from ..errors import Code, DreamlakeError
from .output import plural, print_columns, print_json, say, show_bytes

if TYPE_CHECKING:
    from ..api.bss import RecordRef

_NAMED = 20  # with more files, a table says more than a list


def ask(question: str, *, yes: bool) -> None:
    """Go on when it is answered with yes, or `yes` answers it. Raises USAGE where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise DreamlakeError(
            Code.USAGE, "Nobody can be asked here: there is no terminal.", hint="Pass --yes, or look with --dry-run."
        )
    typer.confirm(question, abort=True, err=True)


def show_plan(records: Sequence[RecordRef]) -> None:
    """The files when they are few, and their numbers and bytes by kind."""
    from ..kinds import Kind

    files = {(record.owner, record.project, record.episode, record.name) for record in records}
    if len(files) <= _NAMED:
        for owner, project, episode, name in sorted(files, key=lambda file: tuple(part or "" for part in file)):
            say(f"{project}@{owner}{f':{episode}' if episode else ''}  {name}")
    else:
        say(f"More than {_NAMED} files, in numbers; --dry-run --json names all of them.")
    say()
    rows = []
    for kind in Kind:
        of_kind = [record for record in records if record.kind is kind]
        if of_kind:
            rows.append([str(kind), f"{len(of_kind):,}", show_bytes(_bytes(of_kind))])
    rows.append(["all", f"{len(records):,}", show_bytes(_bytes(records))])
    print_columns(rows)
    if len(records) > len(files):
        say(f"{plural(len(records) - len(files), 'of these is', 'of these are')} earlier content of the same names.")


def print_event(record: RecordRef, status: str, **more: Any) -> None:
    """One line of JSON about a file."""
    from ..client.fields import OLD_JSON_NAMES, FileFields

    fields: FileFields = {
        "path": None,
        "name": record.name,
        "episode": record.episode,
        "kind": str(record.kind),
        "size": record.size or 0,
        "status": status,
        "code": None,
        "reason": None,
        "bssId": record.id,
        "assetId": None,
    }
    body = {"event": "file", **fields, "namespace": record.owner, "project": record.project} | more
    print_json(body | {old: body[new] for old, new in OLD_JSON_NAMES.items()})


def print_summary(records: Sequence[RecordRef], **counts: int) -> None:
    """The last line of JSON: of how many files and bytes it tells."""
    kinds = {str(record.kind): 0 for record in records}
    for record in records:
        kinds[str(record.kind)] += 1
    print_json({"event": "summary", "files": len(records), "bytes": _bytes(records), "kinds": kinds} | counts)


def _bytes(records: Sequence[RecordRef]) -> int:
    return sum(record.size or 0 for record in records)
