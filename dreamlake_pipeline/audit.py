"""The audit line: one JSON object on the logger `dreamlake.audit` for every request that asks a service to change
something, also for those that are refused.

    {"at": "2026-11-30T04:21:42.120Z", "service": "BSS", "from": "192.0.2.7", "sub": "robot-7", "token": "6b0c…",
     "method": "POST", "route": "/uploads/finish", "status": 200, "requestId": "5c1f0a9d3b7e-17",
     "what": {"owner": "lab", "files": 40}}

`from` is the client's address as the server sees it: uvicorn takes it from `X-Forwarded-For` when a proxy of
`FORWARDED_ALLOW_IPS` (127.0.0.1 by default; nobody in the embedded stack, unless it is set) sent it, and else from the
connection. `what` has what the route reads and nothing else that came along. `token` is the id by which the token
is revoked. `sub` and `token` are null when nobody was let in. Everything that is not ASCII is escaped, control
characters too: what a caller sends cannot begin a line of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Scope

from . import admission, logs

log = logging.getLogger("dreamlake.audit")

# What a request names, by the keys of bodies, queries and paths that its route reads; of a list of such things, their
# number.
_NAMED = frozenset({
    *("owner", "namespace", "project", "episode", "episodeName", "name", "path", "prefix", "kind", "hash"),
    *("stagingHash", "key", "uploadId", "partition", "runId", "id", "ids", "recordIds", "videoId", "audioId", "force"),
    *("replace", "cursor", "dryRun", "flag", "timeOffsetSec"),
    *("only", "bssId", "bssVideoId", "bssAudioId", "bssLabelId", "bssTextTrackId"),
})  # fmt: skip
_COUNTED = frozenset({"files", "assets", "objects", "results", "chunks", "parts", "deletions"})
_OF_EACH = frozenset({"namespace", "owner"})  # of counted things, every value of these
_MOST = 20
_LONGEST = 256


def tell(service: str, scope: Scope, status: int) -> None:
    """Write the line of an answered request of this service, if it asked for a change."""
    if admission.is_write(scope):
        log.info("%s", _line(service, scope, status))


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
            "from": None if scope.get("client") is None else _shorten(scope["client"][0]),
            "sub": caller.sub if caller else None,
            "token": caller.token_id if caller else None,
            "method": scope["method"],
            "route": getattr(scope.get("route"), "path", None),
            "status": status,
            "requestId": logs.request_id(),
            "what": dict(_named(scope)),
        }
    )


def _named(scope: Scope) -> Iterator[tuple[str, Any]]:
    """What the request names, from its body, its query and its path, as far as the route reads it: a field or parameter
    that it does not know has no effect, and says nothing true of what was done."""
    route = scope.get("route")
    if not isinstance(route, APIRoute):
        return
    body, model = (
        admission.body_of(scope),
        _model_of(route.body_field.field_info.annotation if route.body_field else None),
    )
    if model is not None and isinstance(body, dict):
        yield from _of_body(body, model)
    known = {parameter.alias for parameter in route.dependant.query_params}
    query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    for key, value in (*(pair for pair in query if pair[0] in known), *scope.get("path_params", {}).items()):
        if key in _NAMED:
            yield key, _shorten(value)


def _of_body(body: Mapping[str, Any], model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for key, value in _fields(body, model):
        if key in _COUNTED and isinstance(value, list):
            yield key, len(value)
            item_model = _model_of(model.model_fields[key].annotation)
            items = [dict(_fields(item, item_model)) for item in value if isinstance(item, dict) and item_model]
            for field in sorted(_OF_EACH):
                if found := {str(item[field]) for item in items if field in item}:
                    yield field, _shorten(sorted(found))
        elif key in _NAMED and value is not None:
            yield key, _shorten(value)


def _fields(body: Mapping[str, Any], model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """The model's fields that are in the body, under their names on the wire. Pydantic takes a field under its own name
    too, and prefers the one on the wire (`populate_by_name`)."""
    for name, field in model.model_fields.items():
        alias = field.alias or name
        for key in (alias, name):
            if key in body:
                yield alias, body[key]
                break


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation names, as it is or as the items of a list."""
    for found in (annotation, *get_args(annotation)):
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return None


def _shorten(value: Any) -> Any:
    if isinstance(value, list):
        few = [_shorten(item) for item in value[:_MOST]]
        return few if len(value) <= _MOST else [*few, f"and {len(value) - _MOST} more"]
    return value if isinstance(value, bool | int) else str(value)[:_LONGEST]
