"""Write segments into the chunk pool.

A chunk's row in BSS is the lock and the truth: the row is leased before the pool is trusted, the object is
stored, the row says so, and the reference comes with the item's result. A crash between any two of these leaves
a row without references, and perhaps its object. Nothing deletes them; who writes the same segment next uses them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from .. import layout
from ..api.metadata import Chunks
from ..api.pipeline import Chunk
from ..crashpoints import CrashPoint, reached
from ..errors import Code, DreamlakeError
from ..media.results import RawSegment
from ..remote.pipeline import Leased, PipelineClient
from ..storage import ObjectStore

log = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIDE_BY_SIDE = 4
_GROUP = 4  # segments that one thread leases by one call, and then stores one after the other


def store_chunks(pipeline: PipelineClient, store: ObjectStore, owner: str, segments: Sequence[RawSegment]) -> Chunks:
    """Make sure that the pool holds every segment. Returns how many there are, and how many of them the owner's files
    play already."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="put-chunk") as threads:
        return _count(segments, _store_missing(pipeline, store, owner, segments, threads.map).known)


def store_together(
    pipeline: PipelineClient,
    store: ObjectStore,
    owner: str,
    groups: Sequence[Sequence[RawSegment]],
    each: Callable[..., Iterable[None]],
) -> list[Chunks]:
    """`store_chunks` of several items by the same calls; what two of them share is new for the first. `each` is a `map`
    of a pool of threads."""
    segments = [segment for group in groups for segment in group]
    known = _store_missing(pipeline, store, owner, segments, each).known
    counts = []
    for group in groups:
        counts.append(_count(group, known))
        known |= {segment.sha256 for segment in group}
    return counts


def _store_missing(
    pipeline: PipelineClient,
    store: ObjectStore,
    owner: str,
    segments: Sequence[RawSegment],
    each: Callable[..., Iterable[None]],
    verified: Collection[RawSegment] = (),
) -> Leased:
    """Lease the segments, and put those that the pool lacks by `each` (a `map`).

    The pool does not believe who made a segment that it has the hash it is said to have: a chunk is everybody's. A file
    that is put is held to its hash by the object store, which is told it; of one that the pool has already, the hash is
    made here, unless it is among `verified`. Raises OUTPUT_INVALID for a segment that is something else.
    """
    for segment in segments:
        _check(segment)
    distinct = {segment.sha256: segment for segment in segments}
    forms = {sha256: _form(one) for sha256, one in distinct.items()}
    leased = pipeline.lease_chunks(
        [Chunk(sha256=one.sha256, size=one.size, form=forms[one.sha256]) for one in distinct.values()], owner
    )
    missing = leased.missing
    reached(CrashPoint.CHUNKS_LEASED)

    def put(sha256: str) -> None:
        segment, form = distinct[sha256], forms[sha256]
        key = layout.chunk_key(sha256, form)
        if isinstance(segment.content, bytes):
            store.put(key, segment.content, content_type=form.content_type)
            return
        try:
            store.put_file(key, segment.content, size=segment.size, sha256=sha256, content_type=form.content_type)
        except DreamlakeError:
            _verify(segment)  # it may have been refused for what it is
            raise

    if missing:
        list(each(put, sorted(missing)))
    put_now = {id(distinct[sha256]) for sha256 in missing}
    list(each(_verify, [one for one in segments if id(one) not in put_now and _raw(one) not in verified]))
    if missing:
        reached(CrashPoint.CHUNKS_STORED)
        pipeline.chunks_stored(sorted(missing))
    reached(CrashPoint.CHUNKS_MARKED)
    return leased


def _form(segment: RawSegment) -> layout.ChunkForm:
    """By its bytes, whoever made it: those of a hash have one name."""
    if isinstance(segment.content, bytes):
        return layout.chunk_form(segment.content[: layout.CHUNK_HEAD])
    with segment.content.open("rb", buffering=0) as file:
        return layout.chunk_form(file.read(layout.CHUNK_HEAD))


def _raw(segment: RawSegment) -> RawSegment:
    return RawSegment(segment.content, segment.sha256, segment.size)


def _check(segment: RawSegment) -> None:
    """Raise OUTPUT_INVALID for a segment in memory with another hash, for a file of another size, and for no hash."""
    if isinstance(segment.content, bytes):
        _verify(segment)
    elif not _SHA256.fullmatch(segment.sha256) or segment.content.stat().st_size != segment.size:
        raise _no_such_segment()


def _verify(segment: RawSegment) -> None:
    """Raise OUTPUT_INVALID for a segment that has another size or hash than is said of it."""
    if isinstance(segment.content, bytes):
        size, digest = len(segment.content), hashlib.sha256(segment.content)
    else:
        with segment.content.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            # One of another size is not read: it may be sparse, and as large as no disk.
            digest = hashlib.file_digest(file, "sha256") if size == segment.size else hashlib.sha256()
    if (size, digest.hexdigest()) != (segment.size, segment.sha256):
        raise _no_such_segment()


def _no_such_segment() -> DreamlakeError:
    return DreamlakeError(Code.OUTPUT_INVALID, "A segment is not what its maker says that it is.")


def _count(segments: Sequence[RawSegment], known: set[str]) -> Chunks:
    """`known` are hashes of chunks that files of the owner play, this one or others."""
    sizes = {segment.sha256: segment.size for segment in segments}
    new = len(sizes.keys() - known)
    return Chunks(count=len(sizes), bytes=sum(sizes.values()), new=new, reused=len(sizes) - new)


class EarlyChunks:
    """Writes segments into the pool while the next ones are made.

    Nothing depends on it: what it stored is leased and in no playlist. `finish` leases everything again, since the
    first leases of a long work may have ended, and stores what is missing. A context, at whose end no thread is left.
    """

    def __init__(self, pipeline: PipelineClient, store: ObjectStore, owner: str) -> None:
        self._pipeline, self._store, self._owner = pipeline, store, owner
        self._threads = ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="put-chunk")
        self._lock = threading.Lock()
        self._waiting: list[RawSegment] = []
        self._verified: set[RawSegment] = set()
        self._given_up = False

    def __enter__(self) -> EarlyChunks:
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up = True
        self._threads.shutdown()

    def add(self, segment: RawSegment) -> None:
        """Store a segment soon. Its file may be deleted meanwhile, but never changed."""
        with self._lock:
            self._waiting.append(segment)
        self._threads.submit(self._store_some)

    def _store_some(self) -> None:
        with self._lock:
            some, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
        if not some or self._given_up:
            return
        try:
            _store_missing(self._pipeline, self._store, self._owner, some, map)
            with self._lock:
                self._verified.update(some)
        except (DreamlakeError, OSError) as error:
            self._given_up = True
            log.info("Segments are stored when all of them are there: %s", error)

    def finish(self, segments: Sequence[RawSegment]) -> Chunks:
        """Make sure that the pool holds every segment, as `store_chunks` does; nothing can be added any more."""
        self._threads.shutdown()
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="put-chunk") as threads:
            leased = _store_missing(
                self._pipeline, self._store, self._owner, segments, threads.map, verified=self._verified
            )
        return _count(segments, leased.known)
