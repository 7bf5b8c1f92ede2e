"""Small sounds and short videos by the bundle: each as if it had been alone."""

from __future__ import annotations

import io
import subprocess
import wave
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.playback import PlaybackMode
from dreamlake_pipeline.processing import bundle
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.bundle import bundles, fits
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Outcome, Workshop, process_item
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

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


H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"


@pytest.fixture
def clip(tmp_path: Path) -> Callable[[str, str], bytes]:
    """`clip(hue, how)`: an MP4 of a second in a colour of its own."""

    def make(hue: str, how: str = H264) -> bytes:
        path = tmp_path / f"{hue}.mp4"
        pictures = f"-f lavfi -i testsrc2=size=160x120:rate=10:duration=1,hue=h={hue} {how}"
        subprocess.run(
            [ffmpeg.build().path, "-loglevel", "error", *pictures.split(), "-y", str(path)], check=True, timeout=60
        )
        return path.read_bytes()

    return make


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


@pytest.mark.parametrize("seconds", [0.01, 0.2, 3.0])
def test_a_slow_machine_reports_as_often_as_a_quick_one(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """A file takes so many seconds: no part takes longer than two, but for the few files that one has at least, and
    none is smaller than that asks for."""
    now = [0.0]
    monkeypatch.setattr(bundle, "time", SimpleNamespace(monotonic=lambda: now[0]))
    records = [Record.model_construct(id=str(n), size=1000) for n in range(2000)]
    made: list[Record] = []
    parts: list[int] = []
    pace = bundle.Pace()
    for whole in bundles(records):
        for part in pace.parts(whole):
            made += part
            parts.append(len(part))
            now[0] += seconds * len(part)
    assert made == records
    most = max(3, min(48, int(2 / seconds)))
    assert max(parts) <= most
    assert len(parts) <= 2000 / most * 1.3 + 10


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


def test_clips_come_out_as_if_alone(
    hold: Begin, shop: Workshop, clip: Callable[..., bytes], object_store: ObjectStore, owner: str
) -> None:
    """Those that are copied stay in their bundle; one that is transcoded, and one that is cut off, leave it."""
    copied = {f"/camera/{n}.mp4": clip(str(40 * n)) for n in range(3)}
    others = {"/camera/old.mp4": clip("200", "-c:v mpeg4"), "/camera/cut.mp4": clip("300")[:-900], "/mic.wav": wav(700)}
    held = hold(copied | others)
    items = held.begin().items
    outcomes = process_items(held, shop, items, workers=2)
    assert [outcome.record.id for outcome in outcomes] == [item.id for item in items]
    by_name = {outcome.record.name: outcome for outcome in outcomes}
    assert {name for name, outcome in by_name.items() if outcome.error} == {"/camera/cut.mp4"}
    for name in (*copied, "/camera/old.mp4"):
        outcome = by_name[name]
        alone = process_item(replace(shop, share=False), outcome.record)
        assert outcome.result is not None and outcome.result.metadata and alone.result is not None
        assert alone.result.metadata
        mode = "copy" if name in copied else "transcode"
        assert outcome.result.metadata["processing"]["mode"] == mode
        assert without_times(outcome.result.metadata) == without_times(alone.result.metadata)
        assert outcome.result.chunks == alone.result.chunks
        [stream] = outcome.result.metadata["streams"]
        prefix = layout.asset_prefix(owner, "lab", Kind.VIDEO, outcome.record.id)
        assert {found.key.removeprefix(prefix) for found in object_store.list_all(prefix)} == {
            *("meta.json", "poster.jpg", "stream/master.m3u8", f"stream/{stream}.m3u8")
        }
        for chunk in outcome.result.chunks:
            assert object_store.head(layout.chunk_key(chunk)) is not None
    summary = held.pipeline.finish(held.partition, held.run_id)
    assert (summary.ready, summary.failed, summary.unfinished) == (5, 1, 0)


def test_what_is_known_to_take_longer_is_in_no_bundle(shop: Workshop) -> None:
    def fitting(name: str, size: int | None, kind: Kind = Kind.VIDEO, **more: Any) -> bool:
        return fits(shop, Record.model_construct(id="1", name=name, kind=kind, size=size, **more))

    assert fitting("/a.mp4", 2_000_000) and fitting("/A.MOV", 2_000_000) and fitting("/a.wav", 9_000, Kind.AUDIO)
    assert not fitting("/a.mp4", 80_000_000) and not fitting("/a.mp4", None) and not fitting("/a.webm", 2_000_000)
    assert not fitting("/a.mp4", 2_000_000, playback=PlaybackMode.MODERN)
    assert not fitting("/a.mp4", 2_000_000, ladder=(240,)) and not fitting("/a.csv", 9_000, Kind.LABEL_TRACK)
