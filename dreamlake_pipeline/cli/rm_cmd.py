"""`dreamlake rm`: delete files, folders, episodes and projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .options import AsJson, DryRun, OptionalEpisode, Which, Yes

if TYPE_CHECKING:
    from ..api.bss import RecordRef
    from ..client import DreamLake


def rm(
    what: Which = None,
    episode: OptionalEpisode = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete files: they are hidden at once, and can be restored for some days (`dreamlake undelete`).

    Shows what would be deleted, and asks. A name goes with its earlier content.
    """
    from .connection import connect
    from .output import plural, say
    from .removal import ask, print_event, print_summary, show_plan

    with connect() as lake:
        records = _chosen(lake, list(what or ()), episode)
        if not as_json:
            show_plan(records)
        if dry_run:
            if as_json:
                for record in records:
                    print_event(record, "planned")
                print_summary(records, deleted=0)
            return
        ask(f"Delete {plural(len(records), 'file')}?", yes=yes)
        deleted = 0
        for some in lake.delete_events(records):
            deleted += len(some)
            if as_json:
                for record in some:
                    print_event(record, "deleted")
        if as_json:
            print_summary(records, deleted=deleted)
        else:
            say(f"{plural(deleted, 'file')} deleted. `dreamlake undelete` restores them for some days.")


def _chosen(lake: DreamLake, what: list[str], episode: str | None) -> list[RecordRef]:
    """The records that were named. Raises NOT_FOUND when any word names none."""
    from ..client.lookup import find_places
    from ..client.stock import Recorded

    named = find_places(lake, what, episode, stock=Recorded(lake))
    return lake.deletable([*named.places, *named.ids])
