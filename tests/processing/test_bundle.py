"""Small sounds by the bundle: each as if it had been alone."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.client.pipeline import PipelineClient
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.objectstore import ObjectStore
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.bundle import bundles
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Outcome, Workshop, process_item

Begin = Callable[[dict[str, bytes]], Hold]


def wav(hertz: float, seconds: float = 0.3) -> bytes:
    tone = 0.3 * np.sin(np.arange(int(16_000 * seconds)) / 16_000 * 2 * np.pi * hertz)
    body = io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tone * 32_767).astype("<i2").tobytes())
    return body.getvalue()


def process_items(hold: Hold, shop: Workshop, items: Sequence[Record], *, workers: int) -> list[Outcome]:
    with BatchWork(hold, shop, items, workers=workers) as work:
        return work.finish()


def without_times(metadata: dict[str, Any]) -> dict[str, Any]:
    return metadata | {"processing": metadata["processing"] | {"seconds": 0}, "chunks": None}


@pytest.fixture
def shop(pipeline: PipelineClient, object_store: ObjectStore) -> Workshop:
    return Workshop(pipeline, object_store)


@pytest.mark.parametrize("count", [0, 1, 5, 36, 300, 2000])
def test_the_first_bundles_are_small_and_each_file_is_in_one(count: int) -> None:
    records = [Record.model_construct(id=str(n), size=1000) for n in range(count)]
    made = [[record.id for record in bundle] for bundle in bundles(records)]
    assert [one for bundle in made for one in bundle] == [str(n) for n in range(count)]
    sizes = [len(bundle) for bundle in made]
    assert max(sizes[:1], default=0) <= 6 and max(sizes, default=0) <= 48
    assert sizes[:-1] == sorted(sizes[:-1])
    assert len(made) <= count / 48 + 9


def test_good_and_bad_files_come_out_as_if_alone(hold: Begin, shop: Workshop, object_store: ObjectStore) -> None:
    good = {f"/mic/{n:02}.wav": wav(200 + 10 * n) for n in range(12)}
    bad = {"/mic/words.wav": b"no sound at all", "/mic/cut.wav": wav(50)[:3000], "/mic/long.wav": wav(99, 7)[:-20_000]}
    held = hold(good | bad)
    items = held.begin().items
    object_store.delete([items[0].staging_key])
    outcomes = process_items(held, shop, items, workers=2)
    assert [outcome.record.id for outcome in outcomes] == [item.id for item in items]

    errors = {outcome.record.name: outcome.error.code for outcome in outcomes if outcome.error}
    assert errors == {
        items[0].name: Code.STAGED_OBJECT_MISSING,
        "/mic/words.wav": Code.NOT_MEDIA,
        "/mic/cut.wav": Code.MEDIA_TRUNCATED,
        "/mic/long.wav": Code.MEDIA_TRUNCATED,
    }
    summary = held.pipeline.finish(held.partition, held.run_id)
    assert (summary.ready, summary.failed, summary.unfinished) == (11, 4, 0)

    # Pictures are kept of the first that are reported, whichever these are.
    one = next(outcome for outcome in outcomes if outcome.preview is not None)
    alone = process_item(replace(shop, share=False), one.record)
    assert one.result is not None and one.result.metadata and alone.result is not None and alone.result.metadata
    assert without_times(one.result.metadata) == without_times(alone.result.metadata)
    assert one.result.chunks == alone.result.chunks and one.preview == alone.preview


def test_everything_of_each_is_stored(hold: Begin, shop: Workshop, object_store: ObjectStore, owner: str) -> None:
    held = hold({f"/{n}.wav": wav(1300 + 10 * n) for n in range(7)})
    for outcome in process_items(held, shop, held.begin().items, workers=2):
        assert outcome.result is not None and outcome.result.metadata is not None
        prefix = layout.asset_prefix(owner, "lab", Kind.AUDIO, outcome.record.id)
        [stream] = outcome.result.metadata["streams"]
        stored = {found.key.removeprefix(prefix) for found in object_store.list_all(prefix)}
        assert stored == {
            *("meta.json", "waveform.json", "waveform.png", "stream/master.m3u8", f"stream/{stream}.m3u8")
        }
        [chunk] = outcome.result.chunks
        assert object_store.head(layout.chunk_key(chunk)) is not None
        size = len(object_store.read(layout.chunk_key(chunk)))
        assert outcome.result.metadata["chunks"] == {"count": 1, "bytes": size, "new": 1, "reused": 0}


def test_the_same_bytes_under_other_names_are_not_made_again(hold: Begin, shop: Workshop) -> None:
    sounds = [wav(1400 + 10 * n) for n in range(6)]
    first = hold({f"/a/{n}.wav": sound for n, sound in enumerate(sounds)})
    made = process_items(first, shop, first.begin().items, workers=2)
    first.pipeline.finish(first.partition, first.run_id)
    second = hold({f"/b/{n}.wav": sound for n, sound in enumerate([*sounds, wav(1999)])})
    again = process_items(second, shop, second.begin().items, workers=2)
    chunks = {outcome.record.sha256 or outcome.record.staging_hash: outcome.result for outcome in made}
    new = 0
    for outcome in again:
        assert outcome.result is not None and outcome.result.metadata is not None
        earlier = chunks.get(outcome.record.staging_hash)
        assert earlier is None or earlier.chunks == outcome.result.chunks
        new += outcome.result.metadata["chunks"]["new"]
    assert new == 1
    assert second.pipeline.finish(second.partition, second.run_id).ready == 7


class Refusing(ObjectStore):
    """An object store that once refuses a chunk."""

    refused = 0

    def put(self, key: str, data: bytes, *, content_type: str, metadata: dict[str, str] | None = None) -> None:
        if not Refusing.refused and key.startswith("chunks/"):
            Refusing.refused += 1
            raise DreamlakeError(Code.STORAGE_FAILED, "The object store had a bad moment.")
        super().put(key, data, content_type=content_type, metadata=metadata)


def test_when_a_step_of_all_fails_each_is_done_alone(hold: Begin, pipeline: PipelineClient, shop: Workshop) -> None:
    held = hold({f"/{n}.wav": wav(1500 + 10 * n) for n in range(8)})
    flaky = Workshop(pipeline, Refusing(shop.store.client, shop.store.bucket))
    outcomes = process_items(held, flaky, held.begin().items, workers=2)
    assert Refusing.refused == 1
    assert [outcome.error for outcome in outcomes] == [None] * 8
