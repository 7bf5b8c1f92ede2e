"""Garbage collection, step by step (`POST /gc/step`)."""

from __future__ import annotations

from collections.abc import Iterator

from ..api.garbage import CollectGarbage, Tally
from .bss import BssClient


def collect(bss: BssClient, *, dry_run: bool) -> Iterator[Tally]:
    """What was freed so far, or with `dry_run` would be, after each step; the last one is the whole."""
    total, cursor = Tally(), None
    while True:
        step = bss.gc_step(CollectGarbage(cursor=cursor, dry_run=dry_run))
        total.add(step)
        yield total
        if (cursor := step.cursor) is None:
            return
