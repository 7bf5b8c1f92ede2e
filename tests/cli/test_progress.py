"""What is told while files are processed: how many, what some of them wait for, how fast, and for how long still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dreamlake_pipeline.cli import display, waits
from dreamlake_pipeline.cli.output import Interrupted
from dreamlake_pipeline.cli.progress import run_transfer
from dreamlake_pipeline.client.events import Event, FileEvent, FileStatus, Processing, Progress, Summary
from dreamlake_pipeline.errors import Code
from dreamlake_pipeline.processing.faults import OF_MACHINERY

UPLOADED = FileEvent("/data/a.wav", FileStatus.UPLOADED, "/a.wav", size=20)
READY = replace(UPLOADED, status=FileStatus.READY)
SKIPPED = FileEvent(
    "/data/x.md", FileStatus.SKIPPED, code="unknown_kind", reason=".md is none of the known extensions."
)


def test_what_files_wait_for_is_said() -> None:
    shown = display.show_states(
        Processing({"queued": 7, "processing": 5, "ready": 1200}, 0, made=2, put_off={"storage_failed": 4})
    )
    assert shown == "3 queued, 3 processing, 2 made, 1,200 ready, 4 waiting for the object store"
    assert display.show_states(Processing({"queued": 4}, 0, put_off={"odd": 4})) == "4 waiting for another try (odd)"


def test_every_fault_of_the_machinery_is_called_by_what_it_is() -> None:
    others = {Code.REQUEST_TIMEOUT, Code.UNAUTHENTICATED, Code.FORBIDDEN}
    assert set(waits._WAITED_FOR) == {str(code) for code in OF_MACHINERY - others}


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_the_time_left_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(display, "time", clock)
    rate = display._Rate()
    told = []
    for second in range(100):  # 20 files a second, in groups, of 2,000
        clock.now += 1
        done = 20 * (second + 1) if second % 2 else 20 * second
        told.append(rate.describe(Processing({"ready": done, "processing": 2000 - done}, 0)))
    assert all(" left" in one for one in told[3:-1])
    for second in (20, 50, 90):
        minutes, seconds = told[second].split(", ")[1].removesuffix(" left").split(":")
        assert abs(int(minutes) * 60 + int(seconds) - (99 - second)) <= 0.1 * (99 - second) + 3
    assert "left" not in told[-1]

    # The one that is left takes longer than all others did: nobody knows how long.
    for _ in range(15):
        clock.now += 1
        said = rate.describe(Processing({"ready": 2000, "processing": 1}, 0))
    assert said == ""


def test_the_time_left_is_not_that_of_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(display, "time", clock)
    rate = display._Rate()
    rate.describe(Processing({"ready": 2, "processing": 600}, 0))
    for _ in range(30):
        clock.now += 1
        assert rate.describe(Processing({"ready": 2, "queued": 600}, 0, put_off={"storage_failed": 600})) == ""
    for second in range(1, 6):  # 100 a second, once the store is back
        clock.now += 1
        done = 2 + 100 * second
        told = rate.describe(Processing({"ready": done, "processing": 602 - done}, 0))
    assert told.startswith("100/s")


def test_what_is_being_worked_on_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(display, "time", clock)
    lines = display._Lines()
    clock.now += 6
    lines.processing(
        Processing({"processing": 5, "ready": 1}, 0, made=1, names=("one:/front.mp4", "/a\nb.wav", "/c.csv"))
    )
    clock.now += 6
    lines.sending(Progress(3, 900, 1, 300, 300, 300, is_walking=False, names=("/large.mp4",)))
    assert capsys.readouterr().err.splitlines() == [
        "4 processing, 1 made, 1 ready: one:/front.mp4, /a\\nb.wav, /c.csv and 1 more",
        "1 of 3 files, 300 B of 900 B: /large.mp4",
    ]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            [UPLOADED, SKIPPED, Progress(9, 900, 2, 300, 300, 1500, is_walking=True)],
            "interrupted; 1 of 8+ files have arrived for certain (1.5 kB sent). What arrived is processed all the same",
        ),
        ([], "interrupted before anything was done. Run the same command again to go on."),
        (
            [SKIPPED, Progress(9, 900, 0, 300, 300, 1500, is_walking=True)],
            "interrupted before any file had arrived (1.5 kB sent). Run the same command again to go on.",
        ),
        (
            [UPLOADED, READY, Processing({"ready": 1, "processing": 2}, 0)],
            "interrupted while waiting (2 processing, 1 ready). What is not processed yet is processed all ",
        ),
        (
            [replace(UPLOADED, status=FileStatus.QUEUED)],
            "interrupted; 1 file queued so far. What is queued is processed ",
        ),
        ([replace(UPLOADED, status=FileStatus.INDEXED)], "interrupted; 1 file added to the index so far."),
    ],
)
def test_ctrl_c_tells_what_arrived_and_what_goes_on(told: list[Event], sentence: str) -> None:
    def events() -> Iterator[Event]:
        yield from told
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as ended:
        run_transfer(events(), as_json=False, tell_each=True)
    assert str(ended.value).startswith(sentence)


def test_what_is_said_of_each_file_goes_to_one_stream(capsys: pytest.CaptureFixture[str]) -> None:
    failed = replace(UPLOADED, path="/data/b.wav", status=FileStatus.FAILED, reason="It is broken.")
    for tell_each in (True, False):  # as `upload` and `ingest` do
        run_transfer(iter([UPLOADED, READY, failed, SKIPPED, Summary(files=3)]), as_json=False, tell_each=tell_each)
        told = capsys.readouterr()
        assert told.out.startswith("3 files: ") and told.out.count("\n") == 1
        assert "failed     /data/b.wav: It is broken.\n" in told.err
        assert ("uploaded   /a.wav" in told.err) is ("ready      /a.wav" in told.err) is tell_each
