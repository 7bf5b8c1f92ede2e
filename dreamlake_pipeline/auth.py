"""Bearer tokens: JWT, HS256 (RFC 7519). Claims: sub, namespaces, scope, exp.

A token reaches the namespaces it names (`*` is all of them) with scope `read` or `write`. A playback
token (scope `play`) reaches one asset and nothing else: it travels in URLs that a browser opens.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import jwt

from .errors import Code, DreamlakeError

_ALGORITHM = "HS256"
EVERY_NAMESPACE = "*"

# Seconds by which the clock of the machine that made a token may differ from the clock of the one that checks it
# (RFC 7519, 4.1.4 to 4.1.6: "a small leeway").
CLOCK_SKEW = 60


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"
    PLAY = "play"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, and what they reach."""

    sub: str
    namespaces: tuple[str, ...]
    scope: Scope
    expires_at: datetime | None = None
    asset: str | None = None  # playback tokens only

    def reaches(self, namespace: str) -> bool:
        return EVERY_NAMESPACE in self.namespaces or namespace in self.namespaces

    def require(self, namespace: str, scope: Scope) -> None:
        """Raise FORBIDDEN unless this principal may do `scope` in `namespace`."""
        if self.scope is Scope.PLAY or not self.reaches(namespace):
            raise DreamlakeError(Code.FORBIDDEN, f"This token does not reach namespace {namespace!r}.")
        self._require_scope(scope)

    def require_any(self, scope: Scope) -> None:
        """Raise FORBIDDEN unless this principal may do `scope` somewhere; what it reaches is then filtered."""
        if self.scope is Scope.PLAY:
            raise DreamlakeError(Code.FORBIDDEN, "A playback token only plays.")
        self._require_scope(scope)

    def require_service(self) -> None:
        """Raise FORBIDDEN unless this principal writes everywhere, as the pipeline does."""
        if EVERY_NAMESPACE not in self.namespaces:
            raise DreamlakeError(Code.FORBIDDEN, "Only a token for every namespace may use pipeline routes.")
        self._require_scope(Scope.WRITE)

    def require_play(self, namespace: str, asset: str) -> None:
        """Raise FORBIDDEN unless this principal may read `asset`, by a playback token for it or as a reader."""
        if self.scope is Scope.PLAY:
            if self.asset != asset:
                raise DreamlakeError(Code.FORBIDDEN, "This playback URL is for another file.")
            return
        self.require(namespace, Scope.READ)

    def _require_scope(self, scope: Scope) -> None:
        if scope is Scope.WRITE and self.scope is not Scope.WRITE:
            raise DreamlakeError(Code.FORBIDDEN, "This token may only read.")


def issue_token(
    secret: str, *, sub: str, namespaces: list[str], scope: Scope, ttl: float | None, asset: str | None = None
) -> str:
    """A signed token, valid for `ttl` seconds from now (None: for ever)."""
    now = int(time.time())
    claims: dict[str, object] = {"sub": sub, "namespaces": namespaces, "scope": str(scope), "iat": now}
    if ttl is not None:
        claims["exp"] = now + int(ttl)
    if asset is not None:
        claims["asset"] = asset
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def verify_token(secret: str, token: str) -> Principal:
    """Who the token speaks for. Raises DreamlakeError(UNAUTHENTICATED) when it is expired, forged or malformed.

    `exp`, `nbf` and `iat` hold to within `CLOCK_SKEW`.
    """
    try:
        claims = jwt.decode(
            token, secret, algorithms=[_ALGORITHM], leeway=CLOCK_SKEW, options={"require": ["sub", "scope"]}
        )
        expires = claims.get("exp")
        namespaces = claims.get("namespaces", [])
        if not isinstance(namespaces, list):
            raise TypeError("namespaces is not a list")
        return Principal(
            sub=str(claims["sub"]),
            namespaces=tuple(map(str, namespaces)),
            scope=Scope(claims["scope"]),
            expires_at=datetime.fromtimestamp(expires, UTC) if expires else None,
            asset=claims.get("asset"),
        )
    except jwt.ExpiredSignatureError:
        raise DreamlakeError(
            Code.UNAUTHENTICATED, "The token has expired.", hint="Make a new one: `dreamlake token create`."
        ) from None
    except (jwt.InvalidTokenError, ValueError, TypeError):
        raise DreamlakeError(
            Code.UNAUTHENTICATED, "The token is not valid here.", hint="Check DREAMLAKE_API_KEY."
        ) from None
