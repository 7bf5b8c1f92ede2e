"""Write segments into the chunk pool.

A chunk's row in BSS is the lock and the truth: the row is leased before the pool is trusted, the object is
stored, the row says so, and the reference comes with the item's result. A crash between any two of these leaves
a leased row without references, which garbage collection removes when the lease has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .. import layout
from ..api.metadata import Chunks
from ..api.pipeline import Chunk
from ..client.pipeline import PipelineClient
from ..media.results import Segment
from ..objectstore import ObjectStore

_SIDE_BY_SIDE = 4


def store_chunks(pipeline: PipelineClient, store: ObjectStore, segments: Sequence[Segment]) -> Chunks:
    """Make sure that the pool holds every segment. Returns how many there are, and how many it held before."""
    distinct = {segment.sha256: segment for segment in segments}
    missing = pipeline.lease_chunks([Chunk(sha256=one.sha256, size=one.size) for one in distinct.values()])
    new = [segment for segment in distinct.values() if segment.sha256 in missing]

    def put(segment: Segment) -> None:
        store.put(layout.chunk_key(segment.sha256), segment.path.read_bytes(), content_type=layout.CHUNK_TYPE)

    if len(new) > 1:
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="put-chunk") as threads:
            list(threads.map(put, new))
    else:
        for segment in new:
            put(segment)
    if new:
        pipeline.chunks_stored([segment.sha256 for segment in new])
    return Chunks(
        count=len(distinct),
        bytes=sum(segment.size for segment in distinct.values()),
        new=len(new),
        reused=len(distinct) - len(new),
    )
