"""What a worker that has been taken over may claim: nothing of it reaches the pool or a playlist unseen."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record, Status
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.results import AudioRendition, Segment, Stream
from dreamlake_pipeline.processing.pool import EarlyChunks, store_chunks, store_together
from dreamlake_pipeline.processing.publish import publish_streams
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore


@pytest.fixture
def record(owner: str) -> Record:
    now = datetime.now(UTC)
    return Record(
        id=new_id(),
        kind=Kind.VIDEO,
        owner=owner,
        project="lab",
        episode=None,
        name="/a.mp4",
        staging_hash=None,
        staging_key=f"{owner}/lab/staging/key",
        size=1,
        content_type=None,
        status=Status.PROCESSING,
        created_at=now,
        updated_at=now,
    )


def segment(content: Path | bytes, sha256: str, size: int) -> Segment:
    return Segment(content, sha256, size, Fraction(6))


@pytest.mark.parametrize("on_disk", [True, False])
@pytest.mark.parametrize("claim", ["another hash", "another size", "a key of another's"])
def test_the_pool_believes_no_hash(
    on_disk: bool, claim: str, pipeline: PipelineClient, bucket: ObjectStore, owner: str, tmp_path: Path
) -> None:
    data = b"G" * 188
    content: Path | bytes = data
    if on_disk:
        content = tmp_path / "0.ts"
        content.write_bytes(data)
    honest = segment(content, hashlib.sha256(data).hexdigest(), len(data))
    lie = {
        "another hash": replace(honest, sha256="0" * 64),
        "another size": replace(honest, size=1),
        "a key of another's": replace(honest, sha256="../../victim/lab/video/x"),
    }[claim]
    with pytest.raises(DreamlakeError) as caught:
        store_chunks(pipeline, bucket, owner, [honest, lie])
    assert caught.value.code is Code.OUTPUT_INVALID
    with pytest.raises(DreamlakeError):
        store_together(pipeline, bucket, owner, [[honest], [lie]], map)
    with EarlyChunks(pipeline, bucket, owner) as early:
        early.add(lie)
        with pytest.raises(DreamlakeError):
            early.finish([honest, lie])
    # What is stored is what its name says.
    stored = {item.key for item in bucket.list_page(layout.CHUNK_PREFIX).objects}
    assert stored <= {layout.chunk_key(honest.sha256)}


@pytest.mark.parametrize("on_disk", [True, False])
def test_nobody_gets_a_chunk_of_others_by_its_hash(
    on_disk: bool, pipeline: PipelineClient, bucket: ObjectStore, owner: str, tmp_path: Path
) -> None:
    """It is in the pool, so that nothing is put which the object store could refuse."""
    secret = owner.encode() * 188
    theirs = segment(secret, hashlib.sha256(secret).hexdigest(), len(secret))
    store_chunks(pipeline, bucket, owner, [theirs])
    content: Path | bytes = b"G" * len(secret)
    if on_disk:
        content = tmp_path / "0.ts"
        content.write_bytes(b"G" * len(secret))
    lie = replace(theirs, content=content)
    for attempt in (store_chunks, lambda *given: store_together(*given[:3], [given[3]], map)):
        with pytest.raises(DreamlakeError) as caught:
            attempt(pipeline, bucket, f"{owner}-b", [lie])
        assert caught.value.code is Code.OUTPUT_INVALID
    with EarlyChunks(pipeline, bucket, f"{owner}-b") as early:
        early.add(lie)
        with pytest.raises(DreamlakeError) as caught:
            early.finish([lie])
        assert caught.value.code is Code.OUTPUT_INVALID


@pytest.mark.parametrize("where", ["codecs", "name", "language"])
def test_a_playlist_has_no_line_of_a_workers(where: str, bucket: ObjectStore, record: Record) -> None:
    stream = Stream((segment(b"x", "0" * 64, 1),), "avc1", 1, 1, 1, 1, None, True)
    sound = AudioRendition("English", "en", 1, "aac", None)
    evil = 'x"\n../../../../../chunks/' + "1" * 64 + ".ts"
    if where == "codecs":
        stream = replace(stream, codecs=evil)
    else:
        sound = replace(sound, **{where: evil})
    with pytest.raises(DreamlakeError) as caught:
        publish_streams(bucket, record, [stream], [sound])
    assert caught.value.code is Code.OUTPUT_INVALID
    assert not bucket.list_page("").objects


def test_a_segment_that_is_changed_after_it_was_verified_is_not_stored(bucket: ObjectStore, tmp_path: Path) -> None:
    """A worker has its segments open for as long as it lives: the object store is told the hash, and refuses others."""
    (path := tmp_path / "0.ts").write_bytes(b"G" * 188_000)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("r+b") as kept:
        kept.write(b"evil")
    with pytest.raises(DreamlakeError):
        bucket.put_file(layout.chunk_key(sha256), path, size=188_000, sha256=sha256, content_type=layout.CHUNK_TYPE)
    assert bucket.head(layout.chunk_key(sha256)) is None
