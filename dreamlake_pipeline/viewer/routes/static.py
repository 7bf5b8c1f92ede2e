"""Scripts, styles and pictures of the viewer itself; no login is needed for them."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from ...admission import new_router
from ..context import viewer_of

router = new_router()


@router.get("/static/{name:path}")
async def static(request: Request, name: str) -> Response:
    return viewer_of(request).statics.answer(request, name)


@router.get("/favicon.ico")
async def icon(request: Request) -> Response:
    return viewer_of(request).statics.answer(request, "icon.svg")
