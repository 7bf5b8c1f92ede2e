"""Addresses at which there is no page; this router comes last."""

from __future__ import annotations

from fastapi import Request

from ...admission import new_router
from ...errors import Code, DreamlakeError
from ...visible import visible

router = new_router()


@router.get("/{path:path}")
async def nowhere(request: Request, path: str) -> None:
    raise DreamlakeError(Code.NOT_FOUND, f"There is no page {visible(request.url.path[:200])}.")
