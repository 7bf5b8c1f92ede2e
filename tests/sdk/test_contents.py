"""What is in a file, as `File` gives it: exact in time, and refused where a kind does not have it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.client.file import File
from dreamlake_pipeline.errors import Code, DreamlakeError
from tests.sdk.conftest import CLICKS, RATE, SECONDS

RUN = "cups@lab:run-001"
FRONT, LEFT = f"{RUN}/camera/front.mp4", f"{RUN}/microphone/left.wav"


@pytest.fixture(scope="module")
def pictures(recordings: Path) -> np.ndarray:
    """Every picture of the video, as its file has them."""
    with av.open(str(recordings / "run-001/camera/front.mp4")) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize(
    ("start", "stop", "first", "last"),
    [
        (0, None, 0, 225),
        (0, 0.04, 0, 1),
        (0.04, 0.12, 1, 3),
        (0.041, 0.121, 2, 4),
        (5.96, 6.04, 149, 151),  # over the end of a segment
        (1.99, 2.01, 50, 51),
        (8.9, 20, 223, 225),
        (3, 3, 75, 75),
        (30, None, 225, 225),
    ],
)
def test_frames_are_exactly_those_of_the_time(
    lake: DreamLake, pictures: np.ndarray, start: float, stop: float | None, first: int, last: int
) -> None:
    file = lake.file(FRONT)
    assert file.metadata["processing"]["mode"] == "copy"
    times, found = file.frames(start, stop)
    assert np.allclose(times, np.arange(first, last) / 25, atol=1e-4)
    assert found.dtype == np.uint8
    assert len(found) == last - first
    if last > first:
        assert np.array_equal(found, pictures[first:last])


def test_one_frame_after_the_other(lake: DreamLake, pictures: np.ndarray) -> None:
    shown = lake.file(FRONT).each_frame(7.5)
    time, picture = next(shown)
    assert time == pytest.approx(7.52, abs=1e-4)
    assert np.array_equal(picture, pictures[188])


def test_only_the_segments_of_the_time_are_fetched(lake: DreamLake, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamlake_pipeline.client import streaming

    fetched: list[str] = []
    read = streaming.read_blocks
    monkeypatch.setattr(streaming, "read_blocks", lambda url, *rest: (fetched.append(url), read(url, *rest))[1])
    file = lake.file(FRONT)
    assert file.metadata["chunks"]["count"] > 1
    assert len(file.frames(0, 1).times) == 25
    assert len(fetched) == 1


@pytest.mark.parametrize("place", [FRONT, LEFT])
def test_sound_is_where_its_time_is(lake: DreamLake, place: str) -> None:
    file = lake.file(place)
    samples, rate = file.audio()
    assert (rate, samples.dtype, samples.shape[1]) == (RATE, np.float32, 1)
    assert len(samples) == pytest.approx(SECONDS * RATE, abs=RATE / 20)
    for at in CLICKS:
        part = file.audio(at - 0.125, at + 0.25).samples[:, 0]
        assert len(part) == round(0.375 * RATE)
        assert np.allclose(part, samples[round((at - 0.125) * RATE) :][: len(part), 0], atol=0.01)
        loud = np.flatnonzero(np.abs(part) > 0.2)[0] / RATE
        assert loud == pytest.approx(0.125, abs=0.003)
    twice = file.audio(CLICKS[0], CLICKS[0] + 1, rate=2 * RATE)
    assert (len(twice.samples), twice.rate) == (2 * RATE, 2 * RATE)
    assert np.flatnonzero(np.abs(twice.samples[:, 0]) > 0.2)[0] / twice.rate < 0.003
    assert np.abs(file.audio(1, 3).samples).max() < 0.01
    assert len(file.audio(100, 101).samples) == 0
    assert len(file.audio(2, 2).samples) == 0


def test_labels_are_a_table(lake: DreamLake) -> None:
    file = lake.file(RUN, "labels/joints.csv")
    frame = file.labels()
    assert list(frame["grip"]) == [n * 0.5 for n in range(30)]
    assert list(frame["_line"]) == list(range(2, 32))
    assert file.arrow().column("grip").to_pylist() == list(frame["grip"])
    assert list(lake.labels(file.bss_id)["grip"]) == list(frame["grip"])


def test_text_is_webvtt_and_cues(lake: DreamLake) -> None:
    file = lake.file(RUN, "/subtitles/words.srt")
    assert file.text().startswith("WEBVTT\n")
    first, second = file.cues()
    assert first == (0.5, 1.5, "Grasping <i>the</i> cup")
    assert (second.start, second.end) == (2.0, 3.0)
    assert second.text.splitlines()[0] == "Two"
    assert list(lake.file(RUN, "/subtitles/flight.srt").telemetry()["start"]) == [0, 1, 2, 3, 4]
    with pytest.raises(DreamlakeError) as caught:
        file.telemetry()
    assert caught.value.code is Code.NOT_FOUND


WRONG: dict[str, list[Callable[[File], Any]]] = {
    "/camera/front.mp4": [File.labels, File.arrow, File.text, File.cues, File.telemetry],
    "/microphone/left.wav": [File.frames, File.each_frame, File.labels, File.arrow, File.text, File.cues],
    "/subtitles/words.srt": [File.frames, File.each_frame, File.audio, File.labels, File.arrow],
    "/labels/joints.csv": [File.frames, File.each_frame, File.audio, File.text, File.cues, File.telemetry],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_kind_does_not_have_is_said(lake: DreamLake, name: str) -> None:
    file = lake.file(RUN, name)
    for method in WRONG[name]:
        with pytest.raises(DreamlakeError) as caught:
            method(file)
        assert caught.value.code is Code.INVALID_REQUEST
        assert name in str(caught.value)
        assert ", not a" in str(caught.value)


def test_a_file_that_failed_says_why(lake: DreamLake) -> None:
    file = lake.file(RUN, "/camera/broken.mp4")
    assert file.status == "failed"
    assert file.error is not None
    assert file.error.message
    for method in (File.frames, File.audio, File.playback_url):
        with pytest.raises(DreamlakeError) as caught:
            method(file)
        assert caught.value.code is Code.NOT_READY
        assert file.error.message in str(caught.value)


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (2, 1), (float("nan"), None), (float("inf"), None)])
def test_a_time_that_is_none_is_refused(lake: DreamLake, start: float, stop: float | None) -> None:
    for place, method in ((FRONT, File.frames), (LEFT, File.audio)):
        with pytest.raises(DreamlakeError) as caught:
            method(lake.file(place), start, stop)
        assert caught.value.code is Code.USAGE


def test_more_than_fits_is_refused_before_it_is_read(lake: DreamLake, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamlake_pipeline.client import decoding

    monkeypatch.setattr(decoding, "_MOST_BYTES", 200_000)
    for place, method in ((FRONT, File.frames), (LEFT, File.audio)):
        with pytest.raises(DreamlakeError) as caught:
            method(lake.file(place))
        assert caught.value.code is Code.REQUEST_TOO_LARGE
        assert "start, stop" in str(caught.value)
    assert len(lake.file(FRONT).frames(0, 0.04).times) == 1
