"""One item from its staged object to a published result, whatever its kind and whatever is wrong with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from ..api.bounded import bounded
from ..api.bss import Record, Status
from ..api.common import ErrorBody, storable_json
from ..api.pipeline import ItemResult, ResultKey
from ..api.stored import META
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..media.recipe import recipe_of
from ..media.run.workers import Workers
from ..playback import PlaybackMode
from ..remote.pipeline import PipelineClient
from ..storage import ObjectStore
from .faults import judge
from .fetch import Source, fetch
from .hold import BatchLost
from .product import Job, Product
from .publish import copy_outputs, publish_meta, read_chunks, read_outputs, result_urls, url_of
from .scratch import scratch_folder

# Results of these are used again: they depend on the bytes, and on the extension (does it agree?). A text or label
# track's depends on its whole name (language, format), and costs no more to make than to copy.
_SHARED_KINDS = frozenset({Kind.VIDEO, Kind.AUDIO})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item. `result` is None when it is put off, for `reason`: a fault of the machinery."""

    record: Record
    result: ItemResult | None
    preview: bytes | None = None
    reason: ErrorBody | None = None

    @property
    def error(self) -> ErrorBody | None:
        """Why there is no result; None when there is one."""
        return self.reason if self.result is None else self.result.error


@dataclass(frozen=True, slots=True)
class Workshop:
    """What items are worked on with. With `share`, results that exist already are used again.

    `ladder` are heights of further, smaller pictures of videos that say nothing of it themselves, `playback`
    says for which browsers those are made that do not, `csv` are options of
    label files that do not.
    `workers` are the processes that read what strangers sent; without them, each item gets its own. `before` is called
    when an item is begun, and raises where that is of no use.
    """

    pipeline: PipelineClient
    store: ObjectStore
    scratch: Path | None = None
    ladder: tuple[int, ...] = ()
    playback: PlaybackMode = PlaybackMode.EVERYWHERE
    csv: Mapping[str, str] = field(default_factory=dict)
    share: bool = True
    workers: Workers | None = None
    before: Callable[[], None] = lambda: None

    @contextmanager
    def staffed(self) -> Iterator[Workshop]:
        """The same with workers."""
        if self.workers is not None:
            yield self
            return
        with scratch_folder(self.scratch) as rooms, Workers(1, rooms) as workers:
            yield replace(self, workers=workers)

    def job(self, record: Record, source: Source, scratch: Path, recipe: str) -> Job:
        """The record at work; `scratch` is a folder that may be shared with others. There must be workers."""
        assert self.workers is not None
        return Job(
            record,
            source,
            scratch / record.id,
            recipe,
            self.pipeline,
            self.store,
            self.workers,
            self.ladder_of(record),
            self.playback_of(record),
            self.csv_options_of(record),
        )

    def ladder_of(self, record: Record) -> tuple[int, ...]:
        """Heights of further, smaller pictures of this video: its own word, else everybody's."""
        return self.ladder if record.ladder is None else record.ladder

    def playback_of(self, record: Record) -> PlaybackMode:
        """For which browsers this video is made: its own word, else everybody's."""
        return self.playback if record.playback is None else record.playback

    def csv_options_of(self, record: Record) -> Mapping[str, str]:
        """How this label file is written, if it is a CSV: its own word, else everybody's."""
        return self.csv if record.csv is None else record.csv

    def recipe_of(self, record: Record) -> str:
        """The id of how the record's result is made here."""
        return recipe_of(record.kind, self.ladder_of(record), self.csv_options_of(record), self.playback_of(record))

    def sharing_key(self, record: Record) -> tuple[str, ...]:
        """Records with the same key, in one batch, have the same result."""
        if record.kind not in _SHARED_KINDS:
            return (record.id,)
        return (record.kind, record.staging_key, extension_of(record), self.recipe_of(record))


def process_item(shop: Workshop, record: Record, twin: Outcome | None = None) -> Outcome:
    """Fetch, verify, make, publish. A failure is the item's outcome, and its neighbours go on; raises BatchLost alone.

    `twin` is the outcome of the same staged object under another name, when there is a good one.
    """
    try:
        with shop.staffed() as staffed:
            result, preview = _process(staffed, record, twin)
        return Outcome(record, result, preview)
    except Exception as fault:
        return outcome_of_fault(record, fault)


def outcome_of_fault(record: Record, fault: Exception) -> Outcome:
    """What becomes of an item whose processing raised `fault`. Raises BatchLost, which is no item's fault."""
    if isinstance(fault, BatchLost):
        raise fault
    verdict = judge(record, fault)
    if verdict.is_final:
        return Outcome(record, ItemResult(id=record.id, error=verdict.reason, log=verdict.log))
    return Outcome(record, None, reason=verdict.reason)


def _process(shop: Workshop, record: Record, twin: Outcome | None) -> tuple[ItemResult, bytes | None]:
    shop.before()
    recipe = shop.recipe_of(record)
    if twin is not None and twin.result is not None:
        return _reuse(shop, record, twin.record, twin.result), twin.preview
    with scratch_folder(shop.scratch) as scratch:
        source = fetch(shop.store, record, scratch)
        if shop.share and record.kind in _SHARED_KINDS:
            (known,) = shop.pipeline.known_results(record.owner, [key_of(record, source, recipe)])
            if (shared := reuse_known(shop, record, source, known)) is not None:
                return shared, None
        job = shop.job(record, source, scratch, recipe)
        job.folder.mkdir()
        product = _maker_of(record.kind)(job)
        return publish_result(shop, record, source, recipe, product), product.preview


def publish_result(shop: Workshop, record: Record, source: Source, recipe: str, product: Product) -> ItemResult:
    """Publish the meta.json of what was made and stored; the result to be reported."""
    metadata = bounded(json.loads(storable_json(product.metadata.wire())))
    result = ItemResult(
        id=record.id,
        sha256=source.sha256,
        size=source.size,
        recipe=recipe,
        metadata=metadata,
        warnings=metadata.get("warnings", []),
        chunks=product.chunks,
        outputs=product.outputs,
    )
    return publish_meta(shop.store, record, result)


def _maker_of(kind: Kind) -> Callable[[Job], Product]:
    """Makers are imported when they are needed: pandas and pyarrow take a quarter of a second, and few batches hold
    files of every kind."""
    match kind:
        case Kind.VIDEO:
            from .video import process_video

            return process_video
        case Kind.AUDIO:
            from .audio import process_audio

            return process_audio
        case Kind.TEXT_TRACK:
            from .text_track import process_text_track

            return process_text_track
        case Kind.LABEL_TRACK:
            from .label_track import process_label_track

            return process_label_track


def key_of(record: Record, source: Source, recipe: str) -> ResultKey:
    """What an earlier result of the same bytes and recipe is known by."""
    return ResultKey(kind=record.kind, sha256=source.sha256, recipe=recipe)


def reuse_known(shop: Workshop, record: Record, source: Source, known: Record | None) -> ItemResult | None:
    """Publish for `record` what `known`, a ready record of its owner, has of the same bytes and recipe.

    None when there is no such record, or it can't be used.
    """
    if known is None or known.metadata is None or known.id == record.id or extension_of(known) != extension_of(record):
        return None
    try:
        outputs = read_outputs(shop.store, known)
        result = ItemResult(
            id=known.id,
            sha256=source.sha256,
            size=source.size,
            recipe=shop.recipe_of(record),
            metadata=known.metadata,
            warnings=known.warnings,
            chunks=read_chunks(shop.store, known, known.metadata, outputs),
            outputs=outputs,
        )
        return _reuse(shop, record, known, result)
    except DreamlakeError as error:
        if error.code is Code.NOT_FOUND:
            return None  # its record is ready, but its files are gone or others: they are made again, for this one
        raise


def _reuse(shop: Workshop, record: Record, made: Record, result: ItemResult) -> ItemResult:
    """Publish for `record` what was published for `made`, whose result is `result`. Raises NOT_FOUND."""
    started = time.perf_counter()
    metadata = dict(result.metadata or {})
    outputs = {name: output for name, output in result.outputs.items() if name != META}
    copy_outputs(shop.store, made, record, outputs)
    for key, url in result_urls(metadata).items():
        metadata[key] = url_of(record, url.rsplit("/", 1)[-1])
    count = len(result.chunks)
    metadata["chunks"] = metadata["chunks"] | {"count": count, "new": 0, "reused": count}
    metadata["processing"] = metadata["processing"] | {"seconds": round(time.perf_counter() - started, 3)}
    own = result.model_copy(update={"id": record.id, "metadata": metadata, "outputs": outputs})
    return publish_meta(shop.store, record, own)


def extension_of(record: Record) -> str:
    """The extension of the file's name, in small letters and with its point."""
    return PurePosixPath(record.name).suffix.lower()


def standing(items: Sequence[Record], outcomes: Sequence[Outcome]) -> list[Record]:
    """The items as they stand after `outcomes`; one that was put off has an error, but is not failed."""
    by_id = {outcome.record.id: outcome for outcome in outcomes}
    return [_after(item, by_id[item.id]) if item.id in by_id else item for item in items]


def _after(item: Record, outcome: Outcome) -> Record:
    if outcome.result is None:
        return item.model_copy(update={"status": Status.QUEUED, "error": outcome.reason})
    if outcome.result.error is not None:
        return item.model_copy(update={"status": Status.FAILED, "error": outcome.result.error})
    found = {field: getattr(outcome.result, field) for field in ("sha256", "size", "metadata", "warnings")}
    return item.model_copy(
        update=found | {"status": Status.PROCESSING, "error": None, "reported_at": datetime.now(UTC)}
    )
