"""Times of WebVTT, and cues that are moved."""

from __future__ import annotations

import pytest

from dreamlake_pipeline import webvtt


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("00:00:00.000", 0), ("00:01.500", 1500), ("01:02:03.004", 3_723_004), ("100:00:00.000", 360_000_000)],
)
def test_times(text: str, milliseconds: int) -> None:
    assert webvtt.parse_time(text) == milliseconds
    assert webvtt.parse_time(webvtt.format_time(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("block", "times"),
    [
        ("00:01.000 --> 00:02.000\ntext", (1000, 2000)),
        ("id\n00:00:01.000 --> 00:00:02.000 line:0\ntext", (1000, 2000)),
        ("NOTE\ntext\n00:00:01.000 --> 00:00:02.000", None),
        ("STYLE\n::cue {}", None),
    ],
)
def test_times_of_a_block(block: str, times: tuple[int, int] | None) -> None:
    assert webvtt.times_of(block) == times


def test_a_cue_is_moved_with_its_time_tags_and_nothing_else() -> None:
    block = "at 00:00:01.000\n00:00:01.000 --> 00:00:02.000 line:0\nat 00:00:01.500 <00:00:01.500>now"
    moved = "at 00:00:01.000\n00:00:02.467 --> 00:00:03.467 line:0\nat 00:00:01.500 <00:00:02.967>now"
    assert webvtt.move_cue(block, 1467) == (1000, 2000, moved)
    assert webvtt.move_cue("NOTE <00:00:01.500>", 1000) is None
