"""What is under way: a page, and a stream of events for who looks at it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ...admission import new_router
from ...errors import Code, DreamlakeError
from ..context import Lake, Viewer, Visitor, viewer_of
from ..ingest import view_of_ingest
from ..session import Session
from ..urls import is_data

router = new_router()

_INTERVAL = 2.0  # seconds between two looks
_SILENCE = 15.0  # seconds after which a line is sent that says nothing: proxies end what is silent for longer
_LASTS = 600.0  # seconds; browsers ask anew when a stream ends
_RETRY = 2000  # milliseconds that they wait before


@router.get("/ingest")
@router.get("/ingest.json")
def ingest(request: Request, session: Visitor, services: Lake) -> Response:
    viewer = viewer_of(request)
    view = viewer.progress.latest(session.tenant, lambda: view_of_ingest(services))
    if is_data(request):
        return JSONResponse(view)
    return viewer.pages.render(request, "ingest.html", session=session, view=view)


@router.get("/ingest/events")
async def events(request: Request, session: Visitor) -> Response:
    """Server-sent events (HTML Standard, 9.2): the view model as `message` whenever it has changed, `failed` with an
    error while a service is away, and `end` when the session is over or its key is taken no more."""
    viewer = viewer_of(request)
    return _Events(_told(request, viewer, session), viewer, session)


class _Events(StreamingResponse):
    """A stream that has one of the places for them while it is sent. Raises OVERLOADED when there is none."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str], viewer: Viewer, session: Session) -> None:
        # Proxies of nginx's kind keep nothing back that is so marked, and none compresses it.
        super().__init__(events, headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"})
        self._place = viewer.progress.stream(session.tenant)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


async def _told(request: Request, viewer: Viewer, session: Session) -> AsyncIterator[str]:
    def look() -> dict[str, Any]:
        with viewer.upstream.services(session.key) as services:
            return viewer.progress.latest(session.tenant, lambda: view_of_ingest(services))

    yield f"retry: {_RETRY}\n\n"
    before, said_at, ends_at = "", time.monotonic(), time.monotonic() + _LASTS
    while time.monotonic() < ends_at:
        if viewer.sessions.of(request) is None:
            yield _event("end", {"reason": "The session has ended."})
            return
        try:
            event = _event("message", await run_in_threadpool(look))
        except DreamlakeError as error:
            if error.code is Code.UNAUTHENTICATED:
                yield _event("end", {"reason": error.message})
                return
            event = _event("failed", error.as_dict())
        if event != before:
            yield event
            before, said_at = event, time.monotonic()
        elif time.monotonic() - said_at > _SILENCE:
            yield ":\n\n"
            said_at = time.monotonic()
        await asyncio.sleep(_INTERVAL)


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
