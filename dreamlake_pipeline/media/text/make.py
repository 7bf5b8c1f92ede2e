"""Text tracks: WebVTT and SubRip in any encoding to clean UTF-8 WebVTT.

The parsers are our own: the libraries for these formats raise at the first broken cue or pass over it, and here each is
located and counted while its neighbours are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import Code, DreamlakeError
from ...subtitlenames import language_of_filename
from .bad_lines import BadLine
from .cues import TextFormat, Track
from .encoding import Encoding, detect_encoding, explain_no_text
from .file import decode
from .joined import put_on_one_clock
from .markup import plain_text
from .nuls import find_nuls
from .srt import parse_srt
from .telemetry import Telemetry, extract_telemetry
from .vtt import is_vtt, parse_vtt

MAX_TEXT_BYTES = 50 * 2**20
# Words a minute mean nothing over less than this.
_LEAST_SPAN_MS = 1000


@dataclass(frozen=True, slots=True)
class TextResult:
    """A text track made into `path`, a WebVTT file in UTF-8 with its cues in order.

    `start` and `end` are seconds: the first cue's start and the latest end. `words_per_minute` is over that span, None
    below a second. `format` and `encoding` are the source's. `language` is a BCP 47 tag, None unless the file or its
    name says it. `telemetry` is the table that the cues hold, if they do. `bad_lines` locates the first hundred of the
    `bad_cues` that were left out.
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
    telemetry: Telemetry | None
    bad_cues: int
    bad_lines: tuple[BadLine, ...]
    warnings: tuple[str, ...]


def make_text_track(source: Path, out: Path, *, filename: str) -> TextResult:
    """Make the WebVTT file `out/track.vtt` of a VTT or SRT file; `filename` is what its uploader called it.

    Cues that hold a camera's telemetry become the table `out/data.parquet` as well. Raises DreamlakeError(TEXT_INVALID)
    when the file is no text, holds no readable cue, or is over 50 MiB.
    """
    size = source.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise _invalid(f"{filename} has {size} bytes; a text track may have {MAX_TEXT_BYTES}.")
    named_language = language_of_filename(filename)
    encoding = detect_encoding(source, named_language)
    if encoding is None:
        raise _invalid(explain_no_text(source, filename))
    text, damages = _read_text(source, encoding)
    track = _parse(text)
    if not track.cues:
        raise _invalid(_explain_no_cues(filename, text, track))
    track.sort()
    warnings = [*track.warnings, *track.remarks.warnings, *filter(None, [encoding.warning]), *damages]

    path = out / "track.vtt"
    path.write_text(track.format_webvtt(), encoding="utf-8", newline="\n")
    telemetry = extract_telemetry(track.cues, out / "data.parquet")
    if telemetry:
        warnings += telemetry.warnings
    start, end = track.cues[0].start, max(cue.end for cue in track.cues)
    words = sum(len(plain_text(cue.payload).split()) for cue in track.cues)
    return TextResult(
        path=path,
        cues=len(track.cues),
        start=start / 1000,
        end=end / 1000,
        words=words,
        words_per_minute=round(words * 60_000 / (end - start), 1) if end - start >= _LEAST_SPAN_MS else None,
        language=track.language or named_language,
        encoding=encoding.name,
        format=track.format,
        telemetry=telemetry,
        bad_cues=track.bad.count,
        bad_lines=tuple(track.bad.first),
        warnings=tuple(warnings),
    )


def _read_text(source: Path, encoding: Encoding) -> tuple[str, list[str]]:
    """The text, and what to tell of bytes that are no characters: NULs, and what could not be decoded."""
    data = source.read_bytes()
    text, undecodable = decode(data, encoding)
    damages = find_nuls(source, encoding).warnings
    if undecodable:
        mark = "\ufffd".encode(encoding.name, "ignore")  # as the file itself may have it
        known = not damages and (not mark or mark not in data)
        place = f", the first in line {_line_at(text, text.index(chr(0xFFFD)))}" if known else ""
        damages.append(f"{undecodable} characters are not {encoding.name} and were replaced by U+FFFD{place}.")
    return text, damages


def _parse(text: str) -> Track:
    lines = _split_lines(text)
    if is_vtt(lines):
        track = parse_vtt(lines)
        put_on_one_clock(track)
        return track
    return parse_srt(lines)


_LINE_END = re.compile("\r\r\n|\r\n|\r|\n")
# Byte order marks where a line begins: joined files have them.
_MARKS = re.compile("^\ufeff+", re.MULTILINE)
# A header behind a last line without an end. It takes its own line's end, so that lines keep their numbers.
_GLUED_HEADER = re.compile("(?:\ufeff|(?<=[^\n])(?=WEBVTT\nX-TIMESTAMP-MAP))(WEBVTT)\n(X-TIMESTAMP-MAP[^\n]*)?")


def _split_lines(text: str) -> list[str]:
    """The lines, without their ends and the byte order marks before them.

    `\\r\\r\\n` ends one line: it is what a program for Windows makes of `\\r\\n` when it writes text.
    """
    text = _MARKS.sub("", _LINE_END.sub("\n", text))
    return (_GLUED_HEADER.sub(r"\n\1 \2", text) if "WEBVTT" in text[1:] else text).split("\n")


def _line_at(text: str, position: int) -> int:
    return len(_LINE_END.findall(text, 0, position)) + 1


# Other formats of subtitles that go by these extensions, each known by a line of its own.
_OTHER_FORMATS = (
    (re.compile(r"^\{[0-9]+\}\{[0-9]*\}", re.MULTILINE), "MicroDVD, whose times count pictures"),
    (re.compile(r"^\[[0-9]+\]\[[0-9]*\]", re.MULTILINE), "MPL2"),
    (re.compile(r"^(?:\[Script Info\]|Dialogue:)", re.MULTILINE | re.IGNORECASE), "Advanced SubStation Alpha"),
    (re.compile(r"<(?:\w+:)?tt\b"), "TTML"),
    (re.compile(r"<SAMI>", re.IGNORECASE), "SAMI"),
    (re.compile(r"^\[[0-9]{1,3}:[0-9]{2}(?:[.:][0-9]{2,3})?\]", re.MULTILINE), "LRC"),
)
_SNIFFED_CHARS = 10_000


def _explain_no_cues(filename: str, text: str, track: Track) -> str:
    head = text[:_SNIFFED_CHARS]
    for pattern, name in _OTHER_FORMATS:
        if pattern.search(head):
            return f"{filename} holds subtitles of another format ({name})."
    if not text:
        return f"{filename} is empty."
    if not text.strip("\0\ufeff \t\r\n"):
        return f"{filename} holds nothing but {'zeros' if chr(0) in text else 'blanks'}."
    if not track.bad.first:
        return f"{filename} holds no cue."
    first = track.bad.first[0]
    return f"{filename} holds no cue that can be read. Line {first.line}: {first.reason}"


def _invalid(message: str) -> DreamlakeError:
    return DreamlakeError(
        Code.TEXT_INVALID,
        message,
        hint="A text track is WebVTT or SubRip: cues, each with a line of times. Subtitle editors and "
        "`ffmpeg -i FILE out.vtt` convert other formats.",
    )
