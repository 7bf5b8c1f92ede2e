"""Text tracks: WebVTT and SubRip in any encoding to clean UTF-8 WebVTT.

The parser is our own: the libraries for these formats raise at the first broken cue or pass over it, and
here each is located and counted while its neighbours are kept. It follows the W3C's WebVTT parser rules
(https://www.w3.org/TR/webvtt1/#file-parsing) where a file keeps to them, and is as lenient as players are
where it does not.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...errors import Code, DreamlakeError
from ...languages import language_of_filename, normalize_language
from .file import BadLine, BadLines, decode, detect_encoding

MAX_TEXT_BYTES = 50 * 2**20

TextFormat = Literal["vtt", "srt"]


@dataclass(frozen=True, slots=True)
class TextResult:
    """A text track made into `path`, a WebVTT file in UTF-8 with its cues in order.

    `start` and `end` are seconds: the first cue's start and the latest end. `words_per_minute` is over that
    span. `format` and `encoding` are the source's. `language` is a BCP 47 tag, None unless the file or its
    name says it. `bad_lines` locates the first hundred of the `bad_cues` that were left out.
    """

    path: Path
    cues: int
    start: float
    end: float
    words: int
    words_per_minute: float | None
    language: str | None
    encoding: str
    format: TextFormat
    bad_cues: int
    bad_lines: tuple[BadLine, ...]
    warnings: tuple[str, ...]


def make_text_track(source: Path, out: Path, *, filename: str) -> TextResult:
    """Make the WebVTT file `out/track.vtt` of a VTT or SRT file; `filename` is what its uploader called it.

    Raises DreamlakeError(TEXT_INVALID) when the file is no text, holds no readable cue, or is over 50 MiB.
    """
    size = source.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise _invalid(f"{filename} has {size} bytes; a text track may have {MAX_TEXT_BYTES}.")
    named_language = language_of_filename(filename)
    encoding = detect_encoding(source, named_language)
    if encoding is None:
        raise _invalid(f"{filename} is not text.")
    text, undecodable = decode(source.read_bytes(), encoding)

    track = _parse(text)
    if not track.cues:
        raise _invalid(_explain_no_cues(filename, track.bad))
    warnings = list(track.warnings)
    if encoding.warning:
        warnings.append(encoding.warning)
    if undecodable:
        warnings.append(f"{undecodable} characters are not {encoding.name} and were replaced.")
    ordered = sorted(track.cues, key=lambda cue: (cue.start, cue.end))
    if ordered != track.cues:
        warnings.append("Cues were out of order and have been sorted by their times.")

    path = out / "track.vtt"
    path.write_text(_format_track(track, ordered), encoding="utf-8", newline="\n")
    start, end = ordered[0].start, max(cue.end for cue in ordered)
    words = sum(_count_words(cue.payload) for cue in ordered)
    return TextResult(
        path=path,
        cues=len(ordered),
        start=start / 1000,
        end=end / 1000,
        words=words,
        words_per_minute=round(words * 60_000 / (end - start), 1),
        language=track.language or named_language,
        encoding=encoding.name,
        format=track.format,
        bad_cues=track.bad.count,
        bad_lines=tuple(track.bad.first),
        warnings=tuple(warnings),
    )


@dataclass(slots=True)
class _Cue:
    """Times are milliseconds. `notes` are the comment blocks that stand before it."""

    start: int
    end: int
    settings: str
    identifier: str
    payload: list[str]
    notes: list[str] = field(default_factory=list)


@dataclass
class _Track:
    format: TextFormat
    header: list[str] = field(default_factory=list)  # the text after WEBVTT and the lines under it
    blocks: list[str] = field(default_factory=list)  # styles, regions and comments before the first cue
    cues: list[_Cue] = field(default_factory=list)
    trailing_notes: list[str] = field(default_factory=list)
    language: str | None = None
    bad: BadLines = field(default_factory=BadLines)
    warnings: list[str] = field(default_factory=list)


_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s+(.*))?\s*")
_ARROW = "-->"
# What someone meant as a timing line, however it is broken.
_TIMING_LIKE = re.compile(r"-->|\d:\d\d\S{0,8}\s{0,8}(?:->|–>|—>|=>|--)\s{0,8}\d")
_TIMING_START = re.compile(r"\s*\d{1,4}:\d[^\s<>]{0,16}\s*-{1,2}>")
_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
_METADATA = re.compile(r"([A-Za-z-]+)\s*[:=]\s*(.*)")
_SETTING = re.compile(r"(?:vertical|line|position|size|align|region):\S+")
_INDEX = re.compile(r"\s*\d+\s*")
_NOTE = re.compile(r"NOTE(?:[ \t].*)?")
_DEFINITION = re.compile(r"(STYLE|REGION)[ \t]*")
# What stands above the times in SubRip but is no cue identifier in WebVTT.
_NO_IDENTIFIER = re.compile(rf"{_INDEX.pattern}|{_NOTE.pattern}|{_DEFINITION.pattern}")


def _parse(text: str) -> _Track:
    # Line ends and NUL as the specification has them; a mark inside the text is one that a tool glued in.
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd").split("\n")
    if _HEADER.fullmatch(lines[0]):
        return _Parser(_Track("vtt"), lines).parse_vtt()
    return _Parser(_Track("srt"), lines).parse_blocks(0)


class _Parser:
    """Reads the lines of one file block by block: a block ends at a blank line, or where the next timing line is."""

    def __init__(self, track: _Track, lines: list[str]) -> None:
        self.track = track
        self.lines = lines
        self.notes: list[str] = []
        self.continued = 0
        self.dropped_settings = 0
        self.dropped_definitions = 0

    def parse_vtt(self) -> _Track:
        header = [self.lines[0].removeprefix("WEBVTT").strip()]
        index = 1
        while index < len(self.lines) and self.lines[index].strip() and _ARROW not in self.lines[index]:
            line = self.lines[index]
            found = _METADATA.fullmatch(line)
            if found and found[1].lower() == "language":
                self.track.language = normalize_language(found[2])
            if found and found[1].upper() == "X-TIMESTAMP-MAP":
                self.track.warnings.append("X-TIMESTAMP-MAP was left out: cue times are read as times of the media.")
            else:
                header.append(line)
            index += 1
        self.track.header = header
        return self.parse_blocks(index)

    def parse_blocks(self, index: int) -> _Track:
        lines = self.lines
        while index < len(lines):
            if not lines[index].strip():
                index += 1
                continue
            index = self._parse_block(index)
        self.track.trailing_notes = self.notes
        self._warn()
        return self.track

    def _parse_block(self, begin: int) -> int:
        """Read the block that begins at this line; the index of the line after it."""
        end = self._end_of_block(begin, begin)
        lines = self.lines[begin:end]
        timing_at = next((at for at, line in enumerate(lines[:2]) if _TIMING_LIKE.search(line)), None)
        if self.track.format == "vtt" and timing_at != 0 and self._parse_other_block(lines):
            return end
        if timing_at is None:
            self._parse_stray_text(begin, lines)
            return end
        identifier = lines[0].strip() if timing_at else ""
        at = begin + timing_at
        end = self._end_of_block(at - 1, at + 1)
        self._parse_cue(at, identifier, self.lines[at + 1 : end])
        return end

    def _end_of_block(self, begin: int, index: int) -> int:
        """Where the block ends whose lines up to `index` are known to belong to it."""
        while index < len(self.lines) and self.lines[index].strip():
            if index > begin + 1 and self._begins_cue(self.lines[index]):
                # The blank line is missing. SubRip numbers its cues, so a number just above belongs to the new one.
                numbered = self.track.format == "srt" and _INDEX.fullmatch(self.lines[index - 1])
                return index - 1 if numbered and index - 1 > begin else index
            index += 1
        return index

    def _begins_cue(self, line: str) -> bool:
        """WebVTT forbids the arrow in a cue's text; in SubRip it may stand there, but not after a time."""
        return _ARROW in line if self.track.format == "vtt" else _TIMING_START.match(line) is not None

    def _parse_other_block(self, lines: list[str]) -> bool:
        """Keep a comment, style or region; False when the block is none of these."""
        if _NOTE.fullmatch(lines[0]):
            self.notes.append("\n".join(line for line in lines if _ARROW not in line))
            return True
        if not _DEFINITION.fullmatch(lines[0]):
            return False
        if self.track.cues:
            self.dropped_definitions += 1
        else:
            self.track.blocks += [*self.notes, "\n".join(lines)]
            self.notes = []
        return True

    def _parse_stray_text(self, begin: int, lines: list[str]) -> None:
        """Text without times. SubRip authors put blank lines into cues; anything else is a broken cue."""
        numbered = _INDEX.fullmatch(lines[0])
        if self.track.format == "srt" and self.track.cues and not numbered:
            self.track.cues[-1].payload += _to_vtt_text(lines)
            self.continued += 1
        else:
            self.track.bad.add(begin + 1, "There is no line with the cue's times.")

    def _parse_cue(self, at: int, identifier: str, payload: list[str]) -> None:
        bad = self.track.bad
        found = _TIMING.fullmatch(self.lines[at])
        if not found:
            bad.add(at + 1, "The times can't be read.")
            return
        start, end = _milliseconds(found.groups()[:4]), _milliseconds(found.groups()[4:8])
        if start is None or end is None:
            bad.add(at + 1, "The times have more than 59 minutes or seconds.")
        elif end <= start:
            bad.add(at + 1, "The cue ends before it starts." if end < start else "The cue has no duration.")
        elif not any(line.strip() for line in payload):
            bad.add(at + 1, "The cue has no text.")
        else:
            settings = self._keep_settings(found[9] or "")
            if self.track.format == "srt":
                settings = settings or _settings_of_override(payload)
                identifier = "" if _NO_IDENTIFIER.fullmatch(identifier) else identifier
                payload = _to_vtt_text(payload)
            self.track.cues.append(_Cue(start, end, settings, identifier, payload, self.notes))
            self.notes = []

    def _keep_settings(self, text: str) -> str:
        words = text.split()
        kept = [word for word in words if _SETTING.fullmatch(word) and _ARROW not in word]
        self.dropped_settings += len(words) > len(kept)
        return " ".join(kept)

    def _warn(self) -> None:
        for count, message in (
            (self.continued, "Blank lines inside cues, which WebVTT can't have, were taken out"),
            (self.dropped_settings, "Cue settings that WebVTT does not know were left out"),
            (self.dropped_definitions, "Styles and regions after the first cue were left out"),
        ):
            if count:
                self.track.warnings.append(f"{message} ({count} times).")


def _milliseconds(groups: Iterable[str | None]) -> int | None:
    hours, minutes, seconds, fraction = groups
    if int(minutes or 0) > 59 or int(seconds or 0) > 59:
        return None
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return whole * 1000 + int((fraction or "").ljust(3, "0"))


# SubRip's text: the tags it shares with WebVTT, the tags and overrides that it does not.
_SHARED_TAG = re.compile(r"</?[biu]>", re.IGNORECASE)
_FOREIGN_TAG = re.compile(r"</?(?:font|s|strike|span|p|div|body|c)\b[^<>]*>", re.IGNORECASE)
_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_TOP = re.compile(r"\{\\an?[789][\\}]")
_ANY_TAG = re.compile(r"<[^<>]*>")


def _settings_of_override(payload: list[str]) -> str:
    """`{\\an8}` puts a SubRip cue at the top; the other positions are WebVTT's default or near it."""
    return "line:0" if any(_TOP.search(line) for line in payload) else ""


def _to_vtt_text(payload: list[str]) -> list[str]:
    """SubRip's text as WebVTT's: shared tags kept in lower case, other markup taken out, the rest escaped."""
    lines = []
    for line in payload:
        plain = _FOREIGN_TAG.sub("", _OVERRIDE.sub("", _BREAK_TAG.sub("\n", line)))
        position, parts = 0, []
        for tag in _SHARED_TAG.finditer(plain):
            parts += [_escape(plain[position : tag.start()]), tag[0].lower()]
            position = tag.end()
        parts.append(_escape(plain[position:]))
        lines += [part for part in "".join(parts).split("\n") if part.strip()]
    return lines


def _escape(text: str) -> str:
    """Characters that mean something in WebVTT; references that stand there already are kept."""
    return html.escape(html.unescape(text), quote=False)


def _format_track(track: _Track, cues: list[_Cue]) -> str:
    title, *metadata = track.header or [""]
    blocks = ["\n".join([f"WEBVTT {title}".rstrip(), *metadata]), *track.blocks]
    for cue in cues:
        timing = f"{_format_time(cue.start)} {_ARROW} {_format_time(cue.end)} {cue.settings}".rstrip()
        text = [line.rstrip() for line in cue.payload if line.strip()]
        blocks += [*cue.notes, "\n".join([*([cue.identifier] if cue.identifier else []), timing, *text])]
    return "\n\n".join([*blocks, *track.trailing_notes]) + "\n"


def _format_time(milliseconds: int) -> str:
    seconds, fraction = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:03}"


def _count_words(payload: list[str]) -> int:
    return len(html.unescape(_ANY_TAG.sub("", " ".join(payload))).split())


def _explain_no_cues(filename: str, bad: BadLines) -> str:
    if not bad.first:
        return f"{filename} holds no cue."
    first = bad.first[0]
    return f"{filename} holds no cue that can be read. Line {first.line}: {first.reason}"


def _invalid(message: str) -> DreamlakeError:
    return DreamlakeError(
        Code.TEXT_INVALID, message, hint="A text track is WebVTT or SubRip: cues, each with a line of times."
    )
