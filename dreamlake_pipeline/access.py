"""The access log: a line on the logger `dreamlake.access` for every answered request.

It names the route by its template and never a path, a query or a header: those have tokens and names in them. Requests
that only look after the service (`/healthz`, `/metrics`) have a line when they are refused.
"""

from __future__ import annotations

import logging

from starlette.types import Scope

from . import admission
from .answered import Answer

log = logging.getLogger("dreamlake.access")

_QUIET = frozenset({"/healthz", "/metrics"})


def tell(scope: Scope, answer: Answer) -> None:
    """Write the line of an answered request."""
    route = getattr(scope.get("route"), "path", None)
    if route in _QUIET and answer.status < 400:
        return
    caller = admission.caller_of(scope)
    fields = {
        "method": scope["method"],
        "route": route,
        "status": answer.status,
        "ms": round(1000 * answer.seconds, 1),
        "bytes": answer.bytes,
        "sub": caller.sub if caller else None,
    }
    log.info("answered", extra={"fields": fields})
