"""The last step of a batch: into the index, and then ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..api.bss import Record, Status
from ..api.pipeline import Deletion
from ..api.server import AssetRef, BatchAsset
from ..kinds import KINDS
from ..remote.pipeline import PipelineClient
from .hold import Hold

Upsert = Callable[[Sequence[BatchAsset]], Sequence[AssetRef | None]]
"""Writes files into the index: what they are there, in order; None for one whose record is gone by now."""

Remove = Callable[[Sequence[Deletion]], int]


@dataclass(frozen=True, slots=True)
class Indexed:
    """The batch after its last step: `indexed` are its items in the index, `refs` what they are there, in order."""

    items: list[Record]
    indexed: list[Record]
    refs: list[AssetRef]

    @property
    def ready(self) -> int:
        return sum(item.status is Status.READY for item in self.items)

    @property
    def failed(self) -> int:
        return sum(item.status is Status.FAILED for item in self.items)

    @property
    def unfinished(self) -> int:
        return sum(not item.status.is_final for item in self.items)


def index_batch(
    hold: Hold, upsert: Upsert, *, took_batch: bool, known: Mapping[str, AssetRef] | None = None
) -> Indexed:
    """Write every item that has a result or has failed into the index, but for those `known` to be there, by the ids of
    records; then have BSS call those with a result ready, and close the batch if nothing is left.

    `took_batch`: this run has the whole batch; else it takes the batch if anything in it is unfinished.
    In this order: a record that is ready is in the index. A crash between the two leaves a batch whose next attempt
    finds every result reported, and does nothing but this.
    """
    if took_batch:
        hold.extend()
    items = hold.pipeline.items(hold.partition).items
    finished = [item for item in items if item.status.is_final or item.reported_at is not None]
    refs = dict(known or {})
    new = [item for item in finished if item.id not in refs]
    written = zip(new, upsert(list(map(asset_of, new))), strict=True)
    refs |= {item.id: ref for item, ref in written if ref is not None}
    finished = [item for item in finished if item.id in refs]
    is_open = any(not item.status.is_final for item in items)
    if is_open and not took_batch:
        hold.begin(only=())
    if is_open or took_batch:
        hold.finish()
        items = [_finished(item) for item in items]
    return Indexed(items, finished, [refs[item.id] for item in finished])


def upsert_living(pipeline: PipelineClient, upsert: Upsert, remove: Remove) -> Upsert:
    """`upsert`, after which no name in the index stands for a record that was deleted while it was written.

    Who deletes a record removes its name from the index after that: so whoever writes the name later than that finds
    the record gone when it looks afterwards, and removes the name itself.
    """

    def write(assets: Sequence[BatchAsset]) -> list[AssetRef | None]:
        refs = upsert(assets)
        ids = [asset.bss_id(asset.kind) for asset in assets]
        gone = set(pipeline.absent(ids))
        if gone:
            remove([_deletion(asset, its) for asset, its in zip(assets, ids, strict=True) if its in gone])
        return [None if its in gone else ref for its, ref in zip(ids, refs, strict=True)]

    return write


def _deletion(asset: BatchAsset, record_id: str) -> Deletion:
    return Deletion(
        record_id=record_id,
        kind=asset.kind,
        owner=asset.namespace,
        project=asset.project,
        episode=asset.episode_name,
        name=asset.name,
        at=datetime.now(UTC),
    )


def _finished(item: Record) -> Record:
    """The item as BSS has it once the batch is finished: what has a result is ready."""
    is_done = item.status is Status.PROCESSING and item.reported_at is not None
    return item.model_copy(update={"status": Status.READY}) if is_done else item


def asset_of(item: Record) -> BatchAsset:
    """What the index holds of a record: of a failed one, the reason in place of what was found in it."""
    failed = item.status is Status.FAILED
    return BatchAsset(
        kind=item.kind,
        namespace=item.owner,
        project=item.project,
        episode_name=item.episode,
        name=item.name,
        status=Status.FAILED if failed else Status.READY,
        size=item.size,
        sha256=item.sha256,
        metadata={"error": item.error.wire()} if failed and item.error else item.metadata,
        uploaded_at=item.uploaded_at,
        **{_FIELD[item.kind]: item.id},
    )


_FIELD = {kind: spec.bss_id_field for kind, spec in KINDS.items()}
