"""`dreamlake gc`: free what nobody needs any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .options import AsJson, DryRun, Yes

if TYPE_CHECKING:
    from ..api.garbage import Tally
    from ..client import DreamLake

_TOLD_SECONDS = 5.0


def gc(dry_run: DryRun = False, yes: Yes = False, as_json: AsJson = False) -> None:
    """Collect garbage: deleted files past their time, segments that nothing refers to, abandoned uploads.

    Shows what would be freed, and asks. It may run beside everything else, and again after it was interrupted. Dagster
    does the same once a day. The token has to write in every namespace.
    """
    from .connection import connect
    from .output import print_json, say
    from .removal import ask

    with connect() as lake:
        plan = _collect(lake, dry_run=True, told="would be freed so far")
        if as_json:
            print_json({"event": "plan"} | plan.wire())
        else:
            _show(plan)
        if dry_run:
            return
        if plan.freed:
            ask("Free that?", yes=yes)
        done = _collect(lake, dry_run=False, told="freed so far")
    if as_json:
        print_json({"event": "summary"} | done.wire())
    else:
        if done.freed:
            say(f"freed: {_describe(done)}")
        _show_refused(done)


def _collect(lake: DreamLake, *, dry_run: bool, told: str) -> Tally:
    """The whole; now and then what it is so far is told."""
    from ..api.garbage import Tally
    from .output import note

    total, told_at = Tally(), time.monotonic()
    for total in lake.collect_garbage_events(dry_run=dry_run):
        if time.monotonic() - told_at > _TOLD_SECONDS:
            note(f"{told}: {_describe(total)}")
            told_at = time.monotonic()
    return total


def _show(plan: Tally) -> None:
    from .output import plural, print_columns, say, show_bytes

    rows = [[str(kind), f"{one.count:,}", show_bytes(one.bytes)] for kind, one in plan.freed.items()]
    print_columns(rows or [["nothing to free"]])
    for kind, one in plan.later.items():
        say(f"later: {one.count:,} {kind}, {show_bytes(one.bytes)}: not needed, but for too short a time")
    if plan.unknown:
        say(
            f"left: {plural(plan.unknown, 'folder')} of files that the storage service (BSS) does not know. "
            "They may be all that there is of them (`dreamlake rebuild`)."
        )
    _show_refused(plan)


def _show_refused(tally: Tally) -> None:
    from .output import plural, say

    if tally.refused:
        say(f"left: {plural(tally.refused, 'object')} that the store does not show or delete: see the log of BSS")


def _describe(tally: Tally) -> str:
    from .output import show_bytes

    parts = [f"{one.count:,} {kind}" for kind, one in tally.freed.items()]
    size = sum(one.bytes for one in tally.freed.values())
    return f"{', '.join(parts)} ({show_bytes(size)})" if parts else "nothing"
