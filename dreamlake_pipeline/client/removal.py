"""Deleting and restoring files, in BSS and in the index.

BSS comes first: from then on a file is hidden. What the index was not told, because this process ended, it is told by
the pipeline (sensor `deleted_records`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..api.bss import DeletedRecord, Record, RecordRef
from ..api.server import AssetName
from ..errors import Code, DreamlakeError
from ..ids import is_id
from ..names import EVERY_NAMESPACE
from ..remote.bss import MOST_PER_CALL, BssClient, Place, in_slices
from ..remote.server import IndexClient, asset_of
from .lookup import find_places
from .missing import no_ids
from .stock import Deleted, Recorded

if TYPE_CHECKING:
    from .dreamlake import DreamLake

Named = str | Place | Sequence[str | Place]
"""Projects, episodes, folders and files as a person names them (`cups:run-001/camera`), ids, or places; one or
several."""


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


def deletable(lake: DreamLake, named: Named) -> list[RecordRef]:
    """The records of what is named; see `DreamLake.deletable`."""
    places, ids = _named(lake, named, Recorded(lake))
    found = {record.id: record for place in places for record in lake.bss.list_refs(place)}
    for some in in_slices(ids):
        found |= {record.id: ref_of(record) for record in lake.bss.query(some)}
    if wrong := [one for one in ids if one not in found]:
        raise no_ids(wrong)
    return list(found.values())


def restorable(lake: DreamLake, named: Named) -> list[DeletedRecord]:
    """The deleted records of what is named; see `DreamLake.restorable`."""
    stock = Deleted(lake)
    places, ids = _named(lake, named, stock)
    found = {record.id: record for place in places for record in lake.bss.list_deleted(place)}
    if ids:
        owners = {lake.namespace, *lake.index.me().namespaces} - {EVERY_NAMESPACE}
        everything = (record for owner in sorted(owners) for record in lake.bss.list_deleted(Place(owner)))
        found |= {record.id: record for record in everything if record.id in set(ids)}
    if wrong := [one for one in ids if one not in found]:
        raise no_ids(wrong, noun=Deleted.noun, hint=stock.where_projects(lake.namespace))
    return list(found.values())


def chosen(lake: DreamLake, given: Sequence[DeletedRecord] | Named) -> list[DeletedRecord]:
    """The deleted records that are given, and those of what is named."""
    if isinstance(given, str | Place):
        return restorable(lake, given)
    records = [one for one in given if isinstance(one, DeletedRecord)]
    named = [one for one in given if not isinstance(one, DeletedRecord)]
    return records + (restorable(lake, named) if named else [])


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


def _named(lake: DreamLake, named: Named, stock: Recorded | Deleted) -> tuple[list[Place], list[str]]:
    """The places, and the ids among them. What is there, and of which nothing is in the stock, is a place as well.
    Raises NOT_FOUND, USAGE, INVALID_NAME."""
    given = [named] if isinstance(named, str | Place) else list(named)
    ids = [one for one in given if isinstance(one, str) and is_id(one)]
    places: list[Place] = []
    for one in given:
        if isinstance(one, Place):
            places.append(one)
        elif not is_id(one):
            try:
                places += find_places(lake, [one], stock=stock).places
            except DreamlakeError as error:
                if error.code is not Code.NOT_FOUND or isinstance(stock, Recorded):
                    raise
                places += find_places(lake, [one], stock=Recorded(lake)).places
    return places, stock.ids(ids) if ids else []


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
