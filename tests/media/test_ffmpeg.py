"""Runs of ffmpeg are bounded, and their failures carry evidence."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
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


FROM_OUTSIDE = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGKILL, signal.SIGPIPE]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        *((-number, "") for number in FROM_OUTSIDE),  # before it minds signals
        (255, "[info] Exiting normally, received signal 15."),
        (123, "Received > 3 system signals, hard exiting"),
    ],
)
def test_whatever_ends_it_from_outside_says_nothing_of_the_file(code: int, said: str) -> None:
    """A job of a cluster that is stopped has SIGTERM sent to each of its processes, several times perhaps."""
    lines = ["[error] Error while decoding stream #0:0: Invalid data found", *filter(None, [said])]
    assert ffmpeg._failure(code, lines, "good.wav").code is Code.CRASHES_WORKER


@pytest.mark.parametrize("code", [-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGFPE, 1, 69, 187])
def test_a_crash_is_the_files(code: int) -> None:
    assert ffmpeg._failure(code, ["[error] Invalid data found"], "evil.wav").code is Code.MEDIA_CORRUPT


def is_endless(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "anullsrc" in process.cmdline()
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process of its parent's end")
def test_it_ends_with_the_process_that_runs_it(clip: Callable[[str], Path], tmp_path: Path) -> None:
    """Whatever kills that; and it goes on when other threads of that end."""
    code = """
import sys, threading
from pathlib import Path
import ffmpeg as ffmpeg_python
from dreamlake_pipeline.media.run import ffmpeg
def run():
    node = ffmpeg_python.input("anullsrc", f="lavfi", re=None).output("-", f="null")
    where, limits = Path(sys.argv[2]), ffmpeg.Limits(600, 2**30)
    ffmpeg.run([node], source=Path(sys.argv[1]), cwd=where, limits=limits, subject="good.wav")
threading.Thread(target=lambda: threading.Thread(target=run).start()).start()
"""
    with subprocess.Popen([sys.executable, "-c", code, str(clip("speech.wav")), str(tmp_path)]) as running:
        try:
            deadline = time.monotonic() + 100
            while not (found := [one for one in psutil.Process(running.pid).children() if is_endless(one)]):
                assert time.monotonic() < deadline and running.poll() is None
                time.sleep(0.05)
            [child] = found
            time.sleep(0.5)
            assert child.is_running() and running.poll() is None
        finally:
            running.kill()
    with suppress(psutil.NoSuchProcess):
        while child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.02)


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
