"""Small results of files, and where their streams play: fetched from BSS with the key of the session.

Streams themselves do not pass through here; players ask BSS for them, with a playback token.
"""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic_core import to_json

from ... import layout
from ...admission import new_router
from ...client.cues import cues_of
from ...errors import Code, DreamlakeError
from ...kinds import Kind
from ...longlists import answer_whole
from .. import waveforms
from ..context import Id, Lake, Visitor, private
from ..fetching import blocks, fetch

router = new_router()

_KEPT_SECONDS = 3600
_MOST_BYTES = 8 * 2**20
_SERVED = frozenset(
    {"poster.jpg", "contact-sheet.jpg", "waveform.json", "waveform.png", "plot.png", "fields.json", "track.vtt"}
)

Measured = Literal[Kind.LABEL_TRACK, Kind.TEXT_TRACK]


@router.get("/play/{kind}/{record_id}")
def play(session: Visitor, services: Lake, kind: Kind, record_id: Id) -> Response:
    """`{url, expiresAt}` of the file's playlist."""
    return JSONResponse(services.bss.playback(kind, record_id).wire())


@router.get("/results/{kind}/{record_id}/{filename}")
def result(session: Visitor, services: Lake, kind: Kind, record_id: Id, filename: str) -> Response:
    """A picture, waveform or table of contents of a file. A long waveform has fewer peaks than the file's own."""
    media_type = layout.RESULT_FILES[kind].get(filename) if filename in _SERVED else None
    if media_type is None:
        raise DreamlakeError(Code.NOT_FOUND, f"Files of this kind have no {filename[:80]!r}.")
    url = services.bss.result_url(kind, record_id, filename)
    if filename == "waveform.json":
        content = waveforms.for_page(blocks(url, most=waveforms.MOST_BYTES))
    else:
        content = fetch(url, most=_MOST_BYTES)
    return private(answer_whole(content, media_type), _KEPT_SECONDS)


@router.get("/cues/{record_id}")
def cues(session: Visitor, services: Lake, record_id: Id) -> Response:
    """`{cues: [{start, end, text}]}` of a text track, in seconds of its own clock."""
    url = services.bss.result_url(Kind.TEXT_TRACK, record_id, "track.vtt")
    found = cues_of(fetch(url, most=_MOST_BYTES).decode("utf-8", "replace"))
    told = to_json({"cues": [cue._asdict() for cue in found]})
    return private(answer_whole(told, "application/json"), _KEPT_SECONDS)


@router.get("/series/{record_id}")
@router.get("/series/{kind}/{record_id}")
def series(
    request: Request, session: Visitor, services: Lake, record_id: Id, kind: Measured = Kind.LABEL_TRACK
) -> Response:
    """The values of a label track, or of the telemetry in a text track, for a plot, as BSS answers."""
    return _passed_on(services, kind, record_id, "series", request.url.query)


@router.get("/rows/{record_id}")
@router.get("/rows/{kind}/{record_id}")
def rows(
    request: Request, session: Visitor, services: Lake, record_id: Id, kind: Measured = Kind.LABEL_TRACK
) -> Response:
    """The rows of such a table around a time, as BSS answers."""
    return _passed_on(services, kind, record_id, "rows", request.url.query)


def _passed_on(services: Lake, kind: Kind, record_id: str, what: str, query: str) -> Response:
    text = services.bss.http.text(f"/{kind.spec.route}/{record_id}/{what}" + (f"?{query}" if query else ""))
    return answer_whole(text.encode(), "application/json")
