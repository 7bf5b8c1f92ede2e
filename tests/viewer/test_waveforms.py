"""Waveforms on their way to a page: short ones as they are, long ones with fewer peaks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.audio.waveform import Waveform
from dreamlake_pipeline.storage import ObjectStore
from dreamlake_pipeline.viewer import waveforms
from tests.viewer.conftest import Seen
from tests.viewer.ingest import Lab

from .test_tracks import sound

HOUR = 360_000  # peaks


def waveform(peaks: int, seed: int = 1) -> bytes:
    """The JSON of so many peaks, as the media part writes it."""
    made = Waveform(sample_rate=100, channels=1)
    made.feed(np.random.default_rng(seed).uniform(-1, 1, peaks).astype("<f4").tobytes())
    made.finish()
    return made.as_json()


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


def peaks_of(text: bytes) -> np.ndarray:
    told = json.loads(text)
    found = np.array(told["data"]).reshape(-1, 2 * told["channels"])
    assert len(found) == told["length"]
    return found


@pytest.mark.parametrize("size", [2**18, 10_007])
@pytest.mark.parametrize("peaks", [2**18, 2**18 + 1, 5 * HOUR])
def test_a_long_waveform_has_the_extremes_of_neighbouring_peaks(peaks: int, size: int) -> None:
    whole = waveform(peaks)
    thin = waveforms.for_page(pieces(whole, size))
    together = -(-peaks // waveforms.MOST_PEAKS)
    before, after = peaks_of(whole), peaks_of(thin)
    assert len(after) == -(-peaks // together) <= waveforms.MOST_PEAKS
    assert json.loads(thin)["samples_per_pixel"] == together * json.loads(whole)["samples_per_pixel"]
    starts = np.arange(0, peaks, together)
    assert (after[:, 0] == np.minimum.reduceat(before[:, 0], starts)).all()
    assert (after[:, 1] == np.maximum.reduceat(before[:, 1], starts)).all()
    assert len(thin) < 3 * 2**20


def test_channels_stay_apart() -> None:
    data = np.tile([-1, 2, -100, 50], waveforms.MOST_PEAKS + 1)
    head = {"version": 2, "channels": 2, "sample_rate": 8000, "samples_per_pixel": 80, "bits": 8}
    text = json.dumps(head | {"length": len(data) // 4, "data": data.tolist()}, separators=(",", ":")).encode()
    assert (peaks_of(waveforms.for_page(pieces(text, 2**16))) == [-1, 2, -100, 50]).all()


def test_a_short_waveform_is_passed_on_as_it_is() -> None:
    assert waveforms.for_page(pieces(waveform(100), 7)) == waveform(100)
    assert waveforms.for_page([]) == b""


@pytest.mark.parametrize(
    "text",
    [
        b"<html>",
        b'{"data":[',
        b'{"length":0,"samples_per_pixel":1,"data":[1',
        b'{"length":"9","samples_per_pixel":1,"data":[1,',
        b'{"length":99,"samples_per_pixel":1,"data":[1,x,',
        b'{"length":99,"samples_per_pixel":1,"data":[1,99999,',
    ],
)
def test_another_form_is_told(text: bytes) -> None:
    with pytest.raises(DreamlakeError) as caught:
        waveforms.for_page(pieces(text + b" " * 2**19, 2**16))
    assert caught.value.code is Code.STORAGE_FAILED


def test_a_recording_of_hours_has_its_waveform(viewer: Seen, lab: Lab, object_store: ObjectStore) -> None:
    lab.ingest({"/room.wav": sound(1.0)})
    record = lab.record("/room.wav")
    long = waveform(5 * HOUR)
    assert len(long) > 8 * 2**20
    key = layout.result_key(lab.namespace, lab.project, Kind.AUDIO, record.id, "waveform.json")
    object_store.put(key, long, content_type="application/json")
    with viewer.browser(viewer.reader(lab.namespace)) as browser:
        answer = browser.get(f"/results/audio/{record.id}/waveform.json")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert len(answer.content) < 3 * 2**20 and len(peaks_of(answer.content)) > waveforms.MOST_PEAKS / 2
