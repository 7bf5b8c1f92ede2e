"""What a text file is, from its first bytes: a track, labels, or a script that is not to be opened as media.

Nothing here reads a file or follows what a script names. Whether a label file can be read, and how, is judged by the
label readers: a table is named here only so that a file of another extension can be said to be one.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

_HEADER_LINE = 4096  # characters in which the first line and a manifest's root element are looked for
_JUDGED_LINES = 60
_COMMENTS = ("#", "%", "//")
_SEPARATORS = (",", ";", "\t", "|")
_MOST_OF = 0.8  # of the lines from the header on that have as many fields as most lines have

# What a first line must be, from its beginning to its end, for the text to be a script or markup. Such a text makes
# a demuxer open other files or hosts, or a browser run code. Lower case.
_FIRST_LINES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"#extm3u(\s.*)?", "m3u8"),  # RFC 8216 4.3.1.1; IPTV lists have attributes behind it
        (r"ffconcat version \d+(\.\d+)?\s*", "ffconcat"),
        (r"\[playlist\]\s*", "pls"),
        (r"\[reference\]\s*", "asx"),
        (r"v=0\s*", "sdp"),  # RFC 8866 5.1
        (r"<mpd[\s>/].*|<mpd", "dash"),
        (r"<smoothstreamingmedia[\s>/].*|<smoothstreamingmedia", "ism"),
        (r"<asx[\s>/].*", "asx"),
        (r"<!doctype html\b.*|<html[\s>/].*|<html", "html"),
        (r"<\?xml\s.*", "xml"),
        (r"<svg[\s>/].*|<svg", "svg"),
        (r"%pdf-\d.*", "pdf"),
        (r"-----begin (pgp message|age encrypted file)-----\s*", "encrypted"),
        (r"age-encryption\.org/v\d+\s*", "encrypted"),
        (r"u2fsdgvkx1[0-9a-z+/=]*\s*", "encrypted"),  # what `openssl enc -a` begins with: "Salted__" in base64
    )
)
_FFCONCAT_FILE = re.compile(r"file\s+('[^']*'|([^\s\\']|\\.)+)\s*")
_FFCONCAT_LINE = re.compile(
    r"(file|duration|inpoint|outpoint|option|stream|chapter|exact_stream_id|stream_meta|stream_codec|stream_extradata|"
    r"file_packet_meta|file_packet_metadata|ffconcat)\s.*"
)
_WEBVTT = re.compile(r"WEBVTT([ \t\r\n]|$)")
_CUE_TIMES = re.compile(r"^\s*(\d+:)?\d{1,2}:\d{2}[,.]\d+\s*-->\s*(\d+:)?\d{1,2}:\d{2}[,.]\d+", re.MULTILINE)


def decode(head: bytes) -> str | None:
    """The text of the head, without the zeros that a recorder which reserves space leaves behind it; None when it
    holds bytes that text does not."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace").rstrip("\0")
    head = head.rstrip(b"\0")
    if not head or any(byte < 9 or 13 < byte < 32 for byte in set(head) - {0x1B, 0x1A}):
        return None
    return head.decode("utf-8-sig", "replace")


def sniff_text(text: str, *, whole: bool) -> str | None:
    """The name of what a text is: "webvtt", "srt", "jsonl", "csv", or what it is instead; None when nothing fits.

    `text` is the whole file, or its beginning, whose last line may be cut off.
    """
    body = text.lstrip()
    first = body[:_HEADER_LINE].split("\n", 1)[0].rstrip("\r").lower()
    for pattern, name in _FIRST_LINES:
        if pattern.fullmatch(first):
            # A DASH manifest may stand behind an XML declaration and comments.
            return "dash" if name == "xml" and re.search(r"<mpd[\s>]", body[:_HEADER_LINE].lower()) else name
    if _WEBVTT.match(body):
        return "webvtt"
    if _CUE_TIMES.search(text[:_HEADER_LINE]):
        return "srt"
    lines = text.splitlines()
    if not whole and len(lines) > 1:
        lines.pop()
    lines = [line for line in lines if line.strip()][:_JUDGED_LINES]
    if not lines:
        return None
    return _ffconcat(lines) or _json(lines) or _table(lines)


def _ffconcat(lines: list[str]) -> str | None:
    """A list of files for FFmpeg's concat demuxer that has no header; each of its lines is a directive."""
    directives = [line.strip() for line in lines if not line.lstrip().startswith("#")]
    if directives and _FFCONCAT_FILE.fullmatch(directives[0]) and all(map(_FFCONCAT_LINE.fullmatch, directives)):
        return "ffconcat"
    return None


def _json(lines: list[str]) -> str | None:
    """JSON Lines holds one object a line; anything else that is JSON is no label track."""
    first = lines[0].strip()
    if not first.startswith(("{", "[")):
        return None
    try:
        return "jsonl" if isinstance(json.loads(first), dict) else "json"
    except RecursionError:
        return "jsonl" if first.startswith("{") else "json"  # the reader says which line is nested too deeply
    except ValueError:
        # One line that is longer than the head, a JSON document spread over lines, or a table with such cells.
        if first in ("{", "[") or first.endswith(("{", "[", ",")):
            return "json"
        if len(lines) == 1:
            return "jsonl" if first.startswith('{"') else "json"
    return "jsonl" if any(map(_is_object, lines[1:])) else None


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _table(lines: list[str]) -> str | None:
    """Whether most lines have the same number of fields, two or more, by one of the usual separators or by blanks;
    what stands before the first of these is a preamble."""
    if re.fullmatch(r"sep=.", lines[0].strip(), re.IGNORECASE):
        return "csv"
    rows = [line for line in lines if not line.lstrip().startswith(_COMMENTS)]
    for separator in _SEPARATORS:
        if _is_even([_width(line, separator) for line in rows]):
            return "csv"
    # Prose has blanks as well: only rows of which each holds a number are a table.
    with_numbers = [re.search(r"(^|\s)[-+]?\d*[.,]?\d+(e[-+]?\d+)?(\s|$)", line, re.IGNORECASE) for line in rows]
    is_numeric = sum(map(bool, with_numbers)) >= max(2, _MOST_OF * (len(rows) - 1))
    return "csv" if is_numeric and _is_even([len(line.split()) for line in rows]) else None


def _width(line: str, separator: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=separator), ()))
    except csv.Error:
        return 0


def _is_even(widths: list[int]) -> bool:
    counted = Counter(width for width in widths if width > 1)
    if not counted:
        return False
    usual, times = counted.most_common(1)[0]
    behind = widths[widths.index(usual) :]
    return times > 1 and times >= _MOST_OF * len(behind) and 2 * len(behind) >= len(widths)
