"""The cues of a text track."""

from __future__ import annotations

from typing import NamedTuple

from ..webvtt import ARROW, times_of


class Cue(NamedTuple):
    """A text that is shown from `start` to `end`, in seconds. It is WebVTT's: it may hold tags, and `&amp;` for `&`."""

    start: float
    end: float
    text: str


def cues_of(webvtt: str) -> list[Cue]:
    """The cues of a WebVTT file as this project writes it: with an empty line between two blocks."""
    cues = []
    for block in webvtt.split("\n\n"):
        times = times_of(block.lstrip("\n"))
        if times is not None:
            lines = block.strip("\n").split("\n")
            text = lines[1 if ARROW in lines[0] else 2 :]
            cues.append(Cue(times[0] / 1000, times[1] / 1000, "\n".join(text)))
    return cues
