"""Which names are near to one that is not there."""

from __future__ import annotations

import time

import pytest

from dreamlake_pipeline.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("wanted", "names", "found"),
    [
        ("cpus", ["cups", "robot"], ["cups"]),
        ("Cups", ["cups"], ["cups"]),
        ("front", ["rear.mp4", "front_left_camera_of_the_arm.mp4"], ["front_left_camera_of_the_arm.mp4"]),
        ("run-01", ["run-101", "run-001", "run-010", "run-011"], ["run-010", "run-011", "run-001"]),
        ("camra/rabbit.mp4", ["camera/rabbit.mp4", "camera/again.mkv"], ["camera/rabbit.mp4"]),
        ("run-001", [], []),
        ("x", ["abcdefgh"], []),
        ("", ["a"], []),
    ],
)
def test_the_most_like_come_first(wanted: str, names: list[str], found: list[str]) -> None:
    assert nearest(wanted, names) == found


def test_many_long_names_are_no_reason_to_wait() -> None:
    started = time.process_time()
    assert len(nearest("run-0777", (f"run-{number:04}" for number in range(10**6)))) == 3
    nearest("a" * 1024, ("ab" * 512 + str(number) for number in range(10**6)))
    assert time.process_time() - started < 30


def test_a_hint_can_be_pasted_into_a_shell() -> None:
    assert did_you_mean([]) is None
    assert did_you_mean(["cups"]) == "Did you mean cups?"
    assert did_you_mean(["a b", "c", "d'"]) == """Did you mean 'a b', c or 'd'"'"''?"""
