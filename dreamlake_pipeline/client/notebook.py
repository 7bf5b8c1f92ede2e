"""How files are shown in a notebook: HTML with their pictures inside, and nothing that runs.

A repr must not fail: what cannot be fetched is said in the place of the picture.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from html import escape, unescape
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..layout import RESULT_FILES

if TYPE_CHECKING:
    from .file import File
    from .files import Files

_PICTURES = {
    Kind.VIDEO: ("poster.jpg", "waveform.png"),  # of sound alone there is no poster
    Kind.AUDIO: ("waveform.png",),
    Kind.TEXT_TRACK: (),
    Kind.LABEL_TRACK: ("plot.png",),
}
_MOST_BYTES = 2 * 2**20  # of a picture in a notebook, which keeps it
_MOST_CUES = 10
_MOST_FILES = 50
_MOST_CHARACTERS = 300
_CELL = "text-align: left; vertical-align: top; padding: 2px 8px"


def show_file(file: File) -> str:
    """What is known of a file in a few rows, and its poster, waveform or plot, or its first cues."""
    rows = "".join(
        f'<tr><th style="{_CELL}">{escape(name)}</th><td style="{_CELL}">{_text(value)}</td></tr>'
        for name, value in _facts(file)
    )
    return f"<div><table>{rows}</table>{_preview(file)}</div>"


def show_files(files: Files) -> str:
    """A row a file; of many, the first."""
    try:
        shown = list(islice(files, _MOST_FILES + 1))
    except DreamlakeError as error:
        return f"<p>{escape(str(error))}</p>"
    columns = ("episode", "name", "kind", "status", "duration", "size", "why")
    head = "".join(f'<th style="{_CELL}">{column}</th>' for column in columns)
    rows = "".join(f"<tr>{_cells(_row(file))}</tr>" for file in shown[:_MOST_FILES])
    more = (
        f"<p>The first {_MOST_FILES}; <code>for file in files</code> has all.</p>" if len(shown) > _MOST_FILES else ""
    )
    return f"<div><table><tr>{head}</tr>{rows}</table>{more}</div>" if shown else "<p>no files</p>"


def _row(file: File) -> Iterator[str]:
    yield from (file.episode or "", file.name, str(file.kind), str(file.status))
    yield _seconds(file)
    yield "" if file.size is None else f"{file.size:,} B"
    yield file.error.message if file.error else ""


def _cells(values: Iterable[str]) -> str:
    return "".join(f'<td style="{_CELL}">{_text(value)}</td>' for value in values)


def _facts(file: File) -> Iterator[tuple[str, str]]:
    yield "file", file.place
    yield "kind", str(file.kind)
    yield "status", str(file.status)
    if file.error:
        yield "error", f"{file.error.message} ({file.error.code})"
    for warning in file.warnings[:3]:
        yield "warning", warning
    if seconds := _seconds(file):
        yield "duration", seconds
    known = file.metadata
    if "width" in known:
        yield "pictures", f"{known['width']}x{known['height']}, {known['length']:,} at {known['fps']:g} a second"
    if "sampleRate" in known:
        yield "sound", f"{known['sampleRate']:,} Hz, {known['channels']} channels"
    for field in ("cues", "entries"):
        if field in known:
            yield field, f"{known[field]:,}"
    if file.size is not None:
        yield "size", f"{file.size:,} bytes"


def _seconds(file: File) -> str:
    seconds = file.metadata.get("durationSec")
    return "" if seconds is None else f"{seconds:g} s"


def _preview(file: File) -> str:
    if not file.record.is_playable:
        return ""
    try:
        if file.kind is Kind.TEXT_TRACK:
            cues = "".join(
                f"<tr>{_cells((f'{cue.start:g} s', unescape(cue.text)))}</tr>" for cue in file.cues()[:_MOST_CUES]
            )
            return f"<table>{cues}</table>"
        return _picture(file)
    except DreamlakeError as error:
        return f"<p>No picture: {escape(str(error))}</p>"


def _picture(file: File) -> str:
    """The first of its kind's pictures that it has, within the page. Raises DreamlakeError."""
    for filename in _PICTURES[file.kind]:
        try:
            content = file.result(filename)
        except DreamlakeError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            continue
        if len(content) <= _MOST_BYTES:
            kind = RESULT_FILES[file.kind][filename]
            return f'<img alt="{escape(filename)}" src="data:{kind};base64,{b64encode(content).decode()}">'
    return ""


def _text(value: str) -> str:
    shown = value if len(value) <= _MOST_CHARACTERS else f"{value[:_MOST_CHARACTERS]}…"
    return escape(shown).replace("\n", "<br>")
