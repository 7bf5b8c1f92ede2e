"""The forms that one sound has, one behind the other: a stream may change its rate or its channels on the way.

ffmpeg makes its filters anew at each change, and says so in its log.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import av

from ..containers.excerpt import Excerpt
from ..containers.probe import AudioTrack, opened
from ..containers.sniff import Sniffed

# A filter that says how many samples of a form there were.
COUNTED = "astats=measure_perchannel=none:measure_overall=Number_of_samples"
_LEAST = 0.1  # seconds: what is shorter is a decoder that is finding its way
_TOLD = 3  # changes that a warning tells the times of
_CHANGED = re.compile(r"(\[\S+ @ \S+\]).* changed to (\d+) Hz, (.+?), (?:u8|s16|s32|s64|flt|dbl)p?\b")
_GUESSED = {"1 channels": "mono", "2 channels": "stereo"}


@dataclass(frozen=True, slots=True)
class Form:
    """A sample rate, and a channel layout as FFmpeg writes it."""

    sample_rate: int
    layout: str

    @classmethod
    def of(cls, audio: AudioTrack) -> Form:
        return cls(audio.sample_rate, _GUESSED.get(audio.layout, audio.layout))

    @classmethod
    def of_part(cls, part: Excerpt, source: Path, sniffed: Sniffed, subject: str) -> Form:
        """The form of the sound in one part of a file."""
        with source.open("rb") as file, opened(part.opened(file), sniffed, subject) as container:
            context = container.streams.audio[0].codec_context
            return cls(context.sample_rate, _GUESSED.get(context.layout.name, context.layout.name))

    @property
    def channels(self) -> int:
        return av.AudioLayout(self.layout).nb_channels

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(channel.name for channel in av.AudioLayout(self.layout).channels)

    def __str__(self) -> str:
        return f"{self.sample_rate:,} Hz, {self.layout}"


def changes(log: Sequence[str]) -> list[Form]:
    """The forms that the sound changes to, as one of ffmpeg's filter graphs tells of them in the log."""
    found = [_CHANGED.search(line) for line in log]
    told = [match for match in found if match]
    return [Form(int(match[2]), match[3]) for match in told if match[1] == told[0][1]]


def counted(log: Sequence[str]) -> list[int]:
    """How many samples each form had, by the filter COUNTED."""
    return [int(found[1]) for line in log if (found := re.search(r"Number of samples: (\d+)", line))]


def change_warnings(first: Form, forms: Sequence[Form], seconds: Sequence[float], becomes: str) -> tuple[str, ...]:
    """What a person should know of a sound that changes to `forms`, each of which lasts so many seconds.

    `becomes` says what is made of it.
    """
    form, told = first, []
    lengths = [*seconds[1:], math.inf]
    for changed, at, length in zip(forms, accumulate(seconds), lengths, strict=False):
        if changed != form and length > _LEAST:
            told.append(f"to {changed} at {at:.2f} s")
            form = changed
    if not told:
        return ()
    rest = f" and {len(told) - _TOLD:,} more times" if len(told) > _TOLD else ""
    return (f"The sound changes on the way, {', '.join(told[:_TOLD])}{rest}: all of it is {becomes}.",)
