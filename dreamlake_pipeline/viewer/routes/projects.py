"""The list of projects, and the page of each."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from ...admission import new_router
from ..context import Lake, Visitor, check_project, viewer_of
from ..filters import read_filters
from ..projects import view_of_project, view_of_projects
from ..running import view_of_running
from ..urls import is_data

router = new_router()


@router.get("/.json")
async def data_of_first_page() -> Response:
    return RedirectResponse("/projects.json", 307)


@router.get("/")
@router.get("/projects.json")
def projects(request: Request, session: Visitor, services: Lake) -> Response:
    """All projects that the key reaches."""
    view = view_of_projects(services)
    if is_data(request):
        return JSONResponse(view)
    return viewer_of(request).pages.render(request, "projects.html", session=session, view=view)


@router.get("/p/{namespace}/{project}")
def project(request: Request, session: Visitor, services: Lake, namespace: str, project: str) -> Response:
    """The episodes of a project, `?cursor=` for a further page, the fields of `filters.py` for some of them. With
    `.json` behind it, the view model."""
    as_data = is_data(request)
    name = project.removesuffix(".json") if as_data else project
    check_project(namespace, name)
    query = request.query_params
    filters = read_filters(query)
    cursor = query.get("cursor") or None
    view = view_of_project(services, namespace, name, filters, cursor=cursor)
    if as_data:
        return JSONResponse(view)
    return viewer_of(request).pages.render(
        request, "project.html", session=session, view=view, filters=filters, at_cursor=cursor is not None
    )


@router.get("/p/{namespace}/{project}/running.json")
def running(session: Visitor, services: Lake, namespace: str, project: str) -> Response:
    """What is under way in a project."""
    check_project(namespace, project)
    return JSONResponse(view_of_running(services, namespace, project))
