"""The guard: the ASGI application before Dagster's, which sees every request first."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...errors import Code, DreamlakeError
from ...origin import is_foreign, is_navigation
from . import pages
from .hosts import host_of
from .session import Sessions

HEALTH = "/healthz"
LOGIN = "/login"
GRAPHQL = "/graphql"

# The largest that the UI sends are run configs and partition sets.
MOST_BYTES = 4 * 2**20

_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Passes to `app` what has a session, comes from no foreign page and was asked for under one of `hosts`.

    What changes something is asked by POST with `application/json`, which no page of another origin can send without
    being allowed to (Fetch, CORS-safelisted request-header); nothing here allows it.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], sessions: Sessions) -> None:
        self._app = app
        self._hosts = hosts
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._converse(scope, receive, send)
        else:
            await self._answer(scope, receive, _with_headers(send))

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket: refused before it is accepted, by an answer of status 403."""
        asked = HTTPConnection(scope)
        host = host_of(asked.headers)
        is_ours = (
            host in self._hosts
            and not is_foreign(asked.headers, host)
            # A browser always says where the page is from; who says nothing is a program, and has the secret itself.
            and ("origin" in asked.headers or self._sessions.has_token(asked))
            and self._sessions.is_open(asked)
        )
        if is_ours:
            await self._app(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = self._own_answer(request)
            if response is None:
                self._check_form(request)
                if request.method == "POST":
                    receive = _replay(await _read(request), receive)
                await self._app(scope, receive, send)
                return
        except _Refused as refused:
            response = refused.response()
        await response(scope, receive, send)

    def _own_answer(self, request: Request) -> Response | None:
        """What the guard answers itself; None when the request has a session. Raises _Refused."""
        host = host_of(request.headers)
        if host not in self._hosts:
            raise _Refused(
                403,
                Code.FORBIDDEN,
                f"This is no address of this webserver: {host or 'none was given'}.",
                hint="DREAMLAKE_DAGSTER_HOSTS lists further ones.",
            )
        path = request.scope["path"]
        if path == HEALTH and request.method in ("GET", "HEAD"):
            return PlainTextResponse("ok")
        if is_foreign(request.headers, host):
            if request.method == "GET" and is_navigation(request.headers):
                return pages.here_anew(_target(request.scope))
            raise _Refused(403, Code.FORBIDDEN, "A page of another origin may not ask this webserver.")
        if path == LOGIN and request.method == "GET":
            return self._log_in(request)
        if not self._sessions.is_open(request):
            if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
                return pages.log_in(401)
            raise _Refused(
                401,
                Code.UNAUTHENTICATED,
                "A session is needed.",
                hint="Open the link that `dreamlake status` prints, or send `Authorization: Bearer "
                "$DREAMLAKE_DAGSTER_SECRET`.",
            )
        return None

    def _log_in(self, request: Request) -> Response:
        if not self._sessions.is_login(request.query_params.get("secret", "")):
            return pages.log_in(403)
        # The address that stays in the browser has no secret in it.
        response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        self._sessions.open(response, secure=request.url.scheme == "https")
        return response

    def _check_form(self, request: Request) -> None:
        """Raises _Refused for a request that changes something in another way than by POST of JSON."""
        if request.method not in ("GET", "HEAD", "POST"):
            raise _Refused(405, Code.INVALID_REQUEST, "Ask by GET or POST.", allow="GET, HEAD, POST")
        if request.method == "POST":
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise _Refused(415, Code.INVALID_REQUEST, "Send application/json.")
        elif request.scope["path"] == GRAPHQL and "text/html" not in request.headers.get("accept", ""):
            # Dagster would execute `?query=`, mutations too. A browser that opens this address gets GraphiQL.
            raise _Refused(405, Code.INVALID_REQUEST, "Send GraphQL by POST.", allow="POST")


class _Refused(DreamlakeError):
    """A request that is not passed on, and the HTTP status that says so."""

    def __init__(self, status: int, code: Code, message: str, *, hint: str | None = None, allow: str = "") -> None:
        super().__init__(code, message, hint=hint)
        self._status = status
        self._allow = allow

    def response(self) -> Response:
        headers = {"Cache-Control": "no-store"}
        if self._status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self._allow:
            headers["Allow"] = self._allow
        return JSONResponse({"error": self.as_dict()}, self._status, headers)


async def _read(request: Request) -> bytes:
    """The body. Raises _Refused when it is larger than MOST_BYTES, before it is read where its length is told."""
    too_large = _Refused(413, Code.INVALID_REQUEST, f"A body has {MOST_BYTES} bytes at the most.")
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length[:20]) > MOST_BYTES:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise too_large
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """`receive` for a request whose body was read."""
    messages: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def _with_headers(send: Send) -> Send:
    """`send` that adds to every answer what no page should be without."""

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            # Beside a policy that is there: both hold (Content Security Policy Level 3, 8.1).
            headers.append("Content-Security-Policy", "frame-ancestors 'none'")
        await send(message)

    return add


def _target(scope: Scope) -> str:
    """The path and query that were asked for, as they came."""
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
