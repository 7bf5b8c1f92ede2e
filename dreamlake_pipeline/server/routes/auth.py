"""Who is calling."""

from __future__ import annotations

from ...admission import Reader
from ...api.server import Me
from .parameters import new_router

router = new_router("auth")


@router.get("/auth/me", summary="Who the token speaks for")
def me(caller: Reader) -> Me:
    """The token's subject, the namespaces that it reaches (`*` is all of them), its scope, and when it expires."""
    return Me(sub=caller.sub, namespaces=list(caller.namespaces), scope=caller.scope, expires_at=caller.expires_at)
