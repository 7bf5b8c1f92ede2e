"""ASGI middleware that is told of every request once it is answered."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Answered:
    """Calls `tell(scope, status, seconds)` when a request is answered, or has failed."""

    def __init__(self, app: ASGIApp, tell: Callable[[Scope, int, float], None]) -> None:
        self.app = app
        self.tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500  # of a fault that passes through here on its way to the handler of unexpected ones

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            self.tell(scope, status, time.perf_counter() - started)
