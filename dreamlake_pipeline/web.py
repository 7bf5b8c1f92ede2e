"""What both services share: routes that admit their callers, errors as `{error: {code, message}}`, the audit trail,
`/healthz`, `/metrics`."""

from __future__ import annotations

import gc
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import __version__, access, audit, database_faults, logs, revocation
from .admission import Room, Route
from .answered import Answer, Answered, request_id_of
from .api.common import ErrorResponse
from .errors import ERRORS, Code, DreamlakeError
from .health import Health
from .problems import problem_of
from .visible import visible

log = logging.getLogger(__name__)

# Bytes of the path, the query and all headers of a request. Common servers and proxies take 8 to 64 KiB.
_MOST_HEAD_BYTES = 48 * 1024

# Seconds (RFC 9110, 10.2.3). A client of ours waits longer each time; others should not wait less.
_RETRY_AFTER = "1"

# What every route that asks for a token may answer, for the OpenAPI document.
_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorResponse} for status in (401, 403, 413, 422)}

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

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
    keys: Sequence[str],
    is_healthy: Callable[[], None],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
    revocations: revocation.Revocations | None = None,
    metrics_token: str | None = None,
    documented: bool = True,
    show_error: Callable[[Request, DreamlakeError], Response | None] | None = None,
    worded: Callable[[DreamlakeError], DreamlakeError] = lambda error: error,
) -> FastAPI:
    """A FastAPI application with the manners of this house; the caller adds its routers (`admission.new_router`).

    `keys` verify tokens, and the first signs them. `is_healthy` raises when the service cannot do its work (its
    database does not answer); it is called by a thread of its own, and shares no connection with requests.
    `metrics_token` is what `/metrics` asks for, if it is set. `documented`: it has pages about its routes. `show_error`
    answers an error in a form of the service's own; where it gives None, the error is answered as JSON. `worded` gives
    each error in the words in which it is answered.
    """
    health = Health(is_healthy)

    @asynccontextmanager
    async def started(service: FastAPI) -> AsyncIterator[None]:
        logs.configure(title)
        audit.configure()
        async with lifespan(service) if lifespan else nullcontext():
            _spare_the_collector()
            health.begin()  # the first one takes longest
            yield

    # The documentation pages bring their scripts along: FastAPI's own load them from a CDN.
    about: dict[str, Any] = {"title": title, "description": description, "version": __version__, "lifespan": started}
    service = FastAPIOffline(redoc_url=None, **about) if documented else FastAPI(openapi_url=None, **about)
    service.router.route_class = Route
    service.state.keys = tuple(keys)
    service.state.revocations = revocations
    service.state.room = Room()
    registry = CollectorRegistry()
    service.state.metrics = registry
    service.state.show_error = show_error
    service.state.worded = worded
    requests = Counter(
        "dreamlake_http_requests_total",
        "Requests answered.",
        ["method", "route", "status"],
        registry=registry,
    )
    seconds = Histogram("dreamlake_http_request_seconds", "Time to answer.", ["method", "route"], registry=registry)

    service.state.errors = Counter("dreamlake_errors", "Errors answered, by their code.", ["code"], registry=registry)

    def answered(scope: Scope, answer: Answer) -> None:
        audit.tell(title, scope, answer.status)
        access.tell(scope, answer)
        route = getattr(scope.get("route"), "path", "unknown")
        method = scope["method"] if scope["method"] in _METHODS else "other"  # anybody may make one up
        requests.labels(method, route, answer.status).inc()
        seconds.labels(method, route).observe(answer.seconds)

    service.add_middleware(_Start)
    service.add_middleware(_Head)
    service.add_middleware(Answered, tell=answered)

    @service.get("/healthz", tags=["operations"], summary="Whether the service can do its work")
    async def healthz() -> dict[str, str]:
        try:
            await health.ask()
        except Exception as fault:
            log.warning("health check failed: %s", fault)
            raise DreamlakeError(Code.UNREACHABLE, "The service cannot reach what it depends on.") from None
        return {"status": "ok", "version": __version__}

    @service.get("/metrics", tags=["operations"], summary="Prometheus metrics", response_class=PlainTextResponse)
    def metrics(request: Request) -> Response:
        """For who reaches the service's own port; through a proxy, with `DREAMLAKE_METRICS_TOKEN` alone."""
        _check_scraper(request, metrics_token)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    if revocations is not None:
        service.include_router(revocation.router(revocations), responses=_ERRORS)
    _add_error_handlers(service)
    return service


class _Head:
    """ASGI middleware: the head of a request is bounded, and no browser guesses what an answer is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-content-type-options", b"nosniff")]
            await send(message)

        size = len(scope["path"]) + len(scope["query_string"]) + sum(len(n) + len(v) for n, v in scope["headers"])
        if size > _MOST_HEAD_BYTES:
            error = DreamlakeError(
                Code.REQUEST_TOO_LARGE, f"The request's URL and headers have more than {_MOST_HEAD_BYTES} bytes."
            )
            response = _error_response(Request(scope), error)
            response.status_code = 431  # RFC 6585, 5
            await response(scope, receive, mark)
            return
        await self.app(scope, receive, mark)


class _Start:
    """ASGI middleware: a service that can't start says why in a sentence, and not where in its code."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        failed: list[Message] = []

        async def hold_back(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failed.append(message)
            else:
                await send(message)

        try:
            await self.app(scope, receive, hold_back)
        except DreamlakeError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        except BaseException:
            for message in failed:
                await send(message)
            raise


# What proxies say of the requests that they pass on (RFC 7239; RFC 9110, 7.6.3).
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Via")


def _check_scraper(request: Request, token: str | None) -> None:
    """Raises UNAUTHENTICATED without the token, where there is one, and NOT_FOUND for the public name, where there is
    none."""
    if token is not None:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise DreamlakeError(Code.UNAUTHENTICATED, "The token of DREAMLAKE_METRICS_TOKEN is needed.")
    elif any(header in request.headers for header in _FORWARDED):
        raise DreamlakeError(
            Code.NOT_FOUND,
            "Metrics are not told through a proxy.",
            hint="Ask the service's own port, or set DREAMLAKE_METRICS_TOKEN and send that.",
        )


def _spare_the_collector() -> None:
    """Have the collector of cycles look at what requests make, not at what the service consists of.

    A call of 1,000 files makes some thousand objects, which are enough for it to look through everything.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _error_response(request: Request, error: DreamlakeError) -> Response:
    request.app.state.errors.labels(error.code).inc()
    error = request.app.state.worded(error)
    show = request.app.state.show_error
    if show is not None and (shown := show(request, error)) is not None:
        return cast(Response, shown)
    headers = {"WWW-Authenticate": "Bearer"} if error.spec.status == 401 else {}
    if error.is_passing:
        headers["Retry-After"] = _RETRY_AFTER
    return JSONResponse({"error": error.as_dict()}, status_code=error.spec.status, headers=headers)


def _add_error_handlers(service: FastAPI) -> None:
    @service.exception_handler(DreamlakeError)
    async def ours(request: Request, error: DreamlakeError) -> Response:
        return _error_response(request, error)

    @service.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        problems = [
            {"field": ".".join(map(str, problem["loc"])), "problem": problem_of(problem)} for problem in error.errors()
        ]
        first = problems[0]
        message = f"{first['field']}: {first['problem']}"
        return _error_response(request, DreamlakeError(Code.INVALID_REQUEST, message, problems=problems[:20]))

    @service.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = _CODE_OF_STATUS.get(error.status_code, Code.INVALID_REQUEST)
        message = (
            f"There is no route {request.method} {visible(request.url.path)}."
            if error.status_code == 404
            else str(error.detail)
        )
        response = _error_response(request, DreamlakeError(code, message))
        response.status_code = error.status_code
        response.headers.update(error.headers or {})
        return response

    @service.exception_handler(DBAPIError)
    async def database(request: Request, error: DBAPIError) -> Response:
        if (passing := database_faults.passing(error)) is None:
            raise error
        log.warning("%s %s: %s", request.method, visible(request.url.path), error.orig)
        return _error_response(request, passing)

    @service.exception_handler(PoolTimeoutError)
    async def busy(request: Request, _: PoolTimeoutError) -> Response:
        log.warning("%s %s: no database connection became free", request.method, visible(request.url.path))
        error = DreamlakeError(Code.OVERLOADED, "Too many requests are under way; try again later.")
        return _error_response(request, error)

    @service.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        # This one runs behind all middleware: what the others have from it is put in here.
        id = request_id_of(request.scope) or ""
        path = visible(request.url.path)
        log.error("%s %s failed", request.method, path, exc_info=error, extra={"fields": {"requestId": id}})
        response = _error_response(request, DreamlakeError(Code.INTERNAL, ERRORS[Code.INTERNAL].meaning))
        response.headers[logs.REQUEST_ID] = id
        return response
