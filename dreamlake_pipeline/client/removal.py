"""Deleting and restoring files, in BSS and in the index.

BSS comes first: from then on a file is hidden. What the index was not told, because this process ended, it is told by
the pipeline (sensor `deleted_records`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..api.bss import DeletedRecord, Record, RecordRef
from ..api.server import AssetName
from .bss import MOST_PER_CALL, BssClient, in_slices
from .server import IndexClient, asset_of


class NotRestored(NamedTuple):
    """A file that was not restored: `by` is the id of the record that its name stands for by now; None: it can't be
    restored any more."""

    record: DeletedRecord
    by: str | None


def delete(bss: BssClient, index: IndexClient, records: Sequence[RecordRef]) -> Iterator[list[RecordRef]]:
    """Delete records; those that are deleted then, some at a time. Raises DreamlakeError."""
    for some in in_slices(records):
        there = set(bss.delete_many([record.id for record in some]))
        index.delete_names([name_of(record) for record in some])
        yield [record for record in some if record.id in there]


def restore(
    bss: BssClient, index: IndexClient, records: Sequence[DeletedRecord], *, replace: bool = False
) -> Iterator[list[DeletedRecord | NotRestored]]:
    """Restore records and their names; what became of each, some at a time. Raises DreamlakeError."""
    for some in _by_name(records):
        answer = bss.undelete([record.id for record in some], replace=replace)
        back, taken = set(answer.ids), {one.id: one.by for one in answer.taken}
        if back:
            index.register_batch([asset_of(record) for record in bss.query(sorted(back))])
        yield [record if record.id in back else NotRestored(record, taken.get(record.id)) for record in some]


def ref_of(record: Record) -> RecordRef:
    """What deleting takes of a record."""
    return RecordRef.model_validate(record.model_dump(include=set(RecordRef.model_fields)))


def name_of(record: RecordRef) -> AssetName:
    """The name of a record in the index, as long as it stands for this record."""
    return AssetName(
        kind=record.kind,
        namespace=record.owner,
        project=record.project,
        episode=record.episode,
        path=record.name,
        bss_id=record.id,
    )


def _by_name(records: Sequence[DeletedRecord]) -> Iterator[list[DeletedRecord]]:
    """The records, as many at a time as a call takes, those of one name in one call: BSS sees which was the last."""
    groups: dict[tuple[str, str, str | None, str], list[DeletedRecord]] = {}
    for record in records:
        groups.setdefault((record.owner, record.project, record.episode, record.name), []).append(record)
    some: list[DeletedRecord] = []
    for group in groups.values():
        latest = sorted(group, key=lambda record: record.id)[-MOST_PER_CALL:]
        if len(some) + len(latest) > MOST_PER_CALL:
            yield some
            some = []
        some += latest
    if some:
        yield some
