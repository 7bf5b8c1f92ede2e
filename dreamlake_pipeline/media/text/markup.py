"""The text of a cue: SubRip's markup as WebVTT's, references, and the plain words of either.

SubRip has no standard. Its files hold plain text with the tags `b`, `i`, `u` and `font`, overrides of Advanced
SubStation (`{\\an8}`), and references such as `&amp;` where a tool took it for HTML. So a reference counts only with
its semicolon: `&times=3` in a URL is text.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

from ... import webvtt

_MARKED = re.compile("[<>&{]")
_SHARED_TAG = re.compile(r"</?[biu]>", re.IGNORECASE)
# With attributes, if anything follows the name: `a <s and p> b` is text.
_FOREIGN_TAG = re.compile(
    r"</?(?:font|s|strike|span|p|div|body|c)(?:\.[\w.-]{1,80})?(?:\s{1,9}[\w-]{1,40}\s{0,9}=[^<>]*)?\s{0,9}/?>",
    re.IGNORECASE,
)
_BREAK_TAG = re.compile(r"<br\s{0,9}/?>", re.IGNORECASE)
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_TOP = re.compile(r"\{\\an?[789][\\}]")
_ANY_TAG = re.compile(r"<[^<>]*>")
_REFERENCE = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# What HTML makes U+FFFD of: numbers above the last character (HTML 13.2.5.80). Python reads no number of 4,301 digits.
_HUGE_REFERENCE = re.compile(r"&#(?:0*[1-9][0-9]{7,}|[xX]0*[1-9a-fA-F][0-9a-fA-F]{6,});?")
_AMPERSAND = re.compile(r"&(?!#)([A-Za-z0-9]{0,32})([;=]?)")


def settings_of_override(payload: list[str]) -> str:
    """`{\\an8}` puts a SubRip cue at the top; the other positions are WebVTT's default or near it."""
    return "line:0" if any(_TOP.search(line) for line in payload) else ""


def vtt_text_of_subrip(payload: list[str]) -> list[str]:
    """SubRip's text as WebVTT's: shared tags kept in lower case, other markup taken out, the rest escaped."""
    lines = []
    for line in payload:
        if not _MARKED.search(line):
            lines.append(line.rstrip())
            continue
        plain = _FOREIGN_TAG.sub("", _OVERRIDE.sub("", _BREAK_TAG.sub("\n", line)))
        position, parts = 0, []
        for tag in _SHARED_TAG.finditer(plain):
            parts += [_escape(plain[position : tag.start()]), tag[0].lower()]
            position = tag.end()
        parts.append(_escape(plain[position:]))
        lines += [part.rstrip() for part in "".join(parts).split("\n") if part.strip()]
    return [_hide_header(line) for line in lines if line]


def clean_vtt_text(line: str) -> str:
    """WebVTT cue text without references that no one meant, and not to be taken for a header.

    The standard's parser takes `&copy=1` of a URL for a copyright sign. HTML knows the case in attributes: there, what
    has no semicolon is no reference where a letter, a digit or `=` follows (HTML 13.2.5.73).
    """
    line = _AMPERSAND.sub(_escape_loose, line) if "&" in line else line
    return _hide_header(line)


def _hide_header(line: str) -> str:
    """Text that would begin another file, with a reference for its first letter."""
    return f"&#{ord(line[0])};{line[1:]}" if line.startswith(webvtt.HEADER_LINES) else line


def _escape_loose(found: re.Match[str]) -> str:
    name, mark = found[1], found[2]
    is_reference = f"{name};" in html5 if mark == ";" else name in html5 and mark != "="
    return found[0] if is_reference else f"&amp;{name}{mark}"


def plain_text(payload: list[str]) -> str:
    """The words of WebVTT cue text, lines kept."""
    text = _ANY_TAG.sub("", "\n".join(payload))
    return html.unescape(_HUGE_REFERENCE.sub("\ufffd", text) if "&#" in text else text)


def _escape(text: str) -> str:
    """Characters that mean something in WebVTT, after references were decoded, each once."""
    return html.escape(_REFERENCE.sub(_decode, text) if "&" in text else text, quote=False)


def _decode(reference: re.Match[str]) -> str:
    """The character of a reference; what is no known one stays as it is. A line end would end the cue: a space."""
    if reference[1].startswith("#"):
        decoded = html.unescape(reference[0])
    else:
        decoded = html5.get(f"{reference[1]};", reference[0])
    return " " if decoded in ("\n", "\r") else decoded
