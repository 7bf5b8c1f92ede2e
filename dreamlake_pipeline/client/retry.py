"""Process again what failed or is missing, and bring the index up to what BSS knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..api.bss import Record, Status
from ..api.server import Asset
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..playback import PlaybackMode
from ..remote.bss import BssClient, in_slices
from ..remote.server import IndexClient, asset_of
from .events import FileEvent, FileStatus, failure
from .missing import no_ids
from .target import Target

_UNPROCESSED = (Status.REGISTERED, Status.FAILED)


def retry(
    bss: BssClient,
    index: IndexClient,
    *,
    target: Target | None,
    ids: Sequence[str],
    everything: bool,
    playback: PlaybackMode | None = None,
) -> Iterator[FileEvent | int]:
    """Events of the files that were queued or indexed, and between them the number of files that were looked at.

    Of the records `ids`; without any, of `target`. An id that is none has an event with the code NOT_FOUND; where all
    are none, it is raised. With `playback`, videos that are queued are made for these browsers as well, and others are
    left alone. Raises DreamlakeError.
    """
    found = set[str]()
    for records in _groups(bss, target, ids):
        found |= {record.id for record in records} if ids else set()
        yield len(records)
        for indexed in _with_assets(index, records):
            if not ids:
                indexed = _named(indexed)
            yield from _heal_index(index, indexed, hold_names=not ids)
            wanted = [
                one.record.id
                for one in indexed
                if (everything or _is_unprocessed(one.record)) and (playback is None or one.record.kind is Kind.VIDEO)
            ]
            for some in in_slices(wanted):
                yield from (
                    _event(record, FileStatus.QUEUED)
                    for record in bss.requeue(some, force=everything, playback=playback)
                    if record.status is Status.QUEUED
                )
    if wrong := [one for one in ids if one not in found]:
        yield from _tell_missing(wrong, is_all=not found)


def _tell_missing(ids: list[str], *, is_all: bool) -> Iterator[FileEvent | int]:
    """An event for each id that is none; where all are, the error."""
    if is_all:
        raise no_ids(ids)
    yield len(ids)
    for one in ids:
        yield FileEvent(None, FileStatus.FAILED, bss_id=one, **failure(no_ids([one])))


def _is_unprocessed(record: Record) -> bool:
    """Whether it has no result, or its last processing failed although an earlier result stands."""
    return record.status in _UNPROCESSED or record.last_error is not None


def _groups(bss: BssClient, target: Target | None, ids: Sequence[str]) -> Iterator[list[Record]]:
    """The records, some at a time."""
    if ids:
        for some in in_slices(ids):
            yield bss.query(some)
        return
    assert target is not None, "either ids or a target"
    for kind in Kind:
        found = bss.list_all(kind, owner=target.namespace, project=target.project, episode=target.episode)
        if records := list(found):
            yield records


class _Indexed(NamedTuple):
    """A record, and what the index has under its name: nothing, this record, or another one."""

    record: Record
    asset: Asset | None


def _with_assets(index: IndexClient, records: list[Record]) -> Iterator[list[_Indexed]]:
    """Records with what the index has, kind by kind and project by project."""
    groups: dict[tuple[Kind, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.kind, record.owner, record.project), []).append(record)
    for (kind, owner, project), members in groups.items():
        try:
            assets = {(one.episode, one.name): one for one in index.assets(kind, namespace=owner, project=project)}
        except DreamlakeError as error:
            if error.code is not Code.NOT_FOUND:  # a namespace or project of which nothing is in the index yet
                raise
            assets = {}
        yield [_Indexed(record, assets.get((record.episode, record.name))) for record in members]


def _named(indexed: list[_Indexed]) -> list[_Indexed]:
    """Of several records with one name, that which the name stands for: the last uploaded."""
    chosen: dict[tuple[str | None, str], _Indexed] = {}
    for one in sorted(indexed, key=lambda one: (one.record.uploaded_at or one.record.created_at, one.record.id)):
        chosen[one.record.episode, one.record.name] = one
    return list(chosen.values())


def _heal_index(index: IndexClient, indexed: list[_Indexed], *, hold_names: bool) -> Iterator[FileEvent]:
    """Register what the index does not have, or has with another end than BSS.

    `hold_names`: the records are those that their names stand for, so what the index has under one must be it.
    """

    def is_stale(record: Record, asset: Asset | None) -> bool:
        if asset is None:
            return True
        if asset.bss_id != record.id:
            return hold_names
        return record.status.is_final and asset.status is not record.status

    stale = [record for record, asset in indexed if is_stale(record, asset)]
    for some in in_slices(stale):
        refs = index.register_batch([asset_of(record) for record in some])
        for record, ref in zip(some, refs, strict=True):
            yield _event(record, FileStatus.INDEXED, asset_id=ref.id)


def _event(record: Record, status: FileStatus, *, asset_id: str | None = None) -> FileEvent:
    return FileEvent(
        None,  # no local file is meant
        status,
        record.name,
        episode=record.episode,
        kind=record.kind,
        size=record.size or 0,
        bss_id=record.id,
        asset_id=asset_id,
    )
