"""Waiting until files are processed: the states of their records as they change."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..api.bss import Record, Status
from ..remote.away import Away
from ..remote.bss import BssClient, in_slices
from ..remote.patience import TRANSFER_SECONDS, Patience
from ..remote.services import Services
from .events import MOST_NAMES, FileEvent, FileStatus, Processing, Summary, Waiting, record_failure
from .missing import no_ids
from .telling import telling

_POLL_SECONDS = (0.3, 2.0)  # first, and longest, pause between two questions for the states of records


def changes(
    services: Services, ids: Iterable[str], timeout: float | None, *, must_exist: bool = False
) -> Iterator[Record | Processing | Waiting]:
    """Records as their status changes, until all of them are ready or failed, or `timeout` seconds passed.

    A `Processing` comes between them at least twice a second, and a `Waiting` when BSS is away. Records that are gone
    are no longer awaited; with `must_exist`, those that are not there at the start raise NOT_FOUND. Raises
    DreamlakeError.
    """
    until = math.inf if timeout is None else time.monotonic() + timeout
    patience = Patience(TRANSFER_SECONDS, until=until)
    return telling(patience, _changes(services.patient_bss(patience), ids, until, patience, must_exist=must_exist))


def tell_ends(
    services: Services, stored: dict[str, FileEvent], summary: Summary, timeout: float | None
) -> Iterator[FileEvent | Processing | Waiting]:
    """Tell how the files, by the ids of their records, end; and count it in the summary."""
    for change in changes(services, list(stored), timeout):
        if isinstance(change, Processing | Waiting):
            yield change
        elif change.status.is_final:
            event = _end_of(change, stored.pop(change.id))
            summary.add(event)
            yield event
    summary.unfinished = len(stored)


def _end_of(record: Record, stored: FileEvent) -> FileEvent:
    """The event that tells that a stored file is processed."""
    if record.status is Status.READY and record.last_error is None:
        return replace(stored, status=FileStatus.READY)
    return replace(stored, status=FileStatus.FAILED, **record_failure(record))


def _changes(
    bss: BssClient, ids: Iterable[str], until: float, patience: Patience, *, must_exist: bool
) -> Iterator[Record | Processing]:
    waiting: dict[str, Status | None] = dict.fromkeys(ids)
    states: dict[str, int] = {}
    changed_at = time.monotonic()
    pause = _POLL_SECONDS[0]
    missing: list[str] = []
    while waiting:
        has_changed = False
        made, put_off = 0, Counter[str]()
        names: list[str] = []
        for some in in_slices(list(waiting)):
            try:
                found = {record.id: record for record in bss.query(some)}
            except Away:
                if time.monotonic() < until:
                    raise
                return
            for record_id in some:
                before, record = waiting[record_id], found.get(record_id)
                if record is None:
                    if before is None:
                        missing.append(record_id)
                    del waiting[record_id]
                    continue
                if record.status is Status.PROCESSING:
                    made += record.reported_at is not None
                    if record.reported_at is None and len(names) < MOST_NAMES:
                        names.append(f"{record.episode}:{record.name}" if record.episode else record.name)
                if record.status is Status.QUEUED and record.waiting is not None:
                    put_off[record.waiting.code] += 1
                if record.status is before:
                    continue
                has_changed = True
                if before is not None:
                    states[before] -= 1
                states[record.status] = states.get(record.status, 0) + 1
                waiting[record_id] = record.status
                if record.status.is_final:
                    del waiting[record_id]
                yield record
        if must_exist and missing:
            raise no_ids(missing)
        now = time.monotonic()
        if has_changed:
            changed_at, pause = now, _POLL_SECONDS[0]
        counts = {str(state): count for state, count in states.items() if count}
        yield Processing(counts, now - changed_at, made, dict(put_off), tuple(names))
        if not waiting or now >= until or patience.stopping.wait(max(0.0, min(pause, until - now))):
            return
        pause = min(pause * 1.3, _POLL_SECONDS[1])
