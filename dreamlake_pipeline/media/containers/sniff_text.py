"""What a text file is, from its first bytes: a track, labels, or a script that is not to be opened as media.

Nothing here reads a file or follows what a script names. Whether a label file can be read, and how, is judged by the
label readers: a table is named here only so that a file of another extension can be said to be one.
"""

from __future__ import annotations

import json
import re

from ..labels.form import SAMPLE_LINES, looks_like_table

_HEADER_LINE = 4096  # characters in which the first line and a manifest's root element are looked for
_UNWRITTEN = re.compile(rb"\0{16,}")  # zeros in the place of what was never written

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
    """The text of the head, without the zeros in the place of what was never written; None when it holds bytes that
    text does not."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace").rstrip("\0")
    head = _UNWRITTEN.sub(b"", head).rstrip(b"\0")
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
    lines = text.splitlines(keepends=True)
    if not whole and len(lines) > 1:
        lines.pop()
    lines = [line for line in lines if line.strip()][:SAMPLE_LINES]
    if not lines:
        return None
    return _ffconcat(lines) or _json(lines) or ("csv" if looks_like_table(lines) else None)


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
