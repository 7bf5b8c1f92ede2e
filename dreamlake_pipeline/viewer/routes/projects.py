"""The list of projects, and the page of each."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from ...admission import new_router
from ..context import Lake, Slug, Visitor, viewer_of
from ..urls import is_data

router = new_router()


@router.get("/.json")
async def data_of_first_page() -> Response:
    return RedirectResponse("/projects.json", 307)


@router.get("/")
@router.get("/projects.json")
def projects(request: Request, session: Visitor, services: Lake) -> Response:
    """All projects that the key reaches."""
    found = [
        {"namespace": namespace.name, "project": project.name, "files": project.assets}
        for namespace in services.index.namespaces()
        for project in services.index.projects(namespace.name)
    ]
    view = {"projects": found}
    if is_data(request):
        return JSONResponse(view)
    return viewer_of(request).pages.render(request, "projects.html", session=session, view=view)


@router.get("/p/{namespace}/{project}")
def project(request: Request, session: Visitor, services: Lake, namespace: Slug, project: str) -> Response:
    """The episodes of a project. With `.json` behind it, the view model."""
    as_data = is_data(request)
    name = project.removesuffix(".json") if as_data else project
    found = [{"name": episode.name, "files": episode.assets} for episode in services.index.episodes(namespace, name)]
    view = {"namespace": namespace, "project": name, "episodes": found}
    if as_data:
        return JSONResponse(view)
    return viewer_of(request).pages.render(request, "project.html", session=session, view=view)
