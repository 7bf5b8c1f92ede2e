"""`dreamlake rebuild`: records and index, made again from the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson

if TYPE_CHECKING:
    from ..client.rebuild import Rebuilt

_PROGRESS_SECONDS = 2.0


def rebuild(
    merge: Annotated[
        bool,
        typer.Option(
            "--merge", help="Also into a database that has records: add those that are not in it, change nothing."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make records and index again from the bucket, after their databases are lost.

    It may be interrupted, and goes on when it is called again. Files that had
    not been processed are queued.
    """
    import time

    from ..client.events import Waiting
    from .connection import connect
    from .output import note, print_json, say
    from .progress import show_waiting

    told_at, problems = time.monotonic(), 0
    last: Rebuilt | None = None
    with connect() as lake:
        for one in lake.rebuild_events(merge=merge):
            if isinstance(one, Waiting):
                note(f"waiting {show_waiting(one)}")
                continue
            last = one
            problems += len(last.problems)
            for problem in last.problems:
                if as_json:
                    print_json({"event": "problem", "message": problem})
                else:
                    note(problem)
            if time.monotonic() - told_at > _PROGRESS_SECONDS:
                note(f"{last.phase}: {_describe(last)}")
                told_at = time.monotonic()
    if as_json:
        print_json({"event": "summary", "done": dict(last.done) if last else {}, "problems": problems})
    else:
        say(f"made again: {_describe(last)}")


def _describe(rebuilt: Rebuilt | None) -> str:
    counts = rebuilt.done if rebuilt else {}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing"
