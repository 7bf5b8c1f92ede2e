"""`dreamlake fsck`: is everything that is stored there, and what it should be?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_project
from .options import AsJson, check_target

if TYPE_CHECKING:
    from ..api.integrity import Found
    from ..client.fsck import Checked, RepairSummary

_PROGRESS_SECONDS = 2.0


def fsck(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROJECT]",
            help=r"A project (PROJECT\[@NAMESPACE]); none: everything that the token reaches.",
            callback=check_target,
            autocompletion=complete_project,
        ),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte and compare hashes; else sizes and references.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what can be; what is made again is queued.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that all that is stored fits together: records, bytes, segments, batches, index and catalog.

    Nothing is changed without --repair. Exit code 1: there is damage, and
    after --repair, damage that it can't repair.
    """
    import time

    from ..client.events import Waiting
    from ..client.fsck import Checked
    from ..client.missing import missing
    from ..client.stock import Indexed
    from ..errors import Code, DreamlakeError, ExitCode
    from ..remote.bss import Place
    from .connection import connect
    from .output import note, print_json, say
    from .progress import show_waiting

    findings: list[Found] = []
    checked: Checked | None = None
    told_at = time.monotonic()
    with connect() as lake:
        for one in lake.fsck_events(target, deep=deep):
            if isinstance(one, Waiting):
                note(f"waiting {show_waiting(one)}")
                continue
            if isinstance(one, Checked):
                checked = one
                if time.monotonic() - told_at > _PROGRESS_SECONDS:
                    note(f"checked so far: {_describe(checked)}")
                    told_at = time.monotonic()
                continue
            findings.append(one)
            if as_json:
                print_json({"event": "finding", "severity": _severity(one)} | one.wire())
            else:
                _show(one)
        if target and not findings and not (checked and any(checked.counts.values())):
            place = lake.target(target)
            hint = missing(Indexed(lake), [Place(place.namespace, place.project)]).hint
            raise DreamlakeError(Code.NOT_FOUND, f"Nothing is stored in {place}.", hint=hint)
        done = lake.repair(findings) if repair and findings else None
    damage = [found for found in findings if found.is_damage]
    left = [found for found in done.left if found.is_damage] if done else damage
    if as_json:
        print_json(_summary(findings, damage, checked, done))
    else:
        say(f"{_describe(checked)} checked: {_verdict(findings, damage)}")
        if done:
            say(_what_was_done(done, len(left)))
    raise typer.Exit(ExitCode.SOME_FAILED if left else ExitCode.OK)


def _severity(found: Found) -> str:
    from ..findings import FINDINGS

    return FINDINGS[found.code].severity


def _show(found: Found) -> None:
    """The finding, what it means, and what to do about it."""
    from ..findings import FINDINGS
    from .output import say, style

    spec = FINDINGS[found.code]
    place = f"{found.project}@{found.owner}" if found.project else ""
    if found.episode:
        place += f":{found.episode}"
    subject = " ".join(part for part in (place, found.name, found.what) if part)
    say(f"{style(found.code, fg='red' if found.is_damage else 'yellow')} {subject}: {found.detail}")
    say(f"    {spec.meaning} {spec.then}")


def _describe(checked: Checked | None) -> str:
    from .output import show_bytes

    if checked is None:
        return "nothing"
    parts = [f"{count:,} {what}" for what, count in checked.counts.items() if count]
    if checked.bytes:
        parts.append(f"{show_bytes(checked.bytes)} hashed")
    return ", ".join(parts) or "nothing"


def _verdict(findings: list[Found], damage: list[Found]) -> str:
    from .output import plural

    if not findings:
        return "clean"
    left = len(findings) - len(damage)
    return f"{plural(len(damage), 'damage', 'damages')}, {plural(left, 'leftover')}"


def _what_was_done(done: RepairSummary, left: int) -> str:
    from .output import plural

    text = (
        f"{plural(len(done.queued), 'file')} queued to be made again, {plural(done.corrected, 'row')} put right, "
        f"{plural(done.indexed, 'file')} told to the index"
    )
    return text + (f"; {plural(left, 'damage', 'damages')} can't be repaired" if left else "")


def _summary(
    findings: list[Found], damage: list[Found], checked: Checked | None, done: RepairSummary | None
) -> dict[str, object]:
    summary: dict[str, object] = {
        "event": "summary",
        "damage": len(damage),
        "leftovers": len(findings) - len(damage),
        "checked": dict(checked.counts) if checked else {},
        "bytes": checked.bytes if checked else 0,
    }
    if done:
        summary |= {
            "queued": len(done.queued),
            "corrected": done.corrected,
            "indexed": done.indexed,
            "left": len([found for found in done.left if found.is_damage]),
        }
    return summary
