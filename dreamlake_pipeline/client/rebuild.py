"""Make records and index again from the bucket: the records by BSS, step by step, and then the index of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..api.bss import Record
from ..api.integrity import RebuildStep, StoredProject
from ..kinds import Kind
from .bss import BssClient, in_slices
from .server import IndexClient, asset_of

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
        yield Rebuilt(step.phase, done, step.problems)
        if (cursor := step.cursor) is None:
            break
    for place in bss.stored_projects():
        for some in in_slices(_holders(bss, place)):
            done["files of the index"] += len(index.register_batch([asset_of(record) for record in some]))
            yield Rebuilt(_INDEX, done)
    yield Rebuilt("done", done)


def _holders(bss: BssClient, place: StoredProject) -> list[Record]:
    """The records that the names of a project stand for: of each name the last uploaded."""
    holders: dict[tuple[str | None, str], Record] = {}
    for kind in Kind:
        for record in bss.list_all(kind, owner=place.owner, project=place.project):
            held = holders.get((record.episode, record.name))
            if held is None or _age(held) < _age(record):
                holders[record.episode, record.name] = record
    return list(holders.values())


def _age(record: Record) -> tuple[object, str]:
    return (record.uploaded_at or record.created_at, record.id)
