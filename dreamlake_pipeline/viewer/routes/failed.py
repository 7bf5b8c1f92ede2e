"""The list of failed files."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import JSONResponse, Response

from ...admission import new_router
from ...names import SLUG_PATTERN
from ..context import Lake, Visitor, viewer_of
from ..failed import What, view_of_failed
from ..urls import is_data

router = new_router()

Place = Annotated[str | None, Query(pattern=f"^$|{SLUG_PATTERN}")]  # an empty field of a form is none


@router.get("/failed")
@router.get("/failed.json")
def failed(
    request: Request,
    session: Visitor,
    services: Lake,
    what: What = What.FAILED,
    namespace: Place = None,
    project: Place = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """`?what=` failed, partial or warned; of a project, a namespace or everything. With `.json` behind it, the view
    model."""
    viewer = viewer_of(request)
    view = view_of_failed(
        services,
        what,
        namespace=namespace or None,
        project=project or None,
        cursor=cursor or None,
        can_write=session.can_write,
        dagster_url=viewer.dagster_url,
    )
    if is_data(request):
        return JSONResponse(view)
    return viewer.pages.render(request, "failed.html", session=session, view=view, at_cursor=bool(cursor))
