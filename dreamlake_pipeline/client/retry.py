"""Process again what failed or is missing, and bring the index up to what BSS knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..api.bss import Record, Status
from ..api.server import BatchAsset
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from .bss import BssClient, in_slices
from .events import FileEvent, FileStatus
from .server import IndexClient
from .target import Target

_UNPROCESSED = (Status.REGISTERED, Status.FAILED)


def retry(
    bss: BssClient, index: IndexClient, *, target: Target | None, ids: Sequence[str], everything: bool
) -> Iterator[FileEvent | int]:
    """Events of the files that were queued or indexed, and between them the number of files that were looked at.

    Of the records `ids`; without any, of `target`. Raises DreamlakeError.
    """
    for records in _groups(bss, target, ids):
        yield len(records)
        yield from _heal_index(index, records)
        wanted = [record.id for record in records if everything or record.status in _UNPROCESSED]
        for some in in_slices(wanted):
            yield from (
                _event(record, FileStatus.QUEUED)
                for record in bss.requeue(some, force=everything)
                if record.status is Status.QUEUED
            )


def _groups(bss: BssClient, target: Target | None, ids: Sequence[str]) -> Iterator[list[Record]]:
    """The records, some at a time; of several with one name only the newest, which is what the name stands for."""
    if ids:
        for some in in_slices(ids):
            yield bss.query(some)
        return
    assert target is not None, "either ids or a target"
    for kind in Kind:
        newest: dict[tuple[str | None, str], Record] = {}
        for record in bss.list_all(kind, owner=target.namespace, project=target.project, episode=target.episode):
            place = (record.episode, record.name)
            if place not in newest or newest[place].id < record.id:
                newest[place] = record
        if newest:
            yield list(newest.values())


def _heal_index(index: IndexClient, records: list[Record]) -> Iterator[FileEvent]:
    """Register what the index does not have, or has with another end than BSS."""
    known: dict[str, str] = {}
    for kind, owner, project in {(record.kind, record.owner, record.project) for record in records}:
        try:
            known |= {asset.bss_id: asset.status for asset in index.assets(kind, namespace=owner, project=project)}
        except DreamlakeError as error:
            if error.code is not Code.NOT_FOUND:  # a namespace or project of which nothing is in the index yet
                raise
    stale = [
        record
        for record in records
        if record.id not in known or (record.status.is_final and known[record.id] != record.status)
    ]
    for some in in_slices(stale):
        refs = index.register_batch([_asset(record) for record in some])
        for record, ref in zip(some, refs, strict=True):
            yield _event(record, FileStatus.INDEXED, asset_id=ref.id)


def _asset(record: Record) -> BatchAsset:
    return BatchAsset.model_validate(
        {
            "namespace": record.owner,
            "project": record.project,
            "episode_name": record.episode,
            "name": record.name,
            "kind": record.kind,
            record.kind.spec.bss_id_field: record.id,
            "status": record.status,
            "size": record.size,
            "sha256": record.sha256 or record.staging_hash,
            "metadata": record.metadata,
        }
    )


def _event(record: Record, status: FileStatus, *, asset_id: str | None = None) -> FileEvent:
    """There is no local file here: the path is the record's name."""
    return FileEvent(
        record.name,
        status,
        record.name,
        episode=record.episode,
        kind=record.kind,
        size=record.size or 0,
        id=record.id,
        asset_id=asset_id,
    )
