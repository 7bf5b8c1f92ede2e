"""A worker that somebody has taken over says and leaves what harms its run most: the run stays whole, its memory, time
and disk bounded, and the next file is worked on."""

from __future__ import annotations

import json
import os
import sys
import timeit
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.results import RawSegment
from dreamlake_pipeline.media.run.bounds import LOOK, VIDEO
from dreamlake_pipeline.media.run.workers import WorkerFault, Workers
from dreamlake_pipeline.media.video.make import make_video

ROOMY = replace(LOOK, output=2**20, files=100)

# What planted code begins with: `say` writes a message past all that would make a good one of it.
PLANTED = """
import json, os, sys
from dreamlake_pipeline.media.run.messages import framed
frame = sys._getframe()
while "wire" not in frame.f_locals:
    frame = frame.f_back
wire = frame.f_locals["wire"]
def say(text, blobs="[]"):
    text = ("[" + text + "," + blobs + "]").encode()
    wire.send(len(text).to_bytes(4, "big") + text)
"""


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(1) as workers:
        yield workers


def planted(workers: Workers, code: str, **bounds: Any) -> Any:
    return workers.run(
        timeit.timeit, subject="evil.mp4", bounds=replace(ROOMY, **bounds), stmt=PLANTED + code, number=1
    )


@pytest.mark.parametrize("detail", ["code", "message", "hint", "self"])
def test_details_of_an_error_are_no_arguments_of_another_name(workers: Workers, detail: str) -> None:
    failure = json.dumps(["failed", ["DreamlakeError", "not_media", "m", None, {detail: "x"}]])
    with pytest.raises(DreamlakeError) as caught:
        planted(workers, f"say({failure!r})")
    assert caught.value.code is Code.CRASHES_WORKER
    assert workers.run(os.fspath, subject="x", bounds=LOOK, path="next") == "next"


@pytest.mark.parametrize(
    "text",
    [
        '\'["done",[\' + "[]," * 10_000_000 + "[]]]"',
        '\'["done",[\' + \'{"":[]},\' * 3_500_000 + "[]]]"',
        '\'["done",\' + "[" * 60_000 + "]" * 60_000 + "]"',
        '\'["done",1]\', "[" + "0," * 15_000_000 + "0]"',
        '\'["done","\' + "x" * 30_000_000 + \'"]\'',
        '\'["call",["read",[\' + "0," * 10_000_000 + "0]]]"',
    ],
    ids=["lists", "objects", "depth", "sizes", "text", "arguments"],
)
def test_a_look_is_answered_in_a_few_words(workers: Workers, text: str) -> None:
    """JSON takes sixty times its bytes as objects, and whoever reads it can do nothing else meanwhile: the sensor that
    looks at staged objects is of all owners."""
    before = psutil.Process().memory_info().rss
    with pytest.raises(DreamlakeError) as caught:
        planted(workers, f"say({text})")
    assert caught.value.code is Code.CRASHES_WORKER
    assert psutil.Process().memory_info().rss - before < 150 * 2**20


def test_a_fault_of_a_worker_is_no_book(workers: Workers) -> None:
    """It goes into the log of a run, and with that into Dagster's tables."""
    with pytest.raises(WorkerFault) as caught:
        planted(workers, "say('[\"fault\",\"' + 'x' * 20_000_000 + '\"]')", answer=2**25)
    assert len(str(caught.value)) < 20_000


# Takes the place of a maker in a warm worker.
REPLACED = """
import dreamlake_pipeline.media.video.make as module
def make_video(source, out, *, filename, ladder, on_segment=None):
    from dreamlake_pipeline.media.results import RawSegment
    import os
    number = 0
    while True:
        made = out / str(number)
        {make}
        on_segment(RawSegment(made, "0" * 64, 1))
        made.unlink()
        number += 1
make_video.__module__, make_video.__qualname__ = module.__name__, "make_video"
module.make_video = make_video
"""


@pytest.mark.parametrize("make", ["made.write_bytes(bytes(2**20))", "made.touch(); os.truncate(made, 2**30)"])
def test_results_that_never_end_are_stopped(workers: Workers, tmp_path: Path, make: str) -> None:
    (tmp_path / "source").write_bytes(b"x")
    (out := tmp_path / "out").mkdir()
    heard: list[RawSegment] = []
    planted(workers, REPLACED.format(make=make))
    with pytest.raises(DreamlakeError) as caught:
        workers.make(
            make_video,
            tmp_path / "source",
            out,
            subject="evil.mp4",
            bounds=replace(VIDEO, seconds=30, output=2**30, files=50),
            filename="evil.mp4",
            ladder=(),
            on_segment=heard.append,
        )
    assert caught.value.code is Code.MEDIA_TOO_LARGE and "evil.mp4" in caught.value.message
    assert len(heard) <= 50
    assert len(list(out.iterdir())) <= 51


KEPT_OPEN = """
import os
kept = []
for number in range(8):
    path = os.environ["TMPDIR"] + f"/{number}"
    kept.append(open(path, "wb"))
    os.unlink(path)
    for _ in range(50):
        kept[-1].write(bytes(2**20))
    kept[-1].flush()
"""
MAPPED = """
import os
import mmap
kept = []
for number in range(8):
    path = os.environ["TMPDIR"] + f"/{number}"
    with open(path, "w+b") as file:
        file.truncate(50 * 2**20)
        kept.append(mmap.mmap(file.fileno(), 50 * 2**20))
    os.unlink(path)
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="Linux tells root alone what others have open")
@pytest.mark.parametrize("keep", [KEPT_OPEN, MAPPED], ids=["open", "mapped"])
def test_files_that_are_deleted_and_kept_count_too(keep: str) -> None:
    with Workers(1, resident=400 * 2**20) as workers:
        assert planted(workers, "import time; time.sleep(1.5)", output=2**30) > 1
    with Workers(1, resident=400 * 2**20) as workers, pytest.raises(DreamlakeError) as caught:
        planted(workers, keep + "import time; time.sleep(8)", output=2**30)
    assert caught.value.code is Code.CRASHES_WORKER
