"""What several routes share: the database, parameters, and the errors that the API documents."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.routing import APIRoute
from sqlalchemy import Engine

from ... import admission, names
from ...api.common import ErrorResponse

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": ErrorResponse, "description": "There is no such thing."}}
NOT_JSON: dict[int | str, dict[str, Any]] = {400: {"model": ErrorResponse, "description": "The body is not JSON."}}
_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorResponse, "description": "No valid token."},
    403: {"model": ErrorResponse, "description": "The token does not reach the namespace, or may only read."},
    413: {"model": ErrorResponse, "description": "The body has more bytes than the route takes."},
    422: {"model": ErrorResponse, "description": "A name, id or field breaks its rules."},
}

DEFAULT_LIMIT = 100

EpisodeOrNone = Annotated[str | None, Query(description="Absent or empty: the files that belong to no episode.")]


def _operation_id(route: APIRoute) -> str:
    return route.name


def new_router(tag: str) -> APIRouter:
    return admission.new_router(tags=[tag], responses=_ERRORS, generate_unique_id_function=_operation_id)


async def _engine(request: Request) -> Engine:
    # A coroutine, since FastAPI has a thread call each dependency that is none.
    engine: Engine = request.app.state.engine
    return engine


Database = Annotated[Engine, Depends(_engine)]


def episode_or_none(episode: str | None) -> str | None:
    """The episode in canonical form, None where the parameter is absent or empty. Raises INVALID_NAME."""
    return names.check_episode(episode) if episode else None
