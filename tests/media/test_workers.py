"""Worker processes: whatever a file does to one, the next file is worked on."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.machine import fault_of_machine
from dreamlake_pipeline.media.audio.make import make_audio, make_short_audio
from dreamlake_pipeline.media.results import AudioResult
from dreamlake_pipeline.media.run import worker
from dreamlake_pipeline.media.run.bounds import LOOK, SHORT_AUDIO
from dreamlake_pipeline.media.run.workers import WorkerFault, Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(2) as workers:
        yield workers


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    tone = 0.3 * np.sin(np.arange(8000) / 16_000 * 2 * np.pi * 440)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tone * 32_767).astype("<i2").tobytes())
    return path


def make(workers: Workers, source: Path) -> AudioResult | None:
    return workers.run(
        make_short_audio, subject="sound.wav", bounds=SHORT_AUDIO, data=source.read_bytes(), filename="sound.wav"
    )


def of_a_worker() -> list[psutil.Process]:
    """The keepers; each has its worker as its child."""
    return [
        child
        for child in psutil.Process().children()
        if "dreamlake_pipeline.media.run.worker" in " ".join(child.cmdline())
    ]


def test_the_same_bytes_give_the_same_chunks_wherever_they_are_made(sound: Path, tmp_path: Path) -> None:
    here = make_audio(sound, tmp_path / "here", filename="sound.wav")
    for count in (1, 3):
        with Workers(count) as workers, ThreadPoolExecutor(4) as threads:
            made = list(threads.map(partial(make, workers), [sound] * 5))
            assert len(of_a_worker()) <= count
        assert {one.streams[0].hash for one in made if one} == {here.streams[0].hash}
    assert of_a_worker() == []


def test_what_is_not_short_or_plain_is_left_to_ffmpeg(
    workers: Workers, encode: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    for name, arguments in {
        "long.wav": "-f lavfi -i sine=d=7",
        "surround.wav": "-f lavfi -i anullsrc=cl=5.1:d=1",
        "adpcm.wav": "-f lavfi -i sine=d=1 -c:a adpcm_ms",
        "tone.flac": "-f lavfi -i sine=d=1",
    }.items():
        assert make(workers, encode(arguments, tmp_path / name)) is None


def test_an_error_is_the_same_as_without_a_worker(workers: Workers, sound: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(sound.read_bytes()[:5000])
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"RIFF\xff\xff\0\0WAVEfmt \x10\0\0\0" + os.urandom(300))
    for source in (cut, noise):
        with pytest.raises(DreamlakeError) as here:
            make_audio(source, tmp_path / "here", filename="sound.wav")
        with pytest.raises(DreamlakeError) as there:
            make(workers, source)
        assert there.value.as_dict() == here.value.as_dict()
    assert make(workers, sound) is not None


def test_a_file_that_kills_its_process_fails_alone(workers: Workers, sound: Path, tmp_path: Path) -> None:
    with pytest.raises(DreamlakeError) as caught:
        workers.run(os.abort, subject="evil.wav", bounds=LOOK)
    assert caught.value.code is Code.CRASHES_WORKER and "evil.wav" in caught.value.message
    assert make(workers, sound) is not None


@pytest.mark.parametrize("whom", ["worker", "keeper"])
def test_a_file_whose_process_somebody_killed_is_done_by_another(workers: Workers, whom: str) -> None:
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(workers.run, subprocess.check_output, subject="x", bounds=LOOK, args=["sleep", "1"])
        deadline = time.monotonic() + 30
        while (
            not (found := [one for one in of_a_worker() if len(one.children(recursive=True)) > 1])
            and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        (found[0] if whom == "keeper" else found[0].children()[0]).kill()
        assert call.result(60) == b""


def test_a_file_that_never_ends_is_stopped(workers: Workers, sound: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(DreamlakeError) as caught:
        workers.run(
            subprocess.check_output, subject="endless.wav", bounds=replace(LOOK, seconds=1.5), args=["sleep", "600"]
        )
    assert caught.value.code is Code.MEDIA_TIMEOUT and "endless.wav" in caught.value.message
    assert time.monotonic() - started < 60
    assert make(workers, sound) is not None


def test_a_process_that_does_not_listen_is_stopped(workers: Workers, sound: Path, tmp_path: Path) -> None:
    assert make(workers, sound) is not None
    [keeper] = of_a_worker()
    [idle] = keeper.children()
    idle.suspend()
    with pytest.raises(DreamlakeError) as caught:
        workers.run(len, subject="large.wav", bounds=replace(LOOK, seconds=1), obj=bytes(2**20))
    assert caught.value.code is Code.MEDIA_TIMEOUT
    assert not idle.is_running()
    assert make(workers, sound) is not None


def test_a_file_can_not_eat_the_memory(workers: Workers) -> None:
    with pytest.raises(DreamlakeError) as caught:
        workers.run(np.ones, subject="bomb.wav", bounds=LOOK, shape=3 * 2**30, dtype="u1")
    assert caught.value.code is Code.MEDIA_TOO_LARGE


@pytest.mark.parametrize(
    ("number", "code"),
    [
        *((errno.EFBIG, Code.MEDIA_TOO_LARGE), (errno.ENOMEM, Code.MEDIA_TOO_LARGE)),  # what the cage bounds
        *((errno.ENOSPC, Code.STORAGE_FULL), (errno.EDQUOT, Code.STORAGE_FULL)),  # what the machine lacks
        *((errno.ENFILE, Code.MACHINE_FAILED), (errno.EAGAIN, Code.MACHINE_FAILED)),
        *((errno.EIO, Code.MACHINE_FAILED), (errno.EROFS, Code.MACHINE_FAILED), (errno.ENOENT, None)),
    ],
)
def test_whose_fault_it_is_when_the_system_refuses_a_worker(number: int, code: Code | None) -> None:
    fault = OSError(number, os.strerror(number))
    error = worker._bound_that_broke(fault) or fault_of_machine(fault)
    assert (error and error.code) == code


def test_what_libav_says_of_a_file_is_no_fault_of_the_machine() -> None:
    assert fault_of_machine(av.error.OSError(errno.EIO, "Input/output error")) is None
    assert fault_of_machine(av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")) is None


def test_all_calls_can_be_stopped(workers: Workers) -> None:
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(workers.run, subprocess.check_output, subject="x", bounds=LOOK, args=["sleep", "30"])
        deadline = time.monotonic() + 30
        while not any(len(one.children(recursive=True)) > 1 for one in of_a_worker()) and time.monotonic() < deadline:
            time.sleep(0.01)
        workers.stop()
        with pytest.raises(DreamlakeError, match="stopped before its end"):
            call.result(20)
    with pytest.raises(DreamlakeError, match="stopped before its end"):
        workers.run(os.fspath, subject="x", bounds=LOOK, path="/plain")


def test_a_worker_that_does_not_start_is_not_waited_for_once_all_is_stopped(workers: Workers) -> None:
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(workers.run, os.fspath, subject="x", bounds=LOOK, path="/plain")
        while not (keepers := of_a_worker()):
            assert not call.done()
        for one in keepers:
            one.suspend()
        workers.stop()
        begun = time.monotonic()
        with pytest.raises(DreamlakeError, match="stopped before its end"):
            call.result(100)
        # A keeper that does not answer is killed after twice ten seconds.
        assert time.monotonic() - begun < 50


def test_a_worker_knows_no_secret(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert workers.run(os.getenv, subject="x", bounds=LOOK, key="AWS_SECRET_ACCESS_KEY") is None


def test_an_answer_is_values_and_nothing_that_is_called(workers: Workers) -> None:
    """What unpickles as a call is what somebody answers who has taken over the process."""
    with pytest.raises(WorkerFault, match="Logger is no plain value"):
        workers.run(logging.getLogger, subject="evil.wav", bounds=LOOK, name="x")  # pickled as a call of itself
    assert workers.run(os.fspath, subject="x", bounds=LOOK, path="/plain") == "/plain"
