"""Runs of ffmpeg are bounded, and their failures carry evidence."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python
import psutil
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.run import ffmpeg

ENOUGH = ffmpeg.Limits(seconds=60, output_bytes=2**30)


def endless(**options: Any) -> Any:
    """A command that would write pictures for ever."""
    return ffmpeg_python.input("testsrc2=size=640x360:rate=30", f="lavfi").output(
        "out.avi", **{"c:v": "rawvideo"}, **options
    )


def test_a_run_that_takes_too_long_is_killed(clip: Callable[[str], Path], tmp_path: Path) -> None:
    started = time.monotonic()
    node = ffmpeg_python.input("anullsrc", f="lavfi", re=None).output("-", f="null")
    with pytest.raises(DreamlakeError) as caught:
        ffmpeg.run([node], source=clip("speech.wav"), cwd=tmp_path, limits=ffmpeg.Limits(1, 2**30), subject="slow.wav")
    assert caught.value.code is Code.MEDIA_TIMEOUT and "slow.wav" in caught.value.message
    assert time.monotonic() - started < 10


def test_a_run_that_writes_too_much_is_killed(clip: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(DreamlakeError) as caught:
        ffmpeg.run(
            [endless()], source=clip("speech.wav"), cwd=tmp_path, limits=ffmpeg.Limits(60, 2**24), subject="bomb.mp4"
        )
    assert caught.value.code is Code.MEDIA_TOO_LARGE and "bomb.mp4" in caught.value.message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_who_kills_it_is_not_the_file(number: int, clip: Callable[[str], Path], tmp_path: Path) -> None:
    """The system, short of memory, or a person: nothing is said against the file, which is tried again."""
    node = ffmpeg_python.input("anullsrc", f="lavfi", re=None).output("-", f="null")
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(
            ffmpeg.run, [node], source=clip("speech.wav"), cwd=tmp_path, limits=ENOUGH, subject="good.wav"
        )
        deadline = time.monotonic() + 50
        while time.monotonic() < deadline and not run.done():
            found = [one for one in psutil.Process().children() if str(tmp_path) == one.cwd()]
            if found and time.time() - found[0].create_time() > 1:  # it has begun, and minds what it is told
                found[0].send_signal(number)
                break
            time.sleep(0.1)
        with pytest.raises(DreamlakeError) as caught:
            run.result(60)
    assert caught.value.code is Code.CRASHES_WORKER and "good.wav" in caught.value.message


def test_a_failure_carries_the_last_lines_of_the_log(written: Callable[[str, bytes], Path], tmp_path: Path) -> None:
    node = ffmpeg.source_input("mov").output("out.mp4")
    with pytest.raises(DreamlakeError) as caught:
        ffmpeg.run([node], source=written("x", bytes(500)), cwd=tmp_path, limits=ENOUGH, subject="x.mp4")
    assert caught.value.code in (Code.MEDIA_CORRUPT, Code.MEDIA_TRUNCATED)
    assert caught.value.details["exitCode"] != 0
    assert any("error" in line for line in caught.value.details["log"])
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("demuxer", ["mov", "matroska", "avi", "wav", "mp3", "aac", "ogg", "flac"])
def test_no_demuxer_follows_a_script_to_another_file(
    clip: Callable[[str], Path], written: Callable[[str, bytes], Path], tmp_path: Path, demuxer: str
) -> None:
    script = written("script", f"ffconcat version 1.0\nfile '{clip('h264.mp4')}'\n".encode() * 20)
    with pytest.raises(DreamlakeError):
        ffmpeg.run(
            [ffmpeg.source_input(demuxer).output("out.ts", c="copy")],
            source=script,
            cwd=tmp_path,
            limits=ENOUGH,
            subject="script",
        )


def test_a_codec_that_is_not_on_the_list_is_not_opened(clip: Callable[[str], Path], tmp_path: Path) -> None:
    node = ffmpeg_python.input(f"file:{ffmpeg.SOURCE}", f="mov", codec_whitelist="aac").output("out.avi")
    with pytest.raises(DreamlakeError) as caught:
        ffmpeg.run([node], source=clip("silent.mp4"), cwd=tmp_path, limits=ENOUGH, subject="silent.mp4")
    assert caught.value.code is Code.MEDIA_UNSUPPORTED
