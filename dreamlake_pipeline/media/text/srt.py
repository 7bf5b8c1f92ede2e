"""SubRip: a number, a line of times, lines of text, and a blank line, as far as people and tools keep to it.

No standard says what SubRip is. What players do decides: a cue begins where its times are, numbers and blank lines may
be missing or too many, and what is no line of times is text.
"""

from __future__ import annotations

import re

from ... import webvtt
from .cues import Cue, Track
from .markup import settings_of_override, vtt_text_of_subrip
from .timing import Timing, is_setting, read_timing

_NUMBER = re.compile(r"[ \t]*#?[0-9]{1,9}[.:)]?[ \t]*")
# What is no identifier of a WebVTT cue: these words begin other blocks there.
_RESERVED = re.compile(r"(?:NOTE|STYLE|REGION|WEBVTT)\b.*")
_SUBVIEWER_BREAK = "[br]"


def parse_srt(lines: list[str]) -> Track:
    parser = _Parser(lines)
    parser.parse()
    return parser.track


class _Parser:
    """Reads the lines one after the other. The cue that is being read is `_open`; `_text` are its lines so far."""

    def __init__(self, lines: list[str]) -> None:
        self.track = Track("srt")
        self._lines = lines
        self._open: Cue | None = None
        self._text: list[str] = []
        self._broken = False  # the last line of times can't be used: what follows is that cue's, and goes with it
        self._number: int | None = None  # the number above the last line of times
        self._first_number: int | None = None
        self._named: bool | None = None  # whether the first cue has a name above its times

    def parse(self) -> None:
        index = 0
        gap = True  # whether a blank line, or the beginning, is just above
        while index < len(self._lines):
            line = self._lines[index]
            if not line.strip():
                gap = True
                index += 1
                continue
            numbered = self._is_number_of_cue(index)
            named = gap and not numbered and self._is_name_of_cue(index)
            if numbered or named:
                times_at = self._next_line(index)
                self._begin(times_at, above=line.strip())
                index = times_at + 1
            elif self._begins_cue(index, gap):
                self._begin(index, above="")
                index += 1
            else:
                self._add_text(index, gap)
                index += 1
            gap = False
        self._close()

    def _next_line(self, index: int) -> int:
        """The next line that is not blank; the number of lines if there is none. At most two are passed over."""
        following = index + 1
        while following < min(index + 3, len(self._lines)) and not self._lines[following].strip():
            following += 1
        return following

    def _is_number_of_cue(self, index: int) -> bool:
        if not _NUMBER.fullmatch(self._lines[index]):
            return False
        following = self._next_line(index)
        return following < len(self._lines) and self._begins_cue(following, gap=True, numbered=True)

    def _is_name_of_cue(self, index: int) -> bool:
        """A line right above the times, and behind a blank line, names the cue, where the first one has a name too."""
        following = index + 1
        if (
            self._named is False
            or following >= len(self._lines)
            or not self._lines[following].strip()
            or webvtt.ARROW in self._lines[index]
        ):
            return False
        return not self._begins_cue(index, gap=True) and self._begins_cue(following, gap=True)

    def _begins_cue(self, index: int, gap: bool, numbered: bool = False) -> bool:
        """Whether it is a line of times, and no text that looks like one.

        Anywhere, a whole one is: `-->` between times with hours or fractions, and nothing but settings behind them.
        Behind a blank line or a number, others are that can hardly be text: those with another arrow, and with text
        behind the times. Behind these, times that can't be read are a broken cue.
        """
        timing = read_timing(self._lines[index])
        if isinstance(timing, Timing):
            if timing.bracketed:
                return timing.standard
            if timing.whole and timing.standard:
                return timing.is_bare or gap or numbered
            return (gap or numbered) and timing.is_bare and (timing.whole or timing.standard)
        return timing is not None and (gap or numbered)

    def _begin(self, index: int, above: str) -> None:
        self._close()
        timing = read_timing(self._lines[index])
        number = int(re.sub("[^0-9]", "", above)) if _NUMBER.fullmatch(above) else None
        identifier = "" if number is not None or _RESERVED.fullmatch(above) else above
        self._named = bool(identifier) if self._named is None else self._named
        self._broken = True
        if isinstance(timing, str):
            self.track.bad.add(index + 1, timing)
        elif timing is not None:
            self._open = open_cue(self.track, timing, identifier, index + 1)
            self._broken = self._open is None
        if self._open is not None and timing is not None and not isinstance(timing, str):
            self._note_restart(number)
            self._take_rest(timing)
        if number is not None:
            self._number = number
            self._first_number = number if self._first_number is None else self._first_number

    def _take_rest(self, timing: Timing) -> None:
        """What stands behind the times: settings, coordinates, or the text itself."""
        assert self._open is not None
        if timing.bracketed or not timing.is_bare:
            if timing.rest.strip():
                self._text.append(timing.rest.strip())
            return
        words = timing.rest.split()
        kept = [word for word in words if is_setting(word)]
        if len(kept) < len(words):
            self.track.remarks.add("The place of a cue in pixels (X1, Y1 and so on) was left out", self._open.line)
        self._open.settings = " ".join(kept)

    def _note_restart(self, number: int | None) -> None:
        """Numbers and times that begin anew: one file behind another."""
        assert self._open is not None
        before = self.track.cues[-1] if self.track.cues else None
        if before is None or number is None or self._number is None:
            return
        if number == self._first_number and number < self._number and self._open.start < before.start:
            self.track.remarks.add(
                "Numbers and times of the cues begin anew, as where files were joined: times were kept as they stand, "
                "so that cues of both parts are shown together; upload the parts singly if that is wrong",
                self._open.line,
            )

    def _add_text(self, index: int, gap: bool) -> None:
        line = self._lines[index]
        if self._open is not None:
            if gap and self._text:
                if self._is_lost_number(index):
                    self.track.bad.add(index + 1, "There is no line with the cue's times.")
                    self._close()
                    self._broken = True
                    return
                self.track.remarks.add("A blank line inside a cue, which WebVTT can't have, was taken out", index)
            self._text.append(line)
        elif not self._broken:
            self.track.bad.add(index + 1, "There is no line with the cue's times.")
            self._broken = True

    def _is_lost_number(self, index: int) -> bool:
        """Whether it is the next cue's number, without the times below it."""
        if self._number is None or not _NUMBER.fullmatch(self._lines[index]):
            return False
        return int(re.sub("[^0-9]", "", self._lines[index])) == self._number + 1

    def _close(self) -> None:
        """Put away the cue that is open."""
        cue, self._open = self._open, None
        text, self._text = self._text, []
        if cue is None:
            return
        if _SUBVIEWER_BREAK in "".join(text[:1]):
            text = [part for line in text for part in line.split(_SUBVIEWER_BREAK)]
        cue.settings = cue.settings or settings_of_override(text)
        cue.payload = vtt_text_of_subrip(text)
        if cue.payload:
            self.track.cues.append(cue)
        else:
            self.track.bad.add(cue.line, "The cue has no text.")


def open_cue(track: Track, timing: Timing, identifier: str, line: int) -> Cue | None:
    """A cue of these times, without text; None when they can't be a cue's, which is then one of the bad ones."""
    start, end = timing.start, timing.end
    if end < start:
        track.bad.add(line, "The cue ends before it starts.")
        return None
    if end < 0 or start < 0 == end:
        track.bad.add(line, "The cue ends before time 0.")
        return None
    if start < 0:
        track.remarks.add("A cue that starts before time 0 starts there now", line)
        start = 0
    if not timing.standard:
        track.remarks.add("A line of times has another arrow than -->, and was read as if it had that", line)
    if timing.over:
        track.remarks.add("Minutes or seconds above 59 were read as they add up", line)
    if timing.rounded:
        track.remarks.add("Times finer than a millisecond, which WebVTT can't have, were rounded to one", line)
    if start == end:
        track.remarks.add("A cue without a duration, which WebVTT can't have, lasts 1 ms now", line)
        end = start + 1
    return Cue(start, end, "", identifier, [], line)
