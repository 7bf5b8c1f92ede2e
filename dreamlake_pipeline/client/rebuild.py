"""Make records and index again from the bucket: the records by BSS, step by step, and then the index of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from ..api.bss import Record
from ..api.integrity import RebuildStep, StoredProject
from ..kinds import Kind
from ..remote.bss import MOST_PER_CALL, BssClient
from ..remote.server import IndexClient, asset_of

_INDEX = "index"


@dataclass(slots=True)
class Rebuilt:
    """What is done so far: the phase at work, and how many of what; `problems` are new ones, a sentence each."""

    phase: str = ""
    done: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def rebuild(bss: BssClient, index: IndexClient, *, merge: bool) -> Iterator[Rebuilt]:
    """How far it is, again and again; whoever ends it calls it again, and it goes on where the bucket was not read yet.

    Raises CONFLICT when the database has records and `merge` is not set, and DreamlakeError.
    """
    done: Counter[str] = Counter()
    cursor: str | None = None
    while True:
        step = bss.rebuild_step(RebuildStep(merge=merge, cursor=cursor))
        done.update(step.done)
        yield Rebuilt(step.phase, Counter(done), step.problems)
        if (cursor := step.cursor) is None:
            break
    for place in bss.stored_projects():
        for some in _groups(_holders(bss, place)):
            done["files of the index"] += len(index.register_batch([asset_of(record) for record in some]))
            yield Rebuilt(_INDEX, Counter(done))
    yield Rebuilt("done", done)


def _holders(bss: BssClient, place: StoredProject) -> Iterator[Record]:
    """The records that the names of a project stand for: of each name the last uploaded. The project is read twice: its
    records are not held in memory."""
    latest: dict[tuple[str | None, str], tuple[datetime, str]] = {}
    for record in _records(bss, place):
        name, age = (record.episode, record.name), (record.uploaded_at or record.created_at, record.id)
        if name not in latest or latest[name] < age:
            latest[name] = age
    held = {record_id for _, record_id in latest.values()}
    return (record for record in _records(bss, place) if record.id in held)


def _records(bss: BssClient, place: StoredProject) -> Iterator[Record]:
    for kind in Kind:
        yield from bss.list_all(kind, owner=place.owner, project=place.project)


def _groups(records: Iterator[Record]) -> Iterator[list[Record]]:
    while some := list(islice(records, MOST_PER_CALL)):
        yield some
