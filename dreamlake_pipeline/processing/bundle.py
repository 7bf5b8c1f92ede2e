"""Small sounds and videos, many at a time: what a call costs is shared by all of them.

A bundle takes the steps of an item (work.py) together. They are fetched side by side, one question asks for earlier
results, one lease announces all chunks; only then are playlists and the rest published, item by item. A file that
fails on the way has its outcome and leaves the bundle; when a step of all fails, the rest are processed one by one.
So is a video that turns out to be none of those that are copied in a moment (media/video/short.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from ..api.bss import Record
from ..api.metadata import Chunks
from ..kinds import Kind
from ..media.results import AudioResult, VideoResult
from ..playback import PlaybackMode
from . import audio, video
from .fetch import Source, fetch, is_small
from .hls import segments_of
from .hold import BatchLost
from .pool import store_together
from .product import Job
from .scratch import scratch_folder
from .work import Outcome, Workshop, extension_of, key_of, outcome_of_fault, process_item, publish_result, reuse_known

log = logging.getLogger(__name__)

_MOST = 48
_MOST_BYTES = 32 * 2**20  # they are in memory
_LEAST_BUNDLES = 6  # so that some are made while others are published
_FIRST = 3  # files of the first bundle, each of which is ready when all are
_PART_SECONDS = 2.0  # of a part of a bundle: somebody watches how many are ready


# What the content of a short video is (media/video/short.py), by its usual names. One of another name is as short, and
# made as well; only this bundle does not wait for it.
_SHORT_VIDEOS = {".mp4", ".m4v", ".mov"}


def fits(shop: Workshop, record: Record) -> bool:
    """Whether a record should be in a bundle, as far as one knows before it is read."""
    if record.kind is Kind.VIDEO:
        needs_ffmpeg = shop.ladder_of(record) or shop.playback_of(record) is not PlaybackMode.EVERYWHERE
        if needs_ffmpeg or extension_of(record) not in _SHORT_VIDEOS:
            return False
    return is_small(record)


def bundles(records: Sequence[Record]) -> Iterator[list[Record]]:
    """The records in bundles of a good size. The first ones are small, so that something is ready soon."""
    good = max(1, min(_MOST, len(records) // _LEAST_BUNDLES))
    most = min(_FIRST, good)
    bundle: list[Record] = []
    size = 0
    for record in records:
        if bundle and (len(bundle) == most or size + (record.size or 0) > _MOST_BYTES):
            yield bundle
            bundle, size, most = [], 0, min(good, 2 * most)
        bundle.append(record)
        size += record.size or 0
    if bundle:
        yield bundle


class Pace:
    """Cuts bundles into parts that take two seconds at most, as the last ones went: how long a bundle takes depends on
    the machine, and on what else it does."""

    def __init__(self) -> None:
        self._files = _MOST

    def parts(self, bundle: list[Record]) -> Iterator[list[Record]]:
        """The bundle in parts, each of which has been processed when the next one is asked for."""
        left = bundle
        while left:
            part, left = left[: self._files], left[self._files :]
            started = time.monotonic()
            yield part
            passed = max(time.monotonic() - started, 1e-3)
            self._files = max(_FIRST, min(_MOST, int(len(part) * _PART_SECONDS / passed)))


@dataclass(slots=True)
class _Item:
    """An item on its way: what is known of it so far."""

    record: Record
    recipe: str
    source: Source = field(init=False)
    job: Job = field(init=False)
    made: AudioResult | VideoResult = field(init=False)
    chunks: Chunks = field(init=False)
    seconds: float = 0
    outcome: Outcome | None = None
    is_long: bool = False


def process_bundle(
    shop: Workshop, records: Sequence[Record], media: Executor, wires: Executor
) -> tuple[list[Outcome], list[Record]]:
    """Fetch, verify, make, publish: what became of the records, and those that take longer than a bundle should, of
    which nothing is made yet. A failure is its item's outcome; raises BatchLost alone.

    Media work goes to `media`, which bounds it; requests to the object store go to `wires`.
    """
    items = [_Item(record, shop.recipe_of(record)) for record in records]
    try:
        with scratch_folder(shop.scratch) as scratch, shop.staffed() as staffed:
            _Bundle(staffed, items, scratch, media, wires).process()
    except BatchLost:
        raise
    except Exception as fault:
        log.info("A bundle of %d files is processed one by one: %s", len(items), fault)
    short = [item for item in items if not item.is_long]
    return [item.outcome or process_item(shop, item.record) for item in short], [
        item.record for item in items if item.is_long
    ]


class _Bundle:
    def __init__(self, shop: Workshop, items: list[_Item], scratch: Path, media: Executor, wires: Executor) -> None:
        self._shop, self._items, self._scratch, self._media, self._wires = shop, items, scratch, media, wires

    def process(self) -> None:
        """Give every item its outcome. Raises when a step of all of them fails."""
        self._each(self._wires, self._fetch)
        if self._shop.share:
            self._reuse()
        self._each(self._media, self._make)
        left = self._left()
        counted = store_together(
            self._shop.pipeline,
            self._shop.store,
            self._items[0].record.owner,  # of a batch, and so of all of them
            [segments_of(item.made.streams) for item in left],
            self._wires.map,
        )
        for item, chunks in zip(left, counted, strict=True):
            item.chunks = chunks
        self._each(self._wires, self._publish)

    def _left(self) -> list[_Item]:
        return [item for item in self._items if item.outcome is None and not item.is_long]

    def _each(self, threads: Executor, step: Callable[[_Item], None]) -> None:
        """Take a step with every item that is left; one that fails is left no longer."""

        def guarded(item: _Item) -> None:
            try:
                step(item)
            except Exception as fault:
                item.outcome = outcome_of_fault(item.record, fault)

        list(threads.map(guarded, self._left()))

    def _fetch(self, item: _Item) -> None:
        self._shop.before()
        item.source = fetch(self._shop.store, item.record, self._scratch)

    def _reuse(self) -> None:
        """Items of which there is a result already get it."""
        left = self._left()
        if not left:
            return
        keys = [key_of(item.record, item.source, item.recipe) for item in left]
        # The items of a batch have one owner.
        results = self._shop.pipeline.known_results(left[0].record.owner, keys)
        known = {item.record.id: result for item, result in zip(left, results, strict=True)}
        if not any(known.values()):
            return

        def reuse(item: _Item) -> None:
            shared = reuse_known(self._shop, item.record, item.source, known[item.record.id])
            item.outcome = Outcome(item.record, shared) if shared else None

        self._each(self._wires, reuse)

    def _make(self, item: _Item) -> None:
        started = time.perf_counter()
        item.job = self._shop.job(item.record, item.source, self._scratch, item.recipe)
        made = audio.make(item.job) if item.record.kind is Kind.AUDIO else video.make_short(item.job)
        if made is None:
            item.is_long = True
            return
        item.made = made
        item.seconds = time.perf_counter() - started

    def _publish(self, item: _Item) -> None:
        if isinstance(item.made, VideoResult):
            product = video.publish(item.job, item.made, item.chunks, item.seconds)
        else:
            product = audio.publish(item.job, item.made, item.chunks, item.seconds)
        result = publish_result(self._shop, item.record, item.source, item.recipe, product)
        item.outcome = Outcome(item.record, result, product.preview)
