"""Writing segments into the chunk pool."""

from __future__ import annotations

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.pipeline import ItemResult
from dreamlake_pipeline.media.results import Segment
from dreamlake_pipeline.processing.pool import EarlyChunks, store_chunks
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore


@pytest.fixture
def segments(tmp_path: Path) -> list[Segment]:
    """Five segments, two of which are the same."""
    made = []
    for n in range(4):
        data = secrets.token_bytes(188 * (n + 1))
        path = tmp_path / f"{n}.ts"
        path.write_bytes(data)
        made.append(Segment(path, hashlib.sha256(data).hexdigest(), len(data), Fraction(6)))
    return [*made, made[0]]


def test_a_chunk_is_stored_once(
    pipeline: PipelineClient, object_store: ObjectStore, owner: str, segments: list[Segment]
) -> None:
    first = store_chunks(pipeline, object_store, owner, segments[:2])
    assert (first.count, first.bytes, first.new, first.reused) == (2, 188 * 3, 2, 0)
    whole = store_chunks(pipeline, object_store, owner, segments)
    assert (whole.count, whole.bytes, whole.new, whole.reused) == (4, 188 * 10, 4, 0)
    for segment in segments:
        assert object_store.read(layout.chunk_key(segment.sha256)) == segment.read()


def test_writers_of_the_same_chunks_do_not_disturb_each_other(
    pipeline: PipelineClient, object_store: ObjectStore, owner: str, segments: list[Segment]
) -> None:
    with ThreadPoolExecutor(6) as threads:
        stored = list(
            threads.map(
                lambda n: store_chunks(pipeline, object_store, owner, segments[:: 1 if n % 2 else -1]), range(6)
            )
        )
    assert all(chunks.count == 4 for chunks in stored)
    assert pipeline.lease_chunks([], owner) == (set(), set())


def test_what_is_stored_early_counts_as_what_is_stored_late(
    pipeline: PipelineClient, object_store: ObjectStore, owner: str, segments: list[Segment]
) -> None:
    store_chunks(pipeline, object_store, owner, segments[:1])
    with EarlyChunks(pipeline, object_store, owner) as pool:
        for segment in segments[:3]:
            pool.add(segment)
        chunks = pool.finish(segments)
    assert (chunks.count, chunks.bytes, chunks.new, chunks.reused) == (4, 188 * 10, 4, 0)
    for segment in segments:
        assert object_store.read(layout.chunk_key(segment.sha256)) == segment.read()


def test_what_could_not_be_stored_early_is_stored_at_the_end(
    pipeline: PipelineClient, object_store: ObjectStore, owner: str, segments: list[Segment], tmp_path: Path
) -> None:
    gone = segments[0].path.rename(tmp_path / "gone")
    with EarlyChunks(pipeline, object_store, owner) as pool:
        for segment in segments[:2]:
            pool.add(segment)
        assert pool.finish(segments[1:2]).count == 1
    gone.rename(segments[0].path)
    assert store_chunks(pipeline, object_store, owner, segments[:1]).count == 1


def test_what_the_owner_plays_already_counts_as_reused(
    pipeline: PipelineClient, object_store: ObjectStore, owner: str, segments: list[Segment], hold: Any
) -> None:
    store_chunks(pipeline, object_store, owner, segments)
    held = hold({"/a.wav": b"sound"})
    [item] = pipeline.begin(held.partition, "run-1", lease_seconds=60).items
    played = [segment.sha256 for segment in segments[:2]]
    pipeline.report(held.partition, held.run_id, [ItemResult(id=item.id, metadata={}, chunks=played)])
    counts = store_chunks(pipeline, object_store, owner, segments)
    assert (counts.count, counts.new, counts.reused) == (4, 2, 2)
    assert store_chunks(pipeline, object_store, f"{owner}x", segments).reused == 0
