"""The audit line: one JSON object on the logger `dreamlake.audit` for every request that asks a service to change
something, also for those that are refused.

    {"at": "2026-11-30T04:21:42.120Z", "service": "BSS", "from": "192.0.2.7", "sub": "robot-7", "token": "6b0c…",
     "method": "POST", "route": "/uploads/finish", "status": 200, "what": {"owner": "lab", "files": 40}}

`from` is the client's address as the server sees it: uvicorn takes it from `X-Forwarded-For` when a proxy of
`FORWARDED_ALLOW_IPS` (127.0.0.1 by default) sent it, and else from the connection. `token` is the id by which the token
is revoked. `sub` and `token` are null when nobody was let in. Everything that is not ASCII is escaped, control
characters too: what a caller sends cannot begin a line of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import admission

log = logging.getLogger("dreamlake.audit")

# What a request names, by the keys of bodies, queries and paths; of a list of such things, how many there are.
_NAMED = frozenset({
    *("owner", "namespace", "project", "episode", "episodeName", "name", "path", "prefix", "kind", "hash"),
    *("stagingHash", "key", "uploadId", "partition", "runId", "id", "ids", "recordIds", "videoId", "audioId", "force"),
    *("only", "bssId", "bssVideoId", "bssAudioId", "bssLabelId", "bssTextTrackId"),
})  # fmt: skip
_COUNTED = frozenset({"files", "assets", "objects", "results", "chunks", "parts"})
_OF_EACH = frozenset({"namespace", "owner"})  # of counted things, every value of these
_MOST = 20
_LONGEST = 256


class AuditTrail:
    """ASGI middleware that writes the audit lines of a service."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500  # of a fault that passes through here on its way to the handler of unexpected ones

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            if admission.is_write(scope):
                log.info("%s", _line(self.service, scope, status))


def configure() -> None:
    """Have the lines written to standard error, bare, unless somebody configured their logger."""
    log.setLevel(logging.INFO)
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)


def _line(service: str, scope: Scope, status: int) -> str:
    caller = admission.caller_of(scope)
    return json.dumps(
        {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "service": service,
            "from": (scope.get("client") or [None])[0],
            "sub": caller.sub if caller else None,
            "token": caller.token_id if caller else None,
            "method": scope["method"],
            "route": getattr(scope.get("route"), "path", None),
            "status": status,
            "what": dict(_named(scope)),
        }
    )


def _named(scope: Scope) -> Iterator[tuple[str, Any]]:
    """What the request names: from its body, its query and its path."""
    body = admission.body_of(scope)
    query = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    for key, value in (
        *(body.items() if isinstance(body, dict) else ()),
        *query,
        *scope.get("path_params", {}).items(),
    ):
        if key in _COUNTED and isinstance(value, list):
            yield key, len(value)
            for field in _OF_EACH:
                found = {str(item[field]) for item in value if isinstance(item, dict) and field in item}
                if found:
                    yield field, _shorten(sorted(found))
        elif key in _NAMED and value is not None:
            yield key, _shorten(value)


def _shorten(value: Any) -> Any:
    if isinstance(value, list):
        few = [_shorten(item) for item in value[:_MOST]]
        return few if len(value) <= _MOST else [*few, f"and {len(value) - _MOST} more"]
    return value if isinstance(value, bool | int) else str(value)[:_LONGEST]
