"""What is told while files are processed: how many, what some of them wait for, how fast, and for how long still."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.cli import display, waits
from dreamlake_pipeline.client.events import Processing
from dreamlake_pipeline.errors import Code
from dreamlake_pipeline.processing.faults import OF_MACHINERY


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
