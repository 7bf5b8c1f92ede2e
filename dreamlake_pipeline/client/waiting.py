"""Waiting until files are processed: the states of their records as they change."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from ..api.bss import Record, Status
from ..remote.away import Away
from ..remote.bss import BssClient, in_slices
from ..remote.patience import TRANSFER_SECONDS, Patience
from ..remote.services import Services
from .events import MOST_NAMES, FileEvent, FileStatus, Processing, Summary, Waiting, record_failure
from .missing import no_ids
from .telling import telling

_POLL_SECONDS = (0.1, 2.0)  # the shortest, and the longest, pause between two questions for the states of records


def changes(
    services: Services, ids: Iterable[str], timeout: float | None, *, must_exist: bool = False
) -> Iterator[Record | Processing | Waiting]:
    """Records as their status changes, until all of them are ready or failed, or `timeout` seconds passed.

    A `Processing` comes between them at least every two seconds, and a `Waiting` when BSS is away. Records that are
    gone are no longer awaited; with `must_exist`, those that are not there at the start raise NOT_FOUND. Raises
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
    waiting: dict[str, _Awaited | None] = dict.fromkeys(ids)
    final: Counter[str] = Counter()
    changed_at = time.monotonic()
    missing: list[str] = []
    while waiting:
        has_changed = False
        for some in in_slices(list(waiting)):
            try:
                records, gone = _updated(bss, {record_id: waiting[record_id] for record_id in some})
            except Away:
                if time.monotonic() < until:
                    raise
                return
            for record_id in gone:
                if waiting.pop(record_id) is None:
                    missing.append(record_id)
            for record in records:
                before = waiting[record.id]
                waiting[record.id] = _Awaited.of(record)
                if before is not None and record.status is before.status:
                    continue
                has_changed = True
                if record.status.is_final:
                    final[record.status] += 1
                    del waiting[record.id]
                yield record
        if must_exist and missing:
            raise no_ids(missing)
        now = time.monotonic()
        if has_changed:
            changed_at = now
        yield _processing(waiting, final, now - changed_at)
        pause = _pause(len(waiting), now - changed_at)
        if not waiting or now >= until or patience.stopping.wait(max(0.0, min(pause, until - now))):
            return


def _pause(awaited: int, quiet: float) -> float:
    """Seconds until the states of so many records are asked for again, after so many seconds without a change.

    What is asked of many records costs what their processing could use: half a second for some hundred, more for many
    thousand.
    """
    shortest, longest = _POLL_SECONDS
    return min(max(shortest, 0.1 * quiet, min(awaited / 1000, 0.5), awaited / 5000), longest)


class _Awaited(NamedTuple):
    """What is kept of a record that is awaited, of which there may be a hundred thousand."""

    status: Status
    updated_at: datetime
    put_off: str | None
    is_made: bool
    name: str | None  # while its result is made

    @classmethod
    def of(cls, record: Record) -> _Awaited:
        is_at_work, is_made = record.status is Status.PROCESSING, record.reported_at is not None
        return cls(
            status=record.status,
            updated_at=record.updated_at,
            put_off=record.waiting.code if record.status is Status.QUEUED and record.waiting is not None else None,
            is_made=is_at_work and is_made,
            name=_name(record) if is_at_work and not is_made else None,
        )


def _name(record: Record) -> str:
    return f"{record.episode}:{record.name}" if record.episode else record.name


def _updated(bss: BssClient, known: dict[str, _Awaited | None]) -> tuple[list[Record], list[str]]:
    """Those of the records, by id, that are others than the known ones; and the ids of those that are gone."""
    told = {record_id: one.updated_at for record_id, one in known.items() if one is not None}
    asked = [record_id for record_id, one in known.items() if one is None]
    gone = []
    if told:
        answer = bss.changed(told)
        asked += answer.changed
        gone += answer.gone
    records = bss.query(asked) if asked else []
    gone += set(asked).difference(record.id for record in records)
    return records, gone


def _processing(waiting: dict[str, _Awaited | None], final: Counter[str], seconds: float) -> Processing:
    awaited = [one for one in waiting.values() if one is not None]
    return Processing(
        states=dict(final + Counter(str(one.status) for one in awaited)),
        idle_seconds=seconds,
        made=sum(one.is_made for one in awaited),
        put_off=dict(Counter(one.put_off for one in awaited if one.put_off is not None)),
        names=tuple(islice((one.name for one in awaited if one.name is not None), MOST_NAMES)),
    )
