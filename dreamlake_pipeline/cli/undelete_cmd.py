"""`dreamlake undelete`: restore files that were deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DryRun, OptionalEpisode, Which

if TYPE_CHECKING:
    from ..api.bss import DeletedRecord
    from ..client import DreamLake


def undelete(
    what: Which = None,
    episode: OptionalEpisode = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also files whose names were given to later uploads since.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Restore files that were deleted: all of a project, an episode, folders and files of it, or ids.

    With --dry-run, list what can be restored, until when, and who deleted it.
    """
    from ..client.removal import NotRestored
    from ..errors import ExitCode
    from .connection import connect
    from .output import complain, plural, print_columns, say
    from .removal import print_event, print_summary

    with connect() as lake:
        records = _chosen(lake, list(what or ()), episode)
        if dry_run:
            if as_json:
                for record in records:
                    print_event(record, "restorable", **_facts(record))
                print_summary(records, restored=0)
            else:
                print_columns([_row(record) for record in records])
            return
        restored = failed = 0
        for some in lake.restore_events(records, replace=replace):
            for one in some:
                if not isinstance(one, NotRestored):
                    restored += 1
                    if as_json:
                        print_event(one, "restored")
                    continue
                failed += 1
                reason = f"its name stands for {one.by} by now" if one.by else "it can't be restored any more"
                if as_json:
                    print_event(one.record, "failed", reason=reason, takenBy=one.by)
                else:
                    complain(f"{one.record.name}: {reason}.", "--replace takes the name back." if one.by else None)
        if as_json:
            print_summary(records, restored=restored, failed=failed)
        else:
            say(f"{plural(restored, 'file')} restored.")
    if failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _chosen(lake: DreamLake, what: list[str], episode: str | None) -> list[DeletedRecord]:
    """The deleted records that were named. Raises NOT_FOUND when any word names none."""
    from ..client.lookup import find_places
    from ..client.stock import Deleted

    named = find_places(lake, what, episode, stock=Deleted(lake))
    found = lake.restorable([*named.places, *named.ids])
    return sorted(found, key=lambda record: (record.owner, record.project, record.episode or "", record.name))


def _facts(record: DeletedRecord) -> dict[str, str]:
    facts = record.wire()
    return {name: facts[name] for name in ("deletedAt", "deletedBy", "restorableUntil")}


def _row(record: DeletedRecord) -> list[str]:
    from .output import show_bytes

    place = f"{record.project}@{record.owner}{f':{record.episode}' if record.episode else ''}"
    until = f"until {record.restorable_until:%Y-%m-%d %H:%M}"
    deleted = f"deleted {record.deleted_at:%Y-%m-%d %H:%M} by {record.deleted_by}"
    return [record.id, place, record.name, show_bytes(record.size or 0), deleted, until]
