"""What both services share: bearer auth, errors as `{error: {code, message}}`, `/healthz`, `/metrics`."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from . import __version__
from .auth import Principal, verify_token
from .errors import ERRORS, Code, DreamlakeError

log = logging.getLogger(__name__)

_bearer = HTTPBearer(auto_error=False, description="A token made by `dreamlake token create`.")

_CODE_OF_STATUS = {
    404: Code.NOT_FOUND,
    405: Code.INVALID_REQUEST,
    401: Code.UNAUTHENTICATED,
    403: Code.FORBIDDEN,
}


def create_service(
    *,
    title: str,
    description: str,
    secret: str,
    is_healthy: Callable[[], None],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """A FastAPI application with the manners of this house; the caller adds its routers.

    `is_healthy` raises when the service cannot do its work (its database does not answer).
    """

    @asynccontextmanager
    async def started(service: FastAPI) -> AsyncIterator[None]:
        async with lifespan(service) if lifespan else nullcontext():
            _spare_the_collector()
            yield

    # The documentation pages bring their scripts along: FastAPI's own load them from a CDN.
    service = FastAPIOffline(
        redoc_url=None, title=title, description=description, version=__version__, lifespan=started
    )
    service.state.secret = secret
    registry = CollectorRegistry()
    service.state.metrics = registry
    requests = Counter(
        "dreamlake_http_requests_total",
        "Requests answered.",
        ["method", "route", "status"],
        registry=registry,
    )
    seconds = Histogram("dreamlake_http_request_seconds", "Time to answer.", ["method", "route"], registry=registry)

    @service.middleware("http")
    async def measure(request: Request, call_next: Callable) -> Response:
        started = time.perf_counter()
        status = 500  # of a fault that passes through here on its way to the handler of unexpected ones
        try:
            response: Response = await call_next(request)
            status = response.status_code
            return response
        finally:
            route = getattr(request.scope.get("route"), "path", "unknown")
            requests.labels(request.method, route, status).inc()
            seconds.labels(request.method, route).observe(time.perf_counter() - started)

    @service.get("/healthz", tags=["operations"], summary="Whether the service can do its work")
    def healthz() -> dict[str, str]:
        try:
            is_healthy()
        except Exception as fault:
            log.warning("health check failed: %s", fault)
            raise DreamlakeError(Code.UNREACHABLE, "The service cannot reach what it depends on.") from None
        return {"status": "ok", "version": __version__}

    @service.get("/metrics", tags=["operations"], summary="Prometheus metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    _add_error_handlers(service)
    return service


def _spare_the_collector() -> None:
    """Have the collector of cycles look at what requests make, not at what the service consists of.

    A call of 1,000 files makes some thousand objects, which are enough for it to look through everything.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def authenticate(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """The caller, from the Authorization header."""
    if credentials is None:
        raise DreamlakeError(
            Code.UNAUTHENTICATED, "A bearer token is needed.", hint="Send `Authorization: Bearer <token>`."
        )
    return verify_token(request.app.state.secret, credentials.credentials)


Caller = Annotated[Principal, Depends(authenticate)]


def _error_response(error: DreamlakeError) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if error.spec.status == 401 else None
    return JSONResponse({"error": error.as_dict()}, status_code=error.spec.status, headers=headers)


def _add_error_handlers(service: FastAPI) -> None:
    @service.exception_handler(DreamlakeError)
    async def ours(_: Request, error: DreamlakeError) -> Response:
        return _error_response(error)

    @service.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        problems = [
            {"field": ".".join(map(str, problem["loc"])), "problem": problem["msg"].removeprefix("Value error, ")}
            for problem in error.errors()
        ]
        first = problems[0]
        return _error_response(
            DreamlakeError(Code.INVALID_REQUEST, f"{first['field']}: {first['problem']}", problems=problems[:20])
        )

    @service.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = _CODE_OF_STATUS.get(error.status_code, Code.INVALID_REQUEST)
        message = (
            f"There is no route {request.method} {request.url.path}." if error.status_code == 404 else str(error.detail)
        )
        response = _error_response(DreamlakeError(code, message))
        response.status_code = error.status_code
        response.headers.update(error.headers or {})
        return response

    @service.exception_handler(OperationalError)
    async def database(request: Request, error: OperationalError) -> Response:
        log.warning("%s %s: %s", request.method, request.url.path, error.orig)
        # With an SQLSTATE it answers, but had to give up (a lock, a timeout); without one there is no connection.
        if getattr(error.orig, "sqlstate", None):
            return _error_response(DreamlakeError(Code.OVERLOADED, "The database is too busy; try again later."))
        return _error_response(DreamlakeError(Code.UNREACHABLE, "The service cannot reach its database."))

    @service.exception_handler(PoolTimeoutError)
    async def busy(request: Request, _: PoolTimeoutError) -> Response:
        log.warning("%s %s: no database connection became free", request.method, request.url.path)
        return _error_response(DreamlakeError(Code.OVERLOADED, "Too many requests are under way; try again later."))

    @service.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _error_response(DreamlakeError(Code.INTERNAL, ERRORS[Code.INTERNAL].meaning))
