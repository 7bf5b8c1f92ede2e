"""WebVTT, by the parser rules of the standard (https://www.w3.org/TR/webvtt1/#file-parsing), and more lenient where a
file does not keep to them: what the standard would pass over in silence is read, or located and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ... import webvtt
from ...languages import normalize_language
from .cues import Section, Track
from .markup import clean_vtt_text
from .srt import open_cue
from .timing import Timing, is_setting, read_timing

_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
_METADATA = re.compile(r"([A-Za-z-]+)[ \t]*[:=][ \t]*(.*)")
_MAP_LOCAL = re.compile(r"LOCAL:(?:([0-9]{1,9}):)?([0-9]{2}):([0-9]{2})\.([0-9]{3})")
_MAP_MPEGTS = re.compile(r"MPEGTS:([0-9]{1,20})")
_NOTE = re.compile(r"NOTE(?:[ \t].*)?")
_DEFINITION = re.compile(r"(?:STYLE|REGION)[ \t]*")


def is_vtt(lines: list[str]) -> bool:
    """Whether the first line is WebVTT's header."""
    return _HEADER.fullmatch(lines[0]) is not None


def parse_vtt(lines: list[str]) -> Track:
    parser = _Parser(lines)
    parser.parse()
    return parser.track


class _Parser:
    """Reads the lines of one file block by block: a block ends at an empty line, or where the next line of times is."""

    def __init__(self, lines: list[str]) -> None:
        self.track = Track("vtt")
        self._lines = lines
        self._notes: list[str] = []
        self._definitions: set[str] = set()

    def parse(self) -> None:
        index = self._parse_header(0)
        while index < len(self._lines):
            if not self._lines[index].strip():
                index += 1
            elif self._is_header(index):
                index = self._parse_header(index)
            else:
                index = self._parse_block(index)
        self.track.trailing_notes = self._notes

    def _is_header(self, index: int) -> bool:
        """Whether another file begins here. Right below a cue's text, WEBVTT alone in its line, and a line that can
        only stand in a header or none, tell so."""
        line = self._lines[index]
        if not _HEADER.fullmatch(line):
            return False
        if not self._lines[index - 1].strip():
            return True
        below = self._lines[index + 1] if index + 1 < len(self._lines) else ""
        if line.strip() == webvtt.HEADER:
            return not below.strip() or _METADATA.fullmatch(below) is not None or _is_timing(below)
        return webvtt.TIMESTAMP_MAP in line

    def _parse_header(self, index: int) -> int:
        """Read a header that begins at this line; the index of the line after it."""
        first = not self.track.sections
        header = [self._lines[index].removeprefix(webvtt.HEADER).strip()]
        section = _read_map(header[0], Section(index + 1))
        index += 1
        while index < len(self._lines) and self._lines[index].strip() and webvtt.ARROW not in self._lines[index]:
            line = self._lines[index]
            found = _METADATA.fullmatch(line)
            if found and found[1].lower() == "language" and first:
                self.track.language = normalize_language(found[2])
            if found and found[1].upper() == webvtt.TIMESTAMP_MAP:
                section = _read_map(line, section)
            else:
                header.append(line)
            index += 1
        if first:
            self.track.header = header
        self.track.sections.append(section)
        return index

    def _parse_block(self, begin: int) -> int:
        """Read the block that begins at this line; the index of the line after it."""
        end = self._end_of_block(begin, begin)
        lines = self._lines[begin:end]
        timing_at = _find_timing(lines[:2])
        if timing_at is None:
            if not self._parse_other_block(begin, lines):
                self.track.bad.add(begin + 1, "There is no line with the cue's times.")
            return end
        at = begin + timing_at
        end = self._end_of_block(at - 1, at + 1)
        self._parse_cue(at, lines[0].strip() if timing_at else "", self._lines[at + 1 : end])
        return end

    def _end_of_block(self, begin: int, index: int) -> int:
        """Where the block ends whose lines up to `index` are known to belong to it."""
        while index < len(self._lines) and not self._is_separator(index):
            if index > begin + 1 and webvtt.ARROW in self._lines[index]:
                break  # the standard forbids the arrow in a cue's text
            if index > begin and self._is_header(index):
                break
            index += 1
        return index

    def _is_separator(self, index: int) -> bool:
        """An empty line ends a block. A line of blanks is text, unless a cue begins below it."""
        line = self._lines[index]
        if line.strip():
            return False
        below = self._lines[index + 1 : index + 3]
        return not line or (len(below) > 1 and bool(below[0].strip()) and _is_timing(below[1]))

    def _parse_other_block(self, begin: int, lines: list[str]) -> bool:
        """Keep a comment, style or region; False when the block is none of these."""
        if _NOTE.fullmatch(lines[0]):
            self._notes.append(_join_block(line for line in lines if webvtt.ARROW not in line))
            return True
        if not _DEFINITION.fullmatch(lines[0]):
            return False
        block = _join_block(lines)
        if not self.track.cues:
            self.track.blocks += [*self._notes, block]
            self._notes = []
        elif block not in self._definitions:
            self.track.remarks.add(
                "A style or region below the first cue, where WebVTT has none, was left out", begin + 1
            )
        self._definitions.add(block)
        return True

    def _parse_cue(self, at: int, identifier: str, payload: list[str]) -> None:
        line = at + 1
        timing = read_timing(self._lines[at])
        settings: list[str] = []
        if isinstance(timing, Timing):
            settings = timing.rest.split()
            if timing.bracketed or not (timing.is_bare or any(text.strip() for text in payload)):
                # The text stands behind the times.
                payload, settings = [timing.rest.strip(), *payload], []
        if not isinstance(timing, Timing):
            self.track.bad.add(line, timing or "The times can't be read.")
        elif timing.over:
            self.track.bad.add(line, "The times have more than 59 minutes or seconds.")
        elif not any(text.strip() for text in payload):
            self.track.bad.add(line, "The cue has no text.")
        elif cue := open_cue(self.track, timing, identifier, line):
            kept = [word for word in settings if is_setting(word)]
            if len(kept) < len(settings):
                self.track.remarks.add("Cue settings that WebVTT does not know were left out", line)
            cue.settings = " ".join(kept)
            cue.payload = [clean_vtt_text(text) for text in payload]
            cue.notes, self._notes = self._notes, []
            cue.section = len(self.track.sections) - 1
            self.track.cues.append(cue)


def _join_block(lines: Iterable[str]) -> str:
    """A comment, style or region, in which no line passes for the header of another file."""
    return "\n".join(f" {line}" if line.startswith(webvtt.HEADER_LINES) else line for line in lines)


def _find_timing(lines: list[str]) -> int | None:
    """Which line has the times: the first with the arrow, else one that a person would take for it."""
    arrows = (at for at, line in enumerate(lines) if webvtt.ARROW in line)
    return next(arrows, next((at for at, line in enumerate(lines) if _is_timing(line)), None))


def _is_timing(line: str) -> bool:
    """Whether the standard takes it for a line of times (it has the arrow), or a person would."""
    if webvtt.ARROW in line:
        return True
    timing = read_timing(line)
    return isinstance(timing, Timing) and timing.whole and timing.is_bare


def _read_map(line: str, section: Section) -> Section:
    """The section with the values of its X-TIMESTAMP-MAP (RFC 8216 3.5), if the line has both."""
    local, mpegts = _MAP_LOCAL.search(line), _MAP_MPEGTS.search(line)
    if webvtt.TIMESTAMP_MAP not in line or not local or not mpegts:
        return section
    hours, minutes, seconds, thousandths = (int(part or 0) for part in local.groups())
    time = ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths
    return Section(section.line, time, int(mpegts[1]))
