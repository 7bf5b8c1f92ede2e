"""The page of an episode."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from ...admission import new_router
from ..context import Lake, Visitor, check_project, viewer_of
from ..episode import state_of_episode, view_of_episode
from ..urls import is_data

router = new_router()


@router.get("/p/{namespace}/{project}/e/{episode:path}")
def episode(
    request: Request,
    session: Visitor,
    services: Lake,
    namespace: str,
    project: str,
    episode: str,
    only: Literal["state"] | None = None,
) -> Response:
    """An empty name: the files that belong to no episode. With `.json` behind it, the view model, or its `state`
    alone."""
    check_project(namespace, project)
    viewer = viewer_of(request)
    as_data = is_data(request)
    name = episode.removesuffix(".json") if as_data else episode
    if as_data and only is not None:
        return JSONResponse(state_of_episode(services, namespace, project, name or None))
    view = view_of_episode(
        services,
        namespace,
        project,
        name or None,
        can_write=session.can_write,
        dagster_url=viewer.dagster_url,
    )
    if as_data:
        return JSONResponse(view)
    return viewer.pages.render(request, "episode.html", session=session, view=view)
