"""A text track in memory: what the parsers of both formats fill, and how it is written as WebVTT."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ... import webvtt
from .bad_lines import BadLines
from .remarks import Remarks

TextFormat = Literal["vtt", "srt"]


@dataclass(slots=True)
class Cue:
    """Times are milliseconds; `line` is where they stand in the source, from 1.

    `payload` are the lines of WebVTT cue text. `notes` are the comment blocks that stand before it. `section` counts
    the WEBVTT headers before it, from 0.
    """

    start: int
    end: int
    settings: str
    identifier: str
    payload: list[str]
    line: int
    notes: list[str] = field(default_factory=list)
    section: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """A WebVTT header in line `line`, and the cues below it.

    `local` (milliseconds) and `mpegts` (ticks of 90 kHz) are those of its X-TIMESTAMP-MAP; None where it has none.
    """

    line: int
    local: int | None = None
    mpegts: int | None = None


@dataclass
class Track:
    """`header` is the text behind WEBVTT and the lines below it; `blocks` are what stands before the first cue."""

    format: TextFormat
    header: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    trailing_notes: list[str] = field(default_factory=list)
    language: str | None = None
    sections: list[Section] = field(default_factory=list)
    bad: BadLines = field(default_factory=BadLines)
    remarks: Remarks = field(default_factory=Remarks)
    warnings: list[str] = field(default_factory=list)

    def sort(self) -> None:
        """Order the cues by their starts, and leave those of one start as they are: WebVTT asks for no more.

        A warning tells where starts go back.
        """
        back = [at for at in range(1, len(self.cues)) if self.cues[at].start < self.cues[at - 1].start]
        if not back:
            return
        cue, before = self.cues[back[0]], self.cues[back[0] - 1]
        self.warnings.append(
            f"Cues are out of order and were sorted by their starts: in {_places(len(back))}, a cue starts before the "
            f"one above it, first in line {cue.line} "
            f"({webvtt.format_time(cue.start)} after {webvtt.format_time(before.start)})."
        )
        self.cues.sort(key=lambda cue: cue.start)

    def format_webvtt(self) -> str:
        title, *metadata = self.header or [""]
        blocks = ["\n".join([f"{webvtt.HEADER} {title}".rstrip(), *metadata]), *self.blocks]
        for cue in self.cues:
            timing = webvtt.format_timing(cue.start, cue.end, cue.settings)
            identifier = [cue.identifier] if cue.identifier else []
            blocks += [*cue.notes, "\n".join([*identifier, timing, *cue.payload])]
        return "\n\n".join([*blocks, *self.trailing_notes]) + "\n"


def _places(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"
