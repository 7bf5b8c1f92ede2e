"""ASGI middleware that knows each request by an id, and is told of it once it is answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import logs

_ID = "request_id"


def request_id_of(scope: Scope) -> str | None:
    """The id of the request of this ASGI scope, for who answers it when it has passed through here."""
    found: str | None = scope.get("state", {}).get(_ID)
    return found


class Answer(NamedTuple):
    """How a request was answered: HTTP status, seconds to the last byte, bytes of the body."""

    status: int
    seconds: float
    bytes: int


class Answered:
    """Calls `tell(scope, answer)` when a request is answered, or has failed."""

    def __init__(self, app: ASGIApp, tell: Callable[[Scope, Answer], None]) -> None:
        self.app = app
        self.tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status, sent = 500, 0  # of a fault that passes through here on its way to the handler of unexpected ones

        async def watch(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[logs.REQUEST_ID] = called
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        with logs.answering(Headers(scope=scope).get(logs.REQUEST_ID)) as called:
            scope.setdefault("state", {})[_ID] = called
            try:
                await self.app(scope, receive, watch)
            finally:
                self.tell(scope, Answer(status, time.perf_counter() - started, sent))
