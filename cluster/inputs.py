"""A mixed directory of so many files: short sounds, videos that are copied, some that are transcoded for seconds, text
and labels."""

from __future__ import annotations

from torture.inputs import Inputs, Wave

_EXTRA = 4  # files of the first wave under further names, which every other wave has (torture/inputs.py)


def mixed(inputs: Inputs, number: int, files: int) -> Wave:
    """The wave of this number with about so many files."""
    videos, texts = max(2, files // 4), max(2, files // 8)
    long = max(2, files // 60)
    sounds = max(2, files - videos - texts - long - _EXTRA)
    return inputs.wave(number, sounds=sounds, videos=videos, texts=texts, drops=0, bad=False, long=long)


def heavy(inputs: Inputs, number: int, files: int) -> Wave:
    """The wave of this number with so many videos that keep ffmpeg busy for seconds, and little else."""
    return inputs.wave(number, sounds=0, videos=0, texts=0, drops=0, bad=False, long=files)
